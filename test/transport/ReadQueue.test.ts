import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { maxQueuedChunks, ReadQueue } from "../../src/transport/ReadQueue.ts"

const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)

/** A queue with a sieve that takes chunks of one zero, what it was asked about, and what it was told of. */
const make = () => {
  const asked: Array<Uint8Array> = []
  const told: Array<Uint8Array> = []
  const queue = new ReadQueue({ pause: () => undefined, resume: () => undefined }, 1024)
  queue.sieveWith({
    takesUnsafe: (chunk) => {
      asked.push(chunk)
      return chunk.length === 1 && chunk[0] === 0
    },
    queuedUnsafe: (chunk) => void told.push(chunk),
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

describe("The source", () => {
  const counting = () => {
    const counts = { paused: 0, resumed: 0 }
    const source = { pause: () => counts.paused++, resume: () => counts.resumed++ }
    return { counts, queue: new ReadQueue(source, 1024) }
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
