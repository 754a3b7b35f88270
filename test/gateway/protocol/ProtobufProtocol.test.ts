import { create, toBinary } from "@bufbuild/protobuf"
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Data from "../../../src/gateway/protocol/Data.ts"
import { EnvelopeSchema } from "../../../src/gateway/protocol/gen/longline_pb.ts"
import * as ProtobufProtocol from "../../../src/gateway/protocol/ProtobufProtocol.ts"
import type { ServerMessage } from "../../../src/gateway/protocol/ServerMessage.ts"
import * as Envelopes from "../../support/envelopes.ts"

const codec = ProtobufProtocol.make({ maxDepth: 8 })
const decode = (body: Uint8Array) => Result.getOrThrow(codec.decode(body))
const through = (message: object) => decode(Envelopes.write(message))
const accepts = (message: object) => assert.deepStrictEqual<unknown>(through(message), message)
const at = (path: string, message: object) => {
  const frame = through(message)
  return assert.strictEqual(frame.type === "malformed" ? frame.path : `a well-formed ${frame.type}`, path)
}

const maxId = 2 ** 31 - 1
const position = { offset: 3, epoch: "e" }
const publish = { type: "publish", channel: "a", data: Data.json(1) }

describe("what is well formed", () => {
  const messages: ReadonlyArray<object> = [
    { type: "subscribe", id: 1, channel: "a", position, mode: "latest", presence: true },
    { type: "unsubscribe", id: 1, channel: "a" },
    publish,
    { ...publish, id: 1, key: "k", tags: { x: "y" }, echo: false },
    { ...publish, data: Data.binary(Uint8Array.of(0, 255)) },
    { type: "history", id: 1, channel: "a", since: position, limit: 10, reverse: true },
    { type: "presence", id: 1, channel: "a" },
    { type: "request", id: 1, service: "s", data: Data.json("x"), timeoutMs: 5 },
    { type: "serve", id: 1, service: "s" },
    { type: "unserve", id: 1, service: "s" },
    { type: "response", id: 1, data: Data.json([]) },
    { type: "error", id: 1, code: 200, message: "no", retry: true },
    { type: "cancel", id: 1 },
    { type: "refresh", id: 1, token: "t" },
  ]

  it.each(messages)("$type is decoded as it is", accepts)

  it("connect is decoded as it is, each subscription judged by itself", () => {
    const connect = {
      type: "connect",
      id: 1,
      version: 1,
      token: "t",
      session: { id: "s", key: "k" },
      client: { name: "c", version: "1" },
    }
    accepts(connect)
    const frame = through({ ...connect, subscriptions: [{ channel: "a", position }, { channel: "" }] })
    assert.deepStrictEqual<unknown>(frame, {
      ...connect,
      subscriptions: [
        Result.succeed({ channel: "a", position }),
        Result.fail({
          type: "malformed",
          path: "channel",
          message: 'expected a name of 1 to 255 bytes of UTF-8 without control characters at channel, got ""',
          channel: "",
        }),
      ],
    })
  })

  it("false, 0 and empty texts are values where a field may be absent, and absent ones stay absent", () => {
    accepts({ ...publish, echo: false, key: "" })
    accepts({ type: "subscribe", id: 1, channel: "a", presence: false, position: { offset: 0, epoch: "" } })
    assert.deepStrictEqual(Object.keys(through(publish)).toSorted(), ["channel", "data", "type"])
  })

  it("no mode, no tags and no subscriptions are absent, however they are written", () => {
    const envelope = create(EnvelopeSchema, {
      message: { case: "subscribe", value: { id: 1, channel: "a", mode: 0 } },
    })
    assert.deepStrictEqual<unknown>(decode(toBinary(EnvelopeSchema, envelope)), {
      type: "subscribe",
      id: 1,
      channel: "a",
    })
    assert.deepStrictEqual<unknown>(through({ ...publish, tags: {} }), publish)
    assert.deepStrictEqual(
      through({ type: "connect", id: 1, version: 1, subscriptions: [] }),
      through({ type: "connect", id: 1, version: 1 }),
    )
  })

  it("unknown fields are ignored", () => {
    const later = new BinaryWriter().tag(100, WireType.LengthDelimited).string("later").finish()
    const body = Buffer.concat([later, Envelopes.write({ type: "cancel", id: 1 }), later])
    assert.deepStrictEqual(decode(body), { type: "cancel", id: 1 })
  })

  it("a tag called __proto__ is a tag", () => {
    const frame = through({ ...publish, tags: JSON.parse('{"__proto__":"x"}') as object })
    assert.deepStrictEqual(frame.type === "publish" && Object.entries(frame.tags ?? {}), [["__proto__", "x"]])
  })
})

