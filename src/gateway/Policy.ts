/**
 * What a namespace is configured to keep, allow and refuse. Reads no configuration: `config/` makes policies.
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { Action, Identity } from "./auth/Identity.ts"
import type { Retention } from "./engine/Engine.ts"
import type { Data } from "./protocol/Data.ts"

/** Who may do something: nobody at all, whose token grants it, every user with a token, or anyone. */
export type Allowed = "nobody" | "granted" | "users" | "anyone"

/** What happens to a subscriber that reads too slowly (docs/protocol.md, section 7). */
export type SlowConsumer = "close" | "dropOldest" | "latest"

/** A data schema's complaint. */
export interface Mismatch {
  /** Where in the data: `items[3].price`, empty for the whole. */
  readonly path: string
  /** One sentence for a person. */
  readonly message: string
}

/** The complaint as one sentence. */
export const mismatchText = ({ message, path }: Mismatch): string => (path === "" ? message : `${path}: ${message}`)

/** The policy of the channels and services of one namespace. */
export interface Policy {
  readonly history: Retention
  /** Whether a position is honoured. Needs history. */
  readonly recovery: boolean
  readonly presence: boolean
  /** How long a member that lost its connection is still listed. */
  readonly presenceGraceMs: number
  /** Members above which only counts are sent. */
  readonly maxPresenceMembers: number
  readonly slowConsumer: SlowConsumer
  /** Bytes of data in one publication, request or response. */
  readonly maxDataBytes: number
  /** Publications of one connection in a second. */
  readonly publishesPerSecond: number
  /** Subscribers of one channel. */
  readonly maxSubscribers: number
  readonly allow: Readonly<Record<Action, Allowed>>
  /** Judges data against the namespace's schema; absent if it has none. */
  readonly validate?: (data: Data) => Mismatch | undefined
}

/**
 * The policies in force: a name's part before the first `:` picks one, a name without it has the default policy. Asked for
 * every publication; all names of a namespace are given the same object.
 */
export class Policies extends Context.Service<Policies, { readonly of: (name: string) => Policy }>()(
  "longline/gateway/Policies",
) {}

/** What holds where nothing is configured: everything is there for anyone, and the last ten minutes are kept. */
export const open: Policy = {
  history: { size: 1_000, ageMs: 600_000 },
  recovery: true,
  presence: true,
  presenceGraceMs: 15_000,
  maxPresenceMembers: 1_000,
  slowConsumer: "close",
  maxDataBytes: 64 * 1024,
  publishesPerSecond: Infinity,
  maxSubscribers: Infinity,
  allow: {
    subscribe: "anyone",
    publish: "anyone",
    history: "anyone",
    presence: "anyone",
    serve: "anyone",
    request: "anyone",
  },
}

/** `open` for every name: for the first run, for development and for tests. */
export const layerOpen: Layer.Layer<Policies> = Layer.succeed(Policies, { of: () => open })

/** Whether a policy lets an identity do something with a name. */
export const isAllowed = (policy: Policy, action: Action, name: string, identity: Identity): boolean => {
  switch (policy.allow[action]) {
    case "nobody":
      return false
    case "anyone":
      return true
    case "users":
      return identity.user !== undefined || identity.grants(action, name)
    case "granted":
      return identity.grants(action, name)
  }
}
