import { assert, describe, it } from "@effect/vitest"
import * as Shown from "../../src/codec/Shown.ts"

const max = Shown.maxCharacters

describe("text", () => {
  it("is whole at the limit", () => {
    assert.strictEqual(Shown.text("a".repeat(max)), "a".repeat(max))
  })

  it("is cut one past the limit, the ellipsis included", () => {
    assert.strictEqual(Shown.text("a".repeat(max + 1)), `${"a".repeat(max - 1)}…`)
  })

  it("is cut before a character of two halves, not inside", () => {
    assert.strictEqual(Shown.text(`${"a".repeat(max - 2)}😀aa`), `${"a".repeat(max - 2)}…`)
    assert.strictEqual(Shown.text(`${"a".repeat(max - 3)}😀aa`), `${"a".repeat(max - 3)}😀…`)
  })
})

describe("value", () => {
  it.each<[string, unknown, string]>([
    ["a string is quoted", "say", '"say"'],
    ["a line break is escaped", "a\nb", '"a\\nb"'],
    ["a lone surrogate is escaped", "\ud800", '"\\ud800"'],
    ["a string at the limit is whole", "a".repeat(max - 2), `"${"a".repeat(max - 2)}"`],
    ["a string past the limit is cut", "a".repeat(max - 1), `"${"a".repeat(max - 2)}…`],
    ["escapes count", "\n".repeat(max), `"${"\\n".repeat(max / 2 - 1)}…`],
    ["a number", 1.5, "1.5"],
    ["a boolean", false, "false"],
    ["null", null, "null"],
    ["undefined", undefined, "undefined"],
    ["a bigint", 12n, "12"],
    ["a long bigint is cut", 10n ** 300n, `1${"0".repeat(max - 2)}…`],
    ["a symbol without its name", Symbol("secret"), "symbol"],
    ["a function without its source", () => "secret", "function"],
    ["an array by its length", ["secret", 1], "array of 2"],
    ["bytes by their number", new Uint8Array(3), "3 bytes"],
    ["a date", new Date(0), "1970-01-01T00:00:00.000Z"],
    ["no date", new Date(Number.NaN), "an invalid Date"],
    ["an instance by its class", new Map(), "Map"],
    ["an object without keys", {}, "empty object"],
    ["an object without a prototype", Object.create(null), "empty object"],
    ["an object by its keys", { a: "secret", "b c": 1 }, 'object with keys a, ["b c"]'],
    ["an object whose keys feign a class", { constructor: { name: "Map" } }, "object with keys constructor"],
    ["eight keys", { a: 0, b: 0, c: 0, d: 0, e: 0, f: 0, g: 0, h: 0 }, "object with keys a, b, c, d, e, f, g, h"],
    [
      "nine keys",
      { a: 0, b: 0, c: 0, d: 0, e: 0, f: 0, g: 0, h: 0, i: 0 },
      "object with keys a, b, c, d, e, f, g, h, …",
    ],
    ["a long key is cut", { ["k".repeat(max)]: 0 }, `object with keys ${"k".repeat(max - 18)}…`],
  ])("%s", (_, value, shown) => {
    assert.strictEqual(Shown.value(value), shown)
  })
})

describe("path", () => {
  it.each<[string, ReadonlyArray<PropertyKey>, string]>([
    ["the whole", [], ""],
    ["names and positions", ["data", "items", 3, "price"], "data.items[3].price"],
    ["a position first", [0, "a"], "[0].a"],
    ["a key that is no name", ["a", "b.c", 'd"'], 'a["b.c"]["d\\""]'],
    ["a key that is empty", [""], '[""]'],
    ["a key that is a digit", ["1"], '["1"]'],
    ["a symbol", [Symbol("s")], "[Symbol(s)]"],
    ["at the limit", ["k".repeat(max)], "k".repeat(max)],
    ["past the limit", ["k".repeat(max), "a"], `${"k".repeat(max - 1)}…`],
  ])("%s", (_, keys, written) => {
    assert.strictEqual(Shown.path(keys), written)
  })
})
