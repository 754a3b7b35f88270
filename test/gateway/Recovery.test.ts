import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Policy from "../../src/gateway/Policy.ts"
import { codeOf, gateway, type Message } from "../support/clients.ts"
import { engines, gated } from "./engines.ts"
import { epochOf, numbers, publish, recovered, ridden, store, subscribe } from "./positions.ts"

const keep = (history: Policy.Policy["history"]) => () => ({ ...Policy.open, history })

for (const [name, layer] of Object.entries(engines)) {
  const start = (history: Policy.Policy["history"] = Policy.open.history) =>
    gateway({ commandsPerSecond: Infinity }, { engine: layer, policies: keep(history) })

  describe(`recovery on the ${name} engine`, () => {
    it.effect("without a position there is nothing to recover, and live continues at the top", () =>
      Effect.gen(function* () {
        const { connect, engine } = yield* start()
        yield* store(engine, "a", 1, 2)
        assert.deepStrictEqual(recovered(yield* subscribe(yield* connect())), ["none", 2, []])
      }),
    )

    it.effect("`mode: live` asks for nothing, whatever the position", () =>
      Effect.gen(function* () {
        const { connect, engine } = yield* start()
        yield* store(engine, "a", 1, 2)
        const position = { offset: 1, epoch: yield* epochOf(engine) }
        const answer = yield* subscribe(yield* connect(), { mode: "live", position })
        assert.deepStrictEqual(recovered(answer), ["none", 2, []])
      }),
    )

    it.effect("at the top nothing is missing, even if every publication has expired", () =>
      Effect.gen(function* () {
        const { connect, engine } = yield* start({ size: 10, ageMs: 1_000 })
        yield* store(engine, "a", 1, 2)
        const position = { offset: 2, epoch: yield* epochOf(engine) }
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(recovered(yield* subscribe(yield* connect(), { position })), ["yes", 2, []])
      }),
    )

    it.effect("below the top everything that is kept comes, in order and whole", () =>
      Effect.gen(function* () {
        const { connect, engine } = yield* start()
        const publisher = yield* connect()
        const message = { type: "publish", id: 2, channel: "a", data: { x: [1, "ü"] }, tags: { k: "v" }, echo: false }
        yield* publisher.ask({ ...message, data: 1 })
        yield* publisher.ask(message)
        const epoch = yield* epochOf(engine)
        const answer = yield* subscribe(publisher, { position: { offset: 1, epoch } })
        assert.deepStrictEqual(answer, {
          type: "subscribed",
          id: 2,
          channel: "a",
          position: { offset: 2, epoch },
          recovered: "yes",
          publications: [
            {
              type: "publication",
              channel: "a",
              offset: 2,
              previous: 1,
              epoch,
              data: { x: [1, "ü"] },
              from: { connection: publisher.connected["connection"] },
              tags: { k: "v" },
              time: 0,
            },
          ],
        })
      }),
    )

    it.effect("older than what is kept is lost, with nothing partial; the oldest kept is not", () =>
      Effect.gen(function* () {
        const { connect, engine } = yield* start({ size: 2, ageMs: 1_000 })
        yield* store(engine, "a", 1, 2, 3, 4)
        const epoch = yield* epochOf(engine)
        const [early, late] = [yield* connect(), yield* connect()]
        assert.deepStrictEqual(recovered(yield* subscribe(early, { position: { offset: 1, epoch } })), ["no", 4, []])
        assert.deepStrictEqual(recovered(yield* subscribe(late, { position: { offset: 2, epoch } })), [
          "yes",
          4,
          [3, 4],
        ])
      }),
    )

    it.effect("what has expired by age is lost", () =>
      Effect.gen(function* () {
        const { connect, engine } = yield* start({ size: 10, ageMs: 1_000 })
        yield* store(engine, "a", 1, 2)
        yield* TestClock.adjust(1_001)
        yield* store(engine, "a", 3)
        const epoch = yield* epochOf(engine)
        const [early, late] = [yield* connect(), yield* connect()]
        assert.deepStrictEqual(recovered(yield* subscribe(early, { position: { offset: 1, epoch } })), ["no", 3, []])
        assert.deepStrictEqual(recovered(yield* subscribe(late, { position: { offset: 2, epoch } })), ["yes", 3, [3]])
      }),
    )

    it.effect("1000 publications away is recovered, 1001 is lost", () =>
      Effect.gen(function* () {
        const { connect, engine } = yield* start({ size: 2_000, ageMs: 1_000 })
        yield* store(engine, "a", ...numbers(1, 1_001))
        const epoch = yield* epochOf(engine)
        const [near, far] = [yield* connect(), yield* connect()]
        const answer = yield* subscribe(near, { position: { offset: 1, epoch } })
        assert.deepStrictEqual(recovered(answer), ["yes", 1_001, numbers(2, 1_001)])
        assert.deepStrictEqual(recovered(yield* subscribe(far, { position: { offset: 0, epoch } })), ["no", 1_001, []])
      }),
    )

    it.effect("1 MiB of data away is recovered, one byte more is lost", () =>
      Effect.gen(function* () {
        const { connect, engine } = yield* start()
        // With its quotes 32 KiB; 32 of them are 1 MiB.
        const text = "x".repeat(32 * 1024 - 2)
        const epoch = yield* epochOf(engine)
        yield* store(engine, "a", ...numbers(1, 32).map(() => text))
        yield* store(engine, "b", `${text}x`, ...numbers(2, 32).map(() => text))
        const [near, far] = [yield* connect(), yield* connect()]
        const answer = (yield* subscribe(near, { position: { offset: 0, epoch } })) as Message
        assert.deepStrictEqual([answer["recovered"], answer["more"]], ["yes", true])
        const lost = yield* subscribe(far, { channel: "b", position: { offset: 0, epoch } })
        assert.deepStrictEqual(recovered(lost), ["no", 32, []])
      }),
    )

    it.effect("above the top, or of another epoch, is lost", () =>
      Effect.gen(function* () {
        const { connect, engine } = yield* start()
        yield* store(engine, "a", 1, 2)
        const epoch = yield* epochOf(engine)
        for (const position of [
          { offset: 3, epoch },
          { offset: 2, epoch: "other" },
          { offset: 0, epoch: "other" },
        ]) {
          const answer = yield* subscribe(yield* connect(), { position })
          assert.deepStrictEqual(recovered(answer), ["no", 2, []])
          assert.deepNestedInclude(answer, { "position.epoch": epoch })
        }
      }),
    )

    it.effect("`mode: latest` is told the last publication, if it is newer than its own or of another epoch", () =>
      Effect.gen(function* () {
        const { connect, engine } = yield* start({ size: 5, ageMs: 1_000 })
        yield* store(engine, "a", 1, 2, 3)
        const epoch = yield* epochOf(engine)
        const latest = (rest: object) =>
          Effect.flatMap(connect(), (client) => Effect.map(subscribe(client, { mode: "latest", ...rest }), recovered))
        assert.deepStrictEqual(yield* latest({}), ["none", 3, [3]])
        assert.deepStrictEqual(yield* latest({ position: { offset: 1, epoch } }), ["none", 3, [3]])
        assert.deepStrictEqual(yield* latest({ position: { offset: 3, epoch } }), ["none", 3, []])
        assert.deepStrictEqual(yield* latest({ position: { offset: 9, epoch } }), ["none", 3, []])
        assert.deepStrictEqual(yield* latest({ position: { offset: 9, epoch: "other" } }), ["none", 3, [3]])
        assert.deepStrictEqual(yield* latest({ channel: "never" }), ["none", 0, []])
        yield* TestClock.adjust(1_001)
        assert.deepStrictEqual(yield* latest({}), ["none", 3, []])
      }),
    )

    it.effect("a client that reconnects before its first message has missed none of them", () =>
      Effect.gen(function* () {
        const { connect, engine } = yield* start()
        const first = yield* connect({ subscriptions: [{ channel: "a" }] })
        const { position } = ridden(first.connected)
        first.wire.abortUnsafe()
        yield* store(engine, "a", 1, 2)
        const again = yield* connect({ subscriptions: [{ channel: "a", position }] })
        assert.deepStrictEqual(recovered(ridden(again.connected)), ["yes", 2, [1, 2]])
      }),
    )

    it.effect("after ten quiet minutes a client misses nothing", () =>
      Effect.gen(function* () {
        const { connect, engine } = yield* start()
        yield* store(engine, "a", 1)
        const first = yield* connect({ subscriptions: [{ channel: "a" }] })
        const { position } = ridden(first.connected)
        first.wire.abortUnsafe()
        yield* TestClock.adjust("10 minutes")
        yield* store(engine, "a", 2)
        assert.deepStrictEqual(recovered(yield* subscribe(yield* connect(), { position })), ["yes", 2, [2]])
      }),
    )
  })
}

