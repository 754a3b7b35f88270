/**
 * All that the connections of a server share: their settings, the clock, and the turn of the event loop.
 * Read once for a server; holds nothing of a single connection.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Deadlines from "./Deadlines.ts"
import * as Heartbeat from "./Heartbeat.ts"
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
  /** The monotonic clock. */
  readonly now: () => number
  readonly turn: Turn
}

/** The settings in force. */
export const current: Effect.Effect<Settings> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const now = () => Deadlines.monotonicMs(clock)
  return {
    heartbeat: yield* Heartbeat.HeartbeatSettings,
    deadlines: Deadlines.toMillis(yield* Deadlines.Deadlines),
    outbox: yield* Outbox.OutboxLimits,
    rateLimit: yield* RateLimit.RateLimit,
    clock,
    now,
    turn: new Turn(now),
  }
})
