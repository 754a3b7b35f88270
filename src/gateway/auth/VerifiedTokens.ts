/**
 * Remembers what tokens were verified as, so that a storm of reconnects does not verify each of them again: a signature
 * costs 70 to 140 µs (1 400 µs for ES512), a look in here 8. Keeps no token, only its hash, and none that has expired
 * once another is verified; forgets the oldest first.
 */
import { createHash } from "node:crypto"
import * as DeadlineQueue from "../../connection/DeadlineQueue.ts"
import type { Identity } from "./Identity.ts"

/** Tokens remembered. */
export const maxVerifiedTokens = 20_000

/**
 * Patterns of all tokens remembered, ten for each of so many tokens: 130 MB if all have wildcards, 0.6 KB each. 20 000
 * tokens with as many as they may have would be 1.2 GB.
 */
export const maxVerifiedPatterns = 200_000

/** A token that was verified. */
export interface Verified {
  readonly identity: Identity
  /** How many it holds: what it weighs. */
  readonly patterns: number
}

/** Identities by the tokens that they were made of. Times are milliseconds since the epoch. */
export interface VerifiedTokens {
  /** The identity of a token that was verified with the keys of this generation and has not expired. */
  readonly find: (hash: string, at: { readonly now: number; readonly generation: number }) => Identity | undefined
  /** Nothing is remembered that was verified with keys of another generation than the present one, or has expired. */
  readonly add: (hash: string, verified: Verified, at: { readonly now: number; readonly generation: number }) => void
  readonly size: () => number
}

/** What `make` takes. */
export interface Options {
  /** Default: `maxVerifiedTokens`. */
  readonly maxTokens?: number | undefined
  /** Default: `maxVerifiedPatterns`. At least as many as one token may have. */
  readonly maxPatterns?: number | undefined
}

/** What a token is remembered by. Whoever measures the time of a look learns of the hash, and nothing of a token. */
export const hashOf = (token: string): string => createHash("sha256").update(token).digest("base64")

/** In the queue exactly if it expires. */
interface Remembered extends Verified, DeadlineQueue.Entry {
  readonly hash: string
}

/** Starts empty. */
export const make = ({
  maxPatterns = maxVerifiedPatterns,
  maxTokens = maxVerifiedTokens,
}: Options = {}): VerifiedTokens => {
  const tokens = new Map<string, Remembered>()
  let expiring = DeadlineQueue.make<Remembered>()
  let patterns = 0
  let current = 0

  const moveTo = (generation: number) => {
    if (generation === current) return
    current = generation
    tokens.clear()
    expiring = DeadlineQueue.make()
    patterns = 0
  }

  const forget = (token: Remembered) => {
    tokens.delete(token.hash)
    expiring.remove(token)
    patterns -= token.patterns
  }

  const expire = (now: number) => {
    for (let first = expiring.first(); first !== undefined && first.deadline <= now; first = expiring.first()) {
      forget(first)
    }
  }

  return {
    find: (hash, { now, generation }) => {
      moveTo(generation)
      const token = tokens.get(hash)
      return token !== undefined && now < token.deadline ? token.identity : undefined
    },
    add: (hash, verified, { now, generation }) => {
      // Keys that changed while the token was being verified: the next one to come is verified anew.
      if (generation < current) return
      moveTo(generation)
      const known = tokens.get(hash)
      if (known !== undefined) forget(known)
      const { expiresAt = Infinity } = verified.identity
      const token = { ...verified, hash, deadline: expiresAt, slot: DeadlineQueue.noSlot }
      tokens.set(hash, token)
      patterns += token.patterns
      if (expiresAt < Infinity) expiring.add(token)
      expire(now)
      // Maps keep the order of insertion, so the first is the oldest.
      for (const oldest of tokens.values()) {
        if (tokens.size <= maxTokens && patterns <= maxPatterns) break
        forget(oldest)
      }
    },
    size: () => tokens.size,
  }
}
