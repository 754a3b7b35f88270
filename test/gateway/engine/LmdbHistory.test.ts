import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as LmdbEngine from "../../../src/gateway/engine/LmdbEngine.ts"
import * as LmdbHistory from "../../../src/gateway/engine/LmdbHistory.ts"
import * as LmdbStore from "../../../src/gateway/engine/LmdbStore.ts"
import * as Records from "../../../src/gateway/engine/Records.ts"
import { record } from "../../support/logs.ts"
import { until } from "../../support/wires.ts"
import { freshDirectory } from "./directories.ts"
import { draft, everything, publishAll } from "./publishing.ts"

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

describe("LMDB history", () => {
  it.effect("has no hole if more is to be kept again after less was", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      /** Publishes so many in one transaction while so many are to be kept, and reads. */
      const fill = (count: number, size: number) =>
        Effect.scoped(
          Effect.gen(function* () {
            const engine = yield* LmdbEngine.make({ directory, retention: () => ({ size, ageMs: 600_000 }) })
            const drafts = numbers(count).map((n) => draft("a", n))
            yield* publishAll(engine, drafts)
            const { prunedTo, publications } = yield* engine.read("a", everything)
            const isWhole = publications.every(({ previous }, index) => previous === prunedTo + index)
            return { isWhole, top: prunedTo + publications.length }
          }),
        )
      assert.deepStrictEqual(yield* fill(500, 500), { isWhole: true, top: 500 })
      // What is too much is removed step by step, so that much of it is still there behind a burst.
      assert.deepStrictEqual(yield* fill(20, 10), { isWhole: true, top: 520 })
      assert.deepStrictEqual(yield* fill(1, 500), { isWhole: true, top: 521 })
    }),
  )

  for (const [size, most] of [
    [10, 10],
    [160, 169],
    [2000, 2063],
  ] as const) {
    it.effect(`of ${size} is cut off before more than ${most} are in their places, and ${size} are read`, () =>
      Effect.gen(function* () {
        const directory = yield* freshDirectory
        const store = LmdbStore.openUnsafe({ directory, sync: "always", reserveBytes: 0, now: 0 })
        const retention = () => ({ size, ageMs: 600_000 })
        const engine = yield* LmdbEngine.fromStore(store, { retention, maxLogged: 1 })
        const counts: Array<number> = []
        yield* publishAll(
          engine,
          numbers(size).map((n) => draft("a", n)),
        )
        for (let n = 0; n < 2 * (most - size + 1); n++) {
          yield* publishAll(engine, [draft("a")])
          counts.push(store.publications.size())
        }
        const { prunedTo, publications } = yield* engine.read("a", everything)
        assert.deepStrictEqual([publications.length, prunedTo], [size, 2 * (most - size + 1)])
        assert.deepStrictEqual([Math.min(...counts), Math.max(...counts)], [size, most])
      }),
    )
  }

  it("has no hole and lacks nothing, whatever is to be kept and however long a burst is", () => {
    const sizes = [0, 1, 10, 31, 32, 40, 100, 160, 2000]
    const bursts = [1, 31, 170, 2100]
    for (const size of sizes) {
      for (const later of sizes) {
        for (const burst of bursts) {
          const stored = new Set<number>()
          const publications = {
            put: (at: Buffer) => void stored.add(Records.readSorted(at, 1)),
            remove: (at: Buffer) => void stored.delete(Records.readSorted(at, 1)),
          }
          const head = { id: 0, first: 1, retention: { size, ageMs: 1 }, written: { offset: 0, time: 0, at: 0 } }
          for (const [kept, count] of [
            ...bursts.map((each) => [size, each] as const),
            [later, burst],
            [size, 1],
          ] as const) {
            const before = head.written.offset
            const had = before - head.first + 1
            head.retention = { size: kept, ageMs: 1 }
            head.written = { offset: before + count, time: 0, at: 0 }
            for (let offset = before + 1; offset <= before + count; offset++) {
              LmdbHistory.write({ publications } as never, head as never, offset, Buffer.alloc(0))
            }
            const has = head.written.offset - head.first + 1
            assert.isAtLeast(has, Math.min(kept, had + count))
            assert.strictEqual(stored.size, has)
            for (let offset = head.first; offset <= head.written.offset; offset++) assert.isTrue(stored.has(offset))
          }
        }
      }
    }
  })

  it.effect("is swept again after the disk could not be asked for its room, and that is logged once", () => {
    const { layer, lines } = record()
    return Effect.gen(function* () {
      const directory = yield* freshDirectory
      const store = LmdbStore.openUnsafe({ directory, sync: "always", reserveBytes: 0, now: 0 })
      let isThere = true
      const hasSpace = () => {
        if (!isThere) throw new Error("ENOENT")
        return true
      }
      const retention = () => ({ size: 10, ageMs: 15_000 })
      const engine = yield* LmdbEngine.fromStore({ ...store, hasSpace }, { retention })
      yield* publishAll(engine, [draft("a")])
      const line = `data directory ${directory} could not be looked after`
      for (const times of [1, 2]) {
        isThere = false
        yield* TestClock.adjust(5000)
        isThere = true
        yield* TestClock.adjust(1000)
        assert.deepStrictEqual(
          lines.map(({ level, message }) => [level, message]),
          Array.from({ length: times }, () => ["ERROR", line]),
        )
      }
      // For a moment it is in the log and in its place.
      yield* until(() => engine.counts().publications === 1)
      yield* TestClock.adjust(5000)
      yield* until(() => engine.counts().publications === 0)
    }).pipe(Effect.provide(layer))
  })

  for (const [what, channelOf, most] of [
    ["1 000 publications of a channel", () => "a", 1000],
    ["what is old of 500 channels", (n: number) => `${n}`, 500],
  ] as const) {
    it.effect(`loses at most ${what} to age in one transaction, and the rest in the next ones`, () =>
      Effect.gen(function* () {
        const directory = yield* freshDirectory
        const store = LmdbStore.openUnsafe({ directory, sync: "always", reserveBytes: 0, now: 0 })
        const left: Array<number> = []
        const commit: LmdbStore.LmdbStore["commit"] = (batch, writes) => {
          left.push(engine.counts().publications)
          return store.commit(batch, writes)
        }
        const retention = () => ({ size: 5000, ageMs: 5000 })
        const engine = yield* LmdbEngine.fromStore({ ...store, commit }, { retention })
        yield* publishAll(
          engine,
          numbers(2 * most + 1).map((n) => draft(channelOf(n), n)),
        )
        yield* TestClock.adjust(1000)
        left.length = 0
        yield* TestClock.adjust(6000)
        yield* until(() => engine.counts().publications === 0)
        // Housekeeping may write once more when all is gone.
        const before = new Set(left.filter((count) => count > 0))
        assert.deepStrictEqual([...before], [2 * most + 1, most + 1, 1])
      }),
    )
  }
})
