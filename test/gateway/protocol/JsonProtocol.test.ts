import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Data from "../../../src/gateway/protocol/Data.ts"
import * as JsonProtocol from "../../../src/gateway/protocol/JsonProtocol.ts"
import * as ServerMessage from "../../../src/gateway/protocol/ServerMessage.ts"

const codec = JsonProtocol.make({ maxDepth: 8 })
const decodeText = (text: string) => codec.decode(new TextEncoder().encode(text))
const decode = (message: unknown) => Result.getOrThrow(decodeText(JSON.stringify(message)))
const at = (path: string, message: unknown) => {
  const frame = decode(message)
  return assert.strictEqual(frame.type === "malformed" ? frame.path : `a well-formed ${frame.type}`, path)
}
/** With the data as the gateway carries it. */
const carried = (message: object) => ("data" in message ? { ...message, data: Data.json(message.data) } : message)
const accepts = (message: object) => assert.deepStrictEqual<unknown>(decode(message), carried(message))

const maxId = 2 ** 31 - 1
const position = { offset: 3, epoch: "e" }

describe("what is well formed", () => {
  const messages: ReadonlyArray<object> = [
    { type: "connect", id: 1, version: 1 },
    {
      type: "connect",
      id: 1,
      version: 1,
      token: "t",
      session: { id: "s", key: "k" },
      client: { name: "c", version: "1" },
    },
    { type: "subscribe", id: 1, channel: "a", position, mode: "latest", presence: true },
    { type: "unsubscribe", id: 1, channel: "a" },
    { type: "publish", channel: "a", data: 1 },
    { type: "publish", id: 1, channel: "a", data: { b: [1] }, key: "k", tags: { x: "y" }, echo: false },
    { type: "history", id: 1, channel: "a", since: position, limit: 10, reverse: true },
    { type: "presence", id: 1, channel: "a" },
    { type: "request", id: 1, service: "s", data: "x", timeoutMs: 5 },
    { type: "serve", id: 1, service: "s" },
    { type: "unserve", id: 1, service: "s" },
    { type: "response", id: 1, data: [] },
    { type: "error", id: 1, code: 200, message: "no", retry: true },
    { type: "cancel", id: 1 },
    { type: "refresh", id: 1, token: "t" },
  ]

  it.each(messages)("$type is decoded as it is", accepts)

  it("unknown fields are ignored", () => {
    assert.deepStrictEqual<unknown>(decode({ type: "cancel", id: 1, later: true }), { type: "cancel", id: 1 })
  })

  it("null is data", () => accepts({ type: "publish", channel: "a", data: null }))

  it("missing data is malformed", () => {
    at("data", { type: "publish", channel: "a" })
    at("data", { type: "request", id: 1, service: "s" })
    at("data", { type: "response", id: 1 })
  })

  it("an id is a whole number from 1 to 2^31 - 1", () => {
    for (const id of [1, maxId]) accepts({ type: "cancel", id })
    for (const id of [0, -1, 1.5, maxId + 1, "1", null]) at("id", { type: "cancel", id })
  })

  it("only publish may lack an id", () => {
    const without = messages.map((message) => decode({ ...message, id: undefined }))
    assert.deepStrictEqual(
      new Set(without.filter((frame) => frame.type !== "malformed").map((frame) => frame.type)),
      new Set(["publish"]),
    )
  })

  it("a name has 1 to 255 bytes of UTF-8", () => {
    for (const channel of ["a", "a".repeat(255), "ä".repeat(127), "😀".repeat(63)]) {
      accepts({ type: "unsubscribe", id: 1, channel })
    }
    for (const channel of ["", "a".repeat(256), "ä".repeat(128), "😀".repeat(64)]) {
      at("channel", { type: "unsubscribe", id: 1, channel })
    }
    accepts({ type: "serve", id: 1, service: "a".repeat(255) })
    at("service", { type: "serve", id: 1, service: "a".repeat(256) })
  })

  it("a name has no control characters and no lone surrogates", () => {
    for (const channel of [" ", "~", "\u00a0", "room:1", "日本"]) accepts({ type: "unsubscribe", id: 1, channel })
    for (const code of [0x00, 0x0a, 0x1f, 0x7f, 0x80, 0x9f, 0xd800, 0xdfff]) {
      at("channel", { type: "unsubscribe", id: 1, channel: `a${String.fromCharCode(code)}` })
    }
  })

  it("key and tags of any size are well formed: their sizes are error 116", () => {
    const tags = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`t${index}`, "x".repeat(100)]))
    accepts({ type: "publish", channel: "a", data: 1, key: "k".repeat(65), tags })
  })

  it("a tag is a string", () => at("tags.x", { type: "publish", channel: "a", data: 1, tags: { x: 1 } }))

  it("a tag called __proto__ is a tag", () => {
    const frame = Result.getOrThrow(decodeText('{"type":"publish","channel":"a","data":1,"tags":{"__proto__":"x"}}'))
    assert.deepStrictEqual(frame.type === "publish" && Object.entries(frame.tags ?? {}), [["__proto__", "x"]])
  })

  it("a timeout is 1 ms to one hour", () => {
    const request = { type: "request", id: 1, service: "s", data: 1 }
    for (const timeoutMs of [1, 3_600_000]) accepts({ ...request, timeoutMs })
    for (const timeoutMs of [0, -1, 0.5, 3_600_001]) at("timeoutMs", { ...request, timeoutMs })
  })

  it("a history has 1 to 1000 publications", () => {
    for (const limit of [1, 1000]) accepts({ type: "history", id: 1, channel: "a", limit })
    for (const limit of [0, 1001]) at("limit", { type: "history", id: 1, channel: "a", limit })
  })

  it("an offset is 0 to 2^53 - 1", () => {
    for (const offset of [0, Number.MAX_SAFE_INTEGER]) {
      accepts({ type: "subscribe", id: 1, channel: "a", position: { offset, epoch: "e" } })
    }
    for (const offset of [-1, 2 ** 53]) {
      at("position.offset", { type: "subscribe", id: 1, channel: "a", position: { offset, epoch: "e" } })
    }
  })

  it("a mode is stream, latest or live", () => {
    for (const mode of ["stream", "latest", "live"]) accepts({ type: "subscribe", id: 1, channel: "a", mode })
    at("mode", { type: "subscribe", id: 1, channel: "a", mode: "all" })
  })

  it("a responder's error code is 100 to 999", () => {
    for (const code of [100, 999]) accepts({ type: "error", id: 1, code, message: "m" })
    for (const code of [99, 1000]) at("code", { type: "error", id: 1, code, message: "m" })
  })

  it("any version is well formed: one that is not supported has a bye of its own", () => {
    accepts({ type: "connect", id: 1, version: 2 })
  })
})

