/** The examples as people run them: processes, talked to over real sockets. Needs a build. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { frame } from "../support/frames.ts"
import * as Spawned from "../support/spawned.ts"
import { dial, example, start } from "./support.ts"

const folder = new URL("../../examples/", import.meta.url)

describe("examples", () => {
  const linesOf = (file: string) => readFileSync(new URL(file, folder), "utf8").trimEnd().split("\n")
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))

  it("have at most 60 lines, and what they share at most 80", () => {
    const tooLong = files.filter((file) => linesOf(file).length > (file.includes("/") ? 80 : 60))
    assert.deepStrictEqual(tooLong, [])
  })

  it("import longline by its name, effect, and nothing else but their own parts", () => {
    const imported = files.flatMap((file) =>
      linesOf(file).flatMap((line) => /^import .*"(.*)"$|^\} from "(.*)"$/.exec(line)?.slice(1) ?? []),
    )
    const own = /^(longline|effect|@effect\/platform-node\/NodeRuntime|\.\/.*\.ts)$/
    assert.deepStrictEqual(
      imported.filter((path) => path !== undefined && !own.test(path)),
      [],
    )
  })
})

describe("echo", () => {
  const running = example("echo")

  it("sends back every frame as it came, however it was cut", async () => {
    const peer = await dial(running().port)
    const frames = Buffer.concat([frame("one"), frame("zwei ü"), frame("x".repeat(60_000))])
    for (let at = 0; at < frames.length; at += 4_999) peer.write(frames.subarray(at, at + 4_999))
    assert.isTrue((await peer.read(frames.length)).equals(frames))
    peer.end()
    assert.strictEqual((await peer.ended()).length, 0)
  })

  it("drains on SIGTERM: whoever is connected is let go, and the process ends", async () => {
    const leaving = await start("examples/echo")
    const peer = await dial(leaving.port)
    peer.write(frame("last words"))
    assert.deepStrictEqual(await peer.read(14), frame("last words"))
    const stopped = leaving.stop()
    assert.strictEqual((await peer.ended()).length, 0)
    peer.end()
    assert.strictEqual((await stopped).signal, null)
    assert.match(leaving.lines.at(-1) ?? "", /drained: 0 connections reset/)
  })
})

describe("chat", () => {
  const running = example("chat")

  it("what is said is heard in its room, and only there", async () => {
    const [ada, ben, eve] = await Promise.all([dial(running().port), dial(running().port), dial(running().port)])
    ada.say({ type: "join", name: "Ada", room: "engines" })
    assert.deepStrictEqual(await ada.hear(), { type: "joined", name: "Ada", people: 1 })
    ben.say({ type: "join", name: "Ben", room: "engines" })
    for (const peer of [ada, ben]) {
      assert.deepStrictEqual(await peer.hear(), { type: "joined", name: "Ben", people: 2 })
    }
    eve.say({ type: "join", name: "Eve", room: "gardens" })
    assert.deepStrictEqual(await eve.hear(), { type: "joined", name: "Eve", people: 1 })

    ada.say({ type: "say", text: "привет" })
    eve.say({ type: "say", text: "nobody?" })
    for (const peer of [ada, ben]) {
      assert.deepStrictEqual(await peer.hear(), { type: "said", name: "Ada", text: "привет" })
    }
    assert.deepStrictEqual(await eve.hear(), { type: "said", name: "Eve", text: "nobody?" })
    for (const peer of [ada, ben, eve]) peer.end()
  })

  it("whoever speaks before joining is told why the connection ends", async () => {
    const peer = await dial(running().port)
    peer.say({ type: "say", text: "hello" })
    assert.deepStrictEqual(await peer.hear(), { type: "bye", why: "join a room before you speak" })
    assert.strictEqual((await peer.ended()).length, 0)
    peer.end()
  })

  it("whoever sends what is no message is told what was expected and what was seen", async () => {
    const peer = await dial(running().port)
    peer.say({ type: "join", name: "", room: "engines" })
    const why = 'cannot decode message: expected a value with a length of at least 1 at name, got ""'
    assert.deepStrictEqual(await peer.hear(), { type: "bye", why })
    peer.end()
  })
})

describe("chat-client", () => {
  it("prints what is said in its room, and takes its seat again when the server was restarted", async () => {
    const first = await start("examples/chat")
    const program = fileURLToPath(new URL("../../build/examples/chat-client.js", import.meta.url))
    const client = Spawned.start(process.execPath, [program, String(first.port), "Ada", "engines"])
    const line = (text: string) => client.line(text, (line) => (line === text ? line : undefined))
    await line("Ada joined: 1 here")
    await first.stop("SIGKILL")
    await client.line("wait", (line) => /; trying again in \d+ ms$/.exec(line)?.[0])
    const second = await start("examples/chat", String(first.port))
    const ben = await dial(second.port)
    ben.say({ type: "join", name: "Ben", room: "engines" })
    while (((await ben.hear()) as { readonly people: number }).people < 2) continue
    ben.say({ type: "say", text: "welcome back" })
    await line("Ben: welcome back")
    // 130 is what a shell says of a program that was interrupted.
    assert.deepStrictEqual(await client.stop("SIGINT"), { code: 130, signal: null })
    ben.end()
    await second.stop()
  })
})

describe("request-reply", () => {
  const running = example("request-reply")

  it("a slow request holds nobody up, and each answer repeats its id", async () => {
    const peer = await dial(running().port)
    peer.write(
      Buffer.concat([
        frame(JSON.stringify({ type: "wait", id: 1, ms: 50 })),
        frame(JSON.stringify({ type: "sum", id: 2, numbers: [1, 2, 3.5] })),
      ]),
    )
    assert.deepStrictEqual(await peer.hear(), { type: "answer", id: 2, value: 6.5 })
    assert.deepStrictEqual(await peer.hear(), { type: "answer", id: 1, value: 50 })
    peer.end()
  })

  it("a failed request is refused by itself, and the connection goes on", async () => {
    const peer = await dial(running().port)
    peer.say({ type: "sum", id: 7, numbers: [1e308, 1e308] })
    assert.deepStrictEqual(await peer.hear(), { type: "refusal", id: 7, message: "the sum is beyond the numbers" })
    peer.say({ type: "sum", id: 8, numbers: [] })
    assert.deepStrictEqual(await peer.hear(), { type: "answer", id: 8, value: 0 })
    peer.end()
  })
})

describe("custom-layout", () => {
  const running = example("custom-layout")

  /** A type, a length that counts itself, text. */
  const typed = (type: string, text: string) => {
    const bytes = Buffer.from(`${type}\0\0\0\0${text}`)
    bytes.writeUInt32BE(bytes.length - 1, 1)
    return bytes
  }

  it("a query is answered in the same layout, and X ends the connection", async () => {
    const peer = await dial(running().port)
    peer.write(Buffer.concat([typed("Q", "straße"), typed("Q", "")]))
    const answers = Buffer.concat([typed("D", "STRASSE"), typed("D", "")])
    assert.deepStrictEqual(await peer.read(answers.length), answers)
    peer.write(typed("X", ""))
    assert.strictEqual((await peer.ended()).length, 0)
    peer.end()
  })

  it("a length below the 4 bytes that it counts ends the connection", async () => {
    const peer = await dial(running().port)
    peer.write(Buffer.from("5100000003", "hex"))
    assert.strictEqual((await peer.ended()).length, 0)
    peer.end()
  })
})
