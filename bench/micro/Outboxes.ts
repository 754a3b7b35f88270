/**
 * Samples of the outbox: frames taken and written at the end of a turn, to a wire that takes everything.
 */
import * as Effect from "effect/Effect"
import { FrameEncoder, FrameLayout, Outbox, Settings } from "longline"
import type { Sample } from "./Sample.ts"
import { Sink } from "./Wires.ts"

const encoder = FrameEncoder.make(FrameLayout.u32)

const make = () => {
  const wire = new Sink()
  const settings = Effect.runSync(Effect.scoped(Settings.current))
  const outbox = new Outbox.Outbox({
    wire,
    protocol: { encoder },
    settings,
    fork: (effect) => void Effect.runFork(effect),
    closeUnsafe: (reason) => {
      throw new Error(`a wire that takes everything was too slow: ${reason._tag}`)
    },
  })
  return { outbox, wire }
}

/** So many frames in a turn, then its end. */
const offer = (name: string, size: string, count: number, put: (outbox: Outbox.Outbox) => void): Sample => {
  const { outbox, wire } = make()
  return {
    name: `outbox, ${name}, ${count} a turn`,
    size,
    count,
    run: () => {
      for (let i = 0; i < count; i++) put(outbox)
      outbox.flushUnsafe()
      return wire.written
    },
  }
}

const bodies = [64, 1024, 16 * 1024].map((bytes) => Buffer.alloc(bytes, "longline"))
const text = "longline".repeat(8)
const shared = new Outbox.SharedFrame(Buffer.alloc(4 + 128))

/** All of them. */
export const samples: ReadonlyArray<Sample> = [1, 32].flatMap((count) => [
  ...bodies.map((body) => offer("bytes", `${body.length} B`, count, (outbox) => void outbox.offer(body))),
  offer("text", "64 B", count, (outbox) => void outbox.offer(text)),
  offer("shared", "128 B", count, (outbox) => outbox.offerShared(shared)),
])