describe("what is malformed", () => {
  it("is said as in JSON, with the id", () => {
    assert.deepStrictEqual(through({ type: "subscribe", id: 7, channel: "" }), {
      type: "malformed",
      id: 7,
      path: "channel",
      message: 'expected a name of 1 to 255 bytes of UTF-8 without control characters at channel, got ""',
    })
  })

  it("an Envelope without a message that is known is an unknown type", () => {
    const later = new BinaryWriter().tag(100, WireType.LengthDelimited).string("later").finish()
    for (const body of [later, new Uint8Array(0)]) {
      const frame = decode(body)
      assert.strictEqual(frame.type === "malformed" && frame.path, "type")
    }
  })

  it("a message that only the gateway sends is an unknown type", () => {
    at("type", { type: "gap", channel: "a", from: 1, to: 2, count: 1 })
    at("type", { type: "historyAnswer", id: 1, channel: "a", position })
  })

  it("an id is a whole number from 1 to 2^31 - 1", () => {
    for (const id of [1, maxId]) accepts({ type: "cancel", id })
    for (const id of [0, maxId + 1, 2 ** 32 - 1]) at("id", { type: "cancel", id })
    at("id", { ...publish, id: 0 })
  })

  it("an offset is 0 to 2^53 - 1", () => {
    const subscribe = (offset: bigint) =>
      decode(
        toBinary(
          EnvelopeSchema,
          create(EnvelopeSchema, {
            message: { case: "subscribe", value: { id: 1, channel: "a", position: { offset, epoch: "e" } } },
          }),
        ),
      )
    for (const offset of [0n, 2n ** 53n - 1n]) {
      const position = { offset: Number(offset), epoch: "e" }
      assert.deepStrictEqual<unknown>(subscribe(offset), { type: "subscribe", id: 1, channel: "a", position })
    }
    for (const offset of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      const frame = subscribe(offset)
      assert.strictEqual(frame.type === "malformed" && frame.path, "position.offset")
    }
  })

  it("at most 1024 subscriptions ride along", () => {
    const connect = (count: number) => ({
      type: "connect",
      id: 1,
      version: 1,
      subscriptions: Array.from({ length: count }, () => ({ channel: "a" })),
    })
    assert.strictEqual(through(connect(1024)).type, "connect")
    at("subscriptions", connect(1025))
  })

  it("a mode that has no name is refused", () => {
    const envelope = create(EnvelopeSchema, {
      message: { case: "subscribe", value: { id: 1, channel: "a", mode: 4 as never } },
    })
    assert.deepStrictEqual(decode(toBinary(EnvelopeSchema, envelope)), {
      type: "malformed",
      id: 1,
      path: "mode",
      message: 'expected "stream" | "latest" | "live" at mode, got 4',
    })
  })
})

describe("data", () => {
  const dataOf = (data: Data.Data) => {
    const frame = through({ ...publish, data })
    return "data" in frame ? frame.data : frame
  }
  const text = (json: string): Data.Json => ({ type: "json", text: json })

  it("in JSON is carried as one text, however it was written", () => {
    const other = String.raw` { "a":"\u00e4\ud800", "b":[null, 1.50, 1e2] } `
    assert.deepStrictEqual(dataOf(text(other)), text(String.raw`{"a":"ä\ud800","b":[null,1.5,100]}`))
  })

  it("that is not one JSON value is malformed, with the id", () => {
    for (const json of ["", "{", "1 2", "\ufeff1", "NaN", "'a'"]) at("data", { ...publish, data: text(json) })
    assert.deepStrictEqual(through({ ...publish, id: 7, data: text("{") }), {
      type: "malformed",
      id: 7,
      path: "data",
      message: 'expected one JSON value at data, got "{"',
    })
  })

  it("nests as deep as in JSON, where the message is a level", () => {
    const nested = (levels: number) => ({ ...publish, data: text("[".repeat(levels) + "]".repeat(levels)) })
    accepts(nested(7))
    at("data", nested(8))
  })

  it("missing, or of no kind, is malformed", () => {
    at("data", { type: "publish", channel: "a" })
    const envelope = create(EnvelopeSchema, { message: { case: "response", value: { id: 1, data: {} } } })
    const frame = decode(toBinary(EnvelopeSchema, envelope))
    assert.deepStrictEqual(frame, {
      type: "malformed",
      path: "data",
      message: "expected any JSON value at data, got nothing",
    })
  })

  it("in bytes is copied, so that it keeps no frame in memory", () => {
    const data = dataOf(Data.binary(Uint8Array.of(1, 2, 3)))
    assert.deepStrictEqual(data, { type: "binary", bytes: Uint8Array.of(1, 2, 3) })
    assert.strictEqual("bytes" in data && data.bytes.buffer.byteLength, 3)
  })
})

describe("encoding", () => {
  const written = (message: ServerMessage) => Envelopes.read(Result.getOrThrow(codec.encode(message)) as Uint8Array)

  it("a duration that is a fraction or infinite is the nearest number that is none", () => {
    const notice = { type: "notice", code: 4001, message: "m" } as const
    assert.deepStrictEqual(written({ ...notice, waitMs: 1.5 }), { ...notice, waitMs: 2 })
    assert.deepStrictEqual(written({ ...notice, waitMs: Infinity }), { ...notice, waitMs: Number.MAX_SAFE_INTEGER })
  })

  it("a lone surrogate becomes U+FFFD, and nobody misses the message for it", () => {
    const error = { type: "error", code: 200, retry: false } as const
    assert.deepStrictEqual(written({ ...error, message: "a\ud800" }), { ...error, message: "a\ufffd" })
    const publication = { type: "publication", channel: "a", offset: 1, previous: 0, epoch: "e", time: 1 } as const
    assert.deepStrictEqual(written({ ...publication, data: Data.json(1), tags: { "\udc00": "\ud800b" } }), {
      ...publication,
      data: Data.json(1),
      tags: { "\ufffd": "\ufffdb" },
    })
  })

  it("what Protobuf cannot hold is refused and does not throw", () => {
    const error = Result.getOrThrow(Result.flip(codec.encode({ type: "notice", code: -1, message: "m" })))
    assert.deepStrictEqual([error.direction, error.expected], ["encode", "a notice that Protobuf can hold"])
  })
})
