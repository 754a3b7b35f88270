import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Codec from "../../src/codec/Codec.ts"
import * as JsonCodec from "../../src/codec/JsonCodec.ts"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import { SharedFrame } from "../../src/connection/Outbox.ts"
import * as Protocol from "../../src/connection/Protocol.ts"
import { FrameError, FrameTooLarge } from "../../src/frame/FrameError.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import { refusal, text, texts } from "../support/connections.ts"
import { frame } from "../support/frames.ts"

const tooLarge = (declared: number, limit: number) => new FrameError({ reason: new FrameTooLarge({ limit, declared }) })

describe("Protocol.fromCodec", () => {
  it("takes u32 frames of 64 KiB both ways, heartbeats, and says nothing in parting, unless told otherwise", () => {
    const protocol = Protocol.fromCodec({ name: "bytes", codec: Codec.bytes })
    assert.deepStrictEqual(
      [protocol.name, protocol.codec, protocol.codecFor, protocol.inboundLayout, protocol.encoder.layout],
      ["bytes", Codec.bytes, undefined, FrameLayout.u32, FrameLayout.u32],
    )
    assert.deepStrictEqual(
      [protocol.heartbeat, protocol.goodbye(CloseReason.Done()), protocol.draining(Duration.seconds(1))],
      ["empty", undefined, undefined],
    )
  })

  it("has no heartbeats where no frame is empty", () => {
    // A frame that carries its header, and one whose body has at least the byte that the length leaves out.
    for (const options of [{ strip: 0 }, { adjustment: 1 }]) {
      const layout = FrameLayout.makeUnsafe(options)
      const protocol = Protocol.fromCodec({ name: "no empty frames", codec: Codec.bytes, layout })
      assert.strictEqual(protocol.heartbeat, "none")
      assert.throws(
        () => Protocol.fromCodec({ name: "wishes", codec: Codec.bytes, layout, heartbeat: "empty" }),
        `no frame of wishes's layout can be empty: its heartbeat must be "none"`,
      )
    }
  })

  it("limits what goes out apart from what comes in", () => {
    const protocol = Protocol.fromCodec({ name: "answers", codec: Codec.bytes, maxOutboundFrameBytes: 100_000 })
    assert.strictEqual(protocol.inboundLayout.maxFrameBytes, 65_536)
    assert.isUndefined(protocol.encoder.refuse(100_000))
    assert.deepStrictEqual(protocol.encoder.refuse(100_001), tooLarge(100_001, 100_000))
  })
})

describe("Protocol.make", () => {
  it("takes the literals of what is said in parting for what they are, with a parameter and without", () => {
    const Say = Schema.Struct({ type: Schema.Literal("say"), text: Schema.String })
    const Bye = Schema.Struct({ type: Schema.Literal("bye"), code: Schema.Literals([1, 2]) })
    const schemas = { inbound: Say, outbound: Schema.Union([Say, Bye]), codec: JsonCodec.make() }
    const silent: Protocol.Protocol<typeof Say.Type, typeof Say.Type | typeof Bye.Type> = Protocol.make({
      name: "literals",
      ...schemas,
      goodbye: () => ({ type: "bye", code: 1 }),
      draining: (grace) => (Duration.isZero(grace) ? undefined : { type: "bye", code: 2 }),
    })
    assert.deepStrictEqual(silent.goodbye(CloseReason.Done()), { type: "bye", code: 1 })
    assert.deepStrictEqual(
      [silent.draining(Duration.zero), silent.draining(Duration.seconds(1))],
      [undefined, { type: "bye", code: 2 }],
    )
    // @ts-expect-error: there is no such message
    Protocol.make({ name: "wrong", ...schemas, goodbye: () => ({ type: "bye", code: 3 }) })
  })

  it("makes the codec of its schemas", () => {
    const protocol = Protocol.make({
      name: "numbers",
      inbound: Schema.NumberFromString,
      outbound: Schema.Struct({ n: Schema.Number }),
      codec: JsonCodec.make(),
    })
    assert.deepStrictEqual(protocol.codec.decode(Buffer.from('"7"')), Result.succeed(7))
    assert.deepStrictEqual(protocol.codec.encode({ n: 7 }), Result.succeed('{"n":7}'))
  })
})

describe("Protocol.SharedMessage", () => {
  const counted = (codec: typeof text) => {
    const counter = { ...codec, encodings: 0 }
    counter.encode = (message) => {
      counter.encodings++
      return codec.encode(message)
    }
    return counter
  }

  it("is encoded once for each codec, when it is first asked for, in whatever order", () => {
    const [plain, shouted] = [
      counted(text),
      counted({ ...text, encode: (message) => text.encode(message.toUpperCase()) }),
    ]
    const shared = new Protocol.SharedMessage(Protocol.fromCodec({ name: "two", codec: plain }), "a")
    assert.deepStrictEqual([plain.encodings, shouted.encodings], [0, 0])
    const heard = [shouted, plain, plain, shouted, plain, shouted].map((codec) => shared.frameFor(codec))
    const [a, A] = [Result.succeed(new SharedFrame(frame("a"))), Result.succeed(new SharedFrame(frame("A")))]
    assert.deepStrictEqual(heard, [A, a, a, A, a, A])
    assert.deepStrictEqual([plain.encodings, shouted.encodings], [1, 1])
    assert.strictEqual(heard[0], heard[3])
  })

  it("is a frame with its header, of text and of bytes", () => {
    const bytes = Protocol.fromCodec({ name: "bytes", codec: Codec.bytes })
    const whole = Result.succeed(new SharedFrame(frame("é")))
    assert.deepStrictEqual(new Protocol.SharedMessage(texts, "é").frameFor(text), whole)
    assert.deepStrictEqual(new Protocol.SharedMessage(bytes, Buffer.from("é")).frameFor(Codec.bytes), whole)
  })

  it("says why the codec or the layout refuses it", () => {
    const small = Protocol.fromCodec({ name: "small", codec: text, maxOutboundFrameBytes: 1 })
    const refused = [new Protocol.SharedMessage(texts, "?"), new Protocol.SharedMessage(small, "é")]
    assert.deepStrictEqual(
      refused.map((shared) => shared.frameFor(text)),
      [Result.fail(refusal("encode", "?")), Result.fail(tooLarge(2, 1))],
    )
  })
})