describe("what is malformed", () => {
  it("says where, what was expected and what was seen, with the id", () => {
    assert.deepStrictEqual(decode({ type: "subscribe", id: 7, channel: "" }), {
      type: "malformed",
      id: 7,
      path: "channel",
      message: 'expected a name of 1 to 255 bytes of UTF-8 without control characters at channel, got ""',
    })
  })

  it("an unknown type is told which there are", () => {
    assert.deepStrictEqual(decode({ type: "sing", id: 7 }), {
      type: "malformed",
      id: 7,
      path: "type",
      message:
        "expected one of connect, subscribe, unsubscribe, publish, history, presence, request, serve, unserve, response, " +
        'error, cancel, refresh at type, got "sing"',
    })
  })

  it("a missing type, or one that every object has, is an unknown type", () => {
    at("type", {})
    at("type", { type: "constructor" })
    at("type", { type: 1 })
    at("type", { type: null })
  })

  it("an id that is none is not repeated", () => {
    assert.deepStrictEqual(decode({ type: "subscribe", id: 0, channel: "a" }), {
      type: "malformed",
      path: "id",
      message: "expected a value between 1 and 2147483647 at id, got 0",
    })
  })

  it("the id of a response or error is the server's and is not repeated", () => {
    assert.notProperty(decode({ type: "response", id: 7 }), "id")
    assert.notProperty(decode({ type: "error", id: 7 }), "id")
    assert.property(decode({ type: "request", id: 7 }), "id")
  })
})

describe("subscriptions in connect", () => {
  const connect = { type: "connect", id: 1, version: 1 }

  it("each is judged by itself", () => {
    const subscriptions = [{ channel: "a", position }, { channel: "b", mode: "all" }, { channel: "" }]
    assert.deepStrictEqual<unknown>(decode({ ...connect, subscriptions }), {
      ...connect,
      subscriptions: [
        Result.succeed({ channel: "a", position }),
        Result.fail({
          type: "malformed",
          path: "mode",
          message: 'expected "stream" | "latest" | "live" at mode, got "all"',
          channel: "b",
        }),
        Result.fail({
          type: "malformed",
          path: "channel",
          message: 'expected a name of 1 to 255 bytes of UTF-8 without control characters at channel, got ""',
          channel: "",
        }),
      ],
    })
  })

  it("one without a channel cannot be answered, so the connect is malformed", () => {
    at("subscriptions[0].channel", { ...connect, subscriptions: [{ mode: "live" }] })
    at("subscriptions[1]", { ...connect, subscriptions: [{ channel: "a" }, 1] })
  })
})

