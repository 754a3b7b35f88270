import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Policy from "../../src/gateway/Policy.ts"
import * as Data from "../../src/gateway/protocol/Data.ts"
import { codeOf, gateway, lastOf, type Message } from "../support/clients.ts"
import { settled } from "../support/wires.ts"
import { draft, publishAll } from "./engine/publishing.ts"
import { engines, gated } from "./engines.ts"
import { epochOf, numbers, store } from "./positions.ts"

/** No user of a token's is so long, and no engine looks at it. */
const tooLargeToTell = draft("a", 1, { from: { connection: "c", user: "u".repeat(1024 * 1024) } })

const offsetsOf = (answer: Message | "closed"): ReadonlyArray<unknown> => {
  const { more, publications } = answer as unknown as {
    readonly more?: true
    readonly publications: ReadonlyArray<{ readonly offset: number }>
  }
  return [publications.map(({ offset }) => offset), more]
}

for (const [name, engine] of Object.entries(engines)) {
  const start = (history: Policy.Policy["history"] = Policy.open.history) =>
    Effect.gen(function* () {
      const built = yield* gateway({}, { engine, policies: () => ({ ...Policy.open, history }) })
      const client = yield* built.connect()
      const epoch = yield* epochOf(built.engine)
      const ask = (rest: object = {}) => client.ask({ type: "history", id: 2, channel: "a", ...rest })
      return { ...built, ask, epoch }
    })

  describe(`history on the ${name} engine`, () => {
    it.effect("is the oldest first from the oldest kept, with where the channel stands", () =>
      Effect.gen(function* () {
        const { ask, engine: stored, epoch } = yield* start()
        yield* store(stored, "a", "x", "y")
        const { publications, ...rest } = (yield* ask()) as Message
        assert.deepStrictEqual(rest, { type: "history", id: 2, channel: "a", position: { offset: 2, epoch } })
        const common = { type: "publication", channel: "a", epoch, time: 0 }
        assert.deepStrictEqual(publications, [
          { ...common, offset: 1, previous: 0, data: "x" },
          { ...common, offset: 2, previous: 1, data: "y" },
        ])
      }),
    )

    it.effect("goes on after `since`, or backwards before it, and says whether there is more", () =>
      Effect.gen(function* () {
        const { ask, engine: stored, epoch } = yield* start()
        yield* store(stored, "a", ...numbers(1, 5))
        const since = (offset: number) => ({ since: { offset, epoch } })
        assert.deepStrictEqual(offsetsOf(yield* ask(since(2))), [[3, 4, 5], undefined])
        assert.deepStrictEqual(offsetsOf(yield* ask({ ...since(2), limit: 2 })), [[3, 4], true])
        assert.deepStrictEqual(offsetsOf(yield* ask(since(5))), [[], undefined])
        assert.deepStrictEqual(offsetsOf(yield* ask({ reverse: true, limit: 2 })), [[5, 4], true])
        assert.deepStrictEqual(offsetsOf(yield* ask({ ...since(3), reverse: true })), [[2, 1], undefined])
      }),
    )

    it.effect("is at most 100 publications unless the client asks for up to 1000", () =>
      Effect.gen(function* () {
        const { ask, engine: stored } = yield* start({ size: 2_000, ageMs: 600_000 })
        yield* store(stored, "a", ...numbers(1, 1_001))
        assert.deepStrictEqual(offsetsOf(yield* ask()), [numbers(1, 100), true])
        assert.deepStrictEqual(offsetsOf(yield* ask({ limit: 1_000 })), [numbers(1, 1_000), true])
        assert.deepStrictEqual(codeOf(yield* ask({ limit: 1_001 })), ["error", 107])
      }),
    )

    it.effect("is at most 512 KiB, the rest comes page by page", () =>
      Effect.gen(function* () {
        const { ask, engine: stored, epoch } = yield* start()
        yield* store(stored, "a", ...numbers(1, 20).map(() => "x".repeat(50_000)))
        assert.deepStrictEqual(offsetsOf(yield* ask()), [numbers(1, 10), true])
        assert.deepStrictEqual(offsetsOf(yield* ask({ since: { offset: 10, epoch } })), [numbers(11, 20), undefined])
        assert.deepStrictEqual(offsetsOf(yield* ask({ reverse: true })), [numbers(11, 20).toReversed(), true])
      }),
    )

    it.effect("fits into a frame, however long its tags and bytes are in JSON", () =>
      Effect.gen(function* () {
        const { ask, engine: stored } = yield* start()
        const tags = { k: "\u0001".repeat(1_023) }
        yield* publishAll(
          stored,
          numbers(1, 200).map((value) => ({ ...draft("a", value), tags })),
        )
        assert.deepStrictEqual(offsetsOf(yield* ask({ limit: 200 })), [numbers(1, 82), true])
        const data = Data.binary(new Uint8Array(45_000))
        yield* publishAll(
          stored,
          numbers(1, 20).map(() => ({ channel: "b", data })),
        )
        assert.deepStrictEqual(offsetsOf(yield* ask({ channel: "b" })), [numbers(1, 8), true])
      }),
    )

    it.effect("of another epoch is error 112, and what is pruned begins at the oldest kept", () =>
      Effect.gen(function* () {
        const { ask, engine: stored, epoch } = yield* start({ size: 2, ageMs: 600_000 })
        yield* store(stored, "a", 1, 2, 3)
        assert.deepStrictEqual(codeOf(yield* ask({ since: { offset: 0, epoch: "other" } })), ["error", 112])
        assert.deepStrictEqual(offsetsOf(yield* ask({ since: { offset: 0, epoch } })), [[2, 3], undefined])
        assert.deepStrictEqual(offsetsOf(yield* ask({ channel: "never" })), [[], undefined])
      }),
    )
  })

  describe(`publishing on the ${name} engine`, () => {
    it.effect("again after a timeout, with the same key, is one publication", () =>
      Effect.gen(function* () {
        const { ask, connect } = yield* start()
        const message = { type: "publish", id: 2, channel: "a", data: { b: 1, a: 2 }, key: "k" }
        const [first, second] = [yield* connect(), yield* connect()]
        const { offset, epoch } = (yield* first.ask(message)) as Message
        first.wire.abortUnsafe()
        yield* settled
        const again = yield* second.ask({ ...message, data: { a: 2, b: 1 } })
        assert.deepStrictEqual(again, { type: "published", id: 2, offset, epoch, duplicate: true })
        assert.deepStrictEqual(offsetsOf(yield* ask()), [[1], undefined])
      }),
    )

    it.effect("while the clock goes back keeps the order of offsets and times, and all that is young", () =>
      Effect.gen(function* () {
        const { ask, engine: stored } = yield* start({ size: 10, ageMs: 60_000 })
        yield* TestClock.setTime(20_000)
        yield* store(stored, "a", 1)
        yield* TestClock.setTime(5_000)
        yield* store(stored, "a", 2)
        const { publications } = (yield* ask()) as unknown as {
          readonly publications: ReadonlyArray<{ readonly offset: number; readonly time: number }>
        }
        assert.deepStrictEqual(
          publications.map(({ offset, time }) => [offset, time]),
          [
            [1, 20_000],
            [2, 20_000],
          ],
        )
      }),
    )
  })
}

