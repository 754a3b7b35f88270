/** Each scenario against the gateway, in virtual time: exact counts, and nothing lost. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Outbox from "../../src/connection/Outbox.ts"
import type { Plan } from "../../src/load/Plan.ts"
import { counted, gateway, load, measured } from "./support.ts"

const of = (different: Partial<Plan>, dialMs = 0) =>
  Effect.gen(function* () {
    const dial = yield* gateway()
    const report = yield* load(Effect.delay(dial, dialMs), different)
    assert.deepStrictEqual(report.problems, [])
    return { counts: counted(report), latencies: measured(report) }
  })

describe("scenarios lose nothing of a gateway that loses nothing", () => {
  it.effect("fan-out: every publication comes to every subscriber, and the warm-up is not measured", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* of({ scenario: "fan-out", helpers: 2 }), {
        counts: { connections: 6, sent: 50, expected: 200, received: 200 },
        latencies: { connect: 6, delivery: 160, answer: 40, slip: 40 },
      })
    }),
  )

  it.effect("fan-out: several workers share one channel", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* of({ scenario: "fan-out", connections: 5, workers: 3 }), {
        counts: { connections: 6, sent: 50, expected: 250, received: 250 },
        latencies: { connect: 6, delivery: 200, answer: 40, slip: 40 },
      })
    }),
  )

  it.effect("rooms: a publication comes to the members of its room and to nobody else", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* of({ scenario: "rooms", connections: 6, rooms: 3, workers: 2 }), {
        counts: { connections: 6, sent: 50, expected: 100, received: 100 },
        latencies: { connect: 6, delivery: 80, answer: 40, slip: 40 },
      })
    }),
  )

  it.effect("publish: every publication is answered", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* of({ scenario: "publish", workers: 2 }), {
        counts: { connections: 4, sent: 50, expected: 50, received: 50 },
        latencies: { connect: 4, answer: 40, slip: 40 },
      })
    }),
  )

  it.effect("request: every request is answered, also by responders of another worker", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* of({ scenario: "request", connections: 3, workers: 2 }), {
        counts: { connections: 4, sent: 50, expected: 50, received: 50 },
        latencies: { connect: 4, answer: 40, slip: 40 },
      })
    }),
  )

  it.effect("idle: connections are counted once, and connecting is what is measured", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* of({ scenario: "idle", connections: 20, rate: 0 }), {
        counts: { connections: 20 },
        latencies: { connect: 20, slip: 20 },
      })
    }),
  )

  it.effect("churn: who comes for another is not counted as another place", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* of({ scenario: "churn", workers: 2 }), {
        counts: { connections: 4, sent: 50, expected: 50, received: 50 },
        latencies: { connect: 4, reconnect: 40, slip: 40 },
      })
    }),
  )

  it.effect("churn: who comes when everybody is away already waits, and is counted from its time on", () =>
    Effect.gen(function* () {
      // A connection takes 300 ms, and within a second ten come for the only one.
      const slow = { scenario: "churn", connections: 1, rate: 10, warmUpMs: 0, durationMs: 1000 } as const
      const dial = yield* gateway()
      const report = yield* load(Effect.delay(dial, 300), { ...slow, settleMs: 5000 })
      assert.deepStrictEqual(report.problems, [])
      assert.deepStrictEqual(counted(report), { connections: 1, sent: 10, expected: 10, received: 10 })
      const [, { max }] = report.latencies.find(([measure]) => measure === "reconnect")!
      assert.isAtLeast(max, 2000)
    }),
  )

  it.effect("reconnect-storm: what is published while everybody is away comes with the answer to connect", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* of({ scenario: "reconnect-storm", connections: 10, durationMs: 1500 }, 50), {
        counts: { connections: 11, sent: 160, expected: 1600, received: 1600 },
        latencies: { connect: 11, delivery: 1500, answer: 150, reconnect: 20, slip: 150 },
      })
    }),
  )

  it.effect("slow-reader: who does not read is shed, and the others have everything", () =>
    Effect.gen(function* () {
      const settings = Outbox.layer({ maxBytes: 64 * 1024 })
      const dial = yield* gateway({}, { settings })
      // The gateway gives up on a goodbye after two seconds.
      const different = { scenario: "slow-reader", payloadBytes: 32 * 1024, rate: 10, durationMs: 4900 } as const
      assert.deepStrictEqual(counted(yield* load(dial, different)), {
        connections: 5,
        sent: 50,
        expected: 150,
        received: 150,
        shed: 1,
      })
    }),
  )
})
