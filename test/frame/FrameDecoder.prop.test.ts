import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { FrameTruncated } from "../../src/frame/FrameError.ts"
import * as FrameDecoder from "../../src/frame/FrameDecoder.ts"
import * as FrameEncoder from "../../src/frame/FrameEncoder.ts"
import {
  cut,
  cuts,
  deliveredOf,
  headerOf,
  hexOf,
  initialBuffers,
  layouts,
  layoutsAndFrames,
  pushAll,
  wireOf,
} from "./support.ts"

const runs = { numRuns: 1000 }

describe("FrameDecoder, for any layout, frames, cuts and initial buffer,", () => {
  it("delivers the frames that were sent, and ends well", () => {
    fc.assert(
      fc.property(layoutsAndFrames, cuts, initialBuffers, ([layout, parts], sizes, initialBufferBytes) => {
        const decoder = FrameDecoder.make(layout, { initialBufferBytes })
        const wire = Buffer.concat(parts.map((part) => wireOf(layout, part)))
        assert.deepStrictEqual(
          pushAll(decoder, cut(wire, sizes)),
          hexOf(parts.map((part) => deliveredOf(layout, part))),
        )
        assert.strictEqual(decoder.end(), undefined)
        assert.strictEqual(decoder.framesDecoded, parts.length)
      }),
      runs,
    )
  })

  it("delivers what the encoder took", () => {
    fc.assert(
      fc.property(layoutsAndFrames, cuts, initialBuffers, ([layout, parts], sizes, initialBufferBytes) => {
        const encoder = FrameEncoder.make(layout)
        const frames = parts.map((part) => deliveredOf(layout, part))
        const wire = Buffer.concat(frames.map((frame) => Result.getOrThrow(encoder.encode(frame))))
        const decoder = FrameDecoder.make(layout, { initialBufferBytes })
        assert.deepStrictEqual(pushAll(decoder, cut(wire, sizes)), hexOf(frames))
      }),
      runs,
    )
  })

  it("counts what it has of the pending frame, and holds at most four times that", () => {
    fc.assert(
      fc.property(layoutsAndFrames, cuts, initialBuffers, ([layout, parts], sizes, initialBufferBytes) => {
        const decoder = FrameDecoder.make(layout, { initialBufferBytes })
        let receivedBytes = 0
        for (const piece of cut(Buffer.concat(parts.map((part) => wireOf(layout, part))), sizes)) {
          const before = decoder.framesDecoded
          const frames = decoder.push(piece)
          assert.strictEqual(decoder.framesDecoded, before + frames.length)
          receivedBytes += piece.length
          for (const part of parts.slice(before, decoder.framesDecoded)) receivedBytes -= wireOf(layout, part).length

          const part = parts[decoder.framesDecoded]
          const headerBytes = part === undefined ? 0 : headerOf(layout, part).length
          const declaredBytes = receivedBytes < headerBytes ? undefined : headerBytes + (part?.body.length ?? 0)
          assert.deepStrictEqual(decoder.pending, receivedBytes === 0 ? undefined : { receivedBytes, declaredBytes })
          assert.isAtMost(
            decoder.bufferBytes,
            receivedBytes === 0 ? 0 : Math.max(4 * receivedBytes, initialBufferBytes),
          )
        }
      }),
      runs,
    )
  })

  it("says of bytes that end too early how many there were, and how many were needed", () => {
    fc.assert(
      fc.property(
        layoutsAndFrames,
        fc.nat({ max: 400 }),
        cuts,
        initialBuffers,
        ([layout, parts], length, sizes, initialBufferBytes) => {
          const wire = Buffer.concat(parts.map((part) => wireOf(layout, part))).subarray(0, length)
          const decoder = FrameDecoder.make(layout, { initialBufferBytes })
          const frames = pushAll(decoder, cut(wire, sizes))
          const complete = parts.slice(0, frames.length)
          const received = complete.reduce((bytes, part) => bytes - wireOf(layout, part).length, wire.length)
          const part = parts[frames.length]
          const needed =
            part === undefined || received < headerOf(layout, part).length ? undefined : wireOf(layout, part).length
          assert.deepStrictEqual(frames, hexOf(complete.map((done) => deliveredOf(layout, done))))
          assert.deepStrictEqual(
            decoder.end()?.reason,
            received === 0 ? undefined : new FrameTruncated({ received, needed }),
          )
        },
      ),
      runs,
    )
  })

  it("delivers the frames before a bad header, then the same failure", () => {
    const bad = fc.uint8Array({ minLength: 20, maxLength: 40 })
    fc.assert(
      fc.property(
        layoutsAndFrames,
        bad,
        cuts,
        initialBuffers,
        ([layout, parts], garbage, sizes, initialBufferBytes) => {
          const wire = Buffer.concat([...parts.map((part) => wireOf(layout, part)), garbage])
          const whole = FrameDecoder.make(layout)
          const frames = hexOf(whole.push(wire))
          const decoder = FrameDecoder.make(layout, { initialBufferBytes })
          assert.deepStrictEqual(pushAll(decoder, cut(wire, sizes)), frames)
          assert.deepStrictEqual(frames.slice(0, parts.length), hexOf(parts.map((part) => deliveredOf(layout, part))))
          assert.deepStrictEqual(decoder.failure, whole.failure)
          assert.deepStrictEqual(decoder.pending, whole.pending)
          assert.deepStrictEqual(decoder.end(), whole.end())
          if (whole.failure?.reason._tag !== "FrameTruncated") assert.strictEqual(decoder.bufferBytes, 0)
        },
      ),
      runs,
    )
  })

  it("makes of garbage frames within the limit, or a typed failure, in bounded memory", () => {
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      // Mostly zeros, so that lengths are often small and headers often good.
      fc
        .array(fc.oneof({ arbitrary: fc.constant(0), weight: 4 }, fc.nat({ max: 255 })), { maxLength: 300 })
        .map((bytes) => Uint8Array.from(bytes)),
    )
    fc.assert(
      fc.property(layouts, garbage, cuts, initialBuffers, (layout, bytes, sizes, initialBufferBytes) => {
        const decoder = FrameDecoder.make(layout, { initialBufferBytes })
        const frames: Array<Uint8Array> = []
        for (const piece of cut(bytes, sizes)) {
          frames.push(...decoder.push(piece))
          assert.isAtMost(decoder.bufferBytes, Math.max(4 * (decoder.pending?.receivedBytes ?? 0), initialBufferBytes))
        }
        const encoder = FrameEncoder.make(layout)
        for (const frame of frames) assert.strictEqual(encoder.refuse(frame), undefined)
        assert.isTrue(decoder.failure === undefined || decoder.failure._tag === "FrameError")
      }),
      runs,
    )
  })
})
