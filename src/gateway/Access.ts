/**
 * Which policy a name is under, and who everybody is while there is no authentication: the two rules that no
 * configuration changes. Names that begin with `$sys` are the gateway's own.
 */
import * as Result from "effect/Result"
import { anonymous, type Identity } from "./auth/Identity.ts"
import * as Revocations from "./auth/Revocations.ts"
import * as Journal from "./Journal.ts"
import * as RevocationFeed from "./RevocationFeed.ts"
import type { Retention } from "./engine/Engine.ts"
import type { Policies, Policy } from "./Policy.ts"

/** What the names of the gateway's own channels begin with. */
export const reservedPrefix = "$sys"

/** Only a token that names them opens these channels. What is published there is kept for a day, or until it is too much. */
const systemPolicy: Policy = {
  history: { size: 100_000, ageMs: 24 * 3_600_000 },
  recovery: true,
  presence: false,
  presenceGraceMs: 0,
  maxPresenceMembers: 0,
  slowConsumer: "close",
  maxDataBytes: 64 * 1024,
  publishesPerSecond: 1_000,
  maxSubscribers: 1_000,
  allow: {
    subscribe: "granted",
    publish: "granted",
    history: "granted",
    presence: "granted",
    serve: "nobody",
    request: "nobody",
  },
}

/**
 * Publications of revocations that are kept. Many of them for each that may be in force: those that have expired, or are
 * lifted, are among them, and one that is pushed out is forgotten by the next start.
 */
const maxKeptRevocations = 10 * Revocations.defaultMaxRevocations

/**
 * What is revoked has to be understood, or nobody would be; it stays so until it is lifted, not for a time; and whoever
 * fills the gateway with channels must not keep an operator from it.
 */
const revocationsPolicy: Policy = {
  ...systemPolicy,
  history: { size: maxKeptRevocations, ageMs: 100 * 365 * 24 * 3_600_000, isReserved: true },
  validate: (data) => {
    const revocation = RevocationFeed.parse(data)
    return Result.isFailure(revocation) ? revocation.failure : undefined
  },
}

/** What happened is told by the gateway alone. */
const journalPolicy: Policy = {
  ...systemPolicy,
  history: { ...systemPolicy.history, isReserved: true },
  allow: { ...systemPolicy.allow, publish: "nobody" },
}

/** The policy of each name: that of its namespace, or the system's. */
export const policyOf =
  (policies: Policies["Service"]) =>
  (name: string): Policy => {
    if (!name.startsWith(reservedPrefix)) return policies.of(name)
    if (name === Revocations.channel) return revocationsPolicy
    return name === Journal.channel ? journalPolicy : systemPolicy
  }

/** Everybody, while there is no authentication: whatever can be granted is granted. */
export const unrestricted: Identity = { ...anonymous, grants: () => true }

/** What an engine keeps of a channel. */
export const retentionOf =
  (policies: Policies["Service"]) =>
  (channel: string): Retention =>
    policyOf(policies)(channel).history
