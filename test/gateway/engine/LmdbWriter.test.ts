import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { vi } from "vitest"
import * as LmdbEngine from "../../../src/gateway/engine/LmdbEngine.ts"
import * as LmdbHeads from "../../../src/gateway/engine/LmdbHeads.ts"
import * as LmdbLog from "../../../src/gateway/engine/LmdbLog.ts"
import * as LmdbStore from "../../../src/gateway/engine/LmdbStore.ts"
import { LmdbWriter } from "../../../src/gateway/engine/LmdbWriter.ts"
import * as Records from "../../../src/gateway/engine/Records.ts"
import * as Times from "../../../src/gateway/engine/Times.ts"
import { turn, until } from "../../support/wires.ts"
import { freshDirectory } from "./directories.ts"
import { draft, everything, key, publish, publishAll, values } from "./publishing.ts"

const retention = () => ({ size: 1000, ageMs: 600_000 })

/** An engine whose transactions are counted, and what they write. They wait for `held`, and call `committed` when over. */
const counted = (more?: Partial<LmdbEngine.Options>) =>
  Effect.gen(function* () {
    const directory = yield* freshDirectory
    const store = LmdbStore.openUnsafe({ directory, sync: "always", reserveBytes: 0, now: 0 })
    const control = {
      transactions: 0,
      logged: 0,
      stored: 0,
      committed: () => undefined as void,
      held: Promise.resolve(),
      hasSpace: true,
    }
    const counting = (table: LmdbStore.Table, counter: "logged" | "stored") => ({
      ...table,
      put: (at: Buffer, value: Buffer) => {
        control[counter]++
        table.put(at, value)
      },
    })
    const engine = yield* LmdbEngine.fromStore(
      {
        ...store,
        log: counting(store.log, "logged"),
        publications: counting(store.publications, "stored"),
        hasSpace: () => control.hasSpace,
        commit: async (batch, writes) => {
          control.transactions++
          await control.held
          await store.commit(batch, writes)
          control.committed()
        },
      },
      { retention, ...more },
    )
    return { control, directory, engine, store }
  })

describe("LMDB writer: a transaction", () => {
  /** With timers that stand still unless they are told: what waits for one waits until the end. */
  const frozen = <A, E>(use: Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] })),
      () => use,
      () => Effect.sync(() => vi.advanceTimersByTime(6).useRealTimers()),
    ).pipe(Effect.tap(turn))

  it.effect("takes all who were answered by the one before, though they publish again one after the other", () =>
    Effect.gen(function* () {
      const { control, engine } = yield* counted()
      const rounds = 20
      // Each a turn later than the one before: two who do not wait for each other would be two transactions.
      const publisher = Effect.fnUntraced(function* (turns: number) {
        for (let round = 0; round < rounds; round++) {
          yield* publish(engine, draft("a"))
          for (let n = 0; n < turns; n++) yield* turn
        }
      })
      yield* frozen(Effect.all([0, 1, 2, 3, 4].map(publisher), { concurrency: "unbounded" }))
      assert.strictEqual(control.transactions, rounds)
      assert.strictEqual((yield* engine.position("a")).offset, 5 * rounds)
    }),
  )

  it.effect("waits for them a millisecond longer than the one before took, and no longer than 6 ms", () =>
    Effect.gen(function* () {
      const { control, engine } = yield* counted()
      const after = Effect.fnUntraced(function* (tookMs: number, waitMs: number) {
        control.committed = () => void vi.advanceTimersByTime(tookMs)
        yield* publishAll(engine, [draft("a"), draft("a")])
        control.committed = () => undefined
        const before = control.transactions
        const next = yield* Effect.forkChild(publish(engine, draft("a")), { startImmediately: true })
        yield* turn
        vi.advanceTimersByTime(waitMs - 1)
        for (let n = 0; n < 5; n++) yield* turn
        assert.strictEqual(control.transactions, before)
        vi.advanceTimersByTime(1)
        yield* Fiber.join(next)
        assert.strictEqual(control.transactions, before + 1)
      })
      yield* frozen(after(0, 2))
      yield* frozen(after(3, 4))
      yield* frozen(after(5, 6))
      yield* frozen(after(60, 6))
    }),
  )
})

