import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import { maxQueuedChunks, ReadQueue } from "../../src/transport/ReadQueue.ts"
import { lostWith } from "../../src/transport/Transport.ts"

const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)

/** A queue with a sieve that takes chunks of one zero, what it was asked about, and what it was told of. */
const make = () => {
  const asked: Array<Uint8Array> = []
  const told: Array<Uint8Array | "FIN"> = []
  const queue = new ReadQueue({ pause: () => undefined, resume: () => undefined }, 1024)
  queue.sieveWith({
    takesUnsafe: (chunk) => {
      asked.push(chunk)
      return chunk.length === 1 && chunk[0] === 0
    },
    queuedUnsafe: (chunk) => void told.push(chunk),
    finishedUnsafe: () => void told.push("FIN"),
  })
  return { asked, queue, told }
}

describe("A sieve", () => {
  it.effect("takes chunks from under a pull that waits, which then gets the next that is not taken", () =>
    Effect.gen(function* () {
      const { asked, queue, told } = make()
      const pulling = yield* Effect.forkChild(queue.pull, { startImmediately: true })
      queue.push(bytes(0))
      queue.push(bytes(0))
      assert.isUndefined(pulling.pollUnsafe())
      assert.deepStrictEqual([queue.queuedBytes, queue.received], [0, 2])
      queue.push(bytes(1))
      assert.deepStrictEqual(yield* Fiber.join(pulling), [bytes(1)])
      assert.deepStrictEqual([asked, told], [[bytes(0), bytes(0), bytes(1)], []])
    }),
  )

  it("is told of a FIN, once, also of one that had come, and of no failure", () => {
    const { queue, told } = make()
    queue.finish()
    queue.fail(lostWith("ECONNRESET"))
    assert.deepStrictEqual([told, queue.finished], [["FIN"], true])
    const late = new ReadQueue({ pause: () => undefined, resume: () => undefined }, 1024)
    late.finish()
    late.sieveWith({ takesUnsafe: () => false, queuedUnsafe: () => {}, finishedUnsafe: () => void told.push("FIN") })
    assert.deepStrictEqual(told, ["FIN", "FIN"])
    const lost = make()
    lost.queue.fail(lostWith("ECONNRESET"))
    assert.deepStrictEqual([lost.told, lost.queue.finished, lost.queue.ended], [[], false, true])
  })

  it.effect("is told while nobody waits, and not asked: what comes then stays in order", () =>
    Effect.gen(function* () {
      const { asked, queue, told } = make()
      queue.push(bytes(0))
      queue.push(bytes(1))
      queue.push(bytes(0))
      assert.deepStrictEqual(yield* queue.pull, [bytes(0), bytes(1), bytes(0)])
      assert.deepStrictEqual([asked, told], [[], [bytes(0), bytes(1), bytes(0)]])
    }),
  )
})

describe("A pull that yields on its way", () => {
  /** Pulls in a fiber that yields after so many steps; what comes meanwhile comes while it has yielded, or waits. */
  const pullYielding = (queue: ReadQueue, steps: number, meanwhile: () => void) =>
    Effect.gen(function* () {
      const yielding = Effect.provideService(queue.pull, Scheduler.MaxOpsBeforeYield, steps)
      const pulling = yield* Effect.forkChild(Effect.exit(yielding), { startImmediately: true })
      meanwhile()
      for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
      return pulling.pollUnsafe()
    })

  it.effect("gets what came before it waited", () =>
    Effect.gen(function* () {
      for (let steps = 3; steps < 10; steps++) {
        const { queue } = make()
        const exit = yield* pullYielding(queue, steps, () => queue.push(bytes(1)))
        assert.deepStrictEqual(exit, Exit.succeed(Exit.succeed([bytes(1)] as const)), `${steps} steps`)
      }
    }),
  )

  it.effect("sees the end that came before it waited", () =>
    Effect.gen(function* () {
      for (let steps = 3; steps < 10; steps++) {
        const { queue } = make()
        const exit = yield* pullYielding(queue, steps, () => queue.finish())
        assert.deepStrictEqual(exit, Exit.succeed(Exit.fail(Cause.Done())), `${steps} steps`)
      }
    }),
  )
})

describe("Who waits without a fiber", () => {
  const comings: ReadonlyArray<readonly [what: string, come: (queue: ReadQueue) => void]> = [
    ["something has come", (queue) => queue.push(bytes(1))],
    ["it has ended", (queue) => queue.finish()],
  ]
  for (const [what, come] of comings) {
    it(`is woken once ${what}, and not again`, () => {
      const { queue } = make()
      let woken = 0
      queue.wakeUnsafe(() => woken++)
      assert.strictEqual(woken, 0)
      come(queue)
      queue.push(bytes(2))
      assert.strictEqual(woken, 1)
    })

    it(`is woken at once if ${what} already`, () => {
      const { queue } = make()
      come(queue)
      let woken = 0
      queue.wakeUnsafe(() => woken++)
      assert.strictEqual(woken, 1)
    })
  }

  it.effect("is not woken any more when somebody pulls", () =>
    Effect.gen(function* () {
      const { queue } = make()
      let woken = 0
      queue.wakeUnsafe(() => woken++)
      const pulling = yield* Effect.forkChild(queue.pull, { startImmediately: true })
      queue.push(bytes(1))
      assert.deepStrictEqual([yield* Fiber.join(pulling), woken], [[bytes(1)], 0])
    }),
  )
})

describe("The source", () => {
  const counting = (limitBytes = 1024) => {
    const counts = { paused: 0, resumed: 0 }
    const source = { pause: () => counts.paused++, resume: () => counts.resumed++ }
    return { counts, queue: new ReadQueue(source, limitBytes) }
  }

  it.effect("pauses at so many bytes, and not at one less", () =>
    Effect.gen(function* () {
      const { counts, queue } = counting()
      queue.push(new Uint8Array(1023))
      assert.deepStrictEqual(counts, { paused: 0, resumed: 0 })
      queue.push(bytes(1))
      queue.push(bytes(1))
      assert.deepStrictEqual(counts, { paused: 1, resumed: 0 })
      yield* queue.pull
      assert.deepStrictEqual(counts, { paused: 1, resumed: 1 })
    }),
  )

  it.effect("pauses where nothing may wait when something does, and not behind what was taken as it came", () =>
    Effect.gen(function* () {
      const { counts, queue } = counting(0)
      const pulling = yield* Effect.forkChild(queue.pull, { startImmediately: true })
      queue.push(bytes(1))
      assert.deepStrictEqual(yield* Fiber.join(pulling), [bytes(1)])
      assert.deepStrictEqual(counts, { paused: 0, resumed: 0 })
      queue.push(bytes(2))
      assert.deepStrictEqual(yield* queue.pull, [bytes(2)])
      assert.deepStrictEqual(counts, { paused: 1, resumed: 1 })
    }),
  )

  it.effect("pauses at so many chunks, however small, and not at one less", () =>
    Effect.gen(function* () {
      const { counts, queue } = counting()
      for (let i = 1; i < maxQueuedChunks; i++) queue.push(bytes(1))
      assert.deepStrictEqual(counts, { paused: 0, resumed: 0 })
      queue.push(bytes(1))
      assert.deepStrictEqual(counts, { paused: 1, resumed: 0 })
      assert.strictEqual((yield* queue.pull).length, maxQueuedChunks)
      assert.deepStrictEqual(counts, { paused: 1, resumed: 1 })
    }),
  )
})
