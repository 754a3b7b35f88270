import { assert, describe, it } from "@effect/vitest"
import * as FrameDecoder from "../../src/frame/FrameDecoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"

const bodyBytes = 8 * 1024 * 1024
const frameBytes = bodyBytes + 4
const layout = FrameLayout.makeUnsafe({ maxFrameBytes: bodyBytes })

/** What one frame of 8 MiB in pieces allocates. */
const allocationsOf = (pieceBytes: number): ReadonlyArray<number> => {
  const allocations: Array<number> = []
  const decoder = FrameDecoder.make(layout, {
    allocate: (bytes) => {
      allocations.push(bytes)
      assert.isAtMost(allocations.length, 64, "the buffer grows by less than a factor")
      return new Uint8Array(bytes)
    },
  })
  const wire = new Uint8Array(frameBytes)
  new DataView(wire.buffer).setUint32(0, bodyBytes)
  let frames: ReadonlyArray<Uint8Array> = []
  for (let at = 0; at < wire.length; at += pieceBytes) frames = decoder.push(wire.subarray(at, at + pieceBytes))
  assert.deepStrictEqual([frames.length, frames[0]?.length], [1, bodyBytes])
  return allocations
}

// A buffer that grows copies at most its own size, so what is allocated bounds what is copied: counted, not timed.
describe("FrameDecoder, for a frame of 8 MiB,", () => {
  for (const pieceBytes of [16, 1024, 65_536]) {
    it(`allocates less than 1.6 times its size in pieces of ${pieceBytes} bytes, by factors of four`, () => {
      const allocations = allocationsOf(pieceBytes)
      const total = allocations.reduce((sum, bytes) => sum + bytes, 0)
      assert.isBelow(total, 1.6 * frameBytes)
      assert.isAtMost(allocations.length, Math.log2(frameBytes / Math.max(pieceBytes, 128)) / 2 + 2)
      assert.strictEqual(allocations.at(-1), frameBytes)
    })
  }

  it("allocates nothing if it comes whole", () => {
    assert.deepStrictEqual(allocationsOf(frameBytes), [])
  })

  it("allocates its size once if a quarter of it comes at once", () => {
    assert.deepStrictEqual(allocationsOf(frameBytes / 4), [frameBytes])
    assert.deepStrictEqual(allocationsOf(frameBytes / 4 - 1), [frameBytes / 4, frameBytes])
  })

  it("allocates a quarter of its size, or four times what came, until a quarter is there", () => {
    assert.deepStrictEqual(allocationsOf(frameBytes / 8), [frameBytes / 4, frameBytes])
    assert.deepStrictEqual(allocationsOf(65_536), [262_144, 1_310_720, frameBytes / 4, frameBytes])
  })
})

describe("FrameDecoder, for small frames,", () => {
  it("allocates once for the one frame that a chunk cuts in two", () => {
    const allocations: Array<number> = []
    const decoder = FrameDecoder.make(FrameLayout.u32, {
      allocate: (bytes) => {
        allocations.push(bytes)
        return new Uint8Array(bytes)
      },
    })
    const wire = new Uint8Array(32 * 1000)
    for (let at = 0; at < wire.length; at += 32) wire[at + 3] = 28
    decoder.push(wire.subarray(0, 500 * 32 + 10))
    decoder.push(wire.subarray(500 * 32 + 10))
    assert.deepStrictEqual([decoder.framesDecoded, allocations], [1000, [32]])
  })
})
