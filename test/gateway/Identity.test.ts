import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Access from "../../src/gateway/Access.ts"
import * as Policy from "../../src/gateway/Policy.ts"
import { type Client, codeOf, gateway, lastOf, type Message } from "../support/clients.ts"
import { settled } from "../support/wires.ts"
import { numbers } from "./positions.ts"
import { authenticator, identity } from "./tokens.ts"

const granted: Policy.Policy["allow"] = {
  subscribe: "granted",
  publish: "granted",
  history: "granted",
  presence: "granted",
  serve: "granted",
  request: "granted",
}
const anyone = Policy.open.allow
const policies = (name: string): Policy.Policy => {
  if (name.startsWith("open")) return Policy.open
  if (name.startsWith("users")) return { ...Policy.open, allow: { ...anyone, publish: "users", subscribe: "users" } }
  return { ...Policy.open, allow: granted }
}

const everything = Object.fromEntries(
  (["subscribe", "publish", "history", "presence", "serve", "request"] as const).map((action) => [action, "mine"]),
)

const start = (tokens: Parameters<typeof authenticator>[0] = {}) =>
  gateway({}, { policies, authenticator: authenticator(tokens) })

const commands = (name: string) => [
  { type: "subscribe", id: 2, channel: name },
  { type: "subscribe", id: 2, channel: name, presence: true },
  { type: "publish", id: 2, channel: name, data: 1, echo: false },
  { type: "history", id: 2, channel: name },
  { type: "presence", id: 2, channel: name },
  { type: "serve", id: 2, service: name },
  { type: "request", id: 2, service: name, data: 1 },
]

const codes = (client: Client, name: string) =>
  Effect.forEach(commands(name), (command) => Effect.map(client.ask(command), codeOf))

describe("a token", () => {
  it.effect("makes the client its user, and says until when", () =>
    Effect.gen(function* () {
      const { connect } = yield* start({ t: identity({ user: "alice", expiresAt: 60_000 }) })
      const [alice, witness] = [
        yield* connect({ token: "t" }),
        yield* connect({ subscriptions: [{ channel: "open" }] }),
      ]
      assert.deepInclude(alice.connected, { user: "alice", expiresAt: 60_000 })
      assert.notProperty(witness.connected, "user")
      alice.send({ type: "publish", channel: "open", data: 1 })
      assert.deepInclude((yield* witness.next) as Message, {
        from: { connection: alice.connected["connection"], user: "alice" },
      })
    }),
  )

  it.effect("that is not accepted is bye 4500, an expired one 4200, and without keys to check it 4302", () =>
    Effect.gen(function* () {
      const { dial } = yield* start()
      const told = (token: string) =>
        Effect.flatMap(dial, (client) => {
          client.send({ type: "connect", id: 1, version: 1, token })
          return Effect.map(lastOf(client), (bye) => {
            const { code, retry } = bye as Message
            return [code, retry]
          })
        })
      assert.deepStrictEqual(yield* told("wrong"), [4500, "never"])
      assert.deepStrictEqual(yield* told("Expired"), [4200, "reauth"])
      assert.deepStrictEqual(yield* told("Unavailable"), [4302, "backoff"])
    }),
  )

  it.effect("that cannot be verified within 5 s is bye 4302", () =>
    Effect.gen(function* () {
      const client = yield* (yield* start()).dial
      client.send({ type: "connect", id: 1, version: 1, token: "slow" })
      yield* settled
      yield* TestClock.adjust(5_000)
      assert.deepStrictEqual(codeOf(yield* lastOf(client)), ["bye", 4302])
    }),
  )
})

