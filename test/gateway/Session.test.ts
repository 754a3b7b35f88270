import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Policy from "../../src/gateway/Policy.ts"
import { codeOf, gateway, lastOf, type Message, nonsense } from "../support/clients.ts"
import { frame } from "../support/frames.ts"

const connect = { type: "connect", id: 1, version: 1 }

describe("before connected", () => {
  it.effect("connect is answered with everything a client needs", () =>
    Effect.gen(function* () {
      const { connected } = yield* (yield* gateway()).connect()
      const { connection, server, session, time, ...rest } = connected as Message & {
        readonly connection: string
        readonly session: { readonly key: string }
        readonly server: object
      }
      assert.deepStrictEqual(rest, {
        type: "connected",
        id: 1,
        resumed: false,
        heartbeat: { intervalMs: 25_000, timeoutMs: 10_000 },
        limits: { frameBytes: 65_536, subscriptions: 1_000, commandsPerSecond: 1_000, outboxBytes: 1_048_576 },
      })
      assert.match(connection, /^[\w-]{12}$/)
      assert.match(session.key, /^[\w-]{24}$/)
      assert.deepInclude(server, { name: "test", version: "0" })
      assert.strictEqual(time, 0)
    }),
  )

  it.effect("any other message first is bye 4501, and so is a body that begins like an object and is none", () =>
    Effect.gen(function* () {
      const { dial } = yield* gateway()
      for (const body of [`{"type":"subscribe","id":1,"channel":"a"}`, `{"type":"connect"}`, `{`, `{}{}`]) {
        const client = yield* dial
        client.wire.writeUnsafe([frame(body)])
        assert.deepStrictEqual(codeOf(yield* lastOf(client)), ["bye", 4501], body)
      }
    }),
  )

  it.effect("a version that is not spoken is bye 4506", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).dial
      client.send({ ...connect, version: 2 })
      assert.deepStrictEqual(yield* lastOf(client), {
        type: "bye",
        code: 4506,
        message: "version 2 is not supported, this server speaks 1",
        retry: "never",
      })
    }),
  )

  it.effect("connect may come until the deadline, which heartbeats do not extend; then bye 4502", () =>
    Effect.gen(function* () {
      const { dial } = yield* gateway()
      const [early, late, silent] = [yield* dial, yield* dial, yield* dial]
      for (const client of [early, late]) client.wire.writeUnsafe([frame("")])
      yield* TestClock.adjust(9_999)
      assert.deepStrictEqual(codeOf(yield* early.ask(connect)), ["connected", undefined])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(codeOf(yield* late.next), ["bye", 4502])
      assert.deepStrictEqual(codeOf(yield* silent.next), ["bye", 4502])
    }),
  )

  it.effect("a client that leaves before it says anything is answered by FIN at once", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).dial
      client.wire.endUnsafe()
      assert.deepInclude((yield* client.next) as Message, { type: "bye", code: 4000 })
      assert.strictEqual(yield* client.next, "closed")
    }),
  )

  it.effect("a frame may have 16 KiB, one byte more is bye 4505", () =>
    Effect.gen(function* () {
      const { dial } = yield* gateway()
      const [full, over] = [yield* dial, yield* dial]
      full.wire.writeUnsafe([frame(nonsense(16 * 1024))])
      over.wire.writeUnsafe([frame(nonsense(16 * 1024 + 1)).subarray(0, 4)])
      assert.deepStrictEqual(codeOf(yield* lastOf(full)), ["bye", 4501])
      assert.deepStrictEqual(codeOf(yield* lastOf(over)), ["bye", 4505])
    }),
  )

  it.effect("another protocol is bye 4509, which names it", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).dial
      client.wire.writeUnsafe([Buffer.from("GET / HTTP/1.1\r\n\r\n")])
      const message = yield* lastOf(client)
      assert.deepStrictEqual(codeOf(message), ["bye", 4509])
      assert.match((message as Message)["message"] as string, /HTTP/)
    }),
  )
})