describe("what is no message at all", () => {
  it.each([
    ["", "expected one JSON object, got an empty body"],
    ["[]", "expected one JSON object, got a body that begins with byte 0x5b"],
    ['"a"', "expected one JSON object, got a body that begins with byte 0x22"],
    [' {"type":"cancel","id":1}', "expected one JSON object, got a body that begins with byte 0x20"],
    ["\ufeff{}", "expected one JSON object, got a body that begins with byte 0xef"],
    ["{", 'expected one JSON value, got "{"'],
    ["{}{}", 'expected one JSON value, got "{}{}"'],
  ])("%j fails", (text, message) => {
    const decoded = decodeText(text)
    assert.strictEqual(Result.isFailure(decoded) && decoded.failure.message, `cannot decode message: ${message}`)
  })

  it("invalid UTF-8 fails", () => assert.isTrue(Result.isFailure(codec.decode(Uint8Array.of(0x7b, 0xff, 0x7d)))))

  it("nesting over the limit fails, up to it is data", () => {
    const nested = (levels: number) => `{"type":"response","id":1,"data":${"[".repeat(levels)}${"]".repeat(levels)}}`
    assert.isTrue(Result.isSuccess(decodeText(nested(7))))
    assert.isTrue(Result.isFailure(decodeText(nested(8))))
  })
})

describe("server messages", () => {
  const bare = { type: "publication", channel: "a", offset: 2, previous: 1, epoch: "e", data: Data.json(null), time: 5 }
  const connected = {
    type: "connected",
    id: 1,
    connection: "c",
    session: { id: "s", key: "k", ttlMs: 60_000 },
    resumed: false,
    heartbeat: { intervalMs: 25_000, timeoutMs: 10_000 },
    limits: { frameBytes: 65_536, subscriptions: 1000, commandsPerSecond: 100, outboxBytes: 1_048_576 },
    server: { name: "longline", version: "0.1.0", node: "n" },
    time: 5,
    subscriptions: {
      a: { type: "subscribed", channel: "a", position, recovered: "none", publications: [bare] },
      b: { type: "error", code: 106, message: "limit reached", retry: false },
    },
  }
  const member = { connection: "c", user: "u", joinedAt: 5 }
  const messages: ReadonlyArray<object> = [
    connected,
    { type: "subscribed", id: 1, channel: "a", position, recovered: "yes", publications: [], more: true },
    { type: "unsubscribed", channel: "a", code: 103, message: "not allowed" },
    { type: "published", id: 1, offset: 1, epoch: "e", duplicate: true },
    { type: "history", id: 1, channel: "a", publications: [bare], position },
    { type: "presence", id: 1, channel: "a", members: [member], count: 1 },
    { type: "presenceChanged", channel: "a", joined: [member], left: [], count: 1 },
    { type: "serving", id: 1, service: "s" },
    { type: "unserved", id: 1, service: "s" },
    { type: "refreshed", id: 1, expiresAt: 9 },
    { type: "response", id: 1, data: Data.json(null) },
    { type: "error", code: 111, message: "too many commands", retry: true, waitMs: 10 },
    { ...bare, from: { connection: "c" }, tags: { x: "y" } },
    { type: "request", id: 1, service: "s", data: Data.json(1), from: { connection: "c" }, timeoutMs: 10 },
    { type: "cancel", id: 1 },
    { type: "gap", channel: "a", from: 3, to: 5, count: 3 },
    { type: "notice", code: 4001, message: "draining", waitMs: 10 },
    { type: "bye", code: 4001, message: "draining", retry: "elsewhere" },
  ]

  it.each(messages)("$type has a schema", (message) => {
    assert.deepStrictEqual<unknown>(Schema.decodeUnknownSync(ServerMessage.ServerMessage)(message), message)
  })

  it("every member of the union is among these", () => {
    assert.strictEqual(messages.length, ServerMessage.ServerMessage.members.length)
  })
})
