import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import * as MemoryBudget from "../../src/server/MemoryBudget.ts"
import { MemoryGauge, type Readings } from "../../src/server/MemoryGauge.ts"
import type { MemoryWire } from "../../src/transport/MemoryWire.ts"
import { frame } from "../support/frames.ts"
import { closings, serve, tagged } from "../support/served.ts"
import { settled, until } from "../support/wires.ts"

const unused = { usedBytes: 0, limitBytes: 1000 }

/** Readings of a process that uses nothing and whose buffers are many, unless told otherwise. */
const gauge = (readings: Partial<Readings> = {}) =>
  Layer.succeed(MemoryGauge, { memory: () => unused, heap: () => unused, bufferBytes: () => Infinity, ...readings })

/** Holds so many bytes until it is shed, and remembers why and how often it was asked. */
class FakeHolder implements MemoryBudget.Holder {
  asked = 0
  shedFor: CloseReason.CloseReason | undefined
  #bytes: number

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  get heldBytes(): number {
    this.asked++
    return this.#bytes
  }

  shedUnsafe(reason: CloseReason.CloseReason): void {
    this.shedFor = reason
    this.#bytes = 0
  }
}

/** A budget of 1 000 bytes and a member whose connections hold so much. */
const hold = Effect.fnUntraced(function* (sizes: ReadonlyArray<number>, readings: Partial<Readings> = {}) {
  const budget = yield* Effect.provide(MemoryBudget.make({ maxBufferedBytes: 1000 }), gauge(readings))
  const join = Effect.fnUntraced(function* (sizes: ReadonlyArray<number>) {
    const holders = sizes.map((bytes) => new FakeHolder(bytes))
    const sheds: Array<MemoryBudget.Shed> = []
    yield* budget.join({ holders, onShedUnsafe: (shed) => void sheds.push(shed) })
    return { holders, sheds, shedBytes: () => holders.map(({ shedFor }) => heldBy(shedFor)) }
  })
  return { budget, join, ...(yield* join(sizes)) }
})

const heldBy = (reason: CloseReason.CloseReason | undefined) =>
  reason?._tag === "Overloaded" ? reason.held : undefined

describe("The budget", () => {
  it.effect("is not passed by what it allows", () =>
    Effect.gen(function* () {
      const { budget, sheds, shedBytes } = yield* hold([600, 400])
      budget.intake.growUnsafe(1001)
      assert.deepStrictEqual([shedBytes(), sheds], [[undefined, undefined], []])
    }),
  )

  it.effect("is passed by one byte more: the largest go, until a tenth is free", () =>
    Effect.gen(function* () {
      const { budget, holders, sheds, shedBytes } = yield* hold([0, 60, 800, 50, 91, 0])
      budget.intake.growUnsafe(1001)
      assert.deepStrictEqual(shedBytes(), [undefined, undefined, 800, undefined, undefined, undefined])
      assert.deepStrictEqual(holders[2]?.shedFor, CloseReason.Overloaded({ allowed: 1000, observed: 1001, held: 800 }))
      assert.deepStrictEqual(sheds, [{ connections: 1, shedBytes: 800, heldBytes: 1001, allowedBytes: 1000 }])
    }),
  )

  it.effect("sheds no more than it needs, and no fewer", () =>
    Effect.gen(function* () {
      const enough = yield* hold([500, 101, 400])
      enough.budget.intake.growUnsafe(1001)
      assert.deepStrictEqual(enough.shedBytes(), [500, undefined, undefined])
      const equal = yield* hold([51, 50, ...Array.from({ length: 18 }, () => 50)])
      equal.budget.intake.growUnsafe(1001)
      const gone = equal.shedBytes().filter((bytes) => bytes !== undefined)
      assert.deepStrictEqual(gone, [51, 50])
    }),
  )

  it.effect("is shared: the largest go, whosever they are, and each server is told of its own", () =>
    Effect.gen(function* () {
      const first = yield* hold([100, 350])
      const second = yield* first.join([150, 401])
      first.budget.intake.growUnsafe(1001)
      assert.deepStrictEqual(
        [first.shedBytes(), second.shedBytes()],
        [
          [undefined, undefined],
          [undefined, 401],
        ],
      )
      assert.deepStrictEqual([first.sheds.length, second.sheds.length], [0, 1])
      assert.strictEqual(first.budget.heldBytesUnsafe(), 600)
    }),
  )

  it.effect("counts what many hold once before anybody has to go", () =>
    Effect.gen(function* () {
      let bufferBytes = 1000
      const { budget, holders, shedBytes } = yield* hold([600, 600], { bufferBytes: () => bufferBytes })
      budget.intake.growUnsafe(1001)
      assert.deepStrictEqual(shedBytes(), [undefined, undefined])
      bufferBytes = 1001
      // The next look is due behind a thirty-second part of the budget.
      budget.intake.growUnsafe(31)
      assert.deepStrictEqual([shedBytes(), holders[0]!.asked], [[undefined, undefined], 1])
      budget.intake.growUnsafe(1)
      assert.deepStrictEqual(shedBytes(), [600, undefined])
    }),
  )

  it.effect("asks nobody before as much has come as may be held, and then for what is left of it", () =>
    Effect.gen(function* () {
      const { budget, holders } = yield* hold([300])
      const [holder] = holders
      budget.intake.growUnsafe(400)
      budget.intake.growUnsafe(600)
      assert.strictEqual(holder!.asked, 0)
      budget.intake.growUnsafe(1)
      assert.strictEqual(holder!.asked, 1)
      budget.intake.growUnsafe(700)
      assert.strictEqual(holder!.asked, 1)
      budget.intake.growUnsafe(1)
      assert.strictEqual(holder!.asked, 2)
    }),
  )

  it.effect("forgets a server that has ended", () =>
    Effect.gen(function* () {
      const { budget, join } = yield* hold([])
      yield* Effect.scoped(join([500]))
      assert.strictEqual(budget.heldBytesUnsafe(), 0)
    }),
  )
})

