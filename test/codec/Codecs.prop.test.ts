import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as BinaryCodec from "../../src/codec/BinaryCodec.ts"
import * as Codec from "../../src/codec/Codec.ts"
import * as JsonCodec from "../../src/codec/JsonCodec.ts"
import * as JsonDepth from "../../src/codec/JsonDepth.ts"
import * as Utf8 from "../../src/codec/Utf8.ts"
import { Tree, utf8 } from "./fixtures.ts"

// Lone surrogates do not survive UTF-8, -0 does not survive JSON: neither is a message anybody sends.
const Text = Schema.String.check(Schema.makeFilter((text: string) => !/\p{Surrogate}/u.test(text)))
const Message = Schema.Union([
  Schema.Struct({ type: Schema.tag("say"), text: Text, nick: Schema.optionalKey(Text) }),
  Schema.Struct({ type: Schema.tag("leave"), at: Schema.Date, code: Schema.Natural }),
  Schema.Struct({ type: Schema.tag("data"), body: Schema.Uint8Array, tags: Schema.Record(Text, Schema.NullOr(Text)) }),
  Schema.Struct({
    type: Schema.tag("list"),
    items: Schema.Array(Schema.Struct({ n: Schema.Natural, o: Schema.Option(Text) })),
  }),
])
const schemas = { inbound: Message, outbound: Message }
const codecs = [
  ["json", JsonCodec.make()(schemas)],
  ["binary, evolvable", BinaryCodec.make()(schemas)],
  ["binary, identical", BinaryCodec.make({ peers: "identical" })(schemas)],
] as const
const trees = JsonCodec.make({ maxDepth: 6 })({ inbound: Tree, outbound: Tree })

const bytesOf = (body: Codec.Body): Uint8Array => (typeof body === "string" ? utf8(body) : body)
const equal = Schema.toEquivalence(Message)
const byte = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))
const garbage = Arbitrary.map(Arbitrary.array(byte, { maxLength: 64 }), (bytes) => Uint8Array.from(bytes))
const edit = Arbitrary.all({ at: Arbitrary.schema(Schema.Natural), byte })
const runs = { arbitrary: { runs: 300 } }

for (const [name, codec] of codecs) {
  describe(name, () => {
    it.prop(
      "what is encoded decodes to the same",
      [Message],
      ([message]) => {
        const body = Result.getOrThrow(codec.encode(message))
        return equal(Result.getOrThrow(codec.decode(bytesOf(body))), message)
      },
      runs,
    )

    it.prop(
      "garbage is a CodecError or a message, never a throw",
      [garbage],
      ([body]) => {
        const result = codec.decode(body)
        return Result.isFailure(result)
          ? result.failure instanceof Codec.CodecError
          : Schema.is(Message)(result.success)
      },
      runs,
    )

    it.prop(
      "a body with bytes changed is a CodecError or a message, never a throw",
      [Message, Arbitrary.array(edit, { minLength: 1, maxLength: 4 })],
      ([message, edits]) => {
        const body = Uint8Array.from(bytesOf(Result.getOrThrow(codec.encode(message))))
        for (const { at, byte } of edits) body[at % body.length] = byte
        const result = codec.decode(body)
        return Result.isFailure(result) ? result.failure.message.length < 700 : Schema.is(Message)(result.success)
      },
      runs,
    )
  })
}

/** The depth by the plainest means: a walk over the value. */
const depthOf = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0

describe("depth", () => {
  // Strings of what the scan looks for, around a limit small enough to be crossed by every other value.
  const Piece = Schema.Literals(["", '"', "\\", "[", "]", "{", "}", '\\"', '[["', "a"])
  const piece = Arbitrary.schema(Piece)
  const nested = Arbitrary.map(
    Arbitrary.array(
      Arbitrary.all({ kind: Arbitrary.schema(Schema.Literals(["array", "object", "wide"])), text: piece }),
      { maxLength: 12 },
    ),
    (levels) =>
      levels.reduce<unknown>((inner, { kind, text }) => {
        if (kind === "array") return [text, inner, text]
        return kind === "object"
          ? { [text]: text, [`${text}${text}k`]: inner }
          : [[], {}, [text], inner, { [text]: [] }]
      }, 0),
  )

  it.prop(
    "of a JSON text is what a walk over its value finds, at every limit around it",
    [nested],
    ([value]) => {
      const text = JSON.stringify(value)
      const depth = depthOf(value)
      for (let limit = Math.max(0, depth - 2); limit <= depth + 2; limit++) {
        assert.strictEqual(JsonDepth.exceeds(text, limit), depth > limit)
      }
    },
    runs,
  )

  it.prop(
    "beyond the limit is refused by both directions, and within it by neither",
    [nested],
    ([value]) => {
      const allowed = depthOf(value) <= 6
      assert.deepStrictEqual(
        [
          Result.isSuccess(JsonCodec.stringify(value, 6)),
          Result.isSuccess(JsonCodec.parse(utf8(JSON.stringify(value)), 6)),
        ],
        [allowed, allowed],
      )
    },
    runs,
  )

  it.prop(
    "of a recursive message is no reason to throw",
    [Tree],
    ([tree]) => {
      const result = trees.encode(tree)
      assert.strictEqual(Result.isSuccess(result), depthOf(tree) <= 6)
    },
    runs,
  )
})

describe("UTF-8", () => {
  it.prop(
    "is malformed somewhere exactly when it has no text",
    [garbage],
    ([bytes]) => {
      assert.strictEqual(Utf8.malformedAt(bytes) === undefined, Utf8.decode(bytes) !== undefined)
    },
    runs,
  )

  it.prop(
    "is well formed up to where it is malformed",
    [Text, garbage],
    ([text, tail]) => {
      const bytes = Uint8Array.from([...utf8(text), ...tail])
      const at = Utf8.malformedAt(bytes)
      assert.notStrictEqual(Utf8.decode(bytes.subarray(0, at)), undefined)
      assert.isTrue(at === undefined || at >= utf8(text).length)
    },
    runs,
  )
})
