/** A pool of connections, in memory and virtual time. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Client from "../../src/client/Client.ts"
import * as ClientError from "../../src/client/ClientError.ts"
import * as ClientPool from "../../src/client/ClientPool.ts"
import { settled } from "../support/wires.ts"
import * as Puppet from "./puppet.ts"
import { network, pass } from "./support.ts"

type Pool = ClientPool.ClientPool["Service"]

const reasonOf = <A, R>(effect: Effect.Effect<A, ClientError.ClientError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

/** Connections and waiting calls, in short. */
const counts = (pool: Pool) => Effect.map(pool.stats, ({ idle, pending, used }) => ({ idle, used, pending }))

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkScoped(effect, { startImmediately: true })

/** Every wait is the longest that it may be. */
const longest = Effect.provideService(Random.Random, { nextDoubleUnsafe: () => 1, nextIntUnsafe: () => 0 })

/** The next message reaches the gateway on this wire, and nothing comes back but a reset. */
const loseAnswer = Effect.fnUntraced(function* (wire: { stallUnsafe: () => void; resetUnsafe: () => void }) {
  wire.stallUnsafe()
  yield* settled
  wire.resetUnsafe()
  yield* settled
})

/** A service that answers when it is told to. */
const held = Effect.fnUntraced(function* (client: Client.Client["Service"]) {
  const go = Deferred.makeUnsafe<void>()
  yield* client.serve("held", ({ data }) => Effect.as(Deferred.await(go), data))
  return Deferred.succeed(go, undefined)
})

