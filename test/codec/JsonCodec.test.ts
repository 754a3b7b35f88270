import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as JsonCodec from "../../src/codec/JsonCodec.ts"
import { Chat, failureOf, hex, Leave, Tree, utf8 } from "./fixtures.ts"

const parse = (body: Uint8Array, maxDepth = 64) => JsonCodec.parse(body, maxDepth)
const stringify = (value: unknown, maxDepth = 64) => JsonCodec.stringify(value, maxDepth)
const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth)
const refusal = (expected: string, actual: string) => ({ direction: "decode", path: "", expected, actual })

describe("parse", () => {
  it("takes exactly one JSON value, with space around", () => {
    assert.deepStrictEqual(parse(utf8(' {"a":[1,null,"é"]}\n')), Result.succeed({ a: [1, null, "é"] }))
  })

  it.each([
    ["an empty body", "", refusal("one JSON value", "an empty body")],
    ["blanks only", "20 0a", refusal("one JSON value", '" \\n"')],
    ["a second value", "31 20 32", refusal("one JSON value", '"1 2"')],
    ["trailing garbage", "7b 7d 00", refusal("one JSON value", '"{}\\u0000"')],
    ["a value cut short", "7b 22 61", refusal("one JSON value", '"{\\"a"')],
    ["a byte order mark", "ef bb bf 7b 7d", refusal("one JSON value", "a byte order mark")],
    ["a byte that is not UTF-8, in a string", "22 ff 22", refusal("UTF-8", "byte 0xff at offset 1")],
    ["an overlong quote", "c0 a2", refusal("UTF-8", "byte 0xc0 at offset 0")],
    ["a surrogate in bytes", "22 ed a0 80 22", refusal("UTF-8", "byte 0xed at offset 1")],
    ["a character cut short", "22 e2 82", refusal("UTF-8", "byte 0xe2 at offset 1")],
    ["a single quote", "27 61 27", refusal("one JSON value", "\"'a'\"")],
  ])("refuses %s", (_, body, failure) => {
    assert.deepStrictEqual(failureOf(parse(hex(body))), failure)
  })

  it("shows the beginning of a long body that is not JSON", () => {
    assert.deepStrictEqual(failureOf(parse(utf8("x".repeat(500)))), refusal("one JSON value", `"${"x".repeat(198)}…`))
  })

  it("admits the depth allowed, and refuses one more", () => {
    assert.deepStrictEqual(parse(utf8(nested(3)), 3), Result.succeed([[[]]]))
    assert.deepStrictEqual(
      failureOf(parse(utf8(nested(4)), 3)),
      refusal("at most 3 levels of arrays and objects", "more"),
    )
  })

  it("does not walk into a million levels", () => {
    assert.deepStrictEqual(
      failureOf(parse(utf8(nested(1_000_000)))),
      refusal("at most 64 levels of arrays and objects", "more"),
    )
  })
})

describe("stringify", () => {
  const refused = (actual: string) => ({ direction: "encode", path: "", expected: "a JSON value", actual })
  const cycle: { self?: unknown } = {}
  cycle.self = cycle

  it("escapes what UTF-8 cannot carry", () => {
    assert.deepStrictEqual(stringify("\ud800"), Result.succeed('"\\ud800"'))
  })

  it.each<[string, unknown, unknown]>([
    ["undefined", undefined, refused("undefined")],
    ["a function", () => 1, refused("function")],
    ["a symbol", Symbol("s"), refused("symbol")],
    ["a bigint", 1n, refused("1")],
    ["a bigint inside", { a: 1n }, refused("object with keys a")],
    ["a cycle", cycle, refused("object with keys self")],
  ])("refuses %s", (_, value, failure) => {
    assert.deepStrictEqual(failureOf(stringify(value)), failure)
  })

  it("admits the depth allowed, and refuses one more", () => {
    assert.deepStrictEqual(stringify([[[]]], 3), Result.succeed("[[[]]]"))
    assert.deepStrictEqual(failureOf(stringify([[[[]]]], 3)), {
      direction: "encode",
      path: "",
      expected: "at most 3 levels of arrays and objects",
      actual: "more",
    })
  })

  it("refuses nesting beyond the stack", () => {
    let deep: unknown = []
    for (let level = 0; level < 100_000; level++) deep = [deep]
    assert.deepStrictEqual(failureOf(stringify(deep)), refused("array of 1"))
  })
})