describe("permission", () => {
  const refused = numbers(1, 7).map(() => ["error", 103])

  it.effect("is needed for everything that is granted only, and error 103 without", () =>
    Effect.gen(function* () {
      const { connect } = yield* start({ t: identity({ user: "u" }, everything) })
      const [nobody, user] = [yield* connect(), yield* connect({ token: "t" })]
      assert.deepStrictEqual(yield* codes(nobody, "mine"), refused)
      assert.deepStrictEqual(yield* codes(user, "yours"), refused)
      const allowed = yield* codes(user, "mine")
      assert.notDeepInclude(allowed, ["error", 103])
      assert.deepStrictEqual(allowed[0], ["subscribed", undefined])
    }),
  )

  it.effect("of users is any token's, of anyone nobody's", () =>
    Effect.gen(function* () {
      const { connect } = yield* start({ t: identity({ user: "u" }) })
      const [nobody, user] = [yield* connect(), yield* connect({ token: "t" })]
      const subscribe = (channel: string) => ({ type: "subscribe", id: 2, channel })
      assert.deepStrictEqual(codeOf(yield* nobody.ask(subscribe("users"))), ["error", 103])
      assert.deepStrictEqual(codeOf(yield* user.ask(subscribe("users"))), ["subscribed", undefined])
      assert.deepStrictEqual(codeOf(yield* nobody.ask(subscribe("open"))), ["subscribed", undefined])
    }),
  )

  it.effect("for the gateway's own channels is only a token's, whatever the namespaces allow", () =>
    Effect.gen(function* () {
      const own = identity({ user: "u" }, { subscribe: "$sys:x", history: "$sys:x" })
      const { connect } = yield* gateway({}, { authenticator: authenticator({ t: own, u: identity({ user: "u" }) }) })
      const subscribe = { type: "subscribe", id: 2, channel: "$sys:x" }
      assert.deepStrictEqual(codeOf(yield* (yield* connect()).ask(subscribe)), ["error", 103])
      assert.deepStrictEqual(codeOf(yield* (yield* connect({ token: "u" })).ask(subscribe)), ["error", 103])
      assert.deepStrictEqual(codeOf(yield* (yield* connect({ token: "t" })).ask(subscribe)), ["subscribed", undefined])
    }),
  )
})

describe("expiry", () => {
  it.effect("is announced 30 s before, and is bye 4200 when it comes, in the middle of whatever goes on", () =>
    Effect.gen(function* () {
      const { connect } = yield* start({ t: identity({ user: "u", expiresAt: 60_000 }) })
      const client = yield* connect({ token: "t", subscriptions: [{ channel: "open" }] })
      yield* TestClock.adjust(29_999)
      client.wire.writeUnsafe([Buffer.alloc(4)])
      yield* TestClock.adjust(1)
      const message = "the token is about to expire: refresh it"
      assert.deepStrictEqual(yield* client.next, { type: "notice", code: 4200, message, waitMs: 30_000 })
      yield* TestClock.adjust(20_000)
      client.send({ type: "publish", channel: "open", data: 1 })
      assert.deepInclude((yield* client.next) as Message, { type: "publication", offset: 1 })
      yield* TestClock.adjust(9_999)
      assert.deepStrictEqual(codeOf(yield* client.ask({ type: "unsubscribe", id: 2, channel: "x" })), [
        "unsubscribed",
        undefined,
      ])
      yield* TestClock.adjust(1)
      assert.deepInclude((yield* lastOf(client)) as Message, { type: "bye", code: 4200, retry: "reauth" })
    }),
  )

  it.effect("of a token that has less than 30 s left is announced within a second", () =>
    Effect.gen(function* () {
      const { connect } = yield* start({ t: identity({ user: "u", expiresAt: 10_000 }) })
      const client = yield* connect({ token: "t" })
      yield* TestClock.adjust(1_000)
      assert.deepInclude((yield* client.next) as Message, { type: "notice", code: 4200, waitMs: 9_000 })
    }),
  )
})