describe("a pool", () => {
  it.effect("has its calls share connections, as many as they need up to its most, and refuses what may not wait", () =>
    Effect.gen(function* () {
      const { client, dial } = yield* network()
      const go = yield* held(yield* client())
      const pool = yield* ClientPool.make({ dial, min: 1, max: 2, concurrency: 2, maxWaiting: 1 })
      const ask = (data: number) => fork(pool.request("held", data))
      assert.deepStrictEqual(yield* counts(pool), { idle: 1, used: 0, pending: 0 })
      const asking = [yield* ask(1), yield* ask(2)]
      yield* settled
      assert.deepStrictEqual(yield* counts(pool), { idle: 0, used: 1, pending: 0 })
      asking.push(yield* ask(3), yield* ask(4))
      yield* settled
      assert.deepStrictEqual(yield* counts(pool), { idle: 0, used: 2, pending: 0 })
      asking.push(yield* ask(5))
      yield* settled
      assert.deepStrictEqual(yield* counts(pool), { idle: 0, used: 2, pending: 1 })
      assert.deepStrictEqual(yield* reasonOf(pool.request("held", 6)), new ClientError.Busy({ cause: "full" }))
      yield* go
      assert.deepStrictEqual(yield* Effect.forEach(asking, Fiber.join), [1, 2, 3, 4, 5])
      assert.strictEqual(yield* pool.request("held", 7), 7)
    }),
  )

  it.effect("closes what is idle beyond its least when its time has come, and not before", () =>
    Effect.gen(function* () {
      const { client, dial } = yield* network()
      const go = yield* held(yield* client())
      const pool = yield* ClientPool.make({ dial, min: 1, max: 2, concurrency: 1, timeToLive: "30 seconds" })
      const asking = [yield* fork(pool.request("held", 1)), yield* fork(pool.request("held", 2))]
      yield* settled
      yield* go
      yield* Effect.forEach(asking, Fiber.join)
      yield* pass("29 seconds")
      assert.deepStrictEqual(yield* counts(pool), { idle: 2, used: 0, pending: 0 })
      yield* pass("31 seconds")
      assert.deepStrictEqual(yield* counts(pool), { idle: 1, used: 0, pending: 0 })
    }),
  )

  it.effect("takes undefined for the default of whatever it may be told", () =>
    Effect.gen(function* () {
      const { dial } = yield* network()
      const nothing = { min: undefined, max: undefined, concurrency: undefined, maxWaiting: undefined }
      const pool = yield* ClientPool.make({ dial, ...nothing, timeToLive: undefined, timeout: undefined })
      yield* pool.publish("a", 1, { key: undefined, tags: undefined })
      const { publications } = yield* pool.history("a", { since: undefined, limit: undefined, reverse: undefined })
      assert.deepStrictEqual(
        publications.map(({ data }) => data),
        [1],
      )
    }),
  )

  for (const [name, options] of [
    ["max", { max: 0 }],
    ["max", { max: NaN }],
    ["concurrency", { concurrency: 0 }],
  ] as const) {
    const [value] = Object.values(options)
    it.effect(`with ${name} ${value} dies, rather than have every call wait for ever`, () =>
      Effect.gen(function* () {
        const { dial } = yield* network()
        const exit = yield* Effect.exit(ClientPool.make({ dial, ...options }))
        assert.deepStrictEqual(exit, Exit.die(new RangeError(`${name} is ${value}, it must be at least 1`)))
      }),
    )
  }

  it.effect("with the least of everything does one call at a time", () =>
    Effect.gen(function* () {
      const { dial, wires } = yield* network()
      const pool = yield* ClientPool.make({ dial, min: 0, max: 1, concurrency: 1, maxWaiting: 0 })
      const first = yield* fork(pool.publish("a", 1))
      assert.deepStrictEqual(yield* reasonOf(pool.publish("a", 2)), new ClientError.Busy({ cause: "full" }))
      assert.strictEqual((yield* Fiber.join(first)).offset, 1)
      assert.strictEqual((yield* pool.publish("a", 3)).offset, 2)
      assert.strictEqual(wires.length, 1)
    }),
  )

  it.effect("publishes, asks and reads", () =>
    Effect.gen(function* () {
      const { client, dial } = yield* network()
      yield* (yield* client()).serve("double", ({ data }) => Effect.succeed(2 * Number(data)))
      const pool = yield* ClientPool.make({ dial })
      assert.deepInclude(yield* pool.publish("a", "one"), { offset: 1, duplicate: false })
      assert.strictEqual(yield* pool.request("double", 21), 42)
      assert.deepStrictEqual(
        (yield* pool.history("a")).publications.map(({ data }) => data),
        ["one"],
      )
      assert.deepInclude(yield* reasonOf(pool.request("nobody", 1)), { _tag: "Refused", code: 114 })
    }),
  )

  it.effect("that the gateway will not have fails, and says why", () =>
    Effect.gen(function* () {
      const puppet = yield* Puppet.make
      const making = yield* fork(Effect.scoped(reasonOf(ClientPool.make({ dial: puppet.dial, token: "bad" }))))
      ;(yield* puppet.dialled).bye(4500, { retry: "never" })
      assert.deepInclude(yield* Fiber.join(making), { _tag: "Ended", code: 4500 })
    }),
  )
})

