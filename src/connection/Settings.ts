/**
 * All that the connections of a server share: their settings, the clock, the turn of the event loop, the alarms.
 * Read once for a server; holds nothing of a single connection.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as FrameDecoder from "../frame/FrameDecoder.ts"
import * as Alarms from "./Alarms.ts"
import * as Deadlines from "./Deadlines.ts"
import * as FrameMemory from "./FrameMemory.ts"
import * as Heartbeat from "./Heartbeat.ts"
import * as Intake from "./Intake.ts"
import * as Outbox from "./Outbox.ts"
import * as RateLimit from "./RateLimit.ts"
import { Turn } from "./Turn.ts"

/** What a connection is given beside its wire. */
export interface Settings {
  readonly heartbeat: Heartbeat.HeartbeatSettings
  readonly deadlines: Deadlines.DeadlinesMs
  readonly outbox: Outbox.OutboxLimits
  readonly rateLimit: RateLimit.RateLimit
  readonly clock: Clock.Clock
  /**
   * The monotonic clock, in whole milliseconds since the settings were read: V8 keeps such a time in its field, and a
   * fraction, or a time since the machine was started, in an object beside it. A connection keeps eight (bench, idle).
   */
  readonly now: () => number
  readonly turn: Turn
  readonly alarms: Alarms.Alarms
  /** How frames in pieces get their buffers. */
  readonly decoding: FrameDecoder.Options
  /** What they take in, for whoever bounds what all of them hold. */
  readonly intake: Intake.Intake
}

/** The settings in force; connections served with them are watched over as long as the scope is open. */
export const current: Effect.Effect<Settings, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const origin = Deadlines.monotonicMs(clock)
  const now = () => Math.floor(Deadlines.monotonicMs(clock) - origin)
  return {
    heartbeat: yield* Heartbeat.HeartbeatSettings,
    deadlines: Deadlines.toMillis(yield* Deadlines.Deadlines),
    outbox: yield* Outbox.OutboxLimits,
    rateLimit: yield* RateLimit.RateLimit,
    clock,
    now,
    turn: new Turn(now),
    alarms: yield* Alarms.scoped(now),
    decoding: yield* FrameMemory.FrameMemory,
    intake: Intake.unlimited(),
  }
})
