/**
 * What every engine promises, as one suite that runs against each of them.
 * Sees the contract only: where an engine keeps what it is told is none of its business.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { Accepted, Engine, Publication, Retention } from "../../../src/gateway/engine/Engine.ts"
import * as Publications from "../../../src/gateway/engine/Publications.ts"
import { binary, type Data } from "../../../src/gateway/protocol/Data.ts"
import { until } from "../../support/wires.ts"
import { draft, everything, key, publish, publishAll, values } from "./publishing.ts"

/** The bounds that the suite sets. */
export interface ContractOptions {
  readonly retention?: Retention
  readonly maxChannels?: number
  readonly positionTtl?: Duration.Input
  readonly keys?: { readonly windowMs?: number; readonly maxKeys?: number }
}

/** Opens the engine under test, empty. */
export type Open = (options: ContractOptions) => Effect.Effect<Engine["Service"], unknown, Scope.Scope>

const ample: Retention = { size: 1000, ageMs: 600_000 }

/** Runs the suite against one engine. */
export const engineContract = (name: string, open: Open): void => {
  const read = (engine: Engine["Service"], channel: string) => engine.read(channel, everything)
  const offsetsOf = (publications: ReadonlyArray<Publication>) => publications.map(({ offset }) => offset)

  describe(`${name} engine: publishing`, () => {
    it.effect("counts each channel from 1 and keeps one epoch", () =>
      Effect.gen(function* () {
        const engine = yield* open({})
        const { epoch } = yield* engine.position("a")
        const drafts = [draft("a"), draft("b"), draft("a"), draft("a"), draft("b")]
        assert.deepStrictEqual(
          yield* publishAll(engine, drafts),
          [1, 1, 2, 3, 2].map((offset) => ({ offset, epoch })),
        )
        assert.deepStrictEqual(yield* engine.position("a"), { offset: 3, epoch })
        assert.deepStrictEqual(yield* engine.position("b"), { offset: 2, epoch })
        assert.deepStrictEqual(yield* engine.position("c"), { offset: 0, epoch })
      }),
    )

    it.effect("tells the attached every publication in order, whole, before it answers", () =>
      Effect.gen(function* () {
        const engine = yield* open({})
        yield* publish(engine, draft("a", "before"))
        const heard: Array<unknown> = []
        const position = yield* engine.attach("a", (publication, epoch, withheldFrom) => {
          heard.push([publication, epoch, withheldFrom])
        })
        const from = { connection: "c", user: "u" }
        const binary: Data = { type: "binary", bytes: Uint8Array.of(0, 255, 7) }
        yield* Effect.all(
          [
            draft("a", { x: 1 }, { from, tags: { t: "v", "": "" }, withheldFrom: "c" }),
            draft("b"),
            draft("a", 0, { data: binary, from: { connection: "d" } }),
          ].map((each) => Effect.map(publish(engine, each), ({ offset }) => heard.push(`${each.channel}${offset}`))),
          { concurrency: "unbounded" },
        )
        const { epoch } = position
        const first = { offset: 2, previous: 1, time: 0, data: { type: "json", text: '{"x":1}' }, from }
        assert.deepStrictEqual(position, { offset: 1, epoch })
        const second = { offset: 3, previous: 2, time: 0, data: binary, from: { connection: "d" } }
        assert.deepStrictEqual(
          heard.filter((each) => each !== "b1"),
          [[{ ...first, tags: { t: "v", "": "" } }, epoch, "c"], "a2", [second, epoch, undefined], "a3"],
        )
      }),
    )

    it.effect("answers in the order of publishing", () =>
      Effect.gen(function* () {
        const engine = yield* open({})
        const answered: Array<number> = []
        const numbers = Array.from({ length: 500 }, (_, index) => index)
        yield* Effect.all(
          numbers.map((n) => Effect.map(publish(engine, draft(`${n % 7}`, n)), () => answered.push(n))),
          { concurrency: "unbounded" },
        )
        assert.deepStrictEqual(answered, numbers)
      }),
    )

    it.effect("tells nothing after detach, and all to another attachment of the same channel", () =>
      Effect.gen(function* () {
        const engine = yield* open({})
        const heard: Array<string> = []
        const listen = (who: string) => engine.attach("a", ({ offset }) => heard.push(`${who}${offset}`))
        yield* listen("x")
        yield* publish(engine, draft("a"))
        yield* engine.detach("a")
        yield* publish(engine, draft("a"))
        assert.strictEqual((yield* listen("y")).offset, 2)
        yield* publish(engine, draft("a"))
        yield* listen("z")
        yield* publish(engine, draft("a"))
        yield* engine.detach("unknown")
        assert.deepStrictEqual(heard, ["x1", "y3", "z4"])
      }),
    )

    it.effect("tells the attached of a channel that did not exist its first publication", () =>
      Effect.gen(function* () {
        const engine = yield* open({})
        const heard: Array<readonly [number, number]> = []
        const { epoch } = yield* engine.attach("a", ({ offset, previous }) => heard.push([offset, previous]))
        assert.strictEqual(engine.counts().channels, 0)
        assert.deepStrictEqual(yield* publish(engine, draft("a")), { offset: 1, epoch })
        assert.deepStrictEqual(heard, [[1, 0]])
        assert.strictEqual(engine.counts().channels, 1)
      }),
    )

    it.effect("never gives an earlier time than before, and no age breaks when the clock goes back", () =>
      Effect.gen(function* () {
        const engine = yield* open({ retention: { size: 10, ageMs: 90_000 } })
        yield* TestClock.setTime(100_000)
        yield* publish(engine, draft("a"))
        yield* TestClock.setTime(40_000)
        yield* publish(engine, draft("a"))
        yield* publish(engine, draft("b"))
        yield* TestClock.setTime(100_500)
        yield* publish(engine, draft("a"))
        assert.deepStrictEqual(
          (yield* read(engine, "a")).publications.map(({ time }) => time),
          [100_000, 100_000, 100_500],
        )
        assert.deepStrictEqual(
          (yield* read(engine, "b")).publications.map(({ time }) => time),
          [40_000],
        )
        yield* TestClock.adjust(120_000)
        assert.deepStrictEqual((yield* read(engine, "a")).publications, [])
      }),
    )

    it.effect("takes so many channels and no more, and goes on with those it has", () =>
      Effect.gen(function* () {
        const engine = yield* open({ maxChannels: 2 })
        yield* engine.attach("c", () => undefined)
        yield* publishAll(engine, [draft("a"), draft("b", 1, key("k"))])
        const error = yield* Effect.flip(publish(engine, draft("c")))
        assert.deepInclude(error, {
          reason: "ChannelLimit",
          detail: "2 channels were published to, there is no room for another",
        })
        assert.strictEqual((yield* publish(engine, draft("a"))).offset, 2)
        assert.strictEqual((yield* publish(engine, draft("b", 1, key("k")))).duplicate, true)
        assert.strictEqual((yield* engine.position("c")).offset, 0)
      }),
    )

    it.effect("takes a reserved channel over that limit", () =>
      Effect.gen(function* () {
        const engine = yield* open({ maxChannels: 1, retention: { ...ample, isReserved: true } })
        yield* engine.attach("c", () => undefined)
        yield* publishAll(engine, [draft("a"), draft("b"), draft("c")])
        assert.deepStrictEqual(values((yield* read(engine, "b")).publications), [1])
        assert.strictEqual((yield* engine.position("c")).offset, 1)
      }),
    )

    it.effect("takes what fits into a frame however it is written, and nothing larger", () =>
      Effect.gen(function* () {
        const engine = yield* open({})
        const heard: Array<number> = []
        yield* engine.attach("a", ({ offset }) => void heard.push(offset))
        // What stands beside the data: 216 bytes, and the channel's name in quotes.
        const room = Publications.maxWeight - 219
        const tags = { t: "\u0000".repeat(Math.floor((room - '{"t":""}1'.length) / 6)) }
        const text = "x".repeat(room - 2)
        const bytes = new Uint8Array(Math.floor(room / 4) * 3)
        const fitting = [draft("a", text), draft("a", 0, { data: binary(bytes) }), draft("a", 1, { tags })]
        const tooLarge = [
          draft("a", `${text}x`),
          draft("a", 0, { data: binary(new Uint8Array(bytes.length + 3)) }),
          draft("a", 1, { tags: { t: `${tags.t}\u0000` } }),
        ]
        yield* publishAll(engine, fitting)
        for (const each of tooLarge) {
          const { detail, reason } = yield* Effect.flip(publish(engine, each))
          assert.match(detail, /^the publication weighs \d+ bytes, it may weigh 1044480$/)
          assert.strictEqual(reason, "TooLarge")
        }
        assert.deepStrictEqual(heard, [1, 2, 3])
        assert.strictEqual((yield* engine.position("a")).offset, 3)
      }),
    )

    it.effect("is well and has room", () =>
      Effect.gen(function* () {
        const engine = yield* open({})
        yield* engine.health
        yield* engine.room
        assert.strictEqual(engine.name, name.toLowerCase().split(" ")[0])
      }),
    )
  })

  describe(`${name} engine: keys`, () => {
    it.effect("answer a repeated publish with the first one's place, also while that is on its way", () =>
      Effect.gen(function* () {
        const engine = yield* open({})
        const heard: Array<number> = []
        yield* engine.attach("a", ({ offset }) => heard.push(offset))
        yield* publish(engine, draft("a"))
        const { epoch } = yield* engine.position("a")
        const again = [draft("a", 2, key("k")), draft("a", 2, key("k"))]
        const duplicate: Accepted = { offset: 2, epoch, duplicate: true }
        assert.deepStrictEqual(yield* publishAll(engine, again), [{ offset: 2, epoch }, duplicate])
        yield* publish(engine, draft("a"))
        assert.deepStrictEqual(yield* publish(engine, draft("a", 2, key("k"))), duplicate)
        assert.deepStrictEqual(heard, [1, 2, 3])
      }),
    )

    it.effect("stand for their data: with other data the publish is refused, also while the first is on its way", () =>
      Effect.gen(function* () {
        const engine = yield* open({})
        const [, error] = yield* Effect.all(
          [publish(engine, draft("a", 1, key("k", "f"))), Effect.flip(publish(engine, draft("a", 2, key("k", "g"))))],
          { concurrency: "unbounded" },
        )
        assert.strictEqual(error.reason, "KeyReused")
        assert.strictEqual((yield* Effect.flip(publish(engine, draft("a", 2, key("k", "g"))))).reason, "KeyReused")
        assert.strictEqual((yield* engine.position("a")).offset, 1)
      }),
    )

    it.effect("belong to a channel and a user", () =>
      Effect.gen(function* () {
        const engine = yield* open({})
        const different = [
          draft("a", 1, key("k")),
          draft("a", 1, key("k", "f", "")),
          draft("a", 1, key("k", "f", "u")),
          draft("a", 1, key("uk", "f", "")),
          draft("b", 1, key("k")),
        ]
        const offsets = [1, 2, 3, 4, 1]
        assert.deepStrictEqual(
          (yield* publishAll(engine, different)).map(({ offset }) => offset),
          offsets,
        )
        assert.deepStrictEqual(
          (yield* publishAll(engine, different)).map(({ duplicate, offset }) => [offset, duplicate]),
          offsets.map((offset) => [offset, true as const]),
        )
      }),
    )

    it.effect("are forgotten when their window is over, not before", () =>
      Effect.gen(function* () {
        const engine = yield* open({ keys: { windowMs: 10_000 } })
        const again = draft("a", 1, key("k"))
        yield* publish(engine, again)
        yield* TestClock.adjust(9999)
        assert.strictEqual((yield* publish(engine, again)).duplicate, true)
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* publish(engine, again)).offset, 2)
        yield* TestClock.adjust(9999)
        assert.strictEqual((yield* publish(engine, again)).duplicate, true)
        yield* TestClock.adjust(1001)
        yield* until(() => engine.counts().keys === 0)
      }),
    )

    it.effect("are forgotten oldest first over their limit", () =>
      Effect.gen(function* () {
        const engine = yield* open({ keys: { maxKeys: 2 } })
        yield* publishAll(engine, [draft("a", 1, key("k1")), draft("a", 1, key("k2"))])
        assert.strictEqual((yield* publish(engine, draft("a", 1, key("k1")))).duplicate, true)
        yield* publish(engine, draft("a", 1, key("k3")))
        assert.strictEqual((yield* publish(engine, draft("a", 1, key("k2")))).duplicate, true)
        assert.strictEqual((yield* publish(engine, draft("a", 1, key("k1")))).duplicate, undefined)
        yield* TestClock.adjust(1000)
        yield* until(() => engine.counts().keys === 2)
      }),
    )
  })

  describe(`${name} engine: reading`, () => {
    const filled = (count: number, retention = ample) =>
      Effect.gen(function* () {
        const engine = yield* open({ retention })
        const numbers = Array.from({ length: count }, (_, index) => index + 1)
        yield* publishAll(
          engine,
          numbers.flatMap((n) => [draft("a", n), draft("b", -n)]),
        )
        return engine
      })

    it.effect("a channel that was never published to is an empty page at offset 0", () =>
      Effect.gen(function* () {
        const engine = yield* open({})
        const position = yield* engine.position("a")
        assert.deepStrictEqual(position, { offset: 0, epoch: position.epoch })
        const empty = { publications: [], position, prunedTo: 0, more: false }
        assert.deepStrictEqual(yield* read(engine, "a"), empty)
        assert.deepStrictEqual(yield* engine.read("a", { ...everything, since: 5, reverse: true }), empty)
      }),
    )

    it.effect("gives back whole what was published", () =>
      Effect.gen(function* () {
        const engine = yield* open({ retention: ample })
        yield* TestClock.setTime(1_234_567)
        const large = "ä🎈\u0000'".repeat(20_000)
        const drafts = [
          draft("a", { a: [null, "\u2028", 1e21] }, { from: { connection: "c" }, tags: { ü: "🎈", __proto__x: "" } }),
          draft("a", large, { from: { connection: "ü", user: "" }, tags: {} }),
          draft("a", 0, { data: { type: "binary", bytes: new Uint8Array(0) } }),
          draft("a", 0, { data: { type: "binary", bytes: Uint8Array.from({ length: 70_000 }, (_, i) => i) } }),
          draft("a", null),
        ]
        yield* publishAll(engine, drafts)
        const { publications } = yield* read(engine, "a")
        assert.deepStrictEqual(
          publications,
          drafts.map(({ data, from, tags }, index) => ({
            offset: index + 1,
            previous: index,
            time: 1_234_567,
            data,
            ...(from && { from }),
            ...(tags && { tags }),
          })),
        )
      }),
    )

    it.effect("goes forward after, backward before an offset, as far as the limit", () =>
      Effect.gen(function* () {
        const engine = yield* filled(6)
        const page = (since: number | undefined, limit: number, reverse = false) =>
          Effect.map(
            engine.read("a", { limit, maxBytes: 1e6, ...(since === undefined ? undefined : { since }), reverse }),
            ({ more, publications }) => [offsetsOf(publications).join(""), more],
          )
        assert.deepStrictEqual(yield* page(undefined, 6), ["123456", false])
        assert.deepStrictEqual(yield* page(undefined, 5), ["12345", true])
        assert.deepStrictEqual(yield* page(2, 4), ["3456", false])
        assert.deepStrictEqual(yield* page(2, 3), ["345", true])
        assert.deepStrictEqual(yield* page(0, 1), ["1", true])
        assert.deepStrictEqual(yield* page(5, 1), ["6", false])
        assert.deepStrictEqual(yield* page(6, 9), ["", false])
        assert.deepStrictEqual(yield* page(99, 9), ["", false])
        assert.deepStrictEqual(yield* page(undefined, 6, true), ["654321", false])
        assert.deepStrictEqual(yield* page(undefined, 5, true), ["65432", true])
        assert.deepStrictEqual(yield* page(3, 2, true), ["21", false])
        assert.deepStrictEqual(yield* page(3, 1, true), ["2", true])
        assert.deepStrictEqual(yield* page(1, 9, true), ["", false])
        assert.deepStrictEqual(yield* page(0, 9, true), ["", false])
        assert.deepStrictEqual(yield* page(99, 2, true), ["65", true])
        assert.deepStrictEqual(values((yield* read(engine, "b")).publications), [-1, -2, -3, -4, -5, -6])
      }),
    )

    it.effect("stops before maxBytes of data and tags are exceeded, but reads one whatever its size", () =>
      Effect.gen(function* () {
        const engine = yield* open({ retention: ample })
        // Four bytes of UTF-8 each.
        yield* publishAll(engine, [draft("a", "ä"), draft("a", 1, { tags: { a: "bc" } }), draft("a", 1234)])
        const page = (maxBytes: number, more = {}) =>
          Effect.map(engine.read("a", { limit: 9, maxBytes, ...more }), (each) => [
            offsetsOf(each.publications).join(""),
            each.more,
          ])
        assert.deepStrictEqual(yield* page(12), ["123", false])
        assert.deepStrictEqual(yield* page(11), ["12", true])
        assert.deepStrictEqual(yield* page(8), ["12", true])
        assert.deepStrictEqual(yield* page(7), ["1", true])
        assert.deepStrictEqual(yield* page(0), ["1", true])
        assert.deepStrictEqual(yield* page(0, { since: 2 }), ["3", false])
        assert.deepStrictEqual(yield* page(8, { reverse: true }), ["32", true])
        assert.isAtLeast(engine.counts().bytes, 12)
      }),
    )

    it.effect("finds the newest so many, and tells what is not kept any more", () =>
      Effect.gen(function* () {
        const engine = yield* filled(7, { ...ample, size: 3 })
        const { epoch } = yield* engine.position("a")
        const page = yield* read(engine, "a")
        assert.deepStrictEqual(values(page.publications), [5, 6, 7])
        assert.deepStrictEqual([page.position, page.prunedTo, page.more], [{ offset: 7, epoch }, 4, false])
        const again = yield* engine.read("a", { limit: 9, maxBytes: 1e6, reverse: true, since: 7 })
        assert.deepStrictEqual([values(again.publications), again.prunedTo, again.more], [[6, 5], 4, false])
        const late = yield* engine.read("a", { limit: 1, maxBytes: 1e6, since: 2 })
        assert.deepStrictEqual([values(late.publications), late.prunedTo, late.more], [[5], 4, true])
        yield* TestClock.adjust(1000)
        yield* until(() => engine.counts().publications === 6)
      }),
    )

    it.effect("finds all while no more than the size were published", () =>
      Effect.gen(function* () {
        const engine = yield* filled(3, { ...ample, size: 3 })
        const page = yield* read(engine, "a")
        assert.deepStrictEqual([values(page.publications), page.prunedTo], [[1, 2, 3], 0])
      }),
    )

    it.effect("finds nothing of a channel that keeps none, but its position", () =>
      Effect.gen(function* () {
        const engine = yield* filled(2, { ...ample, size: 0 })
        const position = yield* engine.position("a")
        assert.strictEqual(position.offset, 2)
        assert.deepStrictEqual(yield* read(engine, "a"), { publications: [], position, prunedTo: 2, more: false })
        yield* TestClock.adjust(1000)
        yield* until(() => engine.counts().publications === 0)
        assert.deepStrictEqual(engine.counts(), { channels: 2, publications: 0, bytes: 0, keys: 0 })
      }),
    )

    it.effect("finds what is younger than the age, and nothing that is as old", () =>
      Effect.gen(function* () {
        const engine = yield* open({ retention: { size: 10, ageMs: 5000 } })
        yield* publish(engine, draft("a", 1))
        yield* TestClock.adjust(2000)
        yield* publish(engine, draft("a", 2))
        yield* TestClock.adjust(2999)
        const young = yield* read(engine, "a")
        assert.deepStrictEqual([values(young.publications), young.prunedTo], [[1, 2], 0])
        yield* TestClock.adjust(1)
        const older = yield* read(engine, "a")
        assert.deepStrictEqual([values(older.publications), older.prunedTo], [[2], 1])
        const reverse = yield* engine.read("a", { ...everything, reverse: true })
        assert.deepStrictEqual([values(reverse.publications), reverse.more], [[2], false])
        yield* TestClock.adjust(2000)
        const old = yield* read(engine, "a")
        assert.deepStrictEqual([values(old.publications), old.prunedTo, old.position.offset], [[], 2, 2])
        assert.strictEqual((yield* publish(engine, draft("a", 3))).offset, 3)
        const last = yield* read(engine, "a")
        assert.deepStrictEqual([values(last.publications), last.prunedTo], [[3], 2])
      }),
    )
  })

  describe(`${name} engine: sweeping`, () => {
    it.effect("removes what is too old while nobody publishes or reads", () =>
      Effect.gen(function* () {
        const engine = yield* open({ retention: { size: 5000, ageMs: 5000 } })
        yield* publishAll(
          engine,
          Array.from({ length: 4000 }, (_, n) => draft(`${n % 3}`, "abcd")),
        )
        const { bytes, ...counts } = engine.counts()
        assert.deepStrictEqual(counts, { channels: 3, publications: 4000, keys: 0 })
        assert.isAtLeast(bytes, 24_000)
        yield* TestClock.adjust(6000)
        yield* until(() => engine.counts().publications === 0)
        assert.deepStrictEqual(engine.counts(), { channels: 3, publications: 0, bytes: 0, keys: 0 })
      }),
    )

    it.effect("forgets a position after its time, and begins with another epoch if it comes back", () =>
      Effect.gen(function* () {
        const engine = yield* open({ retention: { size: 2, ageMs: 5000 }, positionTtl: "30 minutes" })
        const first = yield* publish(engine, draft("a"))
        yield* TestClock.adjust("10 minutes")
        yield* publish(engine, draft("b"))
        yield* TestClock.adjust("19 minutes")
        assert.deepStrictEqual(yield* engine.position("a"), first)
        yield* TestClock.adjust("3 minutes")
        yield* until(() => engine.counts().channels === 1)
        const { epoch, offset } = yield* engine.position("a")
        assert.strictEqual(offset, 0)
        assert.notStrictEqual(epoch, first.epoch)
        assert.deepStrictEqual(yield* publish(engine, draft("a")), { offset: 1, epoch })
        assert.deepStrictEqual(yield* engine.position("b"), first)
      }),
    )

    it.effect("keeps the position of a channel that is published to, and of one that is attached", () =>
      Effect.gen(function* () {
        const engine = yield* open({ retention: { size: 0, ageMs: 0 }, positionTtl: "30 minutes" })
        const { epoch } = yield* publish(engine, draft("a"))
        yield* publish(engine, draft("b"))
        yield* engine.attach("b", () => undefined)
        yield* TestClock.adjust("29 minutes")
        yield* publish(engine, draft("a"))
        yield* TestClock.adjust("29 minutes")
        assert.deepStrictEqual(yield* engine.position("a"), { offset: 2, epoch })
        assert.deepStrictEqual(yield* engine.position("b"), { offset: 1, epoch })
        assert.deepStrictEqual(yield* publish(engine, draft("b")), { offset: 2, epoch })
        assert.strictEqual(engine.counts().channels, 2)
        yield* engine.detach("b")
        yield* TestClock.adjust("31 minutes")
        yield* until(() => engine.counts().channels === 0)
      }),
    )
  })
}
