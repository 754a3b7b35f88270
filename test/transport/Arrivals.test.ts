import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import { Arrivals } from "../../src/transport/Arrivals.ts"
import { MemoryWire } from "../../src/transport/MemoryWire.ts"
import { AcceptFailed, TransportError } from "../../src/transport/Transport.ts"

describe("An accept that yields on its way", () => {
  const arrivals: ReadonlyArray<[string, (arrivals: Arrivals) => void]> = [
    ["what arrived", (arrivals) => arrivals.fail(new AcceptFailed({ code: "ECONNABORTED" }))],
    ["the end", (arrivals) => arrivals.close()],
  ]

  for (const [what, arrive] of arrivals) {
    it.effect(`sees ${what} before it waited`, () =>
      Effect.gen(function* () {
        for (let steps = 3; steps < 10; steps++) {
          const arrivals = new Arrivals(1)
          const yielding = Effect.provideService(arrivals.accept, Scheduler.MaxOpsBeforeYield, steps)
          const accepting = yield* Effect.forkChild(Effect.exit(yielding), { startImmediately: true })
          arrive(arrivals)
          for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
          assert.isDefined(accepting.pollUnsafe(), `${steps} steps`)
        }
      }),
    )
  }
})

const wire = (name: string) => new MemoryWire({ _tag: "Memory", name }, { readBufferBytes: 1, writeHighWaterBytes: 1 })

describe("Where nobody may wait", () => {
  it.effect("who finds an accept waiting is accepted, and who finds none is reset", () =>
    Effect.gen(function* () {
      const arrivals = new Arrivals(0)
      const accepting = yield* Effect.forkChild(arrivals.accept, { startImmediately: true })
      const [awaited, late] = [wire("a"), wire("b")]
      arrivals.push(awaited)
      arrivals.push(late)
      assert.deepStrictEqual(yield* Fiber.join(accepting), [awaited])
      yield* late.closed
      const failing = yield* Effect.forkChild(Effect.flip(arrivals.accept), { startImmediately: true })
      const failure = new AcceptFailed({ code: "EMFILE" })
      arrivals.fail(failure)
      assert.deepStrictEqual(yield* Fiber.join(failing), new TransportError({ reason: failure }))
    }),
  )
})

describe("Who accepts by a function", () => {
  it.effect("is handed the wires that find an accept waiting, and that waits on for a failure", () =>
    Effect.gen(function* () {
      const arrivals = new Arrivals(1)
      const taken: Array<unknown> = []
      arrivals.acceptWithUnsafe((wire) => taken.push(wire))
      const accepting = yield* Effect.forkChild(Effect.flip(arrivals.accept), { startImmediately: true })
      const wires = [wire("a"), wire("b")]
      for (const each of wires) arrivals.push(each)
      assert.deepStrictEqual([taken, accepting.pollUnsafe()], [wires, undefined])
      const failure = new AcceptFailed({ code: "EMFILE" })
      arrivals.fail(failure)
      assert.deepStrictEqual(yield* Fiber.join(accepting), new TransportError({ reason: failure }))
    }),
  )

  it.effect("is not handed those that find none waiting: the next accept has them", () =>
    Effect.gen(function* () {
      const arrivals = new Arrivals(1)
      const taken: Array<unknown> = []
      arrivals.acceptWithUnsafe((wire) => taken.push(wire))
      const first = wire("a")
      arrivals.push(first)
      assert.deepStrictEqual([yield* arrivals.accept, taken], [[first], []])
    }),
  )

  it.effect("is handed none once the listener is closed: they are reset", () =>
    Effect.gen(function* () {
      const arrivals = new Arrivals(1)
      const taken: Array<unknown> = []
      arrivals.acceptWithUnsafe((wire) => taken.push(wire))
      yield* Effect.forkChild(Effect.exit(arrivals.accept), { startImmediately: true })
      arrivals.close()
      const late = wire("a")
      arrivals.push(late)
      yield* late.closed
      assert.deepStrictEqual(taken, [])
    }),
  )
})
