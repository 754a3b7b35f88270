/**
 * Remembers what tokens were verified as, so that a storm of reconnects does not verify each of them again: a signature
 * costs 70 to 140 µs (1 400 µs for ES512), a look in here 8. Keeps no token, only its hash; forgets the oldest first.
 */
import { createHash } from "node:crypto"
import type { Identity } from "./Identity.ts"

/** Tokens remembered. The identity is the one that the connection holds anyway. */
export const maxVerifiedTokens = 20_000

/** Identities by the tokens that they were made of. */
export interface VerifiedTokens {
  /** The identity of a token that was verified with the keys of this generation and has not expired. */
  readonly find: (hash: string, at: { readonly now: number; readonly generation: number }) => Identity | undefined
  /** Nothing is remembered that was verified with keys of another generation than the present one. */
  readonly add: (hash: string, identity: Identity, generation: number) => void
  readonly size: () => number
}

/** What a token is remembered by. Whoever measures the time of a look learns of the hash, and nothing of a token. */
export const hashOf = (token: string): string => createHash("sha256").update(token).digest("base64")

/** Starts empty. */
export const make = (max: number = maxVerifiedTokens): VerifiedTokens => {
  const identities = new Map<string, Identity>()
  let current = 0

  const moveTo = (generation: number) => {
    if (generation === current) return
    current = generation
    identities.clear()
  }

  return {
    find: (hash, { now, generation }) => {
      moveTo(generation)
      const identity = identities.get(hash)
      if (identity?.expiresAt === undefined || now < identity.expiresAt) return identity
      identities.delete(hash)
      return undefined
    },
    add: (hash, identity, generation) => {
      // Keys that changed while the token was being verified: the next one to come is verified anew.
      if (generation < current) return
      moveTo(generation)
      identities.delete(hash)
      // Maps keep the order of insertion, so the first is the oldest.
      const [oldest] = identities.keys()
      if (identities.size >= max && oldest !== undefined) identities.delete(oldest)
      identities.set(hash, identity)
    },
    size: () => identities.size,
  }
}