describe("refresh", () => {
  it.effect("takes the new token's time, and nothing is interrupted", () =>
    Effect.gen(function* () {
      const { connect } = yield* start({
        old: identity({ user: "u", expiresAt: 60_000 }),
        young: identity({ user: "u", expiresAt: 120_000 }),
      })
      const client = yield* connect({ token: "old", subscriptions: [{ channel: "open" }] })
      const refreshed = yield* client.ask({ type: "refresh", id: 2, token: "young" })
      assert.deepStrictEqual(refreshed, { type: "refreshed", id: 2, expiresAt: 120_000 })
      for (let second = 0; second < 60; second += 10) {
        client.wire.writeUnsafe([Buffer.alloc(4)])
        yield* settled
        yield* TestClock.adjust(10_000)
      }
      assert.deepInclude(
        (yield* client.ask({ type: "publish", id: 3, channel: "open", data: 1, echo: false })) as Message,
        {
          type: "published",
        },
      )
    }),
  )

  it.effect("ends what the new token does not allow, and tells of each channel", () =>
    Effect.gen(function* () {
      const wide = identity({ user: "u" }, everything)
      const { connect } = yield* start({ wide, narrow: identity({ user: "u" }) })
      const [client, asker] = [yield* connect({ token: "wide" }), yield* connect({ token: "wide" })]
      yield* client.ask({ type: "subscribe", id: 2, channel: "mine" })
      yield* client.ask({ type: "subscribe", id: 2, channel: "open" })
      yield* client.ask({ type: "serve", id: 2, service: "mine" })
      assert.deepStrictEqual(codeOf(yield* client.ask({ type: "refresh", id: 3, token: "narrow" })), [
        "refreshed",
        undefined,
      ])
      const gone = { type: "unsubscribed", channel: "mine", code: 103, message: "not allowed" }
      assert.deepStrictEqual(yield* client.next, gone)
      assert.deepStrictEqual(codeOf(yield* asker.ask({ type: "request", id: 2, service: "mine", data: 1 })), [
        "error",
        114,
      ])
      yield* asker.ask({ type: "publish", id: 2, channel: "mine", data: 1 })
      yield* asker.ask({ type: "publish", id: 2, channel: "open", data: 1 })
      assert.deepInclude((yield* client.next) as Message, { type: "publication", channel: "open" })
    }),
  )

  it.effect("with a token that may not see presence any more ends that, and the subscription goes on", () =>
    Effect.gen(function* () {
      const narrow = identity({ user: "u" }, { subscribe: "mine" })
      const { connect } = yield* start({ wide: identity({ user: "u" }, everything), narrow })
      const [client, other] = [yield* connect({ token: "wide" }), yield* connect({ token: "wide" })]
      yield* client.ask({ type: "subscribe", id: 2, channel: "mine", presence: true })
      yield* client.ask({ type: "refresh", id: 3, token: "narrow" })
      yield* other.ask({ type: "subscribe", id: 2, channel: "mine", presence: true })
      yield* TestClock.adjust(1_000)
      const { members } = (yield* other.ask({ type: "presence", id: 3, channel: "mine" })) as Message
      assert.deepStrictEqual(
        (members as ReadonlyArray<{ readonly connection: string }>).map(({ connection }) => connection),
        [other.connected["connection"]],
      )
      other.send({ type: "publish", channel: "mine", data: 1 })
      assert.deepInclude((yield* client.next) as Message, { type: "publication", channel: "mine" })
    }),
  )

  it.effect("with an expired token is error 109, with none to check it 113, and the old one goes on", () =>
    Effect.gen(function* () {
      const { connect } = yield* start({ t: identity({ user: "u" }) })
      const client = yield* connect({ token: "t" })
      const refresh = (token: string) => Effect.map(client.ask({ type: "refresh", id: 2, token }), codeOf)
      assert.deepStrictEqual(yield* refresh("Expired"), ["error", 109])
      assert.deepStrictEqual(yield* refresh("Unavailable"), ["error", 113])
      assert.deepStrictEqual(yield* refresh("t"), ["refreshed", undefined])
    }),
  )

  it.effect("with a bad token, or another user's, is bye 4500", () =>
    Effect.gen(function* () {
      const { connect } = yield* start({ t: identity({ user: "u" }), other: identity({ user: "v" }) })
      for (const token of ["bad", "other"]) {
        const client = yield* connect({ token: "t" })
        client.send({ type: "refresh", id: 2, token })
        assert.deepStrictEqual(codeOf(yield* lastOf(client)), ["bye", 4500])
      }
    }),
  )
})