describe("a connection of a pool that is lost", () => {
  it.effect("is replaced, and what has a key is repeated on the other one: it is there once", () =>
    Effect.gen(function* () {
      const { dial, wires } = yield* network()
      const pool = yield* ClientPool.make({ dial })
      const publishing = yield* fork(pool.publish("a", 1, { key: "k" }))
      yield* loseAnswer(wires[0]!)
      yield* pass("1 seconds")
      assert.deepInclude(yield* Fiber.join(publishing), { offset: 1, duplicate: true })
      assert.strictEqual((yield* pool.history("a")).publications.length, 1)
      assert.deepStrictEqual([wires.length, yield* counts(pool)], [2, { idle: 1, used: 0, pending: 0 }])
    }),
  )

  it.effect("leaves what has no key with an unknown outcome, and a reading is repeated", () =>
    Effect.gen(function* () {
      const { dial, wires } = yield* network()
      const pool = yield* ClientPool.make({ dial })
      const publishing = yield* fork(reasonOf(pool.publish("a", 1)))
      const reading = yield* fork(pool.history("a"))
      yield* loseAnswer(wires[0]!)
      yield* pass("1 seconds")
      assert.deepInclude(yield* Fiber.join(publishing), { _tag: "OutcomeUnknown", cause: "lost" })
      assert.strictEqual((yield* Fiber.join(reading)).publications.length, 1)
    }),
  )

  it.effect("is nobody's business while nothing is sent on it: the next call has another", () =>
    Effect.gen(function* () {
      const { dial, reset } = yield* network()
      const pool = yield* ClientPool.make({ dial })
      yield* reset
      const publishing = yield* fork(pool.publish("a", 1))
      yield* pass("1 seconds")
      assert.deepInclude(yield* Fiber.join(publishing), { offset: 1 })
    }),
  )

  it.effect("is given nothing more once the gateway has said its bye: what was not sent goes on with another", () =>
    Effect.gen(function* () {
      const puppet = yield* Puppet.make
      const making = yield* fork(ClientPool.make({ dial: puppet.dial }))
      const leaving = yield* puppet.accept()
      const pool = yield* Fiber.join(making)
      yield* puppet.silence
      leaving.say({ type: "bye", code: 4001, message: "going", retry: "backoff" })
      yield* settled
      const publishing = yield* fork(pool.publish("a", 1))
      yield* pass("1 seconds")
      const other = yield* puppet.accept()
      assert.deepInclude(yield* other.next, { type: "publish", channel: "a", data: 1 })
      other.say({ type: "published", id: 1, offset: 1, epoch: "e" })
      assert.deepStrictEqual(yield* Fiber.join(publishing), { offset: 1, epoch: "e", duplicate: false })
    }),
  )

  it.effect(
    "is made again after a wait: those that are lost together wait together, and the gateway's own comes first",
    () =>
      Effect.gen(function* () {
        const puppet = yield* Puppet.make
        const making = yield* fork(longest(ClientPool.make({ dial: puppet.dial, min: 2, max: 2 })))
        const both = Effect.all([puppet.accept(), puppet.accept()])
        const peers = yield* both
        yield* Fiber.join(making)
        yield* puppet.silence
        for (const peer of peers) peer.wire.resetUnsafe()
        yield* pass("499 millis")
        assert.strictEqual(yield* puppet.waiting, 0)
        yield* pass("1 millis")
        for (const peer of yield* both) peer.bye(4001, { retry: "backoff", waitMs: 5_000 })
        yield* pass("5999 millis")
        assert.strictEqual(yield* puppet.waiting, 0)
        yield* pass("1 millis")
        assert.strictEqual(yield* puppet.waiting, 1)
      }),
  )

  it.effect("shows by its silence: it is replaced after interval, jitter and timeout", () =>
    Effect.gen(function* () {
      const puppet = yield* Puppet.make
      const making = yield* fork(longest(ClientPool.make({ dial: puppet.dial })))
      yield* puppet.accept()
      const pool = yield* Fiber.join(making)
      yield* pass("37 seconds")
      assert.deepStrictEqual(yield* counts(pool), { idle: 1, used: 0, pending: 0 })
      yield* pass("8 seconds")
      assert.strictEqual(yield* puppet.waiting, 1)
      yield* puppet.silence
    }),
  )
})

describe("a call whose time is up", () => {
  it.effect("has done nothing if there was no connection, and an unknown outcome if it was sent", () =>
    Effect.gen(function* () {
      const { dial, setDown, wires } = yield* network()
      const pool = yield* ClientPool.make({ dial })
      setDown(true)
      const sent = yield* fork(reasonOf(pool.publish("a", 1, { key: "k", timeout: "5 seconds" })))
      yield* loseAnswer(wires[0]!)
      const unsent = yield* fork(reasonOf(pool.publish("a", 2, { key: "l", timeout: "5 seconds" })))
      yield* pass("6 seconds")
      assert.deepInclude(yield* Fiber.join(sent), { _tag: "OutcomeUnknown", cause: "deadline" })
      assert.deepStrictEqual(yield* Fiber.join(unsent), new ClientError.Busy({ cause: "deadline" }))
    }),
  )
})
