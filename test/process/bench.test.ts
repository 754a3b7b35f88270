/** `longline bench` as people run it, on sockets, against a gateway in a process of its own. Asserts no time. */
import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { onTestFinished } from "vitest"
import { makeCertificates } from "../support/certificates.ts"
import * as Gateway from "../support/gateway.ts"
import * as Spawned from "../support/spawned.ts"

/** What must hold of a gateway that is well. */
const flawless = "lost=0,duplicated=0,out-of-order=0,errors=0,closed=0,retries=0"

const start = async (...args: ReadonlyArray<string>) => {
  const gateway = await Gateway.start(args)
  onTestFinished(async () => void (await gateway.stop("SIGKILL")))
  return gateway
}

const bench = async (address: string, ...args: ReadonlyArray<string>) => {
  const run = Spawned.start(process.execPath, [Gateway.program, "bench", ...args, "--url", address])
  const { code } = await run.exited
  return { code, stdout: run.lines.join("\n"), stderr: run.errorLines.join("\n") }
}

/** Writes files that are gone after the test, and says where. */
const files = () => {
  const folder = mkdtempSync(join(tmpdir(), "longline-bench-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
}

const short = ["--duration", "200ms", "--warm-up", "100ms", "--seed", "1"]

type Counts = Readonly<Record<string, number>>

/** The counts of a run in which nothing may go wrong. */
const counts = async (address: string, ...args: ReadonlyArray<string>) => {
  const { code, stderr, stdout } = await bench(address, ...args, "--json", "--assert", flawless)
  assert.deepStrictEqual([stderr, code], ["", 0])
  const { counts } = JSON.parse(stdout) as { readonly counts: Counts }
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
}

describe("longline bench", () => {
  it("shares a load between threads, which meet", async () => {
    const { address } = await start()
    const args = ["fan-out", "--connections", "31", "--rate", "100", "--workers", "2", "--publishers", "3"]
    const expected = { connections: 34, sent: 30, expected: 930, received: 930 }
    assert.deepStrictEqual(await counts(address, ...args, ...short), expected)
  })

  it("comes encrypted, and trusts whom it is told to, on every thread", async () => {
    const { ca, server } = makeCertificates()
    const file = files()
    const [cert, key] = [file("cert.pem", server.cert), file("key.pem", server.key)]
    const { address } = await start("--tls-cert", cert, "--tls-key", key)
    const args = ["publish", "--connections", "4", "--rate", "100", "--workers", "2", "--ca", file("ca.pem", ca)]
    const expected = { connections: 4, sent: 30, expected: 30, received: 30 }
    assert.deepStrictEqual(await counts(`tls://${address}`, ...args, ...short), expected)
  })

  it("a drain of a process that is not there fails in one line, on any number of threads", async () => {
    const { address } = await start()
    const args = ["drain", "--connections", "2", "--warm-up", "0ms", "--pid", "2147483646"]
    for (const workers of ["1", "2"]) {
      assert.deepStrictEqual(await bench(address, ...args, "--workers", workers), {
        code: 1,
        stdout: "",
        stderr: "longline: SIGTERM cannot be sent to process 2147483646: kill ESRCH",
      })
    }
  })

  it("a drain says goodbye to everybody, and the gateway ends well", async () => {
    const gateway = await start("--drain-grace", "100ms", "--drain-timeout", "1s")
    const drained = await counts(gateway.address, "drain", "--connections", "20", "--pid", `${gateway.pid}`)
    assert.deepStrictEqual(drained, { connections: 20, expected: 20, received: 20 })
    assert.deepStrictEqual(await gateway.exited, { code: 0, signal: null })
  })

  it("exits with 1 and says what does not hold, behind the table", async () => {
    const { address } = await start()
    const { code, stderr, stdout } = await bench(address, "publish", ...short, "--assert", "p99<1us,lost=0")
    assert.strictEqual(code, 1)
    assert.match(stderr, /^longline: p99<1us does not hold: p99 is [\d.]+ms$/)
    assert.match(stdout, /^publish: 50 connections, 2000 a second, 128 bytes, 0\.2 s after 0\.1 s, 1 worker, seed 1\n/)
  })

  it("draws a bar on a terminal, and takes it away before the table", async () => {
    const { address } = await start()
    const args = [Gateway.program, "bench", "publish", "--rate", "100", ...short, "--url", address]
    const spawn = `import pty, sys; sys.exit(pty.spawn(sys.argv[1:]))`
    const run = Spawned.start("python3", ["-c", spawn, process.execPath, ...args])
    assert.deepStrictEqual(await run.exited, { code: 0, signal: null })
    const shown = run.lines[0]!.split("\r\u001b[2K")
    assert.match(shown.at(-1)!, /^publish: 50 connections, 100 a second/)
    assert.match(shown.at(-2)!, /^publish █{24} 50 connected · 30 sent · 30 received · \d+ a second$/)
  })

  it("exits with 4 where the token is no good, as every command does", async () => {
    const file = files()
    const { address } = await start("--auth-secret-file", file("secret", "s".repeat(32)))
    const args = ["publish", "--connections", "1", "--settle", "100ms", "--token-file", file("token", "no token")]
    const { code, stderr } = await bench(address, ...args)
    assert.deepStrictEqual(
      [code, stderr.split(": ").slice(0, 3)],
      [4, ["longline", "1 of 1 could not connect", "bye 4500"]],
    )
  })

  it("exits with 3 where nobody listens, as every command does", async () => {
    const { code, stderr } = await bench("127.0.0.1:1", "publish", "--connections", "2", "--settle", "100ms")
    assert.deepStrictEqual(
      [code, stderr],
      [3, "longline: 2 of 2 could not connect: cannot connect to 127.0.0.1:1: ECONNREFUSED"],
    )
  })
})
