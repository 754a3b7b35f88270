/**
 * The open loop: everything happens at its time, whether the server has answered or not, and each is told when it should
 * have happened. Latency counts from then, so that a server that stalls is charged for all that came meanwhile.
 *
 * Each has a slot of equal length, and the seed picks the moment within it: the count is exact, and workers beside each
 * other do not fall into step. Timers of Node are a millisecond coarse, unless the plan spins, and a busy worker is late: the
 * slip says how much.
 */
import * as Effect from "effect/Effect"
import * as Chance from "./Chance.ts"
import type { Context } from "./Context.ts"

/** What to do, and how fast. */
export interface Schedule {
  /** The first slot begins at this time, in microseconds. */
  readonly from: number
  readonly perSecond: number
  readonly count: number
  /** From what is due at this time on, lateness is taken note of. */
  readonly slipFrom: number
  /** Whether the nth is this worker's. */
  readonly isMine: (n: number) => boolean
  /** Does the nth, which should happen at this time. Must not throw. */
  readonly fire: (n: number, at: number) => void
}

/** When the nth should happen, in microseconds. */
export const dueAt = (seed: number, { from, perSecond }: Pick<Schedule, "from" | "perSecond">, n: number): number =>
  from + ((n + Chance.at(seed, "slot", n)) * 1e6) / perSecond

/** Runs a schedule to its end. */
export const run = (context: Context, schedule: Schedule): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { count, fire, isMine, slipFrom } = schedule
    const { figures, now, plan } = context
    let n = 0
    let due = dueAt(plan.seed, schedule, n)
    while (n < count) {
      // Whoever is far behind lets answers in between.
      for (let burst = 0; n < count && burst < maxBurst && due <= now(); due = dueAt(plan.seed, schedule, ++n)) {
        if (!isMine(n)) continue
        burst++
        if (due >= slipFrom) figures.record("slip", now() - due)
        fire(n, due)
      }
      if (n < count) yield* plan.spin ? Effect.yieldNow : Effect.sleep(Math.max(0, Math.ceil((due - now()) / 1000)))
    }
  })

const maxBurst = 256
