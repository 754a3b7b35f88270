import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { type Client, codeOf, gateway, lastOf, type Message } from "../support/clients.ts"
import { settled } from "../support/wires.ts"
import { authenticator, identity } from "./tokens.ts"

const sessionOf = (client: { readonly connected: Message }) => client.connected["session"] as { readonly key: string }

/** Time passes, and the clients that are given answer heartbeats. */
const pass = (seconds: number, ...clients: ReadonlyArray<Client>) =>
  Effect.gen(function* () {
    for (let second = 0; second < seconds; second++) {
      for (const client of clients) client.wire.writeUnsafe([Buffer.alloc(4)])
      yield* settled
      yield* TestClock.adjust(1_000)
    }
  })

describe("a session", () => {
  it.effect("is told with its time to live, and is the same when it is resumed within that", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway()
      const first = yield* connect()
      assert.deepInclude(first.connected["session"], { id: first.connected["connection"], ttlMs: 60_000 })
      first.wire.abortUnsafe()
      yield* pass(59)
      const again = yield* connect({ session: sessionOf(first) })
      assert.isTrue(again.connected["resumed"])
      assert.deepStrictEqual(again.connected["connection"], first.connected["connection"])
      assert.deepStrictEqual(again.connected["session"], first.connected["session"])
    }),
  )

  it.effect("that has expired, is unknown or is claimed with a wrong key is a new one, and no error", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway({ sessionTtl: "2 seconds" })
      const first = yield* connect()
      first.wire.abortUnsafe()
      const wrong = yield* connect({ session: { ...sessionOf(first), key: "wrong" } })
      yield* pass(2)
      const expired = yield* connect({ session: sessionOf(first) })
      const unknown = yield* connect({ session: { id: "unknown", key: "k" } })
      const connections = [first, wrong, expired, unknown].map(({ connected }) => connected["connection"])
      assert.strictEqual(new Set(connections).size, 4)
      assert.deepStrictEqual(
        [wrong, expired, unknown].map(({ connected }) => connected["resumed"]),
        [false, false, false],
      )
    }),
  )

  it.effect("is another user's to nobody", () =>
    Effect.gen(function* () {
      const tokens = authenticator({ a: identity({ user: "a" }), b: identity({ user: "b" }) })
      const { connect } = yield* gateway({}, { authenticator: tokens })
      const first = yield* connect({ token: "a" })
      const session = sessionOf(first)
      assert.isFalse((yield* connect({ token: "b", session })).connected["resumed"])
      assert.isFalse((yield* connect({ session })).connected["resumed"])
      assert.isTrue((yield* connect({ token: "a", session })).connected["resumed"])
    }),
  )

  it.effect("on two sockets belongs to the second; the first is bye 4005, and is heard of no more", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway()
      const first = yield* connect({ subscriptions: [{ channel: "a" }] })
      yield* first.ask({ type: "serve", id: 2, service: "s" })
      const second = yield* connect({ session: sessionOf(first), subscriptions: [{ channel: "a" }] })
      first.send({ type: "publish", channel: "a", data: "too late" })
      assert.deepInclude((yield* lastOf(first)) as Message, { type: "bye", code: 4005, retry: "never" })
      assert.isTrue(second.connected["resumed"])
      assert.deepStrictEqual(codeOf(yield* second.ask({ type: "request", id: 2, service: "s", data: 1 })), [
        "error",
        114,
      ])
      second.send({ type: "publish", channel: "a", data: 1 })
      assert.deepInclude((yield* second.next) as Message, { type: "publication", data: 1, offset: 1 })
      second.wire.abortUnsafe()
      yield* settled
      assert.isTrue((yield* connect({ session: sessionOf(first) })).connected["resumed"])
    }),
  )
})

describe("presence", () => {
  const subscriptions = [{ channel: "a", presence: true }]
  const memberOf = (client: { readonly connected: Message }) => ({
    connection: client.connected["connection"],
    joinedAt: client.connected["time"],
  })

  it.effect("lists who subscribed with it, and tells once a second who came and went", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway()
      const one = yield* connect({ subscriptions })
      yield* pass(1, one)
      const [two, three] = [yield* connect({ subscriptions }), yield* connect({ subscriptions })]
      yield* connect({ subscriptions: [{ channel: "a" }] })
      assert.deepStrictEqual(yield* one.ask({ type: "presence", id: 2, channel: "a" }), {
        type: "presence",
        id: 2,
        channel: "a",
        members: [one, two, three].map(memberOf),
        count: 3,
      })
      yield* pass(1)
      const joined = { type: "presenceChanged", channel: "a", joined: [two, three].map(memberOf), left: [], count: 3 }
      assert.deepStrictEqual(yield* one.next, joined)
      yield* two.ask({ type: "unsubscribe", id: 2, channel: "a" })
      yield* pass(1)
      const left = { type: "presenceChanged", channel: "a", joined: [], left: [memberOf(two)], count: 2 }
      assert.deepStrictEqual(yield* one.next, left)
    }),
  )

  it.effect("shows neither leave nor join of a client that is back within 15 s, and the leave of one that is not", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway()
      const [witness, client] = [yield* connect({ subscriptions }), yield* connect({ subscriptions })]
      yield* pass(1, witness)
      yield* witness.next
      client.wire.abortUnsafe()
      yield* pass(14, witness)
      const again = yield* connect({ session: sessionOf(client), subscriptions })
      yield* pass(5, witness, again)
      again.wire.abortUnsafe()
      yield* pass(16, witness)
      assert.deepStrictEqual(yield* witness.next, {
        type: "presenceChanged",
        channel: "a",
        joined: [],
        left: [memberOf(client)],
        count: 1,
      })
    }),
  )

  it.effect("over the limit of members refuses the subscription, which is then none at all", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway({ maxPresenceMembers: 1 })
      const [one, two] = [yield* connect({ subscriptions }), yield* connect({ subscriptions })]
      const answers = two.connected["subscriptions"] as Record<string, Message>
      assert.deepStrictEqual(codeOf(answers["a"]!), ["error", 106])
      one.send({ type: "publish", channel: "a", data: 1 })
      yield* one.next
      assert.deepStrictEqual(codeOf(yield* two.ask({ type: "subscribe", id: 2, channel: "a" })), [
        "subscribed",
        undefined,
      ])
    }),
  )
})
