import { assert, describe, it } from "@effect/vitest"
import * as Utf8 from "../../src/codec/Utf8.ts"
import { hex, utf8 } from "./fixtures.ts"

describe("well-formed bytes become their text", () => {
  it.each([
    ["nothing", "", ""],
    ["the last of one byte", "7f", "\u007f"],
    ["the first of two bytes", "c2 80", "\u0080"],
    ["the last of two bytes", "df bf", "\u07ff"],
    ["the first of three bytes", "e0 a0 80", "\u0800"],
    ["the last before the surrogates", "ed 9f bf", "\ud7ff"],
    ["the first after the surrogates", "ee 80 80", "\ue000"],
    ["the last of three bytes", "ef bf bf", "\uffff"],
    ["the first of four bytes", "f0 90 80 80", "\u{10000}"],
    ["the last of Unicode", "f4 8f bf bf", "\u{10ffff}"],
    ["a byte order mark, kept", "ef bb bf 61", "\ufeffa"],
    ["a replacement character the sender wrote", "ef bf bd", "\ufffd"],
  ])("%s", (_, bytes, text) => {
    assert.deepStrictEqual([Utf8.decode(hex(bytes)), Utf8.malformedAt(hex(bytes))], [text, undefined])
  })
})

describe("malformed bytes have no text, and the first of them is named", () => {
  it.each([
    ["a continuation alone", "61 80", 1],
    ["a byte that is never used", "61 62 ff", 2],
    ["overlong, two bytes", "c0 af", 0],
    ["overlong, three bytes", "61 e0 9f bf", 1],
    ["overlong, four bytes", "f0 8f bf bf", 0],
    ["the first surrogate", "ed a0 80", 0],
    ["the last surrogate", "ed bf bf", 0],
    ["a surrogate pair (CESU-8)", "ed a0 bd ed b8 80", 0],
    ["beyond Unicode", "f4 90 80 80", 0],
    ["truncated after one of two", "61 c2", 1],
    ["truncated after two of three", "61 e2 82", 1],
    ["truncated after three of four", "61 f0 9f 98", 1],
    ["truncated inside a replacement character", "61 ef bf", 1],
    ["after characters of every length", "61 c3 a9 e2 82 ac f0 9f 98 80 ff", 10],
    ["after a replacement character the sender wrote", "ef bf bd 61 ff", 4],
  ])("%s", (_, bytes, at) => {
    assert.deepStrictEqual([Utf8.decode(hex(bytes)), Utf8.malformedAt(hex(bytes))], [undefined, at])
  })
})

it("a failure leaves nothing behind for the next call", () => {
  Utf8.decode(hex("e2 82"))
  assert.strictEqual(Utf8.decode(utf8("a")), "a")
})

it("bytes are read from a view's own offset", () => {
  assert.strictEqual(Utf8.decode(utf8("xxabyy").subarray(2, 4)), "ab")
})
