/**
 * An outbox over a memory wire that keeps what it is given, and the far end that reads it, or does not.
 * Knows no connection: what the outbox reports is written down and nothing more.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Alarms from "../../src/connection/Alarms.ts"
import type { CloseReason } from "../../src/connection/CloseReason.ts"
import * as Deadlines from "../../src/connection/Deadlines.ts"
import * as Intake from "../../src/connection/Intake.ts"
import * as Outbox from "../../src/connection/Outbox.ts"
import { Turn } from "../../src/connection/Turn.ts"
import * as FrameEncoder from "../../src/frame/FrameEncoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import { MemoryWire } from "../../src/transport/MemoryWire.ts"
import type { Wire } from "../../src/transport/Transport.ts"

/** A wire that remembers each write. */
export class RecordingWire extends MemoryWire {
  readonly writes: Array<ReadonlyArray<Uint8Array>> = []

  override writeUnsafe(chunks: Parameters<Wire["writeUnsafe"]>[0]): boolean {
    this.writes.push(chunks)
    return super.writeUnsafe(chunks)
  }
}

/** The bounds, each with a default that is never reached. */
export interface Options {
  readonly maxBytes?: number
  readonly maxAgeMs?: number
  readonly writeStallMs?: number
  readonly writeHighWaterBytes?: number
  readonly turn?: Turn
  readonly intake?: Intake.Intake
}

/** Frames with a header of 4 bytes and a body of up to 1 MiB. */
export const encoder = FrameEncoder.make(FrameLayout.makeUnsafe({ maxFrameBytes: 1024 * 1024 }))

/** An outbox, both ends of its wire, and the limits it reported. */
export const make = (options: Options = {}) =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const now = () => Deadlines.monotonicMs(clock)
    const services = yield* Effect.context<never>()
    const limits = {
      readBufferBytes: 1024 * 1024 * 1024,
      writeHighWaterBytes: options.writeHighWaterBytes ?? 64 * 1024,
    }
    const wire = new RecordingWire({ _tag: "Memory", name: "peer" }, limits)
    const peer = new MemoryWire({ _tag: "Memory", name: "server" }, limits)
    MemoryWire.joinUnsafe(wire, peer)
    const overflows: Array<CloseReason> = []
    const outbox = new Outbox.Outbox({
      wire,
      protocol: { encoder },
      settings: {
        alarms: yield* Alarms.scoped(now),
        intake: options.intake ?? Intake.unlimited(),
        deadlines: { writeStall: options.writeStallMs ?? Infinity },
        now,
        outbox: {
          maxBytes: options.maxBytes ?? Infinity,
          maxAge: Duration.millis(options.maxAgeMs ?? Infinity),
        },
        turn: options.turn ?? new Turn(now),
      },
      fork: (effect) => void Effect.runForkWith(services)(effect),
      closeUnsafe: (reason) => void overflows.push(reason),
    })
    return { outbox, wire, peer, overflows }
  })

/** Lets a peer that is stalled take this many bytes, or all that is unsent if that is less. */
export const takeUnsafe = (wire: MemoryWire, peer: MemoryWire, bytes: number): void => {
  wire.fragmentUnsafe(bytes)
  peer.unstallUnsafe()
  // Bytes cross in a microtask, one fragment each: this one is behind the first and before the second.
  queueMicrotask(() => peer.stallUnsafe())
}
