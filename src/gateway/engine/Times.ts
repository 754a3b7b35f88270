/**
 * The two clocks of an engine: the wall's, for what people read, and one for ages that runs on when the wall's is set.
 * Sets no timer and remembers no time of anybody else's.
 */
import type * as Clock from "effect/Clock"
import * as Deadlines from "../../connection/Deadlines.ts"

/** A step of the wall clock up to this is believed; a longer one is asked of the monotonic clock, which costs more. */
const believedStepMs = 1000

/** Holds what `read` has read. */
export interface Times {
  /** Milliseconds since the epoch. Goes back when the clock is set back. */
  readonly wall: number
  /** Milliseconds since some moment before. Never goes back, and never ahead of the time that has passed, but by believed steps. */
  readonly age: number
  readonly read: () => void
}

/** Both of a clock; ages begin at `age`, milliseconds. */
export const make = (clock: Clock.Clock, age = 0): Times => {
  const origin = Deadlines.monotonicMs(clock) - age
  const times = {
    wall: clock.currentTimeMillisUnsafe(),
    age,
    read: () => {
      const wall = clock.currentTimeMillisUnsafe()
      const step = wall - times.wall
      times.wall = wall
      if (step >= 0 && step <= believedStepMs) times.age += step
      else times.age = Math.max(times.age, Deadlines.monotonicMs(clock) - origin)
    },
  }
  return times
}
