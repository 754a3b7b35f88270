/** The commands that talk to a gateway, as people run them: `node dist/main.js pub news hello`. Needs a build. */
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import {
  failed,
  hangUp,
  objects,
  printed,
  run as runCommand,
  start as startCommand,
  type Options,
} from "../support/commands.ts"
import * as Gateway from "../support/gateway.ts"
import type { Spawned } from "../support/spawned.ts"

let gateway: Gateway.Gateway
const started: Array<Spawned> = []

const env = () => ({ LONGLINE_URL: gateway.address, XDG_CONFIG_HOME: "/nonexistent" })
const run = (args: ReadonlyArray<string>, options: Options & { readonly binary?: boolean } = {}) =>
  runCommand(args, { env: env(), ...options })
const start = (...args: ReadonlyArray<string>) => {
  const command = startCommand(args, env())
  started.push(command)
  return command
}
const serving = async (...args: ReadonlyArray<string>) => {
  const command = start("reply", ...args, "--json")
  await command.line("line that it serves", (line) => (line.includes('"serving"') ? line : undefined))
  return command
}
const subscribed = (line: string) => (line.includes('"subscribed"') ? line : undefined)

beforeAll(async () => {
  gateway = await Gateway.start(["--journal"])
})
afterEach(() => Promise.all(started.splice(0).map((command) => command.stop("SIGKILL"))))
afterAll(() => gateway.stop("SIGKILL"))

describe("pub", () => {
  it("takes what is JSON as its value, and all else as text", async () => {
    assert.deepStrictEqual(await run(["pub", "forms", '{"a":1}']), printed("forms 1\n"))
    assert.deepStrictEqual(await run(["pub", "forms", "hello there"]), printed("forms 2\n"))
    assert.deepStrictEqual(await run(["pub", "forms", "42", "--text"]), printed("forms 3\n"))
    assert.deepStrictEqual(await run(["pub", "forms", "ab", "--binary"]), printed("forms 4\n"))
    assert.deepStrictEqual(
      await run(["hist", "forms"]),
      printed('forms 1 {"a":1}\nforms 2 "hello there"\nforms 3 "42"\nforms 4 YWI=\n'),
    )
  })

  it("publishes each line of standard input, in order", async () => {
    const lines = Array.from({ length: 200 }, (_, i) => String(i))
    assert.deepStrictEqual(
      await run(["pub", "lines"], { stdin: `${lines.join("\n")}\n` }),
      printed(lines.map((_, i) => `lines ${i + 1}\n`).join("")),
    )
    const { stdout } = await run(["hist", "lines", "--limit", "1000", "--raw"])
    assert.deepStrictEqual(stdout.trimEnd().split("\n"), lines)
  })

  it("publishes bytes of standard input as one, as they are", async () => {
    const bytes = Buffer.from([0, 255, 10, 13, 128])
    assert.deepStrictEqual(await run(["pub", "bytes", "--binary"], { stdin: bytes }), printed("bytes 1\n"))
    assert.deepStrictEqual(await run(["hist", "bytes", "--raw"], { binary: true }), printed(bytes.toString("latin1")))
  })

  it("publishes no bytes as text, wherever standard input was cut", async () => {
    const line = "standard input is no UTF-8 text; with --binary it is taken as bytes, as a whole"
    for (const bytes of [[0xff], [0x61, 0x0a, 0xc3], [0x61, 0x0a, 0xc3, 0x0a]]) {
      const stdin = Buffer.from(bytes)
      for (const args of [
        ["pub", "no-text"],
        ["pub", "no-text", "--text"],
        ["req", "nobody"],
      ]) {
        const { code, stderr } = await run(args, { stdin })
        assert.deepStrictEqual([code, stderr], [2, `longline: ${line}\n`])
      }
    }
    const split = Buffer.from(`${"x".repeat(65_000)}\n${"ä".repeat(32_000)}\n`)
    assert.deepStrictEqual(await run(["pub", "text"], { stdin: split }), printed("text 1\ntext 2\n"))
    const { stdout } = await run(["hist", "text", "--raw"])
    assert.strictEqual(stdout, String(split))
  })

  it("publishes once for a key, with tags", async () => {
    const args = ["pub", "keys", "run", "--key", "job-7", "--tag", "a=b", "--tag", "c=d", "--json"]
    const published = { type: "published", channel: "keys", offset: 1, epoch: "string" }
    const [first, second] = [await run(args), await run(args)]
    assert.deepStrictEqual(objects(first.stdout), [{ ...published, duplicate: false }])
    assert.deepStrictEqual(objects(second.stdout), [{ ...published, duplicate: true }])
    assert.deepStrictEqual(
      await run(["hist", "keys", "--template", "{offset}\\t{tags}: {raw}"]),
      printed('1\t{"a":"b","c":"d"}: run\n'),
    )
  })

  it("numbers the key when there are several, and keeps to the rate", async () => {
    const began = performance.now()
    const args = ["pub", "many", "x", "--count", "5", "--rate", "10", "--key", "k"]
    assert.deepStrictEqual(await run(args), printed("many 1\nmany 2\nmany 3\nmany 4\nmany 5\n"))
    assert.isAbove(performance.now() - began, 300)
    const { stdout } = await run(["pub", "many", "x", "--key", "k-5"])
    assert.strictEqual(stdout, "many 5 (duplicate)\n")
  })

  it("tells of all that is published when one cannot be, and of where it stopped", async () => {
    assert.deepStrictEqual(await run(["pub", "stop"], { stdin: `1\n2\n${"x".repeat(70_000)}\n` }), {
      code: 1,
      stdout: "stop 1\nstop 2\n",
      stderr: "longline: 2 published, the rest not; number 3: frame of 70052 bytes is over the limit of 65536 bytes\n",
    })
    assert.deepStrictEqual(await run(["pub", "stop"], { stdin: `3\n${"x".repeat(70_000)}` }), {
      code: 2,
      stdout: "stop 3\n",
      stderr: "longline: a line of standard input is longer than 65536 bytes, which is the most that can be sent\n",
    })
  })

  it("goes on when nobody reads what it tells", async () => {
    const pub = hangUp(["pub", "unheard", "1", "--count", "300"], env())
    assert.match(await pub.heard, /^unheard 1\n/)
    assert.deepStrictEqual(await pub.ended, { code: 0, stderr: "" })
    const { stdout } = await run(["hist", "unheard", "--reverse", "--limit", "1"])
    assert.strictEqual(stdout, "unheard 300 1\n")
  })

  it("sends nothing that a frame cannot hold", async () => {
    const text = "x".repeat(65_537)
    const most = "is longer than 65536 bytes, which is the most that can be sent"
    assert.deepStrictEqual(await run(["pub", "large"], { stdin: text }), failed(2, `a line of standard input ${most}`))
    assert.deepStrictEqual(await run(["req", "large"], { stdin: text }), failed(2, `standard input ${most}`))
  })
})

