import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { type Client, frame, gateway, type Message } from "../support/clients.ts"

const connect = { type: "connect", id: 1, version: 1 }
const code = (message: Message | "closed") => (message === "closed" ? message : [message.type, message["code"]])
const bye = (client: Client) =>
  Effect.gen(function* () {
    const message = yield* client.next
    assert.strictEqual(yield* client.next, "closed")
    return message
  })
const text = (bytes: number) => JSON.stringify({ type: "nonsense", pad: "x".repeat(bytes - 28) })

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

  it.effect("any other message first is bye 4501, and so is a body that is no object", () =>
    Effect.gen(function* () {
      const { dial } = yield* gateway()
      for (const body of [`{"type":"subscribe","id":1,"channel":"a"}`, `{"type":"connect"}`, `[]`, `{`, `"x"`]) {
        const client = yield* dial
        client.wire.writeUnsafe([frame(body)])
        assert.deepStrictEqual(code(yield* bye(client)), ["bye", 4501], body)
      }
    }),
  )

  it.effect("a version that is not spoken is bye 4506", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).dial
      client.send({ ...connect, version: 2 })
      assert.deepStrictEqual(yield* bye(client), {
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
      assert.deepStrictEqual(code(yield* early.ask(connect)), ["connected", undefined])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(code(yield* late.next), ["bye", 4502])
      assert.deepStrictEqual(code(yield* silent.next), ["bye", 4502])
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
      full.wire.writeUnsafe([frame(text(16 * 1024))])
      over.wire.writeUnsafe([frame(text(16 * 1024 + 1)).subarray(0, 4)])
      assert.deepStrictEqual(code(yield* bye(full)), ["bye", 4501])
      assert.deepStrictEqual(code(yield* bye(over)), ["bye", 4505])
    }),
  )

  it.effect("another protocol is bye 4509, which names it", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).dial
      client.wire.writeUnsafe([Buffer.from("GET / HTTP/1.1\r\n\r\n")])
      const message = yield* bye(client)
      assert.deepStrictEqual(code(message), ["bye", 4509])
      assert.match((message as Message)["message"] as string, /HTTP/)
    }),
  )
})

