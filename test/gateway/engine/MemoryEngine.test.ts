import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Data from "../../../src/gateway/protocol/Data.ts"
import type { Engine } from "../../../src/gateway/engine/Engine.ts"
import * as MemoryEngine from "../../../src/gateway/engine/MemoryEngine.ts"
import * as MemoryHistory from "../../../src/gateway/engine/MemoryHistory.ts"
import * as MemoryLog from "../../../src/gateway/engine/MemoryLog.ts"
import { draft, everything, publish, publishAll, values } from "./publishing.ts"

const sizeOf = (text: string) => Data.byteLength(Data.json(text)) + MemoryHistory.overheadBytes
const three = sizeOf("a") + sizeOf("b") + sizeOf("c")
const make = (maxBytes: number, ageMs = 60_000) =>
  MemoryEngine.make({ retention: () => ({ size: 100, ageMs }), maxBytes })
const keptBy = (log: MemoryLog.Log) => Array.from({ length: log.length }, (_, index) => log.at(index)!)
const kept = (engine: Engine["Service"], channel: string) =>
  Effect.map(engine.read(channel, everything), ({ prunedTo, publications }) => [values(publications), prunedTo])

describe("Memory history", () => {
  it("is the newest of each log up to its size, and of all up to the bytes", () => {
    const sizes = [1, 2, 5]
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 2 }), { maxLength: 60, size: "max" }), (adds) => {
        const history = new MemoryHistory.MemoryHistory(4 * (1 + MemoryHistory.overheadBytes))
        const logs = sizes.map(() => new MemoryLog.Log())
        const offsets = sizes.map(() => 0)
        let model: Array<readonly [log: number, number: number]> = []
        adds.forEach((log, number) => {
          const offset = ++offsets[log]!
          history.add(logs[log]!, sizes[log]!, { offset, previous: offset - 1, time: 0, data: Data.json(1) }, 0)
          const own = model.filter(([owner]) => owner === log)
          const dropped = own.length === sizes[log] ? own[0] : undefined
          model = [...model.filter((each) => each !== dropped), [log, number] as const].slice(-4)
          const kept = logs.flatMap((each, owner) => keptBy(each).map((one) => [owner, one.number] as const))
          assert.deepStrictEqual(
            kept.toSorted((a, b) => a[1] - b[1]),
            model,
          )
          assert.deepStrictEqual([history.publications, history.bytes], [model.length, model.length])
        })
      }),
    )
  })
})

describe("Memory log", () => {
  it("gives back what was added to it, from the oldest that was not taken", () => {
    const data = fc.oneof(
      fc.string({ maxLength: 3 }).map(Data.json),
      fc.uint8Array({ maxLength: 3 }).map((bytes) => Data.binary(bytes)),
    )
    const facts = fc.record({
      data,
      time: fc.nat(),
      from: fc.option(fc.record({ connection: fc.string() }), { nil: undefined }),
      tags: fc.option(fc.dictionary(fc.string(), fc.string()), { nil: undefined }),
      at: fc.double({ min: 0, noNaN: true }),
      bytes: fc.nat(),
      number: fc.nat(),
    })
    // As many are added, or so many taken: the ring grows, goes round and shrinks.
    const step = fc.oneof(fc.array(facts, { maxLength: 12 }), fc.nat({ max: 12 }))
    fc.assert(
      fc.property(fc.nat(), fc.array(step, { maxLength: 30, size: "max" }), (previous, steps) => {
        const log = new MemoryLog.Log()
        let model: Array<MemoryLog.Kept> = []
        let offset = previous
        for (const step of steps) {
          if (typeof step === "number") {
            const taken = model.slice(0, step)
            model = model.slice(step)
            assert.deepStrictEqual(
              taken.map(() => log.shift()),
              taken.map(({ bytes }) => bytes),
            )
          } else {
            for (const { at, bytes, data, from, number, tags, time } of step) {
              const place = { offset: offset + 1, previous: offset++ }
              const publication = { ...place, time, data, ...(from && { from }), ...(tags && { tags }) }
              model.push({ publication, bytes, at, number })
              log.push(model.at(-1)!)
            }
          }
          assert.deepStrictEqual(keptBy(log), model)
          const first = model[0]
          if (first === undefined) continue
          assert.deepStrictEqual(
            [log.firstOffset, log.oldestAt, log.deadline],
            [first.publication.offset, first.at, first.number],
          )
        }
      }),
    )
  })

  it("has nothing before its oldest and behind its newest", () => {
    const log = new MemoryLog.Log()
    const publication = { offset: 1, previous: 0, time: 0, data: Data.json(1) }
    for (let number = 0; number < 3; number++) {
      log.push({ publication: { ...publication, offset: number + 1 }, bytes: 1, at: 0, number })
    }
    assert.deepStrictEqual([log.at(-1), log.at(3)], [undefined, undefined])
  })
})