describe("recovery", () => {
  it.effect("a namespace without recovery honours no position but the top's", () =>
    Effect.gen(function* () {
      const policies = () => ({ ...Policy.open, recovery: false })
      const { connect, engine } = yield* gateway({}, { policies })
      publish(engine, "a", 1, 2)
      const epoch = yield* epochOf(engine)
      const answer = (rest: object) =>
        Effect.flatMap(connect(), (client) => Effect.map(subscribe(client, rest), recovered))
      assert.deepStrictEqual(yield* answer({ position: { offset: 1, epoch } }), ["no", 2, []])
      assert.deepStrictEqual(yield* answer({ position: { offset: 2, epoch } }), ["yes", 2, []])
      assert.deepStrictEqual(yield* answer({ mode: "latest" }), ["none", 2, []])
    }),
  )

  it.effect("while the engine is down the answer is error 117, and the connection and its channel go on", () =>
    Effect.gen(function* () {
      const { gates, layer } = gated()
      const { connect, engine } = yield* gateway({}, { engine: layer })
      publish(engine, "a", 1, 2)
      const position = { offset: 1, epoch: yield* epochOf(engine) }
      const client = yield* connect()
      gates.isDown = true
      const refused = { type: "error", id: 2, code: 117, message: "the engine is unavailable", retry: true }
      assert.deepStrictEqual(yield* subscribe(client), refused)
      assert.deepStrictEqual(yield* client.ask({ type: "publish", id: 2, channel: "a", data: 1 }), refused)
      gates.isDown = false
      assert.deepStrictEqual(recovered(yield* subscribe(client, { position })), ["yes", 2, [2]])
      // Attached, but not to be read.
      gates.isDown = true
      const other = yield* connect({ subscriptions: [{ channel: "a", position }, { channel: "a:never" }] })
      assert.deepStrictEqual(codeOf(ridden(other.connected)), ["error", 117])
      assert.deepStrictEqual(codeOf(ridden(other.connected, "a:never")), ["error", 117])
      gates.isDown = false
      assert.deepStrictEqual(recovered(yield* subscribe(other)), ["none", 2, []])
    }),
  )

  it.effect("an engine that does not answer within 5 s is error 117", () =>
    Effect.gen(function* () {
      const { gates, layer } = gated()
      const { connect, engine } = yield* gateway({}, { engine: layer })
      publish(engine, "a", 1, 2)
      const position = { offset: 1, epoch: yield* epochOf(engine) }
      const [attaching, reading] = [yield* connect(), yield* connect({ subscriptions: [{ channel: "a" }] })]
      yield* reading.ask({ type: "unsubscribe", id: 3, channel: "a" })
      gates.attach.close()
      gates.read.close()
      attaching.send({ type: "subscribe", id: 2, channel: "b" }, { type: "unsubscribe", id: 3, channel: "b" })
      reading.send({ type: "subscribe", id: 2, channel: "a", position })
      yield* TestClock.adjust(5_000)
      assert.deepStrictEqual(codeOf(yield* attaching.next), ["error", 117])
      assert.deepStrictEqual(codeOf(yield* attaching.next), ["unsubscribed", undefined])
      assert.deepStrictEqual(codeOf(yield* reading.next), ["error", 117])
    }),
  )
})
