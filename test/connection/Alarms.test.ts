import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Alarms from "../../src/connection/Alarms.ts"
import { monotonicMs } from "../../src/connection/Deadlines.ts"
import { pass } from "../support/connections.ts"

/** Alarms with what rang and when, and how often a fiber went to sleep for them and how many sleep. */
const start = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const now = () => monotonicMs(clock)
  const rang: Array<readonly [name: string, at: number]> = []
  let sleeps = 0
  let sleepers = 0
  const alarms = new Alarms.Alarms(now, (ms, wake) => {
    sleeps++
    sleepers++
    const sleeping = fork(Effect.flatMap(Effect.sleep(ms), () => Effect.sync(wake)))
    sleeping.addObserver(() => sleepers--)
    return sleeping
  })
  const alarm = (name: string) => Alarms.make((at) => void rang.push([name, at]))
  return { alarms, alarm, rang, sleeps: () => sleeps, sleepers: () => sleepers }
})

describe("An alarm", () => {
  it.effect("rings once, at its time", () =>
    Effect.gen(function* () {
      const { alarm, alarms, rang } = yield* start
      alarms.set(alarm("a"), 2001)
      yield* pass(2000)
      assert.deepStrictEqual(rang, [])
      yield* pass(1)
      assert.deepStrictEqual(rang, [["a", 2001]])
      yield* pass("1 hour")
      assert.deepStrictEqual(rang, [["a", 2001]])
    }),
  )

  it.effect("that was lifted does not ring, and one that is set again does at its new time", () =>
    Effect.gen(function* () {
      const { alarm, alarms, rang } = yield* start
      const a = alarm("a")
      alarms.set(a, 1000)
      yield* pass(500)
      alarms.lift(a)
      assert.strictEqual(alarms.size, 0)
      yield* pass(2000)
      assert.deepStrictEqual(rang, [])
      alarms.set(a, 4000)
      alarms.set(a, 5000)
      yield* pass(2500)
      assert.deepStrictEqual(rang, [["a", 5000]])
    }),
  )

  it.effect("that is set earlier than all others rings in time", () =>
    Effect.gen(function* () {
      const { alarm, alarms, rang, sleepers } = yield* start
      alarms.set(alarm("late"), 60_000)
      yield* pass(500)
      const early = alarm("early")
      alarms.set(early, 3000)
      alarms.set(early, 1500)
      assert.strictEqual(sleepers(), 1)
      yield* pass("1 hour")
      assert.deepStrictEqual(rang, [
        ["early", 1500],
        ["late", 60_000],
      ])
    }),
  )

  it.effect("that is infinite never rings, and lifts the time it had", () =>
    Effect.gen(function* () {
      const { alarm, alarms, rang, sleeps } = yield* start
      const a = alarm("a")
      alarms.set(a, Infinity)
      assert.strictEqual(sleeps(), 0)
      alarms.set(a, 1000)
      alarms.set(a, Infinity)
      yield* pass("1 hour")
      assert.deepStrictEqual([rang, alarms.size], [[], 0])
    }),
  )

  it.effect("may set itself and lift another while it rings", () =>
    Effect.gen(function* () {
      const { alarm, alarms, rang, sleeps } = yield* start
      const other = alarm("other")
      let rings = 0
      const a = Alarms.make((now) => {
        alarms.lift(other)
        if (++rings < 3) alarms.set(a, now + 1000)
      })
      alarms.set(a, 1000)
      alarms.set(other, 1000)
      yield* pass("1 hour")
      assert.deepStrictEqual([rings, rang, sleeps()], [3, [], 3])
    }),
  )

  it.effect("rings up to a quantum late when others have just rung, and with those due by then", () =>
    Effect.gen(function* () {
      const { alarm, alarms, rang, sleeps } = yield* start
      const [first, second, third] = [1000, 1000 + Alarms.quantumMs, 1000 + 2 * Alarms.quantumMs]
      for (const at of [first, first + 1, second, second + 1]) alarms.set(alarm(`${at}`), at)
      yield* pass("1 hour")
      assert.deepStrictEqual(rang, [
        [`${first}`, first],
        [`${first + 1}`, second],
        [`${second}`, second],
        [`${second + 1}`, third],
      ])
      assert.strictEqual(sleeps(), 3)
    }),
  )

  it.effect(
    "rings a millisecond later when as many as a turn takes were due before it, and the next after a quantum",
    () =>
      Effect.gen(function* () {
        const { alarm, alarms, rang } = yield* start
        for (let i = 0; i < Alarms.ringsPerTurn; i++) alarms.set(alarm(""), 1000)
        alarms.set(alarm(""), 1000)
        yield* pass(1000)
        assert.strictEqual(rang.length, Alarms.ringsPerTurn)
        yield* pass(1)
        alarms.set(alarm("next"), 1002)
        yield* pass(Alarms.quantumMs)
        assert.deepStrictEqual(rang.slice(Alarms.ringsPerTurn), [
          ["", 1001],
          ["next", 1001 + Alarms.quantumMs],
        ])
      }),
  )

  it.effect("that is set and lifted a thousand times costs one sleep in each period", () =>
    Effect.gen(function* () {
      const { alarm, alarms, rang, sleeps } = yield* start
      const a = alarm("a")
      for (let at = 0; at < 1000; at += 10) {
        alarms.set(a, at + 1000)
        alarms.lift(a)
        yield* pass(10)
      }
      assert.deepStrictEqual([sleeps(), rang], [1, []])
    }),
  )

  it.effect("that throws keeps no other from ringing", () =>
    Effect.gen(function* () {
      const { alarm, alarms, rang } = yield* start
      const bad = Alarms.make(() => {
        throw new Error("bad")
      })
      alarms.set(bad, 1000)
      alarms.set(alarm("a"), 1000)
      yield* pass("1 hour")
      assert.deepStrictEqual(rang, [["a", 1001]])
    }),
  )
})

describe("Alarms.scoped", () => {
  it.effect("ring until the scope is closed, for finalizers too that were added after them", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const scope = yield* Scope.make()
      const alarms = yield* Scope.provide(
        Alarms.scoped(() => monotonicMs(clock)),
        scope,
      )
      const rang: Array<number> = []
      const ringing = Effect.callback<void>((resume) => {
        alarms.set(
          Alarms.make((now) => {
            rang.push(now)
            resume(Effect.void)
          }),
          2000,
        )
      })
      yield* Scope.addFinalizer(scope, ringing)
      alarms.set(
        Alarms.make((now) => void rang.push(now)),
        1000,
      )
      yield* pass(1000)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* pass(1000)
      yield* Fiber.join(closing)
      alarms.set(
        Alarms.make((now) => void rang.push(now)),
        3000,
      )
      yield* pass("1 hour")
      assert.deepStrictEqual(rang, [1000, 2000])
    }),
  )
})
