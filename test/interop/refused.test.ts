/**
 * What the clients of `clients/` do with an error in place of `subscribed` or `serving`, after a reconnect and at first.
 * Refuses a real gateway: it would have to be busy at the right moment.
 */
import * as Net from "node:net"
import { once } from "node:events"
import { assert, beforeAll, describe, it, onTestFinished } from "@effect/vitest"
import { frame } from "../support/frames.ts"
import * as Foreign from "./foreign.ts"

/** Compiling what Go has of its own takes most of it, once a machine. */
const patience = 120_000

type Message = Readonly<Record<string, unknown>>

const connected = {
  type: "connected",
  connection: "c",
  session: { id: "s", key: "k", ttlMs: 60_000 },
  resumed: false,
  heartbeat: { intervalMs: 25_000, timeoutMs: 10_000 },
  limits: { frameBytes: 65_536, commandsPerSecond: 1_000 },
}
const position = { offset: 7, epoch: "e" }
const subscribed = { type: "subscribed", channel: "news", position, recovered: "none", publications: [] }
const recovered = { ...subscribed, recovered: "yes" }
const unsubscribed = { type: "unsubscribed", channel: "news" }
const publication = { type: "publication", channel: "news", offset: 8, previous: 7, epoch: "e", data: 1, time: 0 }
const serving = { type: "serving", service: "upper" }
const refused = (code: number, retry: boolean, waitMs?: number) => ({
  type: "error",
  code,
  message: "no",
  retry,
  waitMs,
})

const subscribe = { type: "subscribe", channel: "news" }
const unsubscribe = { type: "unsubscribe", channel: "news" }
const serve = { type: "serve", service: "upper" }

/** All of its connections: each message is answered with the next of the list, with its id, and what stands behind it. */
type Script = ReadonlyArray<ReadonlyArray<Message | ReadonlyArray<Message>>>

/**
 * A server that answers as it is told, and ends each connection but the last behind its last answer. What it was asked
 * but for `connect`, by connections, and when.
 */
const scripted = async (script: Script) => {
  const asked: Array<Array<Message>> = []
  const at: Array<number> = []
  const server = Net.createServer((socket) => {
    const answers = [...(script[asked.length] ?? [])]
    const isLast = asked.length === script.length - 1
    const questions: Array<Message> = []
    asked.push(questions)
    let bytes = Buffer.alloc(0)
    socket.on("error", () => {})
    socket.on("data", (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE()) {
        const end = 4 + bytes.readUInt32BE()
        const { id, ...question } = JSON.parse(bytes.subarray(4, end).toString()) as Message
        bytes = bytes.subarray(end)
        if (question["type"] !== "connect") {
          questions.push(question)
          at.push(performance.now())
        }
        const [first, ...behind] = [answers.shift() ?? []].flat()
        if (first !== undefined) socket.write(frame(JSON.stringify({ ...first, id })))
        for (const message of behind) socket.write(frame(JSON.stringify(message)))
        if (answers.length === 0 && !isLast) return void socket.end()
      }
    })
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  onTestFinished(() => void server.close())
  return { asked, at, port: String((server.address() as Net.AddressInfo).port) }
}

describe.each(["Python", "Go"] as const)("after a reconnect the client in %s", (language) => {
  let built: Foreign.Go
  if (language === "Go") {
    beforeAll(() => {
      built = Foreign.compileGo()
      return built.dispose
    }, patience)
  }
  const start = (port: string, ...args: ReadonlyArray<string>) => {
    const all = ["--port", port, ...args]
    return language === "Go" ? built.staying("", ...all) : Foreign.stayingPython("", ...all)
  }
  const types = (messages: ReadonlyArray<Foreign.Message>) => messages.map(({ type }) => type)

  it("joins a channel again that is refused for now, after waitMs, from its position", async () => {
    const { asked, at, port } = await scripted([
      [connected, subscribed],
      [connected, refused(111, true, 250), refused(113, true), [recovered, publication], unsubscribed],
    ])
    const { code, messages } = await start(port, "sub", "news", "--count", "1").ended()
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(types(messages).slice(0, 3), ["subscribed", "subscribed", "publication"])
    const again = { ...subscribe, position }
    assert.deepStrictEqual(asked, [[subscribe], [again, again, again, unsubscribe]])
    const [, first, second, third] = at
    assert.isAtLeast(second! - first!, 240)
    assert.isAtLeast(third! - second!, 490)
  })

  it("tells the program of a first subscribe that is refused for now", async () => {
    const { asked, port } = await scripted([[connected, refused(113, true)]])
    const { code, messages } = await start(port, "sub", "news").ended()
    assert.deepStrictEqual([code, messages], [1, [{ type: "error", code: 113, message: "no", retry: true }]])
    assert.deepStrictEqual(asked, [[subscribe]])
  })

  it("offers a service again that is refused for now", async () => {
    const request = { type: "request", id: 1, service: "upper", data: "a", timeoutMs: 1_000, from: { connection: "x" } }
    const { asked, port } = await scripted([
      [connected, serving],
      [connected, refused(117, true, 20), refused(117, true, 20), [serving, request]],
    ])
    await start(port, "serve", "upper").message("request")
    assert.deepStrictEqual([asked[0], asked[1]!.slice(0, 3)], [[serve], [serve, serve, serve]])
  })
})
