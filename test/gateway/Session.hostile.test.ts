import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { quantumMs } from "../../src/connection/Alarms.ts"
import * as Policy from "../../src/gateway/Policy.ts"
import * as Drain from "../../src/server/Drain.ts"
import { codeOf, gateway, lastOf, type Message, nonsense } from "../support/clients.ts"
import { frame } from "../support/frames.ts"
import { settled } from "../support/wires.ts"

describe("hostile or clumsy clients", () => {
  it.effect("a message that fits nothing is error 107 with its path; a body that is no object is bye 4501", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).connect()
      assert.deepStrictEqual(yield* client.ask({ type: "publish", id: 2, channel: "a" }), {
        type: "error",
        id: 2,
        code: 107,
        message: "expected any JSON value at data, got nothing",
        retry: false,
      })
      assert.deepStrictEqual(codeOf(yield* client.ask({ type: "shout" })), ["error", 107])
      client.wire.writeUnsafe([frame("[]")])
      assert.deepStrictEqual(codeOf(yield* lastOf(client)), ["bye", 4501])
    }),
  )

  it.effect("once connected, a frame may have 64 KiB; one byte more is bye 4505", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).connect()
      client.wire.writeUnsafe([frame(nonsense(64 * 1024))])
      assert.deepStrictEqual(codeOf(yield* client.next), ["error", 107])
      client.wire.writeUnsafe([frame(nonsense(64 * 1024 + 1)).subarray(0, 4)])
      assert.deepStrictEqual(codeOf(yield* lastOf(client)), ["bye", 4505])
    }),
  )

  it.effect("a frame has 10 s and a second for each 8 KiB to be whole; later it is bye 4510", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway()
      const whole = frame(nonsense(64 * 1024))
      const [early, late] = [yield* connect(), yield* connect()]
      for (const { wire } of [early, late]) wire.writeUnsafe([whole.subarray(0, 5)])
      yield* settled
      yield* TestClock.adjust(17_999)
      early.wire.writeUnsafe([whole.subarray(5)])
      assert.deepStrictEqual(codeOf(yield* early.next), ["error", 107])
      yield* TestClock.adjust(1 + quantumMs)
      assert.deepInclude((yield* lastOf(late)) as Message, { type: "bye", code: 4510, retry: "backoff" })
    }),
  )

  it.effect("commands over the rate are error 111 with the time to wait, then they are welcome again", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway({ commandsPerSecond: 2 })).connect()
      const ask = client.ask({ type: "unsubscribe", id: 2, channel: "a" })
      assert.deepStrictEqual(codeOf(yield* ask), ["unsubscribed", undefined])
      assert.deepStrictEqual(codeOf(yield* ask), ["unsubscribed", undefined])
      assert.deepStrictEqual(yield* ask, {
        type: "error",
        id: 2,
        code: 111,
        message: "more than 2 commands per second",
        retry: true,
        waitMs: 500,
      })
      yield* TestClock.adjust(500)
      assert.deepStrictEqual(codeOf(yield* ask), ["unsubscribed", undefined])
    }),
  )

  it.effect("a publish without id over the rate is error 111 without id", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway({ commandsPerSecond: 1 })).connect()
      client.send({ type: "publish", channel: "a", data: 1 })
      const { id, code } = (yield* client.ask({ type: "publish", channel: "a", data: 1 })) as Message
      assert.deepStrictEqual([id, code], [undefined, 111])
    }),
  )

  it.effect("a cancel over the rate is error 111 without id, since its id is that of a request that goes on", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway({ commandsPerSecond: 1 })
      const [asker, responder] = [yield* connect(), yield* connect()]
      yield* responder.ask({ type: "serve", id: 2, service: "s" })
      asker.send({ type: "request", id: 7, service: "s", data: 1 }, { type: "cancel", id: 7 })
      const { id, code } = (yield* asker.next) as Message
      assert.deepStrictEqual([id, code], [undefined, 111])
      const request = (yield* responder.next) as Message
      yield* TestClock.adjust(1_000)
      responder.send({ type: "response", id: request["id"], data: 2 })
      assert.deepStrictEqual(yield* asker.next, { type: "response", id: 7, data: 2 })
    }),
  )

  it.effect("an answer that somebody waits for is passed on at any rate, one that nobody waits for counts", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway({ commandsPerSecond: 2 })
      const [responder, ...askers] = [yield* connect(), yield* connect(), yield* connect()]
      yield* responder.ask({ type: "serve", id: 2, service: "s" })
      const request = (id: number) => ({ type: "request", id, service: "s", data: id })
      for (const asker of askers) asker.send(request(1), request(2))
      const ids = []
      for (let i = 0; i < 4; i++) ids.push(((yield* responder.next) as Message)["id"])
      responder.send(...ids.map((id) => ({ type: "response", id, data: 3 })))
      for (const asker of askers) {
        for (const id of [1, 2]) assert.deepStrictEqual(yield* asker.next, { type: "response", id, data: 3 })
      }
      const late = { type: "response", id: ids[0], data: 4 }
      responder.send(late, late)
      const { id, code } = (yield* responder.next) as Message
      assert.deepStrictEqual([id, code], [undefined, 111])
    }),
  )

  it.effect("a burst of one client is handled in turns, and others are answered between them", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway()
      const [bursting, other] = [yield* connect(), yield* connect()]
      const message = { type: "unsubscribe", id: 2, channel: "a" }
      const before = bursting.wire.receivedUnsafe()
      bursting.send(...Array.from({ length: 200 }, () => message))
      yield* other.ask(message)
      const early = bursting.wire.receivedUnsafe() - before
      for (let i = 0; i < 200; i++) yield* bursting.next
      assert.isBelow(early, bursting.wire.receivedUnsafe() - before)
    }),
  )

  it.effect("answers that take long are given a turn each, and others are answered between them", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway()
      const [asking, other] = [yield* connect(), yield* connect()]
      const before = asking.wire.receivedUnsafe()
      asking.send(...Array.from({ length: 60 }, () => ({ type: "history", id: 2, channel: "a" })))
      yield* other.ask({ type: "unsubscribe", id: 2, channel: "a" })
      const early = asking.wire.receivedUnsafe() - before
      for (let i = 0; i < 60; i++) yield* asking.next
      assert.isBelow(early, (asking.wire.receivedUnsafe() - before) / 4)
    }),
  )

  it.effect("a client that goes on over the rate for 10 s is bye 4300", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway({ commandsPerSecond: 1 })).connect()
      const messages = [1, 2, 3].map((id) => ({ type: "unsubscribe", id, channel: "a" }))
      for (let second = 0; second < 10; second++) {
        client.send(...messages)
        const answers = [yield* client.next, yield* client.next, yield* client.next]
        assert.deepStrictEqual(
          answers.map((answer) => (answer as Message)["code"]),
          [undefined, 111, 111],
        )
        yield* TestClock.adjust(1_000)
      }
      client.send(...messages)
      yield* client.next
      assert.deepInclude((yield* lastOf(client)) as Message, { type: "bye", code: 4300, retry: "backoff" })
    }),
  )

  it.effect("heartbeats count against the rate, and a flood of them is bye 4300", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway({ commandsPerSecond: 10 })
      const [counted, flooding] = [yield* connect(), yield* connect()]
      counted.wire.writeUnsafe([Buffer.alloc(4 * 9)])
      assert.deepStrictEqual(codeOf(yield* counted.ask({ type: "unsubscribe", id: 2, channel: "a" })), [
        "unsubscribed",
        undefined,
      ])
      assert.deepStrictEqual(codeOf(yield* counted.ask({ type: "unsubscribe", id: 2, channel: "a" })), ["error", 111])
      flooding.wire.writeUnsafe([Buffer.alloc(4 * 11)])
      assert.deepStrictEqual(codeOf(yield* lastOf(flooding)), ["bye", 4300])
    }),
  )

  it.effect("what came behind the message that ended the connection is not handled, what came before it is", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway()
      const [witness, client] = [yield* connect({ subscriptions: [{ channel: "a" }] }), yield* connect()]
      const publish = (data: string) => ({ type: "publish", channel: "a", data })
      client.send(publish("before"), { type: "connect", id: 2, version: 1 }, publish("behind"))
      assert.deepStrictEqual(codeOf(yield* lastOf(client)), ["bye", 4501])
      assert.deepInclude((yield* witness.next) as Message, { type: "publication", data: "before" })
      witness.send(publish("later"))
      assert.deepInclude((yield* witness.next) as Message, { type: "publication", data: "later", offset: 2 })
    }),
  )

  it.effect("a subscriber that does not read is bye 4004 and nobody else notices", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway()
      const subscriptions = [{ channel: "a" }]
      const [slow, quick, publisher] = [
        yield* connect({ subscriptions }),
        yield* connect({ subscriptions }),
        yield* connect(),
      ]
      const data = "x".repeat(60_000)
      for (let offset = 1; offset <= 40; offset++) {
        publisher.send({ type: "publish", id: 9, channel: "a", data })
        assert.deepInclude((yield* publisher.next) as Message, { type: "published", offset })
        assert.deepInclude((yield* quick.next) as Message, { type: "publication", offset })
      }
      let last: Message | "closed" = "closed"
      for (let next = yield* slow.next; next !== "closed"; next = yield* slow.next) last = next
      assert.deepStrictEqual(codeOf(last), ["bye", 4004])
    }),
  )
})

