/**
 * The clock of all connections of a server. Knows no connection.
 */
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Settings from "../../src/connection/Settings.ts"

/** A clock of a machine that was started weeks ago, and stands still but for `advance`. */
const makeClock = (fromNanos: bigint) => {
  let nanos = fromNanos
  const real = Effect.runSync(Clock.Clock)
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => real.currentTimeMillisUnsafe(),
    currentTimeMillis: real.currentTimeMillis,
    currentTimeNanosUnsafe: () => real.currentTimeNanosUnsafe(),
    currentTimeNanos: real.currentTimeNanos,
    monotonicTimeNanosUnsafe: () => nanos,
    monotonicTimeNanos: Effect.sync(() => nanos),
    sleep: (duration) => real.sleep(duration),
  }
  return { clock, advance: (by: bigint) => void (nanos += by) }
}

it.effect("the time is whole milliseconds since the settings were read, and not one that is not over", () =>
  Effect.gen(function* () {
    const { advance, clock } = makeClock(5_000_000_000_600_000n)
    const { now } = yield* Effect.provideService(Settings.current, Clock.Clock, clock)
    const times = [now()]
    for (const nanos of [999_999n, 1n, 1_600_000n, 400_000n]) {
      advance(nanos)
      times.push(now())
    }
    assert.deepStrictEqual(times, [0, 0, 1, 2, 3])
  }),
)