describe("Newcomers", () => {
  for (const limit of ["memory", "heap"] as const) {
    it.effect(`are refused above the share of the ${limit}, and let in again some way below it`, () =>
      Effect.gen(function* () {
        let usedBytes = 800
        const readings = { [limit]: () => ({ usedBytes, limitBytes: 1000 }) }
        const budget = yield* Effect.provide(MemoryBudget.make({ maxMemoryShare: 0.8 }), gauge(readings))
        const after = (bytes: number) => {
          usedBytes = bytes
          return Effect.map(TestClock.adjust("1 second"), budget.refusalUnsafe)
        }
        const refused = (observed: number) => CloseReason.Refused({ limit, allowed: 800, observed })
        assert.isUndefined(budget.refusalUnsafe())
        assert.deepStrictEqual(yield* after(801), refused(801))
        assert.deepStrictEqual(yield* after(761), refused(761))
        assert.isUndefined(yield* after(760))
        assert.isUndefined(yield* after(800))
      }),
    )
  }

  it.effect("are judged at the interval, and once at the start", () =>
    Effect.gen(function* () {
      let readings = 0
      const memory = () => {
        readings++
        return unused
      }
      yield* Effect.provide(MemoryBudget.make({ checkInterval: "3 seconds" }), gauge({ memory }))
      assert.strictEqual(readings, 1)
      yield* TestClock.adjust("2999 millis")
      assert.strictEqual(readings, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(readings, 2)
    }),
  )
})

describe("A server", () => {
  const echo = (connection: { readonly messages: Stream.Stream<string, unknown> }) =>
    Stream.filter(connection.messages, (text) => text.length < 100)

  it.effect("tells a newcomer that there is no memory, and serves those who are there", () =>
    Effect.gen(function* () {
      let usedBytes = 0
      const readings = gauge({ memory: () => ({ usedBytes, limitBytes: 1000 }) })
      const server = yield* serve(echo, { settings: readings })
      const early = yield* server.connect()
      usedBytes = 901
      yield* TestClock.adjust("1 second")
      const late = yield* server.connect()
      yield* until(() => late.state() === "fin")
      early.say("here")
      yield* until(() => early.heard.length === 1)
      assert.deepStrictEqual([early.heard, late.heard, server.seatsTaken()], [["here"], ["bye Refused"], 1])
      assert.deepStrictEqual(
        tagged(server.events, "ConnectionRefused").map(({ reason }) => reason),
        [CloseReason.Refused({ limit: "memory", allowed: 900, observed: 901 })],
      )
    }),
  )

  /** A server with a budget of 8 000 bytes. */
  const budgeted = Effect.fnUntraced(function* () {
    const budget = yield* Effect.provide(MemoryBudget.make({ maxBufferedBytes: 8000 }), gauge())
    const server = yield* serve(echo, { settings: Layer.succeed(MemoryBudget.MemoryBudget, budget) })
    return { budget, server, sheds: () => tagged(server.events, "BuffersShed") }
  })

  it.effect("tells who sent half a frame too many to go, largest first, and lets go of what was sent", () =>
    Effect.gen(function* () {
      const { server, sheds } = yield* budgeted()
      const decent = yield* server.connect()
      const larger = yield* server.connect()
      const smaller = yield* server.connect()
      larger.wire.writeUnsafe([frame("x".repeat(7000)).subarray(0, 6000)])
      yield* settled
      assert.strictEqual(larger.state(), "open")
      smaller.wire.writeUnsafe([frame("x".repeat(1000)).subarray(0, 600)])
      yield* until(() => larger.state() === "fin")
      decent.say("here")
      yield* until(() => decent.heard.length === 1)
      assert.deepStrictEqual([larger.heard, smaller.heard, decent.heard], [["bye Overloaded"], [], ["here"]])
      assert.deepStrictEqual([closings(server.events), server.seatsTaken()], [["Overloaded"], 2])
      const [shed, ...others] = sheds()
      assert.deepStrictEqual([shed?.connections, shed?.allowedBytes, others], [1, 8000, []])
      assert.deepStrictEqual([shed?.heldBytes, shed?.shedBytes], [8008, 7004])
    }),
  )

  it.effect("cuts off who has not taken what was sent, and who has ended first", () =>
    Effect.gen(function* () {
      const { budget, server, sheds } = yield* budgeted()
      const ended = yield* server.connect()
      const deaf = yield* server.connect()
      yield* until(() => server.registry.size === 2)
      for (const { wire } of [ended, deaf]) (wire as MemoryWire).stallUnsafe()
      server.registry.broadcast("x".repeat(3990))
      yield* settled
      server.registry.get(1)?.closeUnsafe(CloseReason.Done())
      yield* settled
      // Twice what was broadcast, and the goodbye that nobody takes.
      assert.deepStrictEqual([budget.heldBytesUnsafe(), closings(server.events)], [2 * 3994 + 12, ["Done"]])
      server.registry.get(2)?.sendUnsafe("x")
      yield* settled
      assert.deepStrictEqual([ended.state(), deaf.state()], ["ECONNRESET", "open"])
      server.registry.get(2)?.sendUnsafe("x".repeat(3997))
      yield* settled
      assert.strictEqual(deaf.state(), "open")
      server.registry.get(2)?.sendUnsafe("x")
      yield* settled
      assert.deepStrictEqual([deaf.state(), deaf.heard, budget.heldBytesUnsafe()], ["ECONNRESET", [], 0])
      assert.deepStrictEqual(closings(server.events), ["Done", "Overloaded"])
      assert.deepStrictEqual(
        sheds().map(({ heldBytes, shedBytes }) => [heldBytes, shedBytes]),
        [
          [8005, 4006],
          [8005, 8005],
        ],
      )
    }),
  )

  it.effect("keeps nothing that arrived for a connection that has ended", () =>
    Effect.gen(function* () {
      const { budget, server } = yield* budgeted()
      // It reads nothing, so that its goodbye takes a while.
      const wire = yield* server.memory.connect
      yield* until(() => server.registry.size === 1)
      wire.writeUnsafe([frame("x".repeat(7000)).subarray(0, 6000)])
      yield* settled
      assert.isAtLeast(budget.heldBytesUnsafe(), 6000)
      server.registry.get(1)?.closeUnsafe(CloseReason.Done())
      assert.isBelow(budget.heldBytesUnsafe(), 100)
    }),
  )
})