describe("data that is too large for its namespace", () => {
  const policies = () => ({ ...Policy.open, maxDataBytes: 10 })

  it.effect("is error 116, of a publication and of a request; at the limit it is welcome", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway({}, { policies })
      const [asker, responder] = [yield* connect(), yield* connect()]
      yield* responder.ask({ type: "serve", id: 2, service: "s" })
      const [most, more] = ["x".repeat(8), "x".repeat(9)]
      const publish = (data: string) => Effect.map(asker.ask({ type: "publish", id: 2, channel: "a", data }), codeOf)
      assert.deepStrictEqual(yield* publish(most), ["published", undefined])
      assert.deepStrictEqual(yield* publish(more), ["error", 116])
      const refused = yield* asker.ask({ type: "request", id: 2, service: "s", data: more })
      assert.deepStrictEqual(codeOf(refused), ["error", 116])
      asker.send({ type: "request", id: 3, service: "s", data: most })
      assert.deepInclude((yield* responder.next) as Message, { type: "request", data: most })
    }),
  )

  it.effect("is error 116 to the asker if it is the answer", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway({}, { policies })
      const [asker, responder] = [yield* connect(), yield* connect()]
      yield* responder.ask({ type: "serve", id: 2, service: "s" })
      for (const [data, ...expected] of [
        ["x".repeat(8), "response", undefined],
        ["x".repeat(9), "error", 116],
      ]) {
        asker.send({ type: "request", id: 3, service: "s", data: 1 })
        const { id } = (yield* responder.next) as Message
        responder.send({ type: "response", id, data })
        assert.deepStrictEqual(codeOf(yield* asker.next), expected)
      }
    }),
  )
})