describe("sub", () => {
  it("prints what is published from now on, on any number of channels", async () => {
    await run(["pub", "sub:a", "before"])
    const sub = start("sub", "sub:a", "sub:b", "--json", "--count", "2")
    await sub.line("second subscription", (line) => (sub.lines.length === 2 ? line : undefined))
    await run(["pub", "sub:a", "1"])
    await run(["pub", "sub:b", "2", "--binary"])
    assert.deepStrictEqual(await sub.exited, { code: 0, signal: null })
    const fields = { type: "publication", epoch: "string", from: { connection: "string" }, time: "number" }
    assert.deepStrictEqual(objects(sub.lines.slice(2)), [
      { ...fields, channel: "sub:a", offset: 2, previous: 1, data: 1 },
      { ...fields, channel: "sub:b", offset: 1, previous: 0, data: "Mg==", binary: true },
    ])
  })

  it("takes each channel once", async () => {
    assert.deepStrictEqual(await run(["sub", "a", "b", "a"]), failed(2, 'the channel "a" is named twice'))
  })

  it("is present where it asks to be, and tells of nobody else who is", async () => {
    const silent = start("sub", "sub:present", "--json")
    const listed = start("sub", "sub:present", "--json", "--presence", "--count", "1")
    for (const sub of [silent, listed]) await sub.line("subscription", (line) => line)
    const watch = start("watch", "sub:present", "--json")
    const [present] = objects([await watch.line("who is present", (line) => line)])
    assert.deepStrictEqual(present, {
      type: "present",
      channel: "sub:present",
      connection: "string",
      joinedAt: "number",
    })
    await watch.stop("SIGINT")
    await run(["pub", "sub:present", "1"])
    assert.deepStrictEqual(await listed.exited, { code: 0, signal: null })
    const types = listed.lines.map((line) => (JSON.parse(line) as { readonly type: string }).type)
    assert.deepStrictEqual(types, ["subscribed", "publication"])
  })

  it("begins with history, and goes on from a position", async () => {
    await run(["pub", "past"], { stdin: "1\n2\n3\n4\n" })
    const position = (await run(["hist", "past", "--limit", "1", "--template", "{position}"])).stdout.trimEnd()
    const [latest, since, last] = await Promise.all([
      run(["sub", "past", "--history", "2", "--count", "2"]),
      run(["sub", "past", "--position", position, "--count", "3", "--raw"]),
      run(["sub", "past", "--mode", "latest", "--count", "1"]),
    ])
    assert.deepStrictEqual(
      [latest, since, last],
      [printed("past 3 3\npast 4 4\n"), printed("2\n3\n4\n"), printed("past 4 4\n")],
    )
  })

  it("says what is lost", async () => {
    await run(["pub", "lost", "1"])
    const { code, stderr } = await run(["sub", "lost", "--position", "7@other", "--timeout", "500ms"])
    assert.deepStrictEqual(
      [code, stderr],
      [0, "longline: lost: what was published in between is lost; it goes on behind offset 1\n"],
    )
  })

  it("ends quietly when nobody reads any more", async () => {
    await run(["pub", "pipe"], { stdin: "1\n2\n3\n" })
    const sub = hangUp(["sub", "pipe", "--history", "3"], env())
    assert.strictEqual(await sub.heard, "pipe 1 1\npipe 2 2\npipe 3 3\n")
    await run(["pub", "pipe", "4"])
    assert.deepStrictEqual(await sub.ended, { code: 0, stderr: "" })
  })

  it.skipIf(!existsSync("/dev/full"))("fails when what it prints cannot be kept", async () => {
    await run(["pub", "full", "1"])
    const why = "standard output cannot be written: ENOSPC: no space left on device, write"
    for (const args of [
      ["sub", "full", "--history", "1"],
      ["hist", "full", "--json"],
      ["pub", "full", "2"],
    ]) {
      assert.deepStrictEqual(await run(args, { stdout: "/dev/full" }), failed(1, why))
    }
  })

  it.each(["SIGINT", "SIGTERM"] as const)("ends quietly at %s, with exit code 130", async (signal) => {
    const sub = start("sub", "signals", "--json")
    await sub.line("subscription", subscribed)
    assert.deepStrictEqual(await sub.stop(signal), { code: 130, signal: null })
    assert.deepStrictEqual(sub.errorLines, [])
  })
})