describe("history", () => {
  it.effect("is error 117 while the engine is down, and when it does not answer within 5 s", () =>
    Effect.gen(function* () {
      const { gates, layer } = gated()
      const { connect } = yield* gateway({}, { engine: layer })
      const client = yield* connect()
      const history = { type: "history", id: 2, channel: "a" }
      gates.isDown = true
      assert.deepStrictEqual(codeOf(yield* client.ask(history)), ["error", 117])
      gates.isDown = false
      gates.read.close()
      client.send(history)
      yield* settled
      yield* TestClock.adjust(5_000)
      assert.deepStrictEqual(codeOf(yield* client.next), ["error", 117])
    }),
  )

  it.effect("that fits into no frame ends the connection, which would wait for it", () =>
    Effect.gen(function* () {
      const { connect, engine } = yield* gateway()
      const client = yield* connect()
      yield* publishAll(engine, [tooLargeToTell])
      client.send({ type: "history", id: 2, channel: "a" })
      assert.deepStrictEqual(codeOf(yield* lastOf(client)), ["bye", 4002])
    }),
  )

  it.effect(
    "goes on live with what fits into no frame as the end of the connection, which would never hear of it",
    () =>
      Effect.gen(function* () {
        const { connect, engine } = yield* gateway()
        const client = yield* connect()
        yield* client.ask({ type: "subscribe", id: 2, channel: "a" })
        yield* publishAll(engine, [tooLargeToTell])
        assert.deepStrictEqual(codeOf(yield* lastOf(client)), ["bye", 4002])
      }),
  )

  it.effect("many large pages asked for in one write are no slow consumption", () =>
    Effect.gen(function* () {
      const { connect, engine } = yield* gateway()
      yield* store(engine, "a", ...numbers(1, 10).map(() => "x".repeat(50_000)))
      const client = yield* connect()
      client.send(...numbers(1, 8).map((id) => ({ type: "history", id, channel: "a" })))
      for (const id of numbers(1, 8)) assert.deepInclude((yield* client.next) as Message, { type: "history", id })
    }),
  )
})