describe("a drain", () => {
  it.effect("under load answers what came before its end, tells everybody, and uses no offset twice", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const drain = Drain.layer({ grace: "1 second", timeout: "10 seconds", forced: Effect.never })
      const { connect } = yield* gateway({}, { drain }).pipe(Scope.provide(scope))
      const clients = [yield* connect(), yield* connect(), yield* connect()]
      const publish = (id: number) => ({ type: "publish", id, channel: "a", data: id })
      const ids = Array.from({ length: 100 }, (_, index) => index + 1)
      for (const client of clients) client.send(...ids.map(publish))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      const reading = yield* Effect.forkChild(
        Effect.forEach(
          clients,
          (client) =>
            Effect.gen(function* () {
              const heard: Array<Message> = []
              for (let next = yield* client.next; next !== "closed"; next = yield* client.next) heard.push(next)
              return heard
            }),
          { concurrency: "unbounded" },
        ),
      )
      for (let second = 0; second < 20; second++) {
        yield* settled
        yield* TestClock.adjust(1_000)
      }
      const heard = yield* Fiber.join(reading)
      yield* Fiber.join(closing)
      const offsets = heard.flat().flatMap(({ offset, type }) => (type === "published" ? [offset] : []))
      assert.strictEqual(offsets.length, 300)
      assert.strictEqual(new Set(offsets).size, 300)
      for (const each of heard) {
        assert.strictEqual(each.filter(({ code, type }) => type === "notice" && code === 4001).length, 1)
        assert.deepStrictEqual(codeOf(each.at(-1)!), ["bye", 4001])
      }
    }),
  )
})