describe("req and reply", () => {
  it("echo values and bytes", async () => {
    const reply = await serving("echo", "--echo")
    assert.deepStrictEqual(await run(["req", "echo", '{"a":[1,"b"]}']), printed('{"a":[1,"b"]}\n'))
    assert.deepStrictEqual(await run(["req", "echo"], { stdin: "from stdin\n" }), printed('"from stdin"\n'))
    const bytes = Buffer.from([0, 255, 10])
    const args = ["req", "echo", "--binary", "--raw"]
    assert.deepStrictEqual(await run(args, { stdin: bytes, binary: true }), printed(bytes.toString("latin1")))
    const { stdout } = await run(["req", "echo", "x", "--json"])
    assert.deepStrictEqual(objects(stdout), [{ type: "response", service: "echo", data: "x" }])
    const request = { type: "request", service: "echo", from: { connection: "string" } }
    assert.deepStrictEqual(objects(reply.lines), [
      { type: "serving", service: "echo" },
      { ...request, data: { a: [1, "b"] } },
      { ...request, data: "from stdin" },
      { ...request, data: "AP8K", binary: true },
      { ...request, data: "x" },
    ])
  })

  it("answer with what a command makes of the data", async () => {
    await serving("shout", "--command", "tr a-z A-Z")
    const ignoring = await serving("ignoring", "--command", "echo $LONGLINE_SERVICE")
    assert.deepStrictEqual(await run(["req", "shout", "hello", "--raw"]), printed("HELLO\n"))
    assert.deepStrictEqual(await run(["req", "shout", '{"a":1}']), printed('{"A":1}\n'))
    assert.deepStrictEqual(await run(["req", "ignoring"], { stdin: "x".repeat(60_000) }), printed('"ignoring"\n'))
    assert.deepStrictEqual(ignoring.errorLines, [])
  })

  it("keep to whoever answers why a command failed", async () => {
    const failing = await serving("failing", "--command", "echo secret; exit 3")
    const endless = await serving("endless", "--command", "yes")
    const refusal = failed(1, "the command failed (error 200)")
    assert.deepStrictEqual(await run(["req", "failing", "1"]), refusal)
    assert.deepStrictEqual(await run(["req", "endless", "1"]), refusal)
    assert.deepStrictEqual(
      [failing.errorLines, endless.errorLines],
      [
        ["longline: the command has ended with exit code 3"],
        ["longline: the command has answered more than can be sent"],
      ],
    )
  })

  it("give bytes for bytes, and refuse what is neither text nor said to be bytes", async () => {
    await serving("bytes", "--command", "printf '\\377'", "--binary")
    const text = await serving("text-only", "--command", "printf '\\377'")
    assert.deepStrictEqual(await run(["req", "bytes", "1", "--raw"], { binary: true }), printed("\xff"))
    assert.deepStrictEqual(await run(["req", "text-only", "1"]), failed(1, "the command failed (error 200)"))
    assert.deepStrictEqual(text.errorLines, [
      "longline: the command has answered no UTF-8 text; with --binary it is taken as bytes",
    ])
  })

  it("give the same answer to all", async () => {
    await serving("health", "--answer", '{"ok":true}')
    await serving("text", "--answer", "7", "--text")
    assert.deepStrictEqual(await run(["req", "health", "1"]), printed('{"ok":true}\n'))
    assert.deepStrictEqual(await run(["req", "text", "1"]), printed('"7"\n'))
  })

  it("end with 1 when nobody serves, and with 124 when nobody answers in time", async () => {
    await serving("slow", "--command", "sleep 60")
    assert.deepStrictEqual(await run(["req", "nobody", "1"]), failed(1, "nobody serves this (error 114)"))
    const { code, stderr } = await run(["req", "slow", "1", "--timeout", "200ms"])
    assert.strictEqual(code, 124)
    assert.match(stderr, /^longline: the outcome is unknown: (the responder did not answer|no answer came in time)\n$/)
  })
})

