import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import * as DurationText from "../../src/gateway/config/DurationText.ts"

describe("DurationText", () => {
  it.each([
    ["0ms", 0],
    ["0h", 0],
    ["500ms", 500],
    ["25s", 25_000],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["9007199254740991ms", Number.MAX_SAFE_INTEGER],
  ])("%s is %d ms", (text, millis) => {
    assert.deepStrictEqual(DurationText.parse(text), Option.some(Duration.millis(millis)))
  })

  it.each([
    "",
    "25",
    "s",
    "1.5s",
    "-1s",
    "+1s",
    " 1s",
    "1s ",
    "1 s",
    "1S",
    "1m30s",
    "1d",
    "1s\n",
    "9007199254740992ms",
  ])("%j is no duration", (text) => {
    assert.deepStrictEqual(DurationText.parse(text), Option.none())
  })

  it.each([
    [0, "0ms"],
    [999, "999ms"],
    [1000, "1s"],
    [1001, "1001ms"],
    [60_000, "1m"],
    [90_000, "90s"],
    [3_600_000, "1h"],
    [5_400_000, "90m"],
  ])("%d ms is written in the largest unit that loses nothing", (millis, text) => {
    assert.strictEqual(DurationText.format(Duration.millis(millis)), text)
  })

  it("what is written is read back", () => {
    // Multiples of every unit, or hours would never be seen.
    const millis = fc
      .tuple(fc.nat({ max: 5000 }), fc.constantFrom(1, 1000, 60_000, 3_600_000))
      .map(([count, unit]) => count * unit)
    fc.assert(
      fc.property(millis, (millis) => {
        const duration = Duration.millis(millis)
        assert.deepStrictEqual(DurationText.parse(DurationText.format(duration)), Option.some(duration))
      }),
    )
  })
})
