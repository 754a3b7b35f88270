import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { FrameTooLarge, LengthBelowHeader, LengthMismatch, LengthNotExpressible } from "../../src/frame/FrameError.ts"
import * as FrameEncoder from "../../src/frame/FrameEncoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import { bytesOf, deliveredOf, layoutsAndFrames, wireOf } from "./support.ts"

const encoderOf = (options: FrameLayout.Options) => FrameEncoder.make(FrameLayout.makeUnsafe(options))

/** The frame on the wire as hex, or why it was refused. */
const encoded = (options: FrameLayout.Options, frame: string) =>
  Result.match(encoderOf(options).encode(bytesOf(frame)), {
    onSuccess: (bytes) => Buffer.from(bytes).toString("hex"),
    onFailure: (error) => error.reason,
  })

const hex = (text: string): string => text.replaceAll(" ", "")

describe("FrameEncoder", () => {
  it("writes every width in both orders", () => {
    const body = "61".repeat(258)
    assert.strictEqual(encoded({ width: 1 }, "6869"), hex("02 6869"))
    assert.strictEqual(encoded({ width: 2 }, body), hex(`0102 ${body}`))
    assert.strictEqual(encoded({ width: 2, byteOrder: "little" }, body), hex(`0201 ${body}`))
    assert.strictEqual(encoded({ width: 3 }, body), hex(`000102 ${body}`))
    assert.strictEqual(encoded({ width: 3, byteOrder: "little" }, body), hex(`020100 ${body}`))
    assert.strictEqual(encoded({}, body), hex(`00000102 ${body}`))
    assert.strictEqual(encoded({ byteOrder: "little" }, body), hex(`02010000 ${body}`))
    assert.strictEqual(encoded({ width: 8 }, body), hex(`0000000000000102 ${body}`))
    assert.strictEqual(encoded({ width: 8, byteOrder: "little" }, body), hex(`0201000000000000 ${body}`))
    assert.strictEqual(encoded({ width: "varint" }, body), hex(`8202 ${body}`))
  })

  it("writes the shortest varint", () => {
    const lengths = [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]
    const layout = FrameLayout.makeUnsafe({ width: "varint", maxFrameBytes: 4_000_000 })
    const encoder = FrameEncoder.make(layout)
    const target = new Uint8Array(10)
    const headers = lengths.map((bytes) => {
      const written = encoder.writeHeader(target, 1, bytes)
      assert.strictEqual(encoder.sizeOf(bytes), written + bytes)
      return Buffer.from(target.subarray(1, 1 + written)).toString("hex")
    })
    assert.deepStrictEqual(headers, ["00", "7f", "8001", "ff7f", "808001", "ffff7f", "80808001"])
  })

  it("writes lengths beyond 32 bits", () => {
    const target = new Uint8Array(8)
    encoderOf({ width: 8, adjustment: -(2 ** 52) }).writeHeader(target, 0, 255)
    assert.deepStrictEqual(target, Uint8Array.from(bytesOf("00100000000000ff")))
  })

  it("adjusts what it writes", () => {
    assert.strictEqual(encoded({ width: 2, adjustment: -2 }, "6869"), hex("0004 6869"))
    assert.strictEqual(encoded({ width: 2, adjustment: 2 }, "6869"), hex("0000 6869"))
  })

  it("writes the prefix, or zeros, for what is stripped", () => {
    const prefix = Uint8Array.of(0xca, 0xfe)
    assert.strictEqual(encoded({ width: 1, lengthOffset: 2 }, "6869"), hex("0000 02 6869"))
    assert.strictEqual(encoded({ width: 1, lengthOffset: 2, prefix }, "6869"), hex("cafe 02 6869"))
    assert.strictEqual(encoded({ width: 1, lengthOffset: 3, strip: 2, prefix }, "a2 02 6869"), hex("cafe a2 02 6869"))
    assert.strictEqual(encoded({ width: 1, lengthOffset: 1, strip: 0 }, "a0 02 6869"), hex("a0 02 6869"))
  })

  it("writes where it is told, and says how much", () => {
    const target = new Uint8Array(8)
    const encoder = encoderOf({ width: 2, lengthOffset: 1, prefix: Uint8Array.of(0xca) })
    assert.strictEqual(encoder.writeHeader(target, 2, 0x0102), 3)
    assert.deepStrictEqual(target, Uint8Array.of(0, 0, 0xca, 1, 2, 0, 0, 0))
    assert.strictEqual(encoderOf({ lengthOffset: 1, strip: 1, prefix: Uint8Array.of(7) }).writeHeader(target, 0, 9), 1)
    assert.deepStrictEqual(target, Uint8Array.of(7, 0, 0xca, 1, 2, 0, 0, 0))
  })

  it("refuses a body over the limit, and takes one at the limit", () => {
    const encoder = encoderOf({ maxFrameBytes: 2 })
    assert.strictEqual(encoder.refuse(2), undefined)
    assert.strictEqual(encoder.refuse(new Uint8Array(2)), undefined)
    assert.deepStrictEqual(encoder.refuse(3)?.reason, new FrameTooLarge({ limit: 2, declared: 3 }))
    assert.deepStrictEqual(encoder.refuse(new Uint8Array(3)), encoder.refuse(3))
    assert.deepStrictEqual(encoded({ maxFrameBytes: 2 }, "686921"), new FrameTooLarge({ limit: 2, declared: 3 }))
  })

  it("refuses a body that no length expresses", () => {
    const encoder = encoderOf({ width: 1, adjustment: 3 })
    const reason = new LengthNotExpressible({ bytes: 2, minimum: 3, maximum: 258 })
    assert.deepStrictEqual(encoder.refuse(2)?.reason, reason)
    assert.strictEqual(encoder.refuse(3), undefined)
    assert.strictEqual(encoder.refuse(258), undefined)
    assert.deepStrictEqual(encoder.refuse(259)?.reason, new FrameTooLarge({ limit: 258, declared: 259 }))
  })

  it("verifies the header that a frame carries", () => {
    const options: FrameLayout.Options = { width: 1, lengthOffset: 2, adjustment: -1, strip: 1, maxFrameBytes: 2 }
    assert.strictEqual(encoded(options, "a1 03 6869"), hex("00a1 03 6869"))
    assert.deepStrictEqual(encoded(options, "a1 03 68"), new LengthMismatch({ declared: 2, actual: 1 }))
    assert.deepStrictEqual(encoded(options, "a1 03 686921"), new LengthMismatch({ declared: 2, actual: 3 }))
    assert.deepStrictEqual(encoded(options, "a1"), new LengthMismatch({ declared: undefined, actual: 0 }))
    assert.deepStrictEqual(encoded(options, "a1 04 686921"), new FrameTooLarge({ limit: 2, declared: 3 }))
    assert.deepStrictEqual(encoded(options, "a1 00"), new LengthBelowHeader({ value: 0, adjustment: -1 }))
    assert.deepStrictEqual(
      encoderOf(options).refuse(2)?.reason,
      new LengthMismatch({ declared: undefined, actual: 2 }),
      "a number shows no header",
    )
  })

  it("verifies a varint that a frame carries, padded or not", () => {
    const options: FrameLayout.Options = { width: "varint", strip: 0 }
    assert.strictEqual(encoded(options, "8200 6869"), hex("8200 6869"))
    assert.deepStrictEqual(encoded(options, "8200 68"), new LengthMismatch({ declared: 2, actual: 1 }))
    assert.deepStrictEqual(encoded(options, "8280"), new LengthMismatch({ declared: undefined, actual: 0 }))
  })

  it("agrees with an encoder that counts in BigInt, for any layout", () => {
    fc.assert(
      fc.property(layoutsAndFrames, ([layout, parts]) => {
        const encoder = FrameEncoder.make(layout)
        for (const part of parts) {
          const expected = wireOf(layout, layout.strip === "header" ? { ...part, padding: 0 } : part)
          expected.set(layout.prefix)
          const frame = deliveredOf(layout, part)
          assert.deepStrictEqual(encoder.encode(frame), Result.succeed(expected))
          assert.strictEqual(encoder.sizeOf(frame.length), expected.length)
        }
      }),
      { numRuns: 500 },
    )
  })
})