describe("connect", () => {
  it.effect("carries subscriptions, each answered for itself", () =>
    Effect.gen(function* () {
      const { connected } = yield* (yield* gateway()).connect({
        subscriptions: [{ channel: "a" }, { channel: "" }],
      })
      const answers = connected["subscriptions"] as Record<string, Message>
      assert.deepStrictEqual(Object.keys(answers), ["a", ""])
      assert.deepStrictEqual(codeOf(answers[""]!), ["error", 107])
      assert.deepStrictEqual(codeOf(answers["a"]!), ["subscribed", undefined])
    }),
  )

  it.effect("answers a channel that it names twice with the subscription, wherever that stands", () =>
    Effect.gen(function* () {
      const { connected } = yield* (yield* gateway()).connect({
        subscriptions: [{ channel: "a" }, { channel: "a" }, { channel: "b", mode: "none" }, { channel: "b" }],
      })
      const answers = connected["subscriptions"] as Record<string, Message>
      assert.deepStrictEqual(Object.keys(answers), ["a", "b"])
      assert.deepStrictEqual(Object.values(answers).map(codeOf), [
        ["subscribed", undefined],
        ["subscribed", undefined],
      ])
    }),
  )

  it.effect("is followed by what came behind it in the same write, in order", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).dial
      client.send(
        connect,
        { type: "subscribe", id: 2, channel: "a" },
        { type: "publish", id: 3, channel: "a", data: 1 },
      )
      const types = [yield* client.next, yield* client.next, yield* client.next, yield* client.next].map(
        (message) => (message as Message).type,
      )
      assert.deepStrictEqual(types, ["connected", "subscribed", "publication", "published"])
    }),
  )

  it.effect("a second time is bye 4501", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).connect()
      client.send(connect)
      assert.deepStrictEqual(codeOf(yield* lastOf(client)), ["bye", 4501])
    }),
  )
})

describe("channels", () => {
  it.effect("a publication reaches every subscriber, with where it stands and who sent it", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway()
      const [alice, bob] = [yield* connect(), yield* connect()]
      const subscribed = (yield* bob.ask({ type: "subscribe", id: 2, channel: "a" })) as Message
      const epoch = (subscribed["position"] as { epoch: string }).epoch
      assert.deepStrictEqual(subscribed, {
        type: "subscribed",
        id: 2,
        channel: "a",
        position: { offset: 0, epoch },
        recovered: "none",
        publications: [],
      })
      const publish = { type: "publish", id: 2, channel: "a", data: { x: null }, tags: { k: "v" } }
      assert.deepStrictEqual(yield* alice.ask(publish), { type: "published", id: 2, offset: 1, epoch })
      assert.deepStrictEqual(yield* bob.next, {
        type: "publication",
        channel: "a",
        offset: 1,
        previous: 0,
        epoch,
        data: { x: null },
        from: { connection: alice.connected["connection"] },
        tags: { k: "v" },
        time: 0,
      })
    }),
  )

  it.effect("a publisher hears itself unless it asks not to, and is answered only if it gave an id", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).connect({ subscriptions: [{ channel: "a" }] })
      client.send(
        { type: "publish", channel: "a", data: 1 },
        { type: "publish", channel: "a", data: 2, echo: false },
        { type: "publish", channel: "a", data: 3 },
      )
      const heard = [yield* client.next, yield* client.next] as ReadonlyArray<Message>
      assert.deepStrictEqual(
        heard.map(({ offset, previous, data }) => [offset, previous, data]),
        [
          [1, 0, 1],
          [3, 2, 3],
        ],
      )
    }),
  )

  it.effect("a key used again is a duplicate, or error 118 with other data", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).connect()
      const publish = { type: "publish", id: 2, channel: "a", data: 1, key: "k" }
      yield* client.ask(publish)
      assert.deepInclude((yield* client.ask(publish)) as Message, { offset: 1, duplicate: true })
      assert.deepStrictEqual(codeOf(yield* client.ask({ ...publish, data: 2 })), ["error", 118])
    }),
  )

  it.effect("subscribing twice is error 105; unsubscribing is answered even without a subscription", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).connect({ subscriptions: [{ channel: "a" }] })
      assert.deepStrictEqual(codeOf(yield* client.ask({ type: "subscribe", id: 2, channel: "a" })), ["error", 105])
      const unsubscribed = { type: "unsubscribed", id: 3, channel: "a" }
      const unsubscribe = { type: "unsubscribe", id: 3, channel: "a" }
      assert.deepStrictEqual(yield* client.ask(unsubscribe), unsubscribed)
      assert.deepStrictEqual(yield* client.ask(unsubscribe), unsubscribed)
      client.send({ type: "publish", channel: "a", data: 1 })
      assert.deepStrictEqual(yield* client.ask(unsubscribe), unsubscribed)
    }),
  )

  it.effect("what a namespace does not have is error 108, and the connection goes on", () =>
    Effect.gen(function* () {
      const bare = { ...Policy.open, history: { size: 0, ageMs: 0 }, recovery: false, presence: false }
      const { connect } = yield* gateway({}, { policies: (name) => (name.startsWith("bare:") ? bare : Policy.open) })
      const client = yield* connect()
      const answers = (channel: string) =>
        Effect.forEach(
          [
            { type: "history", id: 2, channel },
            { type: "presence", id: 2, channel },
            { type: "subscribe", id: 2, channel, presence: true },
          ],
          (message) => Effect.map(client.ask(message), codeOf),
        )
      const refused = ["error", 108]
      assert.deepStrictEqual(yield* answers("bare:a"), [refused, refused, refused])
      assert.deepStrictEqual(yield* answers("a"), [
        ["history", undefined],
        ["presence", undefined],
        ["subscribed", undefined],
      ])
    }),
  )

  it.effect("without authentication there is nothing to refresh: error 108", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).connect({ token: "t" })
      assert.deepStrictEqual(codeOf(yield* client.ask({ type: "refresh", id: 2, token: "t" })), ["error", 108])
    }),
  )
})

