/** What becomes of a command when its gateway is away, refuses, or goes and comes back: exit codes. Needs a build. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { makeCertificates } from "../support/certificates.ts"
import { failed, objects, printed, run, start as startCommand } from "../support/commands.ts"
import { frame } from "../support/frames.ts"
import * as Gateway from "../support/gateway.ts"

const stops: Array<() => unknown> = []
const start = async (...args: ReadonlyArray<string>) => {
  const gateway = await Gateway.start(args)
  stops.push(() => gateway.stop("SIGKILL"))
  return gateway
}
const folder = () => {
  const path = mkdtempSync(join(tmpdir(), "longline-"))
  stops.push(() => rmSync(path, { recursive: true }))
  return path
}
const write = (path: string, text: string) => {
  writeFileSync(path, text)
  return path
}
/** A server that answers the first message with this, if it answers at all. */
const pretender = async (answer: string | undefined) => {
  const server = Net.createServer((socket) => {
    socket.on("error", () => {})
    if (answer !== undefined) socket.once("data", () => socket.write(frame(answer)))
  })
  stops.push(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return `127.0.0.1:${(server.address() as Net.AddressInfo).port}`
}
const secret = "0123456789abcdef0123456789abcdef"

afterEach(() => Promise.all(stops.splice(0).map((stop) => stop())))

describe("exit code 3", () => {
  it("is for a gateway that is not there", async () => {
    const address = await pretender(undefined)
    await Promise.all(stops.splice(0).map((stop) => stop()))
    assert.deepStrictEqual(
      await run(["pub", "a", "1", "--url", address]),
      failed(3, `no connection to tcp://${address}: cannot connect to ${address}: ECONNREFUSED`),
    )
    assert.deepStrictEqual(
      await run(["sub", "a", "--url", "unix:/nonexistent"]),
      failed(3, "no connection to unix:/nonexistent: cannot connect to unix:/nonexistent: ENOENT"),
    )
  })

  it("is for one that does not answer in time", async () => {
    const address = await pretender(undefined)
    assert.deepStrictEqual(
      await run(["rtt", "--url", address, "--connect-timeout", "100ms"]),
      failed(3, `no connection to tcp://${address}: connect was not answered in time`),
    )
  })

  it("is for one that wants it later", async () => {
    const address = await pretender('{"type":"bye","code":4302,"message":"overloaded","retry":"backoff","waitMs":1000}')
    assert.deepStrictEqual(
      await run(["rtt", "--url", address]),
      failed(3, `no connection to tcp://${address}: overloaded (bye 4302)`),
    )
  })
})

describe("exit code 4", () => {
  it("is for who may not connect, and for who may not do this", async () => {
    const { address } = await start("--auth-secret-file", write(join(folder(), "secret"), secret))
    const env = { LONGLINE_URL: address, LONGLINE_AUTH_SECRET: secret }
    const token = (await run(["token", "make", "--user", "ann", "--publish", "news"], { env })).stdout.trim()
    const named = write(join(folder(), "token"), `${token}\n`)
    const unknown = await run(["pub", "news", "1"], { env: { ...env, LONGLINE_TOKEN: "a.b.c" } })
    assert.deepStrictEqual([unknown.code, unknown.stdout], [4, ""])
    assert.match(unknown.stderr, /^longline: no connection to tcp:\/\/[\d.:]+: .+ \(bye 4500\)\n$/)
    const known = { ...env, LONGLINE_TOKEN: token }
    assert.deepStrictEqual(await run(["pub", "news", "1"], { env: known }), printed("news 1\n"))
    assert.deepStrictEqual(await run(["pub", "news", "2", "--token-file", named], { env }), printed("news 2\n"))
    assert.deepStrictEqual(await run(["sub", "news"], { env: known }), failed(4, "not allowed (error 103)"))
    assert.deepStrictEqual(await run(["reply", "s", "--echo"], { env: known }), failed(4, "not allowed (error 103)"))
  })
})

describe("exit code 124", () => {
  it("is for a subscription that has not heard enough in its time", async () => {
    const { address } = await start()
    const args = ["sub", "a", "--timeout", "100ms", "--url", address]
    assert.deepStrictEqual(await run([...args, "--count", "1"]), failed(124, "the time is up"))
    assert.deepStrictEqual(await run(args), printed(""))
  })
})

describe("a gateway that goes away", () => {
  it("is connected to again, and nothing is missed", async () => {
    const data = folder()
    const first = await start("--data", data, "--drain-grace", "0s", "--drain-timeout", "1s")
    const env = { LONGLINE_URL: first.address }
    const sub = startCommand(["sub", "news", "--json", "--count", "2"], env)
    stops.push(() => sub.stop("SIGKILL"))
    await sub.line("subscription", (line) => (line.includes('"subscribed"') ? line : undefined))
    await run(["pub", "news", "1"], { env })
    await sub.line("first", (line) => (line.includes('"data":1') ? line : undefined))
    await first.stop("SIGTERM")
    const second = startCommand(["serve", "--data", data, "--port", String(first.port), "--log-format", "json"], {})
    stops.push(() => second.stop("SIGKILL"))
    await second.line("ready line", (line) => (line.includes("listening on") ? line : undefined))
    await run(["pub", "news", "2"], { env })
    assert.deepStrictEqual(await sub.exited, { code: 0, signal: null })
    const items = objects(sub.lines) as ReadonlyArray<{ readonly type: string; readonly data?: number }>
    assert.deepStrictEqual(
      items.map(({ data, type }) => data ?? type),
      ["subscribed", 1, "subscribed", 2],
    )
    assert.match(sub.errorLines[0]!, /^longline: connection lost \(.+\); trying again$/)
    assert.strictEqual(sub.errorLines.at(-1), "longline: connected again")
  })
})

describe("pub from standard input", () => {
  const lines = Array.from({ length: 100 }, (_, i) => `${i + 1}`)
  const begin = async (...flags: ReadonlyArray<string>) => {
    const data = folder()
    const first = await start("--data", data)
    const env = { LONGLINE_URL: first.address }
    const pub = run(["pub", "news", "--rate", "50", ...flags], { env, stdin: lines.join("\n") })
    const some = await run(["sub", "news", "--history", "1", "--count", "10"], { env })
    assert.strictEqual(some.code, 0)
    await first.stop("SIGKILL")
    return { data, env, first, pub }
  }

  it("with a key rides through a restart: each line is published, once", async () => {
    const { data, env, first, pub } = await begin("--key", "k")
    const second = startCommand(["serve", "--data", data, "--port", String(first.port), "--log-format", "json"], {})
    stops.push(() => second.stop("SIGKILL"))
    assert.strictEqual((await pub).code, 0)
    const { stdout } = await run(["hist", "news", "--limit", "1000", "--raw"], { env })
    assert.deepStrictEqual(
      stdout
        .trimEnd()
        .split("\n")
        .toSorted((a, b) => Number(a) - Number(b)),
      lines,
    )
  })

  it("without one ends with the connection, and says how far it came", async () => {
    const { pub } = await begin()
    const { code, stderr, stdout } = await pub
    const published = stdout.trimEnd().split("\n").length
    assert.include([1, 3], code)
    const [, told, first] = /\n?longline: (\d+) published(?:, \d+ perhaps)?, the rest not; number (\d+): .+\n$/.exec(
      stderr,
    )!
    assert.deepStrictEqual([Number(told), Number(first)], [published, published + 1])
  })
})

describe("watch", () => {
  it("says that what the journal had is lost with a gateway that kept it in memory", async () => {
    const first = await start("--journal")
    const env = { LONGLINE_URL: first.address }
    const watch = startCommand(["watch"], env)
    stops.push(() => watch.stop("SIGKILL"))
    const hears = async (isNew: (line: string) => boolean) => {
      const told = watch.line("an end", (line) => (isNew(line) && line.includes(" closed ") ? line : undefined))
      let line: unknown
      // Nobody knows when it has begun to listen.
      do line = await Promise.race([told, run(["pub", "probe", "1"], { env })])
      while (typeof line !== "string")
    }
    await hears(() => true)
    await first.stop("SIGKILL")
    const before = new Set(watch.lines)
    const second = startCommand(["serve", "--journal", "--port", String(first.port), "--log-format", "json"], {})
    stops.push(() => second.stop("SIGKILL"))
    await hears((line) => !before.has(line))
    await watch.stop("SIGINT")
    const last = watch.errorLines.at(-1)!
    assert.match(
      last,
      /^longline: \$sys:connections: what was published in between is lost; it goes on behind offset \d+$/,
    )
  })
})

describe("every way to a gateway", () => {
  it("is open to commands: TLS with authorities and names, WebSockets, unix sockets", async () => {
    const { ca, server } = makeCertificates()
    const path = folder()
    const [cert, key, authority] = [join(path, "cert"), join(path, "key"), join(path, "ca")]
    write(cert, server.cert)
    write(key, server.key)
    write(authority, ca)
    const tls = await start("--tls-cert", cert, "--tls-key", key, "--ws-port", "0")
    const webSocket = await tls.line("WebSockets", (line) =>
      line.includes("websocket") ? /listening on ([\d.:]+)/.exec(line)?.[1] : undefined,
    )
    const unix = await start("--unix", join(path, "l.sock"))
    const trust = ["--ca", authority, "--server-name", "localhost"]
    assert.deepStrictEqual(await run(["pub", "a", "1", "--url", `tls://${tls.address}`, ...trust]), printed("a 1\n"))
    assert.deepStrictEqual(await run(["pub", "a", "2", "--url", `wss://${webSocket}`, ...trust]), printed("a 2\n"))
    assert.deepStrictEqual(await run(["pub", "a", "1", "--url", unix.address]), printed("a 1\n"))
    assert.deepStrictEqual(
      await run(["pub", "a", "3", "--url", `tls://${tls.address}`]),
      failed(
        3,
        `no connection to tls://${tls.address}: TLS handshake failed: the issuer of the other side's certificate is not known here: give its certificate as an authority to trust, or let the other side send those in between (UNABLE_TO_VERIFY_LEAF_SIGNATURE)`,
      ),
    )
  })
})
