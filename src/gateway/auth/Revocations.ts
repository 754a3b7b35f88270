/**
 * What was revoked: users, connections, tokens by their id, and everything that was issued before a time.
 * Closes nothing itself. Over its bound it refuses to take more, and never forgets what has not expired.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as DeadlineQueue from "../../connection/DeadlineQueue.ts"
import * as Fields from "../protocol/Fields.ts"
import type { Identity } from "./Identity.ts"

/** The channel whose publications are revocations: a gateway that starts reads its history. */
export const channel = "$sys:revocations"

/** Revocations kept at a time. */
export const defaultMaxRevocations = 100_000

const Text = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(Fields.maxNameBytes))

/**
 * One revocation, as it is published. It names a `user`, a `connection`, a `tokenId`, or nobody with `issuedBefore`;
 * `user` with `issuedBefore` concerns older tokens of that user only. Times are milliseconds since the epoch.
 *
 * From `expiresAt` on it is forgotten: the expiry of the last token that it concerns is a good one. Without it, it is kept.
 * A later one about the same takes the place of the earlier, so that one which has expired lifts it.
 */
export const Revocation = Schema.Struct({
  user: Schema.optionalKey(Text),
  connection: Schema.optionalKey(Text),
  tokenId: Schema.optionalKey(Text),
  issuedBefore: Schema.optionalKey(Fields.Count),
  expiresAt: Schema.optionalKey(Fields.Count),
}).check(
  Schema.makeFilter(({ user, connection, tokenId, issuedBefore }) => {
    const named = [user, connection, tokenId].filter((name) => name !== undefined).length
    const isAlone = issuedBefore === undefined || (connection === undefined && tokenId === undefined)
    return (named === 1 || (named === 0 && issuedBefore !== undefined)) && isAlone
      ? undefined
      : "one of user, connection, tokenId and issuedBefore, or user and issuedBefore"
  }),
)
export type Revocation = typeof Revocation.Type

/** There is no room for another revocation. What it would have ended goes on: an operator has to know. */
export class TooManyRevocations extends Data.TaggedError("TooManyRevocations")<{ readonly max: number }> {
  override get message(): string {
    return `${this.max} revocations are in force, more are not kept: give them an expiresAt, or revoke by issuedBefore`
  }
}

/** The revocations in force. */
export class Revocations extends Context.Service<
  Revocations,
  {
    /** Takes a revocation, or the place of the one before about the same. */
    readonly revoke: (revocation: Revocation) => Result.Result<void, TooManyRevocations>
    /** Whether the identity, or the connection that has it, was revoked. A few looks into maps. */
    readonly isRevoked: (identity: Identity, connection: string) => boolean
    /** How many are kept; some may have expired. */
    readonly size: () => number
  }
>()("longline/gateway/auth/Revocations") {}

/** What `make` takes. */
export interface Options {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Default: `defaultMaxRevocations`. */
  readonly max?: number | undefined
}

/** A revocation in force: it is in its map and in the queue, or in neither. */
interface Entry extends DeadlineQueue.Entry {
  readonly among: Map<string, Entry>
  readonly key: string
  /** Tokens issued before this are revoked. */
  readonly issuedBefore: number
}

/** Starts empty. */
export const make = ({ now, max = defaultMaxRevocations }: Options): Revocations["Service"] => {
  const users = new Map<string, Entry>()
  // Apart from `users`: "all that is older" must not soften "all of this user".
  const usersBefore = new Map<string, Entry>()
  const connections = new Map<string, Entry>()
  const tokens = new Map<string, Entry>()
  const everybody = new Map<string, Entry>()
  const expiries = DeadlineQueue.make<Entry>()

  const remove = (entry: Entry) => {
    expiries.remove(entry)
    entry.among.delete(entry.key)
  }

  const placeOf = ({ user, connection, tokenId, issuedBefore }: Revocation): readonly [Map<string, Entry>, string] => {
    if (user !== undefined) return [issuedBefore === undefined ? users : usersBefore, user]
    if (connection !== undefined) return [connections, connection]
    return tokenId === undefined ? [everybody, ""] : [tokens, tokenId]
  }

  const revoke = (revocation: Revocation): Result.Result<void, TooManyRevocations> => {
    const time = now()
    for (let due = expiries.first(); due !== undefined && due.deadline <= time; due = expiries.first()) remove(due)
    const [among, key] = placeOf(revocation)
    const before = among.get(key)
    if (before !== undefined) remove(before)
    const { expiresAt: deadline = Infinity, issuedBefore = Infinity } = revocation
    if (deadline <= time) return Result.void
    if (expiries.size() >= max) return Result.fail(new TooManyRevocations({ max }))
    const entry = { among, key, issuedBefore, deadline, slot: DeadlineQueue.noSlot }
    among.set(key, entry)
    expiries.add(entry)
    return Result.void
  }

  const isRevoked = (identity: Identity, connection: string): boolean => {
    if (expiries.size() === 0) return false
    const time = now()
    // Who has no token has none that was issued.
    const { issuedAt = Infinity } = identity
    const concerns = (among: Map<string, Entry>, key: string | undefined): boolean => {
      const entry = key === undefined ? undefined : among.get(key)
      if (entry === undefined || entry.deadline <= time) return false
      return entry.issuedBefore === Infinity || issuedAt < entry.issuedBefore
    }
    return (
      concerns(connections, connection) ||
      concerns(users, identity.user) ||
      concerns(usersBefore, identity.user) ||
      concerns(tokens, identity.tokenId) ||
      concerns(everybody, "")
    )
  }

  return { revoke, isRevoked, size: expiries.size }
}

/** No revocation at first. */
export const layer = (options?: { readonly max?: number | undefined }): Layer.Layer<Revocations> =>
  Layer.effect(
    Revocations,
    Effect.map(Clock.Clock, (clock) => make({ now: () => clock.currentTimeMillisUnsafe(), ...options })),
  )