describe("LMDB writer: a key", () => {
  it.effect("whose first use could not be written is not answered as a duplicate of it", () =>
    Effect.gen(function* () {
      const { control, engine } = yield* counted()
      let fail: (error: Error) => void = () => undefined
      control.held = new Promise((_, reject) => {
        fail = reject
      })
      const again = draft("a", 1, key("k"))
      const other = draft("a", 1, key("k", "another"))
      const answers = yield* Effect.forkChild(
        Effect.all(
          [again, again, other].map((each) => Effect.flip(publish(engine, each))),
          { concurrency: "unbounded" },
        ),
        { startImmediately: true },
      )
      yield* until(() => control.transactions === 1)
      fail(new Error("EIO"))
      assert.deepStrictEqual(
        (yield* Fiber.join(answers)).map(({ reason }) => reason),
        ["Unavailable", "Unavailable", "Unavailable"],
      )
    }),
  )

  it.effect("that expires is forgotten, though numbers before it were given and never written", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const drafts = Array.from({ length: 1001 }, (_, n) => draft("a", n, key(`k${n}`)))
      // The second transaction, which has the last of them, does not come to its end: the process was killed.
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = LmdbStore.openUnsafe({ directory, sync: "always", reserveBytes: 0, now: 0 })
          const commit: LmdbStore.LmdbStore["commit"] = (batch, writes) =>
            batch === 1 ? store.commit(batch, writes) : Promise.reject(new Error("killed"))
          const engine = yield* LmdbEngine.fromStore({ ...store, commit }, { retention })
          const answers = yield* Effect.all(
            drafts.map((each) => Effect.exit(publish(engine, each))),
            { concurrency: "unbounded" },
          )
          assert.strictEqual(answers.filter((answer) => answer._tag === "Success").length, 1000)
        }),
      )
      const engine = yield* LmdbEngine.make({ directory, retention, keys: { windowMs: 5000 }, reserveBytes: 0 })
      yield* publish(engine, draft("a", 1, key("after")))
      yield* TestClock.adjust(300_000)
      yield* until(() => engine.counts().keys === 0)
    }),
  )

  it.effect("that is used again while its first use is in the log is remembered for the second", () =>
    Effect.gen(function* () {
      const { engine } = yield* counted({ maxLogged: 1, keys: { windowMs: 500 } })
      const { epoch } = yield* engine.position("a")
      const again = draft("a", 1, key("k"))
      yield* publish(engine, again)
      yield* TestClock.adjust(500)
      // It puts the first in its place.
      assert.deepStrictEqual(yield* publish(engine, again), { offset: 2, epoch })
      assert.deepStrictEqual(yield* publish(engine, again), { offset: 2, epoch, duplicate: true })
    }),
  )
})

