/**
 * The settings of the channels and services of a namespace, with their defaults and ranges.
 * They stand in a configuration file only: under `policy` for all, under `namespaces` for one.
 */
import * as Option from "effect/Option"
import type { Action } from "../auth/Identity.ts"
import { type Allowed, open, type SlowConsumer } from "../Policy.ts"
import * as Setting from "./Setting.ts"

/** The most publications of a channel that may be kept. */
export const maxHistorySize = 10_000_000

/** The longest that they may be kept: as long as positions are, 30 days. */
export const maxHistoryAgeMs = 30 * 86_400_000

/** Publications of one connection in a second, unless it is less: `limits.commandsPerSecond` bounds them anyway. */
export const maxPublishesPerSecond = 1_000_000

/** Subscribers of one channel, unless it is less: as many as there can be connections. */
export const maxMaxSubscribers = 1_000_000

/** A data schema as it is written: JSON Schema, or the path of a file with it; `true` is none. */
export type WrittenSchema = string | true | { readonly [key: string]: unknown }

const isObject = (plain: unknown): plain is { readonly [key: string]: unknown } =>
  typeof plain === "object" && plain !== null && !Array.isArray(plain)

const isSchema = (plain: unknown): plain is WrittenSchema =>
  plain === true || (typeof plain === "string" && plain !== "") || isObject(plain)

const places = ["file"] as const

const allow = (action: Action, purpose: string): Setting.Setting<Allowed> =>
  Setting.choice<Allowed, Allowed>({
    key: `allow.${action}`,
    places,
    purpose,
    choices: { nobody: "nobody", granted: "granted", users: "users", anyone: "anyone" },
    fallback: open.allow[action],
    fallbackText: open.allow[action],
  })

/** The table. Keys are relative to `policy` or to a namespace. */
export const policy = {
  historySize: Setting.integer({
    key: "history.size",
    places,
    purpose: "publications of a channel that are kept; 0 keeps none",
    min: 0,
    max: maxHistorySize,
    fallback: open.history.size,
  }),
  historyAge: Setting.duration({
    key: "history.age",
    places,
    purpose: "how long they are kept",
    minMs: 1000,
    maxMs: maxHistoryAgeMs,
    fallbackMs: open.history.ageMs,
  }),
  recovery: Setting.toggle({
    key: "recovery",
    places,
    purpose: "whether a returning subscriber gets what it missed; needs history",
    fallback: open.recovery,
  }),
  presence: Setting.toggle({
    key: "presence",
    places,
    purpose: "whether subscribers may be listed",
    fallback: open.presence,
  }),
  presenceGrace: Setting.duration({
    key: "presenceGrace",
    places,
    purpose: "how long a member that lost its connection is still listed",
    minMs: 0,
    maxMs: 600_000,
    fallbackMs: open.presenceGraceMs,
  }),
  maxPresenceMembers: Setting.integer({
    key: "maxPresenceMembers",
    places,
    purpose: "members above which only their number is told",
    min: 0,
    max: 100_000,
    fallback: open.maxPresenceMembers,
  }),
  slowConsumer: Setting.choice<SlowConsumer, SlowConsumer>({
    key: "slowConsumer",
    places,
    purpose: "what happens to a subscriber that reads too slowly",
    choices: { close: "close", dropOldest: "dropOldest", latest: "latest" },
    fallback: open.slowConsumer,
    fallbackText: open.slowConsumer,
  }),
  maxDataBytes: Setting.size({
    key: "maxDataBytes",
    places,
    purpose: "data of one publication, request or response",
    min: 1,
    max: open.maxDataBytes,
    fallback: open.maxDataBytes,
  }),
  publishesPerSecond: Setting.integer({
    key: "publishesPerSecond",
    places,
    purpose: "publications of one connection in a second",
    min: 1,
    max: maxPublishesPerSecond,
    fallback: maxPublishesPerSecond,
  }),
  maxSubscribers: Setting.integer({
    key: "maxSubscribers",
    places,
    purpose: "subscribers of one channel",
    min: 1,
    max: maxMaxSubscribers,
    fallback: maxMaxSubscribers,
  }),
  allowSubscribe: allow("subscribe", "who may subscribe"),
  allowPublish: allow("publish", "who may publish"),
  allowHistory: allow("history", "who may read the history"),
  allowPresence: allow("presence", "who may list the subscribers"),
  allowServe: allow("serve", "who may serve"),
  allowRequest: allow("request", "who may send requests"),
  schema: {
    key: "schema",
    name: "schema",
    places,
    purpose: "what data must be: JSON Schema 2020-12, or the path of a file with it",
    placeholder: "<schema>",
    allowed: "a JSON Schema, the path of a file with one, or true for none",
    fallback: true,
    fallbackText: "true",
    plainOf: (text: string) => (text === "true" ? true : text),
    accept: (plain: unknown) => Option.liftPredicate(isSchema)(plain),
  } satisfies Setting.Setting<WrittenSchema>,
} as const

const granted = (setting: Setting.Setting<Allowed>): Setting.Setting<Allowed> => ({
  ...setting,
  fallback: "granted",
  fallbackText: "granted",
})

/** The table where authentication is configured: what nobody was granted, nobody may do, unless a file says otherwise. */
export const policyWithAuthentication = {
  ...policy,
  allowSubscribe: granted(policy.allowSubscribe),
  allowPublish: granted(policy.allowPublish),
  allowHistory: granted(policy.allowHistory),
  allowPresence: granted(policy.allowPresence),
  allowServe: granted(policy.allowServe),
  allowRequest: granted(policy.allowRequest),
}