describe("revocation", () => {
  const channel = "$sys:revocations"
  const tokens = {
    admin: identity({ user: "admin" }, { publish: channel, history: channel }),
    a: identity({ user: "a", tokenId: "t1" }),
    b: identity({ user: "b" }),
  }
  const revoke = (data: object) => ({ type: "publish", id: 2, channel, data })

  it.effect("ends the connections that it concerns with bye 4201, now and when they come again", () =>
    Effect.gen(function* () {
      const { connect, dial } = yield* start(tokens)
      const [admin, a, b] = [
        yield* connect({ token: "admin" }),
        yield* connect({ token: "a" }),
        yield* connect({ token: "b" }),
      ]
      assert.deepStrictEqual(codeOf(yield* admin.ask(revoke({ user: "a" }))), ["published", undefined])
      assert.deepStrictEqual(codeOf(yield* lastOf(a)), ["bye", 4201])
      assert.deepStrictEqual(codeOf(yield* b.ask({ type: "unsubscribe", id: 2, channel: "x" })), [
        "unsubscribed",
        undefined,
      ])
      const again = yield* dial
      again.send({ type: "connect", id: 1, version: 1, token: "a" })
      assert.deepStrictEqual(codeOf(yield* lastOf(again)), ["bye", 4201])
    }),
  )

  it.effect("of a connection ends that one alone, and its session with it", () =>
    Effect.gen(function* () {
      const { connect, dial } = yield* start(tokens)
      const [admin, one, two] = [
        yield* connect({ token: "admin" }),
        yield* connect({ token: "b" }),
        yield* connect({ token: "b" }),
      ]
      yield* admin.ask(revoke({ connection: one.connected["connection"] }))
      assert.deepStrictEqual(codeOf(yield* lastOf(one)), ["bye", 4201])
      assert.deepStrictEqual(codeOf(yield* two.ask({ type: "unsubscribe", id: 2, channel: "x" })), [
        "unsubscribed",
        undefined,
      ])
      const again = yield* dial
      again.send({ type: "connect", id: 1, version: 1, token: "b", session: one.connected["session"] })
      assert.deepStrictEqual(codeOf(yield* lastOf(again)), ["bye", 4201])
    }),
  )

  it.effect("that says nothing that is understood is error 110, and needs a grant: error 103", () =>
    Effect.gen(function* () {
      const { connect } = yield* start(tokens)
      const [admin, b] = [yield* connect({ token: "admin" }), yield* connect({ token: "b" })]
      assert.deepStrictEqual(codeOf(yield* admin.ask(revoke({ usr: "a" }))), ["error", 110])
      assert.deepStrictEqual(codeOf(yield* b.ask(revoke({ user: "a" }))), ["error", 103])
      const history = (yield* admin.ask({ type: "history", id: 3, channel })) as Message
      assert.deepStrictEqual(history["publications"], [])
    }),
  )

  it("is kept over restarts for as long as it is in force, beside others that are not any more, and has room", () => {
    const retentionOf = Access.retentionOf({ of: policies })
    const centuryMs = 100 * 365 * 24 * 3_600_000
    assert.deepStrictEqual(retentionOf(channel), { size: 1_000_000, ageMs: centuryMs, isReserved: true })
    assert.deepStrictEqual(
      ["$sys:connections", "$sys:else", "a"].map((name) => retentionOf(name).isReserved),
      [true, undefined, undefined],
    )
  })

  it.effect("concerns a token that is refreshed, too", () =>
    Effect.gen(function* () {
      const { connect } = yield* start({ ...tokens, fresh: identity({ user: "b", tokenId: "t2" }) })
      const [admin, b] = [yield* connect({ token: "admin" }), yield* connect({ token: "b" })]
      yield* admin.ask(revoke({ tokenId: "t2" }))
      b.send({ type: "refresh", id: 2, token: "fresh" })
      assert.deepStrictEqual(codeOf(yield* lastOf(b)), ["bye", 4201])
    }),
  )
})

