import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"

const accepted = (options: FrameLayout.Options): FrameLayout.FrameLayout => Result.getOrThrow(FrameLayout.make(options))

const refused = (options: FrameLayout.Options): readonly [string, string] => {
  const result = FrameLayout.make(options)
  assert(Result.isFailure(result), "a layout was made")
  return [result.failure.setting, result.failure.message]
}

describe("FrameLayout", () => {
  it("is Longline's own without settings", () => {
    assert.deepStrictEqual(accepted({}), {
      width: 4,
      byteOrder: "big",
      lengthOffset: 0,
      adjustment: 0,
      strip: "header",
      prefix: new Uint8Array(0),
      maxFrameBytes: 65_536,
      minHeaderBytes: 4,
      minBodyBytes: 0,
      maxBodyBytes: 4_294_967_295,
    })
    assert.deepStrictEqual(accepted({}), FrameLayout.u32)
  })

  it("derives what headers and lengths can be", () => {
    assert.deepStrictEqual(accepted({ width: 2, byteOrder: "little", lengthOffset: 3, adjustment: -5, strip: 2 }), {
      width: 2,
      byteOrder: "little",
      lengthOffset: 3,
      adjustment: -5,
      strip: 2,
      prefix: new Uint8Array(2),
      maxFrameBytes: 65_530,
      minHeaderBytes: 5,
      minBodyBytes: 0,
      maxBodyBytes: 65_530,
    })
    assert.deepStrictEqual(accepted({ width: "varint", lengthOffset: 1, adjustment: 7 }), {
      width: "varint",
      byteOrder: "big",
      lengthOffset: 1,
      adjustment: 7,
      strip: "header",
      prefix: new Uint8Array(1),
      maxFrameBytes: 65_536,
      minHeaderBytes: 2,
      minBodyBytes: 7,
      maxBodyBytes: Number.MAX_SAFE_INTEGER,
    })
  })

  it("is made again of itself", () => {
    const layout = accepted({ width: 3, lengthOffset: 2, strip: 1, prefix: Uint8Array.of(7), maxFrameBytes: 9 })
    assert.deepStrictEqual(accepted(layout), layout)
  })

  it("throws its error from makeUnsafe", () => {
    assert.throws(() => FrameLayout.makeUnsafe({ lengthOffset: -1 }), FrameLayout.FrameLayoutError)
  })

  it("has no other widths", () => {
    const options = { width: 5 } as unknown as FrameLayout.Options
    assert.deepStrictEqual(refused(options), ["width", "width 5 is none of 1, 2, 3, 4, 8 and varint"])
  })

  it("has two byte orders", () => {
    const options = { byteOrder: "middle" } as unknown as FrameLayout.Options
    assert.deepStrictEqual(refused(options), ["byteOrder", "byteOrder middle is neither big nor little"])
  })

  it("has its length field after 0 to 255 bytes", () => {
    assert.strictEqual(accepted({ lengthOffset: 255 }).minHeaderBytes, 259)
    for (const lengthOffset of [-1, 256, 1.5, Number.NaN]) {
      const message = `lengthOffset ${lengthOffset} is no integer from 0 to 255`
      assert.deepStrictEqual(refused({ lengthOffset }), ["lengthOffset", message])
    }
  })

  it("adjusts by a safe integer", () => {
    assert.deepStrictEqual(refused({ adjustment: 0.5 }), ["adjustment", "adjustment 0.5 is no safe integer"])
    assert.deepStrictEqual(refused({ adjustment: 2 ** 53 }), [
      "adjustment",
      "adjustment 9007199254740992 is no safe integer",
    ])
  })

  it("leaves room for at least the empty body", () => {
    assert.strictEqual(accepted({ width: 1, adjustment: -255 }).maxFrameBytes, 0)
    assert.deepStrictEqual(refused({ width: 1, adjustment: -256 }), [
      "adjustment",
      "adjustment -256 leaves no body at all: width 1 has lengths up to 255, and 255 - 256 is below zero",
    ])
    assert.strictEqual(accepted({ width: 8, adjustment: -Number.MAX_SAFE_INTEGER }).maxBodyBytes, 0)
  })

  it("strips its whole header or bytes before the length", () => {
    assert.strictEqual(accepted({ lengthOffset: 2, strip: 6 }).strip, "header")
    assert.strictEqual(accepted({ lengthOffset: 2, strip: 2 }).strip, 2)
    assert.strictEqual(accepted({ lengthOffset: 2, strip: 0 }).strip, 0)
    for (const strip of [-1, 3, 5, 7]) {
      assert.deepStrictEqual(refused({ lengthOffset: 2, strip }), [
        "strip",
        `strip ${strip} is neither the whole header of 6 nor 0 to 2, the bytes before the length`,
      ])
    }
    assert.deepStrictEqual(refused({ width: "varint", lengthOffset: 2, strip: 3 }), [
      "strip",
      'strip 3 is neither "header" nor 0 to 2, the bytes before the length',
    ])
  })

  it("has a prefix as long as what is stripped before the length", () => {
    const prefix = Uint8Array.of(1, 2)
    assert.strictEqual(accepted({ lengthOffset: 2, prefix }).prefix, prefix)
    assert.strictEqual(accepted({ lengthOffset: 5, strip: 2, prefix }).prefix, prefix)
    assert.deepStrictEqual(refused({ lengthOffset: 1, prefix }), [
      "prefix",
      "prefix has 2 bytes, but 1 are stripped before the length",
    ])
    assert.deepStrictEqual(refused({ lengthOffset: 3, prefix }), [
      "prefix",
      "prefix has 2 bytes, but 3 are stripped before the length",
    ])
  })

  it("lowers its default limit to what can be expressed", () => {
    assert.strictEqual(accepted({ width: 1 }).maxFrameBytes, 255)
    assert.strictEqual(accepted({ width: 2 }).maxFrameBytes, 65_535)
    assert.strictEqual(accepted({ width: 2, adjustment: 1 }).maxFrameBytes, 65_536)
    assert.strictEqual(accepted({ width: 2, adjustment: 2 }).maxFrameBytes, 65_536)
  })

  it("limits to what can be expressed, and shows the arithmetic", () => {
    assert.strictEqual(accepted({ width: 1, adjustment: -1, maxFrameBytes: 254 }).maxFrameBytes, 254)
    assert.deepStrictEqual(refused({ width: 1, adjustment: -1, maxFrameBytes: 255 }), [
      "maxFrameBytes",
      "maxFrameBytes 255 cannot be expressed: width 1 has lengths up to 255, with adjustment -1 a body of up to 254 bytes",
    ])
  })

  it("limits to what one buffer holds", () => {
    assert.strictEqual(accepted({ maxFrameBytes: 2 ** 30 }).maxFrameBytes, FrameLayout.largestMaxFrameBytes)
    for (const maxFrameBytes of [-1, 2 ** 30 + 1, 1.5, Number.NaN]) {
      assert.deepStrictEqual(refused({ maxFrameBytes }), [
        "maxFrameBytes",
        `maxFrameBytes ${maxFrameBytes} is no integer from 0 to 1073741824`,
      ])
    }
  })

  it("lets its smallest frame pass", () => {
    assert.strictEqual(accepted({ adjustment: 9, maxFrameBytes: 9 }).maxFrameBytes, 9)
    assert.deepStrictEqual(refused({ adjustment: 9, maxFrameBytes: 8 }), [
      "maxFrameBytes",
      "maxFrameBytes 8 lets no frame pass: with adjustment 9 the smallest body has 9 bytes",
    ])
  })

  it("takes another limit as far as a length can express it", () => {
    const limits = (layout: FrameLayout.FrameLayout, asked: ReadonlyArray<number>) =>
      asked.map((maxFrameBytes) => FrameLayout.withMaxFrameBytes(layout, maxFrameBytes).maxFrameBytes)
    assert.deepStrictEqual(limits(accepted({ width: 1 }), [0, 254, 255, 256]), [0, 254, 255, 255])
    assert.deepStrictEqual(limits(FrameLayout.u32, [2 ** 30, 2 ** 30 + 1, Number.NaN]), [2 ** 30, 2 ** 30, Number.NaN])
  })
})
