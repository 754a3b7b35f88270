/**
 * The decoder and the encoder as Channels and Streams: a new one for every run, one array in, at most one array out.
 * Buffers nothing of its own and starts no fiber.
 */
import { isReadonlyArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { FrameError } from "./FrameError.ts"
import type { FrameLayout } from "./FrameLayout.ts"
import * as FrameDecoder from "./FrameDecoder.ts"
import * as FrameEncoder from "./FrameEncoder.ts"

type Batch = NonEmptyReadonlyArray<Uint8Array>

/**
 * Chunks to frames. The frames before a bad header are delivered before the stream fails; bytes that end inside a frame
 * fail it with `FrameTruncated`.
 */
export const decode =
  (layout: FrameLayout) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | FrameError, R> =>
    Stream.transformPull(self, (pull) => Effect.sync(() => decodePull(layout, pull)))

/** Frames to the chunks to write, one each. The frames before a refused one are delivered before the stream fails. */
export const encode =
  (layout: FrameLayout) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | FrameError, R> =>
    Stream.transformPull(self, (pull) => Effect.sync(() => encodePull(layout, pull)))

/** `decode` as a Channel. */
export const decodeChannel = <IE = never, Done = unknown>(
  layout: FrameLayout,
): Channel.Channel<Batch, IE | FrameError, Done, Batch, IE, Done> =>
  Channel.fromTransform((upstream: Pull.Pull<Batch, IE, Done>) => Effect.sync(() => decodePull(layout, upstream)))

/** `encode` as a Channel. */
export const encodeChannel = <IE = never, Done = unknown>(
  layout: FrameLayout,
): Channel.Channel<Batch, IE | FrameError, Done, Batch, IE, Done> =>
  Channel.fromTransform((upstream: Pull.Pull<Batch, IE, Done>) => Effect.sync(() => encodePull(layout, upstream)))

const decodePull = <E, Done, R>(
  layout: FrameLayout,
  upstream: Pull.Pull<Batch, E, Done, R>,
): Pull.Pull<Batch, E | FrameError, Done, R> => {
  const decoder = FrameDecoder.make(layout)
  const step = (chunks: Batch): Pull.Pull<Batch, E | FrameError, Done, R> => {
    let frames = decoder.push(chunks[0])
    if (chunks.length > 1) {
      const all = [...frames]
      for (let i = 1; i < chunks.length; i++) {
        for (const frame of decoder.push(chunks[i]!)) all.push(frame)
      }
      frames = all
    }
    return isReadonlyArrayNonEmpty(frames) ? Effect.succeed(frames) : next
  }
  const chunks = Pull.catchDone(upstream, (done): Pull.Pull<never, FrameError, Done> => {
    const error = decoder.end()
    return error === undefined ? Cause.done(done as Done) : Effect.fail(error)
  }) as Pull.Pull<Batch, E | FrameError, Done, R>
  const pull = Effect.flatMap(chunks, step)
  // Asked anew at every pull, so that a failure waits for the frames before it to be taken.
  const next: Pull.Pull<Batch, E | FrameError, Done, R> = Effect.suspend(() =>
    decoder.failure === undefined ? pull : Effect.fail(decoder.failure),
  )
  return next
}

const encodePull = <E, Done, R>(
  layout: FrameLayout,
  upstream: Pull.Pull<Batch, E, Done, R>,
): Pull.Pull<Batch, E | FrameError, Done, R> => {
  const encoder = FrameEncoder.make(layout)
  let failure: FrameError | undefined
  const step = (frames: Batch): Effect.Effect<Batch, FrameError> => {
    const chunks: Array<Uint8Array> = []
    for (let i = 0; i < frames.length && failure === undefined; i++) {
      const encoded = encoder.encode(frames[i]!)
      if (Result.isSuccess(encoded)) chunks.push(encoded.success)
      else failure = encoded.failure
    }
    // No batch is empty, so without a chunk the first frame was refused.
    return isReadonlyArrayNonEmpty(chunks) ? Effect.succeed(chunks) : Effect.fail(failure!)
  }
  const pull = Effect.flatMap(upstream, step)
  return Effect.suspend((): Pull.Pull<Batch, E | FrameError, Done, R> =>
    failure === undefined ? pull : Effect.fail(failure),
  )
}
