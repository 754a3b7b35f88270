import { assert, describe, it } from "@effect/vitest"
import { flow } from "effect/Function"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { FrameLayout as Layout } from "../../src/frame/FrameLayout.ts"
import { FrameError, FrameTooLarge, FrameTruncated } from "../../src/frame/FrameError.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import * as FrameStream from "../../src/frame/FrameStream.ts"
import { bytesOf, hexOf } from "./support.ts"

const small = FrameLayout.makeUnsafe({ maxFrameBytes: 2 })

type Transform = (self: Stream.Stream<Uint8Array, string>) => Stream.Stream<Uint8Array, string | FrameError>

/** The arrays that come out before the end, and the error that it was, if any. */
const run = (transform: Transform, input: ReadonlyArray<ReadonlyArray<string>>) =>
  Effect.gen(function* () {
    const batches = yield* Ref.make<ReadonlyArray<ReadonlyArray<string>>>([])
    const result = yield* Stream.fromArrays(...input.map((batch) => batch.map(bytesOf))).pipe(
      transform,
      Stream.runForEachArray((frames) => Ref.update(batches, (before) => [...before, hexOf(frames)])),
      Effect.result,
    )
    return [yield* Ref.get(batches), Result.isFailure(result) ? result.failure : undefined]
  })

const throughChannel =
  (make: typeof FrameStream.decodeChannel<string>) =>
  (layout: Layout): Transform =>
  (self) =>
    Stream.pipeThroughChannel(self, make(layout))

const tooLarge = new FrameError({ reason: new FrameTooLarge({ limit: 2, declared: 3 }) })

for (const [name, decode] of [
  ["decode", (layout: Layout): Transform => FrameStream.decode(layout)],
  ["decodeChannel", throughChannel(FrameStream.decodeChannel<string>)],
] as const) {
  describe(`FrameStream.${name}`, () => {
    it.effect("delivers at most one array for an array", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(
          yield* run(decode(small), [
            ["00000001 61 00000001 62"],
            ["000000", "00 00", "0000"],
            ["02 68"],
            ["69 00000000", "00000001 21"],
          ]),
          [[["61", "62"], [""], ["6869", "", "21"]], undefined],
        )
      }),
    )

    it.effect("delivers the frames before a bad header, then fails", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(
          yield* run(decode(small), [["00000001 61", "00000001 62 00000003", "00000000"], ["00000000"]]),
          [[["61", "62"]], tooLarge],
        )
      }),
    )

    it.effect("fails without asking for more once a header was bad", () =>
      Effect.gen(function* () {
        const source = Stream.concat(Stream.make(bytesOf("00000001 61 00000003")), Stream.never)
        assert.deepStrictEqual(yield* Effect.flip(Stream.runDrain(decode(small)(source))), tooLarge)
      }),
    )

    it.effect("fails if the bytes end inside a frame", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* run(decode(small), [["00000001 61 00000002 68"]]), [
          [["61"]],
          new FrameError({ reason: new FrameTruncated({ received: 5, needed: 6 }) }),
        ])
      }),
    )

    it.effect("is empty without bytes", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* run(decode(small), []), [[], undefined])
      }),
    )

    it.effect("passes a failure of its source on, and not the truncation that it caused", () =>
      Effect.gen(function* () {
        const source = Stream.concat(Stream.make(bytesOf("000000")), Stream.fail("lost"))
        assert.deepStrictEqual(yield* Effect.flip(Stream.runDrain(decode(small)(source))), "lost")
      }),
    )

    it.effect("begins anew with every run", () =>
      Effect.gen(function* () {
        const stream = Stream.make(bytesOf("00000001 61 000000")).pipe(decode(small), Stream.runDrain, Effect.flip)
        assert.deepStrictEqual(yield* stream, yield* stream)
      }),
    )

    it.effect("goes through very many arrays without a frame", () =>
      Effect.gen(function* () {
        const layout = FrameLayout.makeUnsafe({ maxFrameBytes: 100_000 })
        const frame = [...bytesOf("000186a0"), ...new Uint8Array(100_000)].map((byte) => Uint8Array.of(byte))
        const lengths = yield* Stream.fromArray(frame).pipe(
          Stream.rechunk(1),
          decode(layout),
          Stream.map((body) => body.length),
          Stream.runCollect,
        )
        assert.deepStrictEqual(lengths, [100_000])
      }),
    )
  })
}

for (const [name, encode] of [
  ["encode", (layout: Layout): Transform => FrameStream.encode(layout)],
  ["encodeChannel", throughChannel(FrameStream.encodeChannel<string>)],
] as const) {
  describe(`FrameStream.${name}`, () => {
    it.effect("makes one array of an array", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* run(encode(small), [["61", ""], ["6869"]]), [
          [["0000000161", "00000000"], ["000000026869"]],
          undefined,
        ])
      }),
    )

    it.effect("delivers the frames before a refused one, then fails", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* run(encode(small), [["61", "686921", "62"]]), [[["0000000161"]], tooLarge])
        assert.deepStrictEqual(yield* run(encode(small), [["61"], ["686921"]]), [[["0000000161"]], tooLarge])
      }),
    )

    it.effect("is undone by decode", () =>
      Effect.gen(function* () {
        const both: Transform = flow(encode(small), FrameStream.decode(small))
        assert.deepStrictEqual(yield* run(both, [["61", ""], ["6869"]]), [[["61", ""], ["6869"]], undefined])
      }),
    )
  })
}

describe("FrameStream channels", () => {
  it.effect("hand on what their source ends with", () =>
    Effect.gen(function* () {
      const source = Channel.concatWith(Channel.succeed([bytesOf("00000000")] as const), () => Channel.end("bye"))
      const { u32 } = FrameLayout
      const ends = [FrameStream.decodeChannel<never, string>(u32), FrameStream.encodeChannel<never, string>(u32)]
      for (const channel of ends) {
        assert.strictEqual(yield* Channel.runDrain(Channel.pipeTo(source, channel)), "bye")
      }
    }),
  )
})
