/**
 * Remembers for a while which keys were published under, so that a repeated publish is told from a new one.
 * Reads no clock and publishes nothing. Holds at most `maxKeys`: over it the oldest is forgotten before its time,
 * because whoever floods keys must neither grow the memory nor stop the others. There is no limit per channel: channels
 * are free, so it would hold nobody back.
 */
import { hash } from "node:crypto"
import * as Limit from "../../limit/Limit.ts"
import type { Data } from "../protocol/Data.ts"
import type { Tags } from "../protocol/Fields.ts"

/** How long a key is remembered, in milliseconds (docs/protocol.md, section 5). */
export const defaultWindowMs = 5 * 60_000

/** Keys remembered at a time in all channels: 1000 a second for five minutes, about 350 bytes each. */
export const defaultMaxKeys = 300_000

/** What a key belongs to. The same key of another user or in another channel is another key. */
export interface Key {
  readonly channel: string
  /** Without one, all users without a name are one user. */
  readonly user: string | undefined
  readonly key: string
}

/** What a key was first used for. */
export interface FirstUse {
  /** Of the data and tags, as `fingerprint` makes it. */
  readonly fingerprint: string
  readonly offset: number
}

/** The keys remembered. */
export interface Idempotency {
  /** The first use of a key that is still remembered. */
  readonly find: (key: Key) => FirstUse | undefined
  /** Remembers a key that `find` does not, until `now` plus the window. `now` never goes back. */
  readonly remember: (key: Key, use: FirstUse, now: number) => void
  /** Forgets what has expired. Costs one comparison if nothing has. */
  readonly expire: (now: number) => void
  /** How many keys are remembered. */
  readonly size: () => number
}

/** Starts with no key. */
export const make = (options?: {
  /** Default: `defaultWindowMs`. */
  readonly windowMs?: number | undefined
  /** Default: `defaultMaxKeys`. */
  readonly maxKeys?: number | undefined
}): Idempotency => {
  const { maxKeys, windowMs } = Limit.checkedUnsafe({
    windowMs: options?.windowMs ?? defaultWindowMs,
    maxKeys: options?.maxKeys ?? defaultMaxKeys,
  })
  // All windows are equally long, so that the order of insertion is the order of expiry.
  const uses = new Map<string, FirstUse & { readonly expiresAt: number }>()
  // One iterator is kept where it stands: a new one passes over every deleted entry that the engine has not collected,
  // 78 µs a time at 300 000 entries against 0.7 µs. It is asked only while an entry is before it, so it never finishes.
  const iterator = uses.entries()
  let oldest: readonly [string, { readonly expiresAt: number }] | undefined

  const findOldest = () => {
    if (oldest === undefined && uses.size > 0) oldest = iterator.next().value
    return oldest
  }

  const forgetOldest = () => {
    const found = findOldest()
    if (found === undefined) return
    uses.delete(found[0])
    oldest = undefined
  }

  return {
    find: (key) => uses.get(idOf(key)),
    remember: (key, { fingerprint, offset }, now) => {
      if (uses.size >= maxKeys) forgetOldest()
      // Not spread: a spread object takes 270 bytes, this one 70.
      uses.set(idOf(key), { fingerprint, offset, expiresAt: now + windowMs })
    },
    expire: (now) => {
      for (let next = findOldest(); next !== undefined && next[1].expiresAt <= now; next = findOldest()) forgetOldest()
    },
    size: () => uses.size,
  }
}

/**
 * The same for the same JSON, however its members are ordered, or for the same bytes, and different for different data: a
 * SHA-256 of the data with sorted members.
 */
export const fingerprint = (data: Data, tags: Tags | undefined): string => {
  // One element more tells bytes from a JSON string.
  const content =
    data.type === "json"
      ? [JSON.parse(data.text) as unknown, tags ?? {}]
      : [Buffer.from(data.bytes).toString("base64"), tags ?? {}, "binary"]
  return hash("sha256", JSON.stringify(content, sortMembers), "base64")
}

// Null as prototype, so that a member called `__proto__` is a member. Numeric names come first in any object.
const sortMembers = (_: string, value: unknown): unknown => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value
  const sorted: Record<string, unknown> = Object.create(null)
  for (const name of Object.keys(value).toSorted()) sorted[name] = (value as Record<string, unknown>)[name]
  return sorted
}

// As JSON, because any other separator could be part of a user or a key; no user is `null` there, which is no string.
const idOf = ({ channel, user, key }: Key): string => JSON.stringify([channel, user, key])