describe("make", () => {
  const codec = JsonCodec.make()({ inbound: Chat, outbound: Chat })

  it("is called json", () => {
    assert.strictEqual(codec.name, "json")
  })

  it("encodes to text and decodes from bytes", () => {
    const message = { type: "say", text: "hé", data: { items: [{ price: 1 }] } } as const
    const text = '{"type":"say","text":"hé","data":{"items":[{"price":1}]}}'
    assert.deepStrictEqual(codec.encode(message), Result.succeed(text))
    assert.deepStrictEqual(codec.decode(utf8(text)), Result.succeed(message))
  })

  it("gives what JSON cannot hold a form that it can", () => {
    const Odd = Schema.Struct({
      at: Schema.Date,
      body: Schema.Uint8Array,
      n: Schema.Number,
      o: Schema.Option(Schema.BigInt),
    })
    const odd = JsonCodec.make()({ inbound: Odd, outbound: Odd })
    const message = { at: new Date(0), body: hex("00ff"), n: Number.NaN, o: Option.some(7n) }
    const text = '{"at":"1970-01-01T00:00:00.000Z","body":"AP8=","n":"NaN","o":{"_tag":"Some","value":"7"}}'
    assert.deepStrictEqual(odd.encode(message), Result.succeed(text))
    assert.deepStrictEqual(odd.decode(utf8(text)), Result.succeed(message))
  })

  it("has a schema for each direction", () => {
    const asymmetric = JsonCodec.make()({ inbound: Schema.Struct({ n: Schema.Int }), outbound: Leave })
    assert.deepStrictEqual(asymmetric.decode(utf8('{"n":1}')), Result.succeed({ n: 1 }))
    assert.deepStrictEqual(
      asymmetric.encode({ type: "leave", at: new Date(0) }),
      Result.succeed('{"type":"leave","at":"1970-01-01T00:00:00.000Z"}'),
    )
  })

  it("holds both directions to the default depth", () => {
    const trees = JsonCodec.make()({ inbound: Tree, outbound: Tree })
    const tree = (depth: number): Tree => ({ children: depth <= 2 ? [] : [tree(depth - 2)] })
    const atLimit = tree(JsonCodec.defaultMaxDepth)
    assert.deepStrictEqual(trees.encode(atLimit), Result.succeed(JSON.stringify(atLimit)))
    assert.deepStrictEqual(trees.decode(utf8(JSON.stringify(atLimit))), Result.succeed(atLimit))
    const expected = "at most 64 levels of arrays and objects"
    const over = tree(JsonCodec.defaultMaxDepth + 2)
    assert.deepStrictEqual(failureOf(trees.encode(over)), { direction: "encode", path: "", expected, actual: "more" })
    assert.deepStrictEqual(failureOf(trees.decode(utf8(JSON.stringify(over)))), refusal(expected, "more"))
  })

  it("takes another depth", () => {
    const shallow = JsonCodec.make({ maxDepth: 1 })({ inbound: Schema.Json, outbound: Schema.Json })
    assert.deepStrictEqual(shallow.decode(utf8("[1]")), Result.succeed([1]))
    assert.deepStrictEqual(
      failureOf(shallow.decode(utf8("[[]]"))),
      refusal("at most 1 levels of arrays and objects", "more"),
    )
  })

  it("does not throw for a message that holds itself", () => {
    const trees = JsonCodec.make()({ inbound: Tree, outbound: Tree })
    const children: Array<Tree> = []
    children.push({ children })
    assert.isTrue(Result.isFailure(trees.encode({ children })))
  })

  it("gives no prototype to a key named __proto__", () => {
    const records = JsonCodec.make()({ inbound: Schema.Record(Schema.String, Schema.Json), outbound: Schema.Json })
    const decoded = Result.getOrThrow(records.decode(utf8('{"__proto__":{"admin":true}}')))
    assert.deepStrictEqual(
      [Object.getPrototypeOf(decoded), Object.keys(decoded), "admin" in {}],
      [Object.prototype, ["__proto__"], false],
    )
  })
})
