import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Clock from "effect/Clock"
import * as Times from "../../../src/gateway/engine/Times.ts"

/** A clock whose two sides are moved apart. */
const makeClock = () => {
  const at = { wall: 1_000_000, monotonic: 50 }
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => at.wall,
    currentTimeMillis: Effect.sync(() => at.wall),
    currentTimeNanosUnsafe: () => BigInt(at.wall) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(at.wall) * 1_000_000n),
    monotonicTimeNanosUnsafe: () => BigInt(at.monotonic) * 1_000_000n,
    monotonicTimeNanos: Effect.sync(() => BigInt(at.monotonic) * 1_000_000n),
    sleep: () => Effect.never,
  }
  const times = Times.make(clock, 7)
  const pass = (wall: number, monotonic: number) => {
    at.wall += wall
    at.monotonic += monotonic
    times.read()
    return times.age
  }
  return { pass, times }
}

describe("Times", () => {
  it("ages go with the wall clock", () => {
    const { pass, times } = makeClock()
    assert.deepStrictEqual([pass(5, 5), pass(0, 0), pass(2000, 2000)], [12, 12, 2012])
    assert.strictEqual(times.wall, 1_002_005)
  })

  it("ages do not jump ahead with a wall clock that is set, by more than a second", () => {
    assert.strictEqual(makeClock().pass(3_600_000, 20), 27)
    assert.strictEqual(makeClock().pass(1001, 20), 27)
    assert.strictEqual(makeClock().pass(1000, 20), 1007)
  })

  it("ages never go back, and go on when the wall clock is set back", () => {
    const { pass } = makeClock()
    assert.deepStrictEqual(
      [pass(1000, 20), pass(-1, 1), pass(-3_600_000, 3000), pass(10, 10)],
      [1007, 1007, 3028, 3038],
    )
  })
})