describe("Memory engine", () => {
  it.effect("delivers and answers within the call", () =>
    Effect.gen(function* () {
      const engine = yield* make(three)
      const happened: Array<string> = []
      yield* engine.attach("x", () => happened.push("told"))
      engine.publishUnsafe(draft("x"), () => happened.push("answered"))
      assert.deepStrictEqual(happened, ["told", "answered"])
    }),
  )

  it.effect("keeps so many bytes and no more: over it the oldest goes first, whosever it is", () =>
    Effect.gen(function* () {
      const engine = yield* make(three)
      yield* publishAll(engine, [draft("x", "a"), draft("y", "b"), draft("x", "c")])
      assert.deepStrictEqual(
        [yield* kept(engine, "x"), yield* kept(engine, "y")],
        [
          [["a", "c"], 0],
          [["b"], 0],
        ],
      )
      yield* publish(engine, draft("z", "d"))
      assert.deepStrictEqual(
        [yield* kept(engine, "x"), yield* kept(engine, "y")],
        [
          [["c"], 1],
          [["b"], 0],
        ],
      )
      yield* publish(engine, draft("z", "e"))
      assert.deepStrictEqual(
        [yield* kept(engine, "x"), yield* kept(engine, "y")],
        [
          [["c"], 1],
          [[], 1],
        ],
      )
    }),
  )

  it.effect("keeps nothing of a publication that is larger than all, and goes on", () =>
    Effect.gen(function* () {
      const engine = yield* make(three)
      yield* publishAll(engine, [draft("x", "a"), draft("x", "x".repeat(three))])
      assert.deepStrictEqual(engine.counts(), { channels: 1, publications: 0, bytes: 0, keys: 0 })
      assert.deepStrictEqual(yield* kept(engine, "x"), [[], 2])
      yield* publish(engine, draft("x", "b"))
      assert.deepStrictEqual(yield* kept(engine, "x"), [["b"], 2])
    }),
  )

  it.effect("counts the bytes of what is kept", () =>
    Effect.gen(function* () {
      const engine = yield* make(1e6, 5000)
      yield* publishAll(engine, [draft("x", "ä"), draft("y", 1, { tags: { a: "bc" } })])
      assert.deepStrictEqual(engine.counts(), { channels: 2, publications: 2, bytes: 8, keys: 0 })
      yield* TestClock.adjust(6000)
      assert.deepStrictEqual(engine.counts(), { channels: 2, publications: 0, bytes: 0, keys: 0 })
    }),
  )

  it.effect("sweeps more than a batch in turns, and lets others run between them", () =>
    Effect.gen(function* () {
      const engine = yield* make(1e8, 5000)
      yield* publishAll(
        engine,
        Array.from({ length: 5000 }, (_, n) => draft(`${n}`)),
      )
      const seen: Array<number> = []
      const look = Effect.sync(() => seen.push(engine.counts().publications)).pipe(Effect.andThen(Effect.yieldNow))
      yield* Effect.forkScoped(Effect.forever(look))
      yield* TestClock.adjust(6000)
      assert.isTrue(seen.some((count) => count > 0 && count < 5000))
      assert.strictEqual(engine.counts().publications, 0)
    }),
  )
})
