import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Dial from "../../src/connection/Dial.ts"
import * as FrameMemory from "../../src/connection/FrameMemory.ts"
import * as Settings from "../../src/connection/Settings.ts"

/** The sizes that are allocated for frames of these sizes. */
const allocated = (sizes: ReadonlyArray<number>): ReadonlyArray<number> => {
  const asked: Array<number> = []
  const { allocate } = FrameMemory.make((bytes) => {
    asked.push(bytes)
    return new Uint8Array(bytes === FrameMemory.lessonBytes ? 0 : bytes)
  })
  assert.deepStrictEqual(
    sizes.map((bytes) => allocate!(bytes).length),
    sizes,
  )
  return asked
}

describe("FrameMemory", () => {
  it("allocates what is asked for, and nothing else, below the size that glibc maps", () => {
    const { mappedBytes } = FrameMemory
    assert.deepStrictEqual(allocated([1, mappedBytes - 1]), [1, mappedBytes - 1])
  })

  it("allocates the lesson once, before the first buffer of that size", () => {
    const { lessonBytes, mappedBytes } = FrameMemory
    assert.deepStrictEqual(allocated([1, mappedBytes, mappedBytes + 1]), [1, lessonBytes, mappedBytes, mappedBytes + 1])
  })

  it.effect("is one for all who serve and dial, so that nobody is taught twice", () =>
    Effect.gen(function* () {
      const serving = yield* Settings.current
      const dialling = yield* Dial.settings
      assert.strictEqual(dialling.decoding, serving.decoding)
    }),
  )

  it("teaches with a size that glibc learns from, whatever it adds", () => {
    assert.isBelow(FrameMemory.lessonBytes + 4096 + 16, 32 * 1024 * 1024)
  })
})
