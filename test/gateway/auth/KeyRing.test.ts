import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import * as KeyRing from "../../../src/gateway/auth/KeyRing.ts"
import * as VerificationKeys from "../../../src/gateway/auth/VerificationKeys.ts"
import { record } from "../../support/logs.ts"
import { ec, jwkOf, jwks } from "../../support/tokens.ts"

const pair = ec("P-256")
const setOf = (...kids: ReadonlyArray<string>) => jwks(...kids.map((kid) => jwkOf(pair, { kid })))

interface Scripted extends KeyRing.Source {
  answer: Result.Result<string, { readonly message: string }>
  readings: number
}

/** A source whose answer tests change; every reading is counted and takes ten milliseconds. */
const makeSource = (text: string): Scripted => {
  const source: Scripted = {
    answer: Result.succeed(text),
    readings: 0,
    name: "keys.json",
    load: Effect.suspend(() => {
      source.readings++
      return Effect.delay(Effect.fromResult(source.answer), 10)
    }),
    parse: (text) => VerificationKeys.ofJwks(text, { allowed: undefined, secrets: false }),
    every: "1 minute",
    cooldown: "5 seconds",
  }
  return source
}

const down = Result.fail({ message: "it is down" })

/** The kids found for a kid, or why there are none. Time passes as far as is waited for. */
const look = Effect.fnUntraced(function* (ring: KeyRing.KeyRing, kid: string | undefined) {
  const fiber = yield* Effect.forkChild(Effect.result(ring.find({ alg: "ES256", kid })))
  yield* TestClock.adjust(20)
  const found = yield* Fiber.join(fiber)
  return Result.isSuccess(found) ? found.success.map(({ kid }) => kid) : found.failure.reason
})

