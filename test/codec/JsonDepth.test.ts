import { assert, describe, it } from "@effect/vitest"
import * as JsonDepth from "../../src/codec/JsonDepth.ts"

const arrays = (depth: number): string => "[".repeat(depth) + "]".repeat(depth)
const objects = (depth: number): string => '{"a":'.repeat(depth) + "1" + "}".repeat(depth)
// Many openings, so that counting them does not settle it.
const wide = Array.from({ length: 100 }, () => "[]").join()

describe("a text of a given depth", () => {
  for (const [shape, text] of [
    ["arrays alone", arrays],
    ["objects alone", objects],
    ["arrays after many shallow ones", (depth: number) => `[${wide},${arrays(depth - 1)}]`],
    ["arrays before many shallow ones", (depth: number) => `[${arrays(depth - 1)},${wide}]`],
    ["objects inside arrays", (depth: number) => `[${wide},${objects(depth - 1)}]`],
    ["with brackets in strings", (depth: number) => `["${"[{".repeat(100)}",${arrays(depth - 1)}]`],
    ["with closing brackets in strings", (depth: number) => `["${"]}".repeat(100)}",${wide},${arrays(depth - 1)}]`],
    ["with escaped quotes", (depth: number) => `["${'\\"['.repeat(100)}",${arrays(depth - 1)}]`],
    ["with escaped backslashes", (depth: number) => `["\\\\",${wide},"\\\\\\\\","\\\\\\"[",${arrays(depth - 1)}]`],
    ["with brackets in keys", (depth: number) => `[${wide},{"[[\\"[[":${arrays(depth - 2) || 0}}]`],
  ] as const) {
    for (const limit of [2, 3, 64]) {
      it(`${shape}, ${limit} deep, exceeds ${limit - 1} and not ${limit}`, () => {
        JSON.parse(text(limit))
        assert.deepStrictEqual(
          [JsonDepth.exceeds(text(limit), limit - 1), JsonDepth.exceeds(text(limit), limit)],
          [true, false],
        )
      })
    }
  }
})

it("a limit of nothing admits scalars only", () => {
  assert.deepStrictEqual(
    ["1", '"[[[["', "[]", "{}"].map((text) => JsonDepth.exceeds(text, 0)),
    [false, false, true, true],
  )
})

it("a text that ends inside a string has an answer", () => {
  assert.isFalse(JsonDepth.exceeds(`${"[],".repeat(9)}"[[[[[`, 2))
})