describe("services", () => {
  it.effect("a request goes to whoever serves, and its answer back", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway()
      const [asker, responder] = [yield* connect(), yield* connect()]
      const serving = yield* responder.ask({ type: "serve", id: 2, service: "sum" })
      assert.deepStrictEqual(serving, { type: "serving", id: 2, service: "sum" })
      asker.send({ type: "request", id: 7, service: "sum", data: [1, 2] })
      const request = (yield* responder.next) as Message
      const { id, ...rest } = request
      assert.deepStrictEqual(rest, {
        type: "request",
        service: "sum",
        data: [1, 2],
        from: { connection: asker.connected["connection"] },
        timeoutMs: 10_000,
      })
      responder.send({ type: "response", id, data: 3 })
      assert.deepStrictEqual(yield* asker.next, { type: "response", id: 7, data: 3 })
      const unserved = yield* responder.ask({ type: "unserve", id: 3, service: "sum" })
      assert.deepStrictEqual(unserved, { type: "unserved", id: 3, service: "sum" })
      assert.deepStrictEqual(codeOf(yield* asker.ask({ type: "request", id: 8, service: "sum", data: 1 })), [
        "error",
        114,
      ])
    }),
  )

  it.effect("a request that is late, given up or left alone is answered all the same", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway()
      const [asker, responder] = [yield* connect(), yield* connect()]
      yield* responder.ask({ type: "serve", id: 2, service: "s" })
      asker.send({ type: "request", id: 1, service: "s", data: 1, timeoutMs: 500 })
      const late = (yield* responder.next) as Message
      yield* TestClock.adjust(500)
      assert.deepStrictEqual(codeOf(yield* asker.next), ["error", 115])
      assert.deepStrictEqual(yield* responder.next, { type: "cancel", id: late["id"] })

      asker.send({ type: "request", id: 2, service: "s", data: 1 })
      const given = (yield* responder.next) as Message
      assert.deepStrictEqual(codeOf(yield* asker.ask({ type: "cancel", id: 2 })), ["error", 119])
      assert.deepStrictEqual(yield* responder.next, { type: "cancel", id: given["id"] })

      asker.send({ type: "request", id: 3, service: "s", data: 1 })
      yield* responder.next
      responder.wire.abortUnsafe()
      assert.deepStrictEqual(codeOf(yield* asker.next), ["error", 115])
    }),
  )
})

describe("the limits of one client", () => {
  it.effect("are what it is told, and over each is error 106", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway({ maxSubscriptions: 2, maxServices: 1, maxRequests: 1 })
      const client = yield* connect({ subscriptions: [{ channel: "a" }] })
      assert.deepInclude(client.connected["limits"], { subscriptions: 2 })
      const answer = (message: object) => Effect.map(client.ask({ id: 2, ...message }), codeOf)
      assert.deepStrictEqual(yield* answer({ type: "subscribe", channel: "b" }), ["subscribed", undefined])
      assert.deepStrictEqual(yield* answer({ type: "subscribe", channel: "c" }), ["error", 106])
      assert.deepStrictEqual(yield* answer({ type: "unsubscribe", channel: "b" }), ["unsubscribed", undefined])
      assert.deepStrictEqual(yield* answer({ type: "subscribe", channel: "c" }), ["subscribed", undefined])
      assert.deepStrictEqual(yield* answer({ type: "serve", service: "s" }), ["serving", undefined])
      assert.deepStrictEqual(yield* answer({ type: "serve", service: "t" }), ["error", 106])
      const other = yield* connect()
      other.send({ type: "request", id: 1, service: "s", data: 1 })
      assert.deepStrictEqual(codeOf(yield* other.ask({ type: "request", id: 2, service: "s", data: 1 })), [
        "error",
        106,
      ])
    }),
  )
})