describe("LMDB writer: the log", () => {
  const countsOf = ({ logged, stored }: { readonly logged: number; readonly stored: number }) => ({ logged, stored })

  it.effect("has so many in it, and is put in its place by the one that is too many", () =>
    Effect.gen(function* () {
      const { control, engine, store } = yield* counted({ maxLogged: 5 })
      for (let n = 1; n <= 5; n++) yield* publish(engine, draft("a", n))
      assert.deepStrictEqual(countsOf(control), { logged: 5, stored: 0 })
      assert.strictEqual(store.log.size(), 5)
      yield* publish(engine, draft("a", 6))
      assert.deepStrictEqual(countsOf(control), { logged: 6, stored: 5 })
      assert.strictEqual(store.log.size(), 1)
      assert.deepStrictEqual(values((yield* engine.read("a", everything)).publications), [1, 2, 3, 4, 5, 6])
      yield* publishAll(
        engine,
        [7, 8, 9, 10].map((n) => draft("a", n)),
      )
      assert.deepStrictEqual(countsOf(control), { logged: 7, stored: 5 })
      yield* publish(engine, draft("a", 11))
      assert.deepStrictEqual(countsOf(control), { logged: 8, stored: 10 })
    }),
  )

  it.effect("has no more than 1 MiB in it before it is put in its place", () =>
    Effect.gen(function* () {
      const { control, engine } = yield* counted()
      const half = "x".repeat(512 * 1024)
      yield* publish(engine, draft("a", half))
      yield* publish(engine, draft("a", half))
      assert.deepStrictEqual(countsOf(control), { logged: 2, stored: 0 })
      yield* publish(engine, draft("a", 1))
      assert.deepStrictEqual(countsOf(control), { logged: 3, stored: 2 })
    }),
  )

  it.effect("is put in its place within a second though nobody publishes any more", () =>
    Effect.gen(function* () {
      const { control, engine, store } = yield* counted()
      yield* publish(engine, draft("a", 1, key("k")))
      yield* TestClock.adjust(999)
      assert.deepStrictEqual(countsOf(control), { logged: 1, stored: 0 })
      yield* TestClock.adjust(1)
      yield* until(() => store.log.size() === 0)
      assert.deepStrictEqual(countsOf(control), { logged: 1, stored: 1 })
      assert.strictEqual((yield* publish(engine, draft("a", 1, key("k")))).duplicate, true)
    }),
  )

  it.effect("is swept when the oldest of it is too old, though it was put in its place with younger ones", () =>
    Effect.gen(function* () {
      const { engine, store } = yield* counted({ retention: () => ({ size: 1000, ageMs: 5000 }) })
      yield* publish(engine, draft("a", 1))
      yield* TestClock.adjust(500)
      yield* publish(engine, draft("a", 2))
      yield* TestClock.adjust(500)
      yield* until(() => store.publications.size() === 2)
      yield* TestClock.adjust(4000)
      yield* until(() => store.publications.size() === 1)
      assert.deepStrictEqual(values((yield* engine.read("a", everything)).publications), [2])
    }),
  )

  it.effect("is read together with what is in its place, in both directions, wherever a page begins", () =>
    Effect.gen(function* () {
      const { engine, store } = yield* counted({ maxLogged: 4 })
      for (let n = 1; n <= 6; n++) yield* publish(engine, draft("a", n))
      assert.strictEqual(store.log.size(), 2)
      const page = (since: number | undefined, limit: number, reverse: boolean) =>
        Effect.map(
          engine.read("a", { limit, maxBytes: 1e6, reverse, ...(since === undefined ? undefined : { since }) }),
          ({ more, publications }) => [values(publications).join(""), more],
        )
      assert.deepStrictEqual(yield* page(undefined, 9, false), ["123456", false])
      assert.deepStrictEqual(yield* page(3, 2, false), ["45", true])
      assert.deepStrictEqual(yield* page(4, 2, false), ["56", false])
      assert.deepStrictEqual(yield* page(5, 2, false), ["6", false])
      assert.deepStrictEqual(yield* page(6, 2, false), ["", false])
      assert.deepStrictEqual(yield* page(undefined, 9, true), ["654321", false])
      assert.deepStrictEqual(yield* page(6, 2, true), ["54", true])
      assert.deepStrictEqual(yield* page(5, 2, true), ["43", true])
      assert.deepStrictEqual(yield* page(1, 2, true), ["", false])
    }),
  )

  it.effect("is put in its place without taking from readers what they may read until then", () =>
    Effect.gen(function* () {
      const { control, engine } = yield* counted({ maxLogged: 1, retention: () => ({ size: 1, ageMs: 600_000 }) })
      for (let n = 1; n <= 3; n++) yield* publish(engine, draft("a", n))
      let release = (): void => undefined
      const before = control.transactions
      control.held = new Promise((resolve) => {
        release = resolve
      })
      const next = yield* Effect.forkChild(publish(engine, draft("a", 4)), { startImmediately: true })
      const read = Effect.map(engine.read("a", everything), ({ position, prunedTo, publications }) => [
        values(publications),
        position.offset,
        prunedTo,
      ])
      yield* until(() => control.transactions > before)
      assert.deepStrictEqual(yield* read, [[3], 3, 2])
      // It is in the store, and nobody was told yet.
      let written: ReadonlyArray<unknown> = []
      control.committed = () => {
        written = Effect.runSync(read)
      }
      release()
      yield* Fiber.join(next)
      assert.deepStrictEqual(written, [[3], 3, 2])
      assert.deepStrictEqual(yield* read, [[4], 4, 3])
    }),
  )

  it.effect("waits while the disk is almost full, also after a restart", () =>
    Effect.gen(function* () {
      const { control, engine, store } = yield* counted()
      yield* publish(engine, draft("a", 1))
      control.hasSpace = false
      yield* TestClock.adjust(5000)
      yield* turn
      assert.deepStrictEqual([control.transactions, store.log.size()], [1, 1])
      const again = yield* LmdbEngine.fromStore(
        { ...store, hasSpace: () => control.hasSpace, close: () => Promise.resolve() },
        { retention },
      )
      yield* TestClock.adjust(5000)
      yield* turn
      assert.strictEqual(store.log.size(), 1)
      assert.deepStrictEqual(values((yield* again.read("a", everything)).publications), [1])
      control.hasSpace = true
      yield* TestClock.adjust(1000)
      yield* until(() => store.log.size() === 0)
      assert.strictEqual((yield* publish(again, draft("a", 2))).offset, 2)
    }),
  )

  it.effect("that does not go on where its channel ends makes the directory a damaged one", () =>
    Effect.gen(function* () {
      const first = { name: "a", id: 0, epoch: "e" }
      const logged = [
        [{ ...first, offset: 2 }],
        [
          { ...first, offset: 1 },
          { ...first, offset: 1 },
        ],
        [
          { ...first, offset: 1 },
          { ...first, offset: 3 },
        ],
        [
          { ...first, offset: 1 },
          { ...first, offset: 2, epoch: "f" },
        ],
      ]
      for (const all of logged) {
        const directory = yield* freshDirectory
        const store = LmdbStore.openUnsafe({ directory, sync: "always", reserveBytes: 0, now: 0 })
        const heads = new LmdbHeads.LmdbHeads(store, retention)
        const data = { type: "json", text: "1" } as const
        const placed = all.map(({ offset, ...of }) => ({
          head: heads.add(of.name, of.id, of.epoch),
          publication: { offset, previous: offset - 1, time: 0, data },
          at: 0,
          key: undefined,
        }))
        yield* Effect.promise(async () => {
          await store.commit(1, () => {
            store.log.put(Records.sorted(1), LmdbLog.encode(placed).bytes)
            return store.state
          })
          await store.close(true)
        })
        const error = yield* Effect.flip(Effect.scoped(LmdbEngine.make({ directory, retention })))
        assert.strictEqual(error.reason, "Damaged")
        assert.match(error.message, /publication \d of channel a, epoch [ef], is in the log behind \d of epoch e/)
      }
    }),
  )

  it.effect("whose bytes are not as they were written makes the directory a damaged one", () =>
    Effect.gen(function* () {
      /** What a start says of a log of two publications after that was done to its record. */
      const startAfter = Effect.fnUntraced(function* (damage: (record: Buffer, endOfFirst: number) => Buffer) {
        const directory = yield* freshDirectory
        const store = LmdbStore.openUnsafe({ directory, sync: "always", reserveBytes: 0, now: 0 })
        const heads = new LmdbHeads.LmdbHeads(store, retention)
        const head = heads.add("a", 0, "e")
        const data = { type: "json", text: "12345" } as const
        const { all, bytes } = LmdbLog.encode(
          [1, 2].map((offset) => ({
            head,
            publication: { offset, previous: offset - 1, time: 0, data },
            at: 0,
            key: undefined,
          })),
        )
        const endOfFirst = all[0]!.record.byteOffset + all[0]!.record.length + 1 - bytes.byteOffset
        yield* Effect.promise(async () => {
          await store.commit(1, () => {
            store.log.put(Records.sorted(1), damage(bytes, endOfFirst))
            return store.state
          })
          await store.close(true)
        })
        return yield* Effect.scoped(LmdbEngine.make({ directory, retention })).pipe(
          Effect.match({ onSuccess: () => "whole", onFailure: ({ message, reason }) => `${reason}: ${message}` }),
        )
      })
      const cut = (record: Buffer, endOfFirst: number) => record.subarray(0, endOfFirst)
      const flip = (at: number) => (record: Buffer) => {
        record[record.length + at]! ^= 1
        return record
      }
      assert.strictEqual(yield* startAfter((record) => record), "whole")
      for (const damage of [cut, flip(-2), flip(-60)]) {
        assert.match(yield* startAfter(damage), /^Damaged: .* a record of \d+ bytes is not as it was written/)
      }
      assert.match(yield* startAfter((record) => record.subarray(0, 2)), /^Damaged: .* a record of 2 bytes is cut off/)
    }),
  )
})

describe("LMDB writer: what waits to be written", () => {
  it.effect("is looked for as long as somebody waits for its end, and no longer", () =>
    Effect.gen(function* () {
      const store = yield* Effect.acquireRelease(
        Effect.map(freshDirectory, (directory) =>
          LmdbStore.openUnsafe({ directory, sync: "always", reserveBytes: 0, now: 0 }),
        ),
        (store) => Effect.promise(() => store.close(false)),
      )
      const times = Times.make(yield* Clock.Clock)
      const writer = new LmdbWriter(store, { retention }, times, () => undefined)
      writer.publish(draft("a"), () => undefined)
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
      yield* Effect.addFinalizer(() => Effect.sync(() => vi.useRealTimers()))
      const waiting = yield* Effect.forkChild(writer.drained, { startImmediately: true })
      assert.strictEqual(vi.getTimerCount(), 1)
      yield* Fiber.interrupt(waiting)
      assert.strictEqual(vi.getTimerCount(), 0)
    }),
  )
})