describe("connect", () => {
  it.effect("carries subscriptions, each answered for itself", () =>
    Effect.gen(function* () {
      const { connected } = yield* (yield* gateway()).connect({
        subscriptions: [{ channel: "a" }, { channel: "" }, { channel: "a" }],
      })
      const answers = connected["subscriptions"] as Record<string, Message>
      assert.deepStrictEqual(Object.keys(answers), ["a", ""])
      assert.deepStrictEqual(code(answers[""]!), ["error", 107])
      assert.deepStrictEqual(code(answers["a"]!), ["error", 105])
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
      assert.deepStrictEqual(code(yield* bye(client)), ["bye", 4501])
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
      assert.deepStrictEqual(code(yield* client.ask({ ...publish, data: 2 })), ["error", 118])
    }),
  )

  it.effect("subscribing twice is error 105; unsubscribing is answered even without a subscription", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).connect({ subscriptions: [{ channel: "a" }] })
      assert.deepStrictEqual(code(yield* client.ask({ type: "subscribe", id: 2, channel: "a" })), ["error", 105])
      const unsubscribed = { type: "unsubscribed", id: 3, channel: "a" }
      const unsubscribe = { type: "unsubscribe", id: 3, channel: "a" }
      assert.deepStrictEqual(yield* client.ask(unsubscribe), unsubscribed)
      assert.deepStrictEqual(yield* client.ask(unsubscribe), unsubscribed)
      client.send({ type: "publish", channel: "a", data: 1 })
      assert.deepStrictEqual(yield* client.ask(unsubscribe), unsubscribed)
    }),
  )

  it.effect("a position at the top is recovered, any other one is lost, and live alone asks for none", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).connect()
      const { epoch } = (yield* client.ask({ type: "publish", id: 2, channel: "a", data: 1 })) as unknown as {
        epoch: string
      }
      const subscribe = (rest: object) =>
        Effect.map(client.ask({ type: "subscribe", id: 3, channel: "a", ...rest }), (answer) => {
          client.send({ type: "unsubscribe", id: 4, channel: "a" })
          return (answer as Message)["recovered"]
        }).pipe(Effect.tap(() => client.next))
      assert.strictEqual(yield* subscribe({ position: { offset: 1, epoch } }), "yes")
      assert.strictEqual(yield* subscribe({ position: { offset: 0, epoch } }), "no")
      assert.strictEqual(yield* subscribe({ position: { offset: 1, epoch: "other" } }), "no")
      assert.strictEqual(yield* subscribe({ position: { offset: 0, epoch }, mode: "live" }), "none")
      assert.strictEqual(yield* subscribe({}), "none")
    }),
  )

  it.effect("what this version does not have is error 108, and the connection goes on", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).connect()
      for (const message of [
        { type: "history", id: 2, channel: "a" },
        { type: "presence", id: 2, channel: "a" },
        { type: "refresh", id: 2, token: "t" },
        { type: "subscribe", id: 2, channel: "a", presence: true },
      ]) {
        assert.deepStrictEqual(code(yield* client.ask(message)), ["error", 108], message.type)
      }
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
      assert.deepStrictEqual(code(yield* asker.ask({ type: "request", id: 8, service: "sum", data: 1 })), [
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
      assert.deepStrictEqual(code(yield* asker.next), ["error", 115])
      assert.deepStrictEqual(yield* responder.next, { type: "cancel", id: late["id"] })

      asker.send({ type: "request", id: 2, service: "s", data: 1 })
      const given = (yield* responder.next) as Message
      assert.deepStrictEqual(code(yield* asker.ask({ type: "cancel", id: 2 })), ["error", 119])
      assert.deepStrictEqual(yield* responder.next, { type: "cancel", id: given["id"] })

      asker.send({ type: "request", id: 3, service: "s", data: 1 })
      yield* responder.next
      responder.wire.abortUnsafe()
      assert.deepStrictEqual(code(yield* asker.next), ["error", 115])
    }),
  )
})

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
      assert.deepStrictEqual(code(yield* client.ask({ type: "shout" })), ["error", 107])
      client.wire.writeUnsafe([frame("[]")])
      assert.deepStrictEqual(code(yield* bye(client)), ["bye", 4501])
    }),
  )

  it.effect("once connected, a frame may have 64 KiB; one byte more is bye 4505", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway()).connect()
      client.wire.writeUnsafe([frame(text(64 * 1024))])
      assert.deepStrictEqual(code(yield* client.next), ["error", 107])
      client.wire.writeUnsafe([frame(text(64 * 1024 + 1)).subarray(0, 4)])
      assert.deepStrictEqual(code(yield* bye(client)), ["bye", 4505])
    }),
  )

  it.effect("commands over the rate are error 111 with the time to wait, then they are welcome again", () =>
    Effect.gen(function* () {
      const client = yield* (yield* gateway({ commandsPerSecond: 2 })).connect()
      const ask = client.ask({ type: "unsubscribe", id: 2, channel: "a" })
      assert.deepStrictEqual(code(yield* ask), ["unsubscribed", undefined])
      assert.deepStrictEqual(code(yield* ask), ["unsubscribed", undefined])
      assert.deepStrictEqual(yield* ask, {
        type: "error",
        id: 2,
        code: 111,
        message: "more than 2 commands per second",
        retry: true,
        waitMs: 500,
      })
      yield* TestClock.adjust(500)
      assert.deepStrictEqual(code(yield* ask), ["unsubscribed", undefined])
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
      assert.deepInclude((yield* bye(client)) as Message, { type: "bye", code: 4300, retry: "backoff" })
    }),
  )

  it.effect("heartbeats count against the rate, and a flood of them is bye 4300", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway({ commandsPerSecond: 10 })
      const [counted, flooding] = [yield* connect(), yield* connect()]
      counted.wire.writeUnsafe([Buffer.alloc(4 * 9)])
      assert.deepStrictEqual(code(yield* counted.ask({ type: "unsubscribe", id: 2, channel: "a" })), [
        "unsubscribed",
        undefined,
      ])
      assert.deepStrictEqual(code(yield* counted.ask({ type: "unsubscribe", id: 2, channel: "a" })), ["error", 111])
      flooding.wire.writeUnsafe([Buffer.alloc(4 * 11)])
      assert.deepStrictEqual(code(yield* bye(flooding)), ["bye", 4300])
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
      assert.deepStrictEqual(code(last), ["bye", 4004])
    }),
  )
})