describe("hist, pres, watch and rtt", () => {
  it("hist reads either way, as far as it is told, and says in JSON whether there is more", async () => {
    await run(["pub", "pages"], { stdin: "1\n2\n3\n4\n5\n" })
    assert.deepStrictEqual(await run(["hist", "pages", "--reverse", "--limit", "2"]), printed("pages 5 5\npages 4 4\n"))
    const since = (await run(["hist", "pages", "--limit", "2", "--template", "{position}"])).stdout
      .trimEnd()
      .split("\n")
    assert.deepStrictEqual(await run(["hist", "pages", "--since", since[1]!, "--raw"]), printed("3\n4\n5\n"))
    const { stdout } = await run(["hist", "pages", "--limit", "1", "--json"])
    assert.deepStrictEqual(objects(stdout), [
      {
        type: "publication",
        channel: "pages",
        offset: 1,
        previous: 0,
        epoch: "string",
        from: { connection: "string" },
        time: "number",
        data: 1,
      },
      { type: "history", channel: "pages", position: { offset: 5, epoch: "string" }, more: true },
    ])
  })

  it("watch tells who is in a channel, who comes and who goes, and pres lists them", async () => {
    const first = start("watch", "room", "--json")
    const second = start("watch", "room", "--json")
    const [one, other] = await Promise.race([
      first.line("the other", (line) => line).then(() => [first, second] as const),
      second.line("the other", (line) => line).then(() => [second, first] as const),
    ])
    const [members] = objects((await run(["pres", "room", "--json"])).stdout)
    const member = { connection: "string", joinedAt: "number" }
    assert.deepStrictEqual(members, { type: "presence", channel: "room", count: 2, members: [member, member] })
    await other.stop("SIGINT")
    await one.line("leaving", (line) => (line.includes('"left"') ? line : undefined))
    const told = one.lines.map((line) => JSON.parse(line) as { readonly type: string; readonly connection: string })
    // Of the other alone, whoever was there first.
    assert.strictEqual(new Set(told.map(({ connection }) => connection)).size, 1)
    const came = told[0]!.type === "present" ? "present" : "joined"
    assert.deepStrictEqual(
      told.map(({ type }) => type),
      [came, "left"],
    )
    const listed = await run(["pres", "room"])
    assert.match(listed.stdout, /^[\w-]+ - \d{4}-\d\d-\d\dT[\d:.]+Z\n$/)
  })

  it("watch without a channel tells of connections, as the journal has them", async () => {
    const watch = start("watch", "--json")
    const told = watch.line("an end", (line) => (line.includes('"closed"') ? line : undefined))
    let line: unknown
    // Nobody knows when it has begun to listen.
    do line = await Promise.race([told, run(["pub", "probe", "1"])])
    while (typeof line !== "string")
    const closed = JSON.parse(line) as { readonly offset: number; readonly openForMs: number }
    assert.isAbove(closed.offset, 0)
    assert.deepStrictEqual(objects([JSON.stringify({ ...closed, offset: 0, openForMs: 0 })]), [
      {
        type: "closed",
        offset: 0,
        time: "number",
        connection: "string",
        code: 4000,
        reason: "closed by the peer",
        openForMs: 0,
      },
    ])
  })

  it("rtt measures as many round trips as it is told", async () => {
    const { code, stdout } = await run(["rtt", "--count", "3", "--interval", "0ms", "--json"])
    const { avgMs, maxMs, minMs, p99Ms, ...rest } = JSON.parse(stdout) as Times
    assert.deepStrictEqual([code, rest], [0, { type: "rtt", count: 3 }])
    assert.isTrue(0 < minMs && minMs <= avgMs && avgMs <= maxMs && p99Ms === maxMs)
  })
})

interface Times {
  readonly minMs: number
  readonly avgMs: number
  readonly p99Ms: number
  readonly maxMs: number
}
