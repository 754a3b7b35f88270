import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import * as SchemaFailure from "../../src/codec/SchemaFailure.ts"
import * as SchemaStep from "../../src/codec/SchemaStep.ts"
import { Chat, Leave, Say } from "./fixtures.ts"

const facts = (schema: Schema.Codec<unknown, unknown>, value: unknown) => {
  const failure = Result.getOrThrow(Result.flip(SchemaStep.decoder(schema)(value)))
  return [failure.path, failure.expected, failure.actual]
}
const say = { type: "say", text: "hi", data: { items: [] } }
const price = (value: object) => ({ ...say, data: { items: [{ price: 1 }, { price: 2 }, { price: 3 }, value] } })

describe("a failure names the place, what was expected and what was seen", () => {
  const Pair = Schema.Struct({ lo: Schema.Finite, hi: Schema.Finite })
  it.each<[string, Schema.Codec<unknown, unknown>, unknown, [string, string, string]]>([
    ["the whole", Schema.String, 1, ["", "string", "1"]],
    ["a nested value", Say, price({ price: "x" }), ["data.items[3].price", "number", '"x"']],
    ["a nested object", Say, { ...say, data: [] }, ["data", "object", "array of 0"]],
    ["a missing key", Say, price({ cost: 1 }), ["data.items[3].price", "number", "nothing"]],
    ["a key that is undefined", Say, { ...say, text: undefined }, ["text", "string", "undefined"]],
    ["an optional key that is null", Say, { ...say, nick: null }, ["nick", "string", "null"]],
    ["a missing element", Schema.Tuple([Schema.String, Schema.Finite]), ["a"], ["[1]", "number", "nothing"]],
    [
      "a missing key with words of its own",
      Schema.Struct({ a: Schema.String.pipe(Schema.annotateKey({ messageMissingKey: "a name" })) }),
      {},
      ["a", "a name", "nothing"],
    ],
    [
      "a check",
      Say,
      { ...say, text: "x".repeat(301) },
      ["text", "a value with a length of at most 300", `"${"x".repeat(198)}…`],
    ],
    [
      "a check with words of its own",
      Schema.Finite.check(Schema.makeFilter((n) => n < 2 || "less than two")),
      2,
      ["", "less than two", "2"],
    ],
    ["a check without words", Schema.Finite.check(Schema.makeFilter((n) => n < 2)), 2, ["", "a valid value", "2"]],
    [
      "a check that names a place",
      Pair.check(Schema.makeFilter(({ lo, hi }) => lo <= hi || { path: ["hi"], issue: "hi from lo up" })),
      { lo: 2, hi: 1 },
      ["hi", "hi from lo up", "1"],
    ],
    [
      "a transformation's own check",
      Schema.toCodecJson(Leave),
      { type: "leave", at: "soon" },
      ["at", "a valid Date", "an invalid Date"],
    ],
    ["a literal", Leave, { type: "say", at: new Date(0) }, ["type", '"leave"', '"say"']],
    ["a union of scalars", Schema.Union([Schema.String, Schema.Null]), 1, ["", "string | null", "1"]],
    [
      "long expectations are cut",
      Schema.Literals(Array.from({ length: 100 }, (_, i) => `literal ${i}`)),
      1,
      [
        "",
        `${Array.from({ length: 100 }, (_, i) => `"literal ${i}"`)
          .join(" | ")
          .slice(0, 199)}…`,
        "1",
      ],
    ],
    [
      "long paths are cut",
      Schema.Record(Schema.String, Schema.Finite),
      { ["k".repeat(300)]: "x" },
      [`${"k".repeat(199)}…`, "number", '"x"'],
    ],
  ])("%s", (_, schema, value, expected) => {
    assert.deepStrictEqual(facts(schema, value), expected)
  })
})

describe("a union with tags", () => {
  const Numbered = Schema.Union([
    Schema.Struct({ kind: Schema.Literal("op"), op: Schema.Literal(1) }),
    Schema.Struct({ kind: Schema.Literal("op"), op: Schema.Literal(2) }),
  ])
  const Nested = Schema.Union([Chat, Schema.Struct({ type: Schema.tag("join") })])
  const Same = Schema.Union([
    Schema.Struct({ type: Schema.tag("a"), n: Schema.Finite }),
    Schema.Struct({ type: Schema.tag("a"), s: Schema.String }),
  ])
  it.each<[string, Schema.Codec<unknown, unknown>, unknown, [string, string, string]]>([
    ["an unknown tag", Chat, { type: "zork" }, ["type", 'one of "say", "leave"', '"zork"']],
    ["a tag of another kind", Chat, { type: 7 }, ["type", 'one of "say", "leave"', "7"]],
    ["a missing tag", Chat, { text: "hi" }, ["type", 'one of "say", "leave"', "nothing"]],
    ["a long tag", Chat, { type: "z".repeat(300) }, ["type", 'one of "say", "leave"', `"${"z".repeat(198)}…`]],
    [
      "a tag in the prototype is missing",
      Chat,
      Object.create({ type: "zork" }),
      ["type", 'one of "say", "leave"', "nothing"],
    ],
    ["no object", Chat, 3, ["", 'object whose type is one of "say", "leave"', "3"]],
    ["an array", Chat, [], ["", 'object whose type is one of "say", "leave"', "array of 0"]],
    ["a known tag, whose member failed", Chat, { type: "leave" }, ["at", "a valid Date", "nothing"]],
    ["unions within", Nested, { type: "zork" }, ["type", 'one of "say", "leave", "join"', '"zork"']],
    [
      "below other keys",
      Schema.Struct({ message: Chat }),
      { message: {} },
      ["message.type", 'one of "say", "leave"', "nothing"],
    ],
    ["the first of two tags", Numbered, { kind: "x", op: 1 }, ["kind", '"op"', '"x"']],
    ["the second of two tags", Numbered, { kind: "op", op: 3 }, ["op", "one of 1, 2", "3"]],
    [
      "members without a tag in common",
      Schema.Union([Leave, Schema.Struct({ kind: Schema.Literal("x") })]),
      {},
      ["", '{ readonly "type": "leave", ... } | { readonly "kind": "x", ... }', "empty object"],
    ],
    ["members with the same tag", Same, { type: "a" }, ["", '{ readonly "type": "a", ... }', "object with keys type"]],
  ])("%s", (_, schema, value, expected) => {
    assert.deepStrictEqual(facts(schema, value), expected)
  })
})

it("a key the schema does not admit is named", () => {
  const parse = SchemaParser.decodeUnknownResult(Leave, { onExcessProperty: "error", reportInput: true })
  const issue = Result.getOrThrow(Result.flip(parse({ type: "leave", at: new Date(0), extra: 2 })))
  const { path, expected, actual } = SchemaFailure.toCodecError("decode", issue)
  assert.deepStrictEqual([path, expected, actual], ["extra", "no such key", "2"])
})

it("the message of an error is one sentence", () => {
  const failure = Result.getOrThrow(Result.flip(SchemaStep.decoder(Say)(price({ price: "x" }))))
  assert.strictEqual(failure.message, 'cannot decode message: expected number at data.items[3].price, got "x"')
  const whole = Result.getOrThrow(Result.flip(SchemaStep.encoder(Say)(1)))
  assert.strictEqual(whole.message, "cannot encode message: expected object, got 1")
})
