import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import type { Retention } from "../../../src/gateway/engine/Engine.ts"
import * as LmdbEngine from "../../../src/gateway/engine/LmdbEngine.ts"
import * as LmdbHistory from "../../../src/gateway/engine/LmdbHistory.ts"
import * as LmdbStore from "../../../src/gateway/engine/LmdbStore.ts"
import * as LmdbTrim from "../../../src/gateway/engine/LmdbTrim.ts"
import * as Records from "../../../src/gateway/engine/Records.ts"
import { until } from "../../support/wires.ts"
import { freshDirectory } from "./directories.ts"
import { draft, everything, publishAll } from "./publishing.ts"

type Counts = Readonly<Record<string, number>>

const open = (directory: string) => LmdbStore.openUnsafe({ directory, sync: "always", reserveBytes: 0, now: 0 })

/** Publishes so many to each channel under a policy, and closes when all are in their places. */
const fill = (directory: string, channels: Counts, retention: Retention) =>
  Effect.scoped(
    Effect.gen(function* () {
      const store = open(directory)
      const engine = yield* LmdbEngine.fromStore(store, { retention: () => retention })
      for (const [channel, count] of Object.entries(channels)) {
        yield* publishAll(
          engine,
          Array.from({ length: count }, (_, index) => draft(channel, index + 1)),
        )
      }
      yield* TestClock.adjust("1 second")
      yield* until(() => store.log.size() === 0)
    }),
  )

/** Opens it again under another one; `sizes` are those before each transaction, `looks` those at channels. Nothing is published. */
const reopen = Effect.fnUntraced(function* (directory: string, retention: Retention) {
  const store = open(directory)
  const sizes: Array<number> = []
  const commit: LmdbStore.LmdbStore["commit"] = (batch, writes) => {
    sizes.push(store.publications.size())
    return store.commit(batch, writes)
  }
  const looks: Array<LmdbStore.Span> = []
  const entries: LmdbStore.Table["entries"] = (span) => {
    looks.push(span)
    return store.heads.entries(span)
  }
  const engine = yield* LmdbEngine.fromStore(
    { ...store, commit, heads: { ...store.heads, entries } },
    { retention: () => retention },
  )
  return { engine, looks, sizes, store }
})

/** How many of a channel are on disk. */
const storedOf = (store: LmdbStore.LmdbStore, channel: string) => {
  const { id } = Records.readHead(store.heads.get(Buffer.from(channel))!)
  return [...store.publications.entries({ start: Records.sorted(id, 0), end: Records.sorted(id + 1, 0) })].length
}

const tenMinutes = 600_000

describe("a store opened under a policy that keeps less", () => {
  it.effect("loses what is too much to nobody's publishing, and leaves what a channel may have too much of", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const [size, most] = [160, LmdbHistory.mostOf(160)]
      assert.strictEqual(most, 169)
      yield* fill(directory, { few: 5, most, over: most + 1, many: 900 }, { size: 1000, ageMs: tenMinutes })
      const { engine, store } = yield* reopen(directory, { size, ageMs: tenMinutes })
      yield* TestClock.adjust("1 second")
      const stored = () => ["few", "most", "over", "many"].map((channel) => storedOf(store, channel))
      yield* until(() => stored().at(-1) === size)
      assert.deepStrictEqual(stored(), [5, most, size, size])
      const { prunedTo, publications } = yield* engine.read("many", everything)
      assert.deepStrictEqual([prunedTo, publications.length, publications[0]?.offset], [740, size, 741])
    }),
  )

  it.effect("has lost it for a later policy that keeps more, and lacks nothing behind it", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const wide = { size: 1000, ageMs: tenMinutes }
      yield* fill(directory, { a: 300 }, wide)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { store } = yield* reopen(directory, { size: 0, ageMs: tenMinutes })
          yield* TestClock.adjust("1 second")
          yield* until(() => store.publications.size() === 0)
        }),
      )
      const { engine } = yield* reopen(directory, wide)
      yield* publishAll(engine, [draft("a"), draft("a")])
      const { position, prunedTo, publications } = yield* engine.read("a", everything)
      assert.deepStrictEqual(
        [prunedTo, position.offset, publications.map(({ offset }) => offset)],
        [300, 302, [301, 302]],
      )
    }),
  )

  it.effect("loses what is too old by it when it is, not when it would have been", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      yield* fill(directory, { a: 10 }, { size: 100, ageMs: tenMinutes })
      const { store } = yield* reopen(directory, { size: 100, ageMs: 60_000 })
      yield* TestClock.adjust("58 seconds")
      assert.strictEqual(store.publications.size(), 10)
      yield* TestClock.adjust("4 seconds")
      yield* until(() => store.publications.size() === 0)
    }),
  )

  it.effect(`loses at most ${LmdbTrim.removalBatch} in one transaction`, () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const count = 2 * LmdbTrim.removalBatch + 1
      yield* fill(directory, { a: count, b: 1 }, { size: 5000, ageMs: tenMinutes })
      const { sizes, store } = yield* reopen(directory, { size: 0, ageMs: tenMinutes })
      yield* TestClock.adjust("1 second")
      yield* until(() => store.publications.size() === 0)
      // The last of `b` goes with the last of `a`.
      assert.deepStrictEqual(sizes, [count + 1, count + 1 - LmdbTrim.removalBatch, 2])
    }),
  )

  it.effect(`looks at ${LmdbTrim.channelBatch} channels a second, until it has seen all`, () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      // The one behind the first look begins like the last of it.
      const nameOf = (index: number): string =>
        index === LmdbTrim.channelBatch ? `${nameOf(index - 1)}a` : String(index).padStart(4, "0")
      const names = Array.from({ length: 2 * LmdbTrim.channelBatch + 1 }, (_, index) => [nameOf(index), 2] as const)
      yield* fill(directory, Object.fromEntries(names), { size: 100, ageMs: tenMinutes })
      const { looks, sizes, store } = yield* reopen(directory, { size: 1, ageMs: tenMinutes })
      for (const left of [
        3 * LmdbTrim.channelBatch + 2,
        2 * LmdbTrim.channelBatch + 2,
        2 * LmdbTrim.channelBatch + 1,
      ]) {
        yield* TestClock.adjust("1 second")
        yield* until(() => store.publications.size() === left)
      }
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual([sizes.length, looks.length], [3, 3])
    }),
  )
})