describe("the lifecycle journal", () => {
  const channel = "$sys:connections"
  const entries = (answer: Message | "closed") =>
    ((answer as Message)["publications"] as ReadonlyArray<{ readonly data: Readonly<Record<string, unknown>> }>).map(
      ({ data }) => data,
    )

  it.effect("is a channel that tells who connected and who has gone, why, and after how long", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway({ journal: true })
      const backend = yield* connect()
      const client = yield* connect({ client: { name: "app", version: "1" } })
      yield* TestClock.adjust(2_000)
      client.wire.endUnsafe()
      yield* lastOf(client)
      const told = entries(yield* backend.ask({ type: "history", id: 2, channel })).slice(1)
      const connection = client.connected["connection"]
      assert.deepStrictEqual(
        told.map((each): object => ({ ...each, peer: "" })),
        [
          { event: "opened", connection, peer: "", client: { name: "app", version: "1" } },
          { event: "closed", connection, peer: "", code: 4000, reason: "closed by the peer", openForMs: 2_000 },
        ],
      )
      assert.match(String(told[0]!["peer"]), /^memory:/)
    }),
  )

  it.effect("tells nothing of a connection that was refused before it was open", () =>
    Effect.gen(function* () {
      const { connect, dial } = yield* gateway({ journal: true })
      const [backend, client] = [yield* connect(), yield* connect()]
      const { connection, session } = client.connected
      const data = { connection }
      yield* backend.ask({ type: "publish", id: 2, channel: "$sys:revocations", data })
      yield* lastOf(client)
      const again = yield* dial
      again.send({ type: "connect", id: 1, version: 1, session })
      assert.deepStrictEqual(codeOf(yield* lastOf(again)), ["bye", 4201])
      const told = entries(yield* backend.ask({ type: "history", id: 3, channel })).slice(1)
      assert.deepStrictEqual(
        told.map(({ code, connection, event }) => [event, connection, code]),
        [
          ["opened", connection, undefined],
          ["closed", connection, 4201],
        ],
      )
    }),
  )

  it.effect("tells of a connection that is taken over after the one that took it over, with code 4005", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway({ journal: true })
      const first = yield* connect()
      const second = yield* connect({ session: first.connected["session"] })
      yield* lastOf(first)
      const told = entries(yield* second.ask({ type: "history", id: 2, channel }))
      assert.deepStrictEqual(
        told.map(({ code, event }) => [event, code]),
        [
          ["opened", undefined],
          ["opened", undefined],
          ["closed", 4005],
        ],
      )
    }),
  )

  it.effect("misses nobody for a reader that was away, itself included", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway({ journal: true })
      const backend = yield* connect()
      const { position } = (yield* backend.ask({ type: "subscribe", id: 2, channel })) as Message
      backend.wire.endUnsafe()
      yield* lastOf(backend)
      const client = yield* connect()
      client.wire.endUnsafe()
      yield* lastOf(client)
      const again = yield* connect()
      const missed = (yield* again.ask({ type: "subscribe", id: 2, channel, position })) as Message
      assert.strictEqual(missed["recovered"], "yes")
      assert.deepStrictEqual(
        entries(missed).map(({ connection, event }) => [event, connection]),
        [
          ["closed", backend.connected["connection"]],
          ["opened", client.connected["connection"]],
          ["closed", client.connected["connection"]],
          ["opened", again.connected["connection"]],
        ],
      )
    }),
  )

  it.effect("is published by the gateway alone, and off unless asked for", () =>
    Effect.gen(function* () {
      const { connect } = yield* gateway()
      const client = yield* connect()
      assert.deepStrictEqual(codeOf(yield* client.ask({ type: "publish", id: 2, channel, data: 1 })), ["error", 103])
      assert.deepStrictEqual(entries(yield* client.ask({ type: "history", id: 2, channel })), [])
    }),
  )
})
