/**
 * The keys in force, and how they change: read again in turn, and once more for a key that nobody knows.
 * Forgets no key because new ones cannot be had, and lets no stranger's token read more often than the cooldown allows.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Shown from "../../codec/Shown.ts"
import { AuthenticationError } from "./Identity.ts"
import * as VerificationKeys from "./VerificationKeys.ts"

/** The keys in force. */
export interface KeyRing {
  /** The keys that may have signed a token with this header, at least one. */
  readonly find: (
    header: VerificationKeys.Header,
  ) => Effect.Effect<ReadonlyArray<VerificationKeys.VerificationKey>, AuthenticationError>
  /** Grows whenever the keys change: what was verified before may not be any more. */
  readonly generation: () => number
}

/** A ring that never changes. */
export const fixed = (keys: ReadonlyArray<VerificationKeys.VerificationKey>): KeyRing => ({
  find: (header) => {
    const found = VerificationKeys.select(keys, header)
    return found.length > 0 ? Effect.succeed(found) : Effect.fail(unknownKey(header, keys))
  },
  generation: () => 0,
})

/** Where keys come from, again and again. */
export interface Source {
  /** What a log line calls it. */
  readonly name: string
  /** The text of the key set; fails with one sentence. */
  readonly load: Effect.Effect<string, { readonly message: string }>
  /** The keys in that text, or what it must be instead. */
  readonly parse: (text: string) => Result.Result<VerificationKeys.KeySet, string>
  /** From one reading to the next. */
  readonly every: Duration.Input
  /** The least time between two readings, whoever asks. */
  readonly cooldown: Duration.Input
}

/** A ring that reads its source at once and then in turn, within the scope. It may have no keys at first. */
export const refreshed = (source: Source): Effect.Effect<KeyRing, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const scope = yield* Effect.scope
    const cooldownNanos = Duration.toNanosUnsafe(source.cooldown)
    let text: string | undefined
    let keys: ReadonlyArray<VerificationKeys.VerificationKey> = []
    let generation = 0
    let failed: string | undefined
    let readAt: bigint | undefined
    let reading: Fiber.Fiber<void> | undefined

    const take = (loaded: string): Effect.Effect<void> => {
      if (loaded === text) return recovered
      const parsed = source.parse(loaded)
      if (Result.isFailure(parsed)) return failing(`${source.name} must be ${parsed.failure}`)
      const changes = text === undefined ? undefined : changesOf(keys, parsed.success.keys)
      text = loaded
      keys = parsed.success.keys
      generation++
      const { skipped } = parsed.success
      // The last key may have been taken out because it leaked, so that none stays in its place.
      const none = keys.length === 0 ? ["no key that can be used, no token is accepted"] : []
      const unused = skipped.length === 0 ? [] : [`keys that are not used: ${skipped.join("; ")}`]
      return recovered.pipe(
        Effect.andThen(
          changes === undefined
            ? Effect.void
            : Effect.logInfo(`the keys of tokens in ${source.name} have changed: ${changes}`),
        ),
        Effect.andThen(
          Effect.forEach([...none, ...unused], (what) => Effect.logWarning(`${source.name} has ${what}`), {
            discard: true,
          }),
        ),
      )
    }

    const recovered = Effect.suspend(() => {
      if (failed === undefined) return Effect.void
      failed = undefined
      return Effect.logInfo(`the keys of tokens can be read again from ${source.name}`)
    })

    // Said once, not at every reading that fails.
    const failing = (detail: string) =>
      Effect.suspend(() => {
        const isNews = failed === undefined
        failed = detail
        const meanwhile = keys.length === 0 ? "no token is accepted until they are" : "known ones go on working"
        return isNews ? Effect.logWarning(`the keys of tokens cannot be read, ${meanwhile}: ${detail}`) : Effect.void
      })

    const read = Effect.matchEffect(source.load, { onFailure: (error) => failing(error.message), onSuccess: take })

    // The ring's own fiber reads, and whoever waits may leave: a client that hangs up costs the others nothing.
    const refresh = Effect.suspend(() => {
      if (reading !== undefined) return Fiber.join(reading)
      readAt = clock.monotonicTimeNanosUnsafe()
      return Effect.flatMap(
        Effect.forkIn(
          Effect.ensuring(
            read,
            Effect.sync(() => (reading = undefined)),
          ),
          scope,
        ),
        (fiber) => {
          reading = fiber
          return Fiber.join(fiber)
        },
      )
    })

    const isCooling = () => readAt !== undefined && clock.monotonicTimeNanosUnsafe() - readAt < cooldownNanos

    const find = Effect.fnUntraced(function* (header: VerificationKeys.Header) {
      const known = VerificationKeys.select(keys, header)
      if (known.length > 0) return known
      // What a reading has said a moment ago is no proof of what the issuer has published since.
      const isFresh = !isCooling()
      if (isFresh || reading !== undefined) yield* refresh
      const found = VerificationKeys.select(keys, header)
      if (found.length > 0) return found
      // An issuer without any key is expected to have one again: nobody is sent away for good.
      if (isFresh && failed === undefined && keys.length > 0) return yield* unknownKey(header, keys)
      return yield* new AuthenticationError({
        reason: "Unavailable",
        detail: `the key of the token is not known at the moment, try again`,
      })
    })

    yield* Effect.forkScoped(Effect.repeat(refresh, Schedule.spaced(source.every)))
    return { find, generation: () => generation }
  })

/** Which keys came and which went, by their ids; one that was exchanged under its id has done both. */
const changesOf = (
  before: ReadonlyArray<VerificationKeys.VerificationKey>,
  after: ReadonlyArray<VerificationKeys.VerificationKey>,
): string | undefined => {
  const idsOfNew = (keys: typeof after, others: typeof after) =>
    keys
      .filter(({ kid, material }) => !others.some((other) => other.kid === kid && other.material.equals(material)))
      .map(({ kid }) => (kid === undefined ? "one without kid" : Shown.value(kid)))
      .join(", ")
  const [came, went] = [idsOfNew(after, before), idsOfNew(before, after)]
  const parts = [...(came === "" ? [] : [`came ${came}`]), ...(went === "" ? [] : [`went ${went}`])]
  return parts.length === 0 ? undefined : parts.join("; ")
}

const unknownKey = (
  { alg, kid }: VerificationKeys.Header,
  keys: ReadonlyArray<VerificationKeys.VerificationKey>,
): AuthenticationError => {
  const accepted = [...new Set(keys.flatMap(({ algorithms }) => algorithms))].join(", ")
  const named = kid === undefined ? "no kid" : `kid ${Shown.value(kid)}`
  return new AuthenticationError({
    reason: "UnknownKey",
    detail: `no single key is known for a token with algorithm ${Shown.value(alg)} and ${named}; accepted are ${accepted}`,
  })
}
