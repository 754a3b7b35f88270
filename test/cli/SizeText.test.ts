import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import * as SizeText from "../../src/gateway/config/SizeText.ts"

describe("SizeText", () => {
  it.each([
    ["0", 0],
    ["512", 512],
    ["1KiB", 1024],
    ["64KiB", 65_536],
    ["1MiB", 1_048_576],
    ["2GiB", 2_147_483_648],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
  ])("%s is %d bytes", (text, bytes) => {
    assert.deepStrictEqual(SizeText.parse(text), Option.some(bytes))
  })

  it.each([
    "",
    "KiB",
    "1.5KiB",
    "-1",
    "+1",
    " 1",
    "1 KiB",
    "1kib",
    "1K",
    "1KB",
    "1B",
    "1TiB",
    "1KiB\n",
    "9007199254740992",
  ])("%j is no size", (text) => {
    assert.deepStrictEqual(SizeText.parse(text), Option.none())
  })

  it.each([
    [0, "0"],
    [1023, "1023"],
    [1024, "1KiB"],
    [1536, "1536"],
    [1_048_576, "1MiB"],
    [1_610_612_736, "1536MiB"],
  ])("%d bytes are written in the largest unit that loses nothing", (bytes, text) => {
    assert.strictEqual(SizeText.format(bytes), text)
  })

  it("what is written is read back", () => {
    const bytes = fc
      .tuple(fc.nat({ max: 5000 }), fc.constantFrom(1, 1024, 1024 ** 2, 1024 ** 3))
      .map(([count, unit]) => count * unit)
    fc.assert(
      fc.property(bytes, (bytes) => {
        assert.deepStrictEqual(SizeText.parse(SizeText.format(bytes)), Option.some(bytes))
      }),
    )
  })
})