describe("a ring of keys that change", () => {
  it.effect("reads at once, and whoever comes first waits for it", () =>
    Effect.gen(function* () {
      const source = makeSource(setOf("a"))
      const ring = yield* KeyRing.refreshed(source)
      assert.deepStrictEqual(yield* look(ring, "a"), ["a"])
      assert.deepStrictEqual([source.readings, ring.generation()], [1, 1])
    }),
  )

  it.effect("reads in turn: new keys come, old ones go, and what is the same is no change", () =>
    Effect.gen(function* () {
      const source = makeSource(setOf("a"))
      const ring = yield* KeyRing.refreshed(source)
      yield* TestClock.adjust("1 minute")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([source.readings, ring.generation()], [2, 1])
      source.answer = Result.succeed(setOf("b"))
      yield* TestClock.adjust("61 seconds")
      assert.deepStrictEqual([source.readings, ring.generation()], [3, 2])
      assert.deepStrictEqual(yield* look(ring, "b"), ["b"])
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* look(ring, "a"), "UnknownKey")
    }),
  )

  it.effect("a set without a key takes all away: whoever comes may try again, for as long as it has none", () =>
    Effect.gen(function* () {
      const { layer, lines } = record()
      const source = makeSource(setOf("a"))
      const ring = yield* Effect.provide(KeyRing.refreshed(source), layer)
      yield* TestClock.adjust("1 second")
      source.answer = Result.succeed(setOf())
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([yield* look(ring, "a"), ring.generation()], ["Unavailable", 2])
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* look(ring, "a"), "Unavailable")
      assert.deepStrictEqual(
        lines.map(({ level, message }) => [level, message]),
        [
          ["INFO", 'the keys of tokens in keys.json have changed: went "a"'],
          ["WARN", "keys.json has no key that can be used, no token is accepted"],
        ],
      )
      source.answer = Result.succeed(setOf("a"))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* look(ring, "a"), ["a"])
    }),
  )

  it.effect("a change is logged with the ids of the keys that came and went, and the beginning is none", () => {
    const { layer, lines } = record()
    return Effect.gen(function* () {
      const source = makeSource(setOf("a", "b"))
      yield* KeyRing.refreshed(source)
      const exchanged = jwks(jwkOf(ec("P-256"), { kid: "b" }), jwkOf(pair, { kid: "c" }))
      const nameless = jwks(jwkOf(pair, {}))
      for (const set of [setOf("a", "b"), setOf("b", "a"), setOf("b"), setOf("b", "c"), exchanged, nameless]) {
        source.answer = Result.succeed(set)
        yield* TestClock.adjust("2 minutes")
      }
      assert.deepStrictEqual(
        lines.map(({ level, message }) => [level, message]),
        [
          ["INFO", 'the keys of tokens in keys.json have changed: went "a"'],
          ["INFO", 'the keys of tokens in keys.json have changed: came "c"'],
          ["INFO", 'the keys of tokens in keys.json have changed: came "b"; went "b"'],
          ["INFO", 'the keys of tokens in keys.json have changed: came one without kid; went "b", "c"'],
        ],
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("a kid that nobody knows is looked for once in a cooldown, and found if it is there", () =>
    Effect.gen(function* () {
      const source = makeSource(setOf("a"))
      const ring = yield* KeyRing.refreshed(source)
      yield* TestClock.adjust("1 second")
      source.answer = Result.succeed(setOf("a", "b"))
      // Too early to say that there is none: it may have been published since.
      assert.strictEqual(yield* look(ring, "b"), "Unavailable")
      assert.strictEqual(source.readings, 1)
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(yield* look(ring, "b"), ["b"])
      assert.strictEqual(source.readings, 2)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* look(ring, "c"), "UnknownKey")
      assert.strictEqual(yield* look(ring, "c"), "Unavailable")
      assert.strictEqual(source.readings, 3)
    }),
  )

  it.effect("a thousand strangers at once share one reading", () =>
    Effect.gen(function* () {
      const source = makeSource(setOf("a"))
      const ring = yield* KeyRing.refreshed(source)
      yield* TestClock.adjust("6 seconds")
      source.answer = Result.succeed(setOf("b"))
      const header = { alg: "ES256", kid: "b" }
      const all = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 1000 }, () => ring.find(header)),
          { concurrency: "unbounded" },
        ),
      )
      yield* TestClock.adjust(20)
      assert.strictEqual((yield* Fiber.join(all)).length, 1000)
      assert.strictEqual(source.readings, 2)
    }),
  )

  it.effect("one who gives up does not take the reading from the others", () =>
    Effect.gen(function* () {
      const source = makeSource(setOf("a"))
      const ring = yield* KeyRing.refreshed(source)
      yield* TestClock.adjust("6 seconds")
      source.answer = Result.succeed(setOf("b"))
      const header = { alg: "ES256", kid: "b" }
      const first = yield* Effect.forkChild(ring.find(header), { startImmediately: true })
      const second = yield* Effect.forkChild(ring.find(header), { startImmediately: true })
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust(20)
      assert.strictEqual((yield* Fiber.join(second)).length, 1)
      assert.strictEqual(source.readings, 2)
    }),
  )

  it.effect("known keys go on working while new ones cannot be had", () =>
    Effect.gen(function* () {
      const source = makeSource(setOf("a"))
      const ring = yield* KeyRing.refreshed(source)
      yield* TestClock.adjust("1 second")
      for (const answer of [down, Result.succeed("nonsense"), Result.succeed(`{"keys":{}}`)]) {
        source.answer = answer
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(yield* look(ring, "a"), ["a"])
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(yield* look(ring, "b"), "Unavailable")
      }
      assert.strictEqual(ring.generation(), 1)
    }),
  )

  it.effect("without any key nothing is verified, until there are some", () =>
    Effect.gen(function* () {
      const source = makeSource(setOf("a"))
      source.answer = down
      const ring = yield* KeyRing.refreshed(source)
      assert.strictEqual(yield* look(ring, "a"), "Unavailable")
      source.answer = Result.succeed(setOf("a"))
      assert.strictEqual(yield* look(ring, "a"), "Unavailable")
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* look(ring, "a"), ["a"])
    }),
  )

  it.effect("an outage at the start is logged as what it is: nobody gets in", () => {
    const logs = record()
    return Effect.gen(function* () {
      const source = makeSource(setOf("a"))
      source.answer = down
      yield* KeyRing.refreshed(source)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        logs.lines.map(({ level, message }) => [level, message]),
        [["WARN", "the keys of tokens cannot be read, no token is accepted until they are: it is down"]],
      )
    }).pipe(Effect.provide(logs.layer))
  })

  it.effect("an outage is logged when it begins and when it ends, and keys that are passed over", () => {
    const logs = record()
    return Effect.gen(function* () {
      const source = makeSource(jwks(jwkOf(pair, { kid: "a" }), { kty: "new" }))
      yield* KeyRing.refreshed(source)
      yield* TestClock.adjust("1 minute")
      source.answer = down
      yield* TestClock.adjust("5 minutes")
      source.answer = Result.succeed(setOf("a"))
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(
        logs.lines.map(({ level, message }) => [level, message]),
        [
          ["WARN", "keys.json has keys that are not used: key 1: it is malformed, or of a kind that is not known"],
          ["WARN", "the keys of tokens cannot be read, known ones go on working: it is down"],
          ["INFO", "the keys of tokens can be read again from keys.json"],
        ],
      )
    }).pipe(Effect.provide(logs.layer))
  })

  it.effect("reads no more once its scope has closed", () =>
    Effect.gen(function* () {
      const source = makeSource(setOf("a"))
      yield* Effect.scoped(Effect.andThen(KeyRing.refreshed(source), TestClock.adjust("1 second")))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(source.readings, 1)
    }),
  )
})

describe("a ring of keys that do not change", () => {
  it.effect("finds them, or says which algorithms it has", () =>
    Effect.gen(function* () {
      const { keys } = Result.getOrThrow(VerificationKeys.ofJwks(setOf("a"), { allowed: undefined, secrets: false }))
      const ring = KeyRing.fixed(keys)
      assert.deepStrictEqual(yield* look(ring, "a"), ["a"])
      assert.deepStrictEqual(yield* look(ring, undefined), ["a"])
      const error = yield* Effect.flip(ring.find({ alg: "ES256", kid: "b" }))
      const detail = `no single key is known for a token with algorithm "ES256" and kid "b"; accepted are ES256`
      assert.deepStrictEqual([error.reason, error.detail], ["UnknownKey", detail])
    }),
  )
})
