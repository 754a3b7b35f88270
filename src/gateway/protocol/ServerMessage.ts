/**
 * Every message that the gateway sends, as a schema and a type (docs/protocol.md, section 4).
 * The gateway trusts the types when it encodes; the schemas are for clients and for tests.
 */
import * as Schema from "effect/Schema"
import * as Fields from "./Fields.ts"

const optional = Schema.optionalKey

/** What an `error` says beside its type and id; the same facts as `ErrorCode.ErrorFacts`. */
const errorFields = {
  code: Schema.Int,
  message: Schema.String,
  retry: Schema.Boolean,
  waitMs: optional(Fields.Count),
}

/** Why a message was refused. Without an id it concerns a message that had none. */
export const ErrorMessage = Schema.Struct({ type: Schema.tag("error"), id: optional(Fields.Id), ...errorFields })
export type ErrorMessage = typeof ErrorMessage.Type

/** One publication of a channel. Encoded once for all its subscribers. */
export const Publication = Schema.Struct({
  type: Schema.tag("publication"),
  channel: Fields.Name,
  offset: Fields.Count,
  previous: Fields.Count,
  epoch: Schema.String,
  data: Fields.Data,
  from: optional(Fields.Sender),
  tags: optional(Fields.Tags),
  time: Fields.Count,
})
export type Publication = typeof Publication.Type

const subscribedFields = {
  channel: Fields.Name,
  position: Fields.Position,
  recovered: Schema.Literals(["yes", "none", "no"]),
  publications: Schema.Array(Publication),
  more: optional(Schema.Boolean),
}

/** The answer to `subscribe`: live continues after `position`. */
export const Subscribed = Schema.Struct({ type: Schema.tag("subscribed"), id: Fields.Id, ...subscribedFields })
export type Subscribed = typeof Subscribed.Type

/** The answer to one subscription inside `connect`. */
export const SubscriptionAnswer = Schema.Union([
  Schema.Struct({ type: Schema.tag("subscribed"), ...subscribedFields }),
  Schema.Struct({ type: Schema.tag("error"), ...errorFields }),
])
export type SubscriptionAnswer = typeof SubscriptionAnswer.Type

/** The answer to `connect`, with the answers to the subscriptions that rode along, by channel. */
export const Connected = Schema.Struct({
  type: Schema.tag("connected"),
  id: Fields.Id,
  connection: Schema.String,
  session: Schema.Struct({ id: Schema.String, key: Schema.String, ttlMs: Fields.Count }),
  resumed: Schema.Boolean,
  user: optional(Schema.String),
  expiresAt: optional(Fields.Count),
  heartbeat: Schema.Struct({ intervalMs: Fields.Count, timeoutMs: Fields.Count }),
  limits: Schema.Struct({
    frameBytes: Fields.Count,
    subscriptions: Fields.Count,
    commandsPerSecond: Fields.Count,
    outboxBytes: Fields.Count,
  }),
  server: Schema.Struct({ name: Schema.String, version: Schema.String, node: Schema.String }),
  time: Fields.Count,
  subscriptions: optional(Schema.Record(Schema.String, SubscriptionAnswer)),
})
export type Connected = typeof Connected.Type

/** The answer to `unsubscribe`; without an id it is the server's own decision, with its reason. */
export const Unsubscribed = Schema.Struct({
  type: Schema.tag("unsubscribed"),
  id: optional(Fields.Id),
  channel: Fields.Name,
  code: optional(Schema.Int),
  message: optional(Schema.String),
})
export type Unsubscribed = typeof Unsubscribed.Type

/** The answer to `publish`: accepted by the engine. */
export const Published = Schema.Struct({
  type: Schema.tag("published"),
  id: Fields.Id,
  offset: Fields.Count,
  epoch: Schema.String,
  duplicate: optional(Schema.Literal(true)),
})
export type Published = typeof Published.Type

/** The answer to `history`. */
export const History = Schema.Struct({
  type: Schema.tag("history"),
  id: Fields.Id,
  channel: Fields.Name,
  publications: Schema.Array(Publication),
  position: Fields.Position,
  more: optional(Schema.Boolean),
})
export type History = typeof History.Type

/** The answer to `presence`. Above the limit of the namespace only the count is told. */
export const Presence = Schema.Struct({
  type: Schema.tag("presence"),
  id: Fields.Id,
  channel: Fields.Name,
  members: Schema.Array(Fields.Member),
  count: Fields.Count,
})
export type Presence = typeof Presence.Type

/** Who came and went, batched; never about oneself. */
export const PresenceChanged = Schema.Struct({
  type: Schema.tag("presenceChanged"),
  channel: Fields.Name,
  joined: Schema.Array(Fields.Member),
  left: Schema.Array(Fields.Member),
  count: Fields.Count,
})
export type PresenceChanged = typeof PresenceChanged.Type

/** The answer to `serve`. */
export const Serving = Schema.Struct({ type: Schema.tag("serving"), id: Fields.Id, service: Fields.Name })
export type Serving = typeof Serving.Type

/** The answer to `unserve`. */
export const Unserved = Schema.Struct({ type: Schema.tag("unserved"), id: Fields.Id, service: Fields.Name })
export type Unserved = typeof Unserved.Type

/** The answer to `refresh`. */
export const Refreshed = Schema.Struct({
  type: Schema.tag("refreshed"),
  id: Fields.Id,
  expiresAt: optional(Fields.Count),
})
export type Refreshed = typeof Refreshed.Type

/** The answer to `request`, from a responder. */
export const Response = Schema.Struct({ type: Schema.tag("response"), id: Fields.Id, data: Fields.Data })
export type Response = typeof Response.Type

/** A request to a client that serves; the id is the gateway's own. */
export const Request = Schema.Struct({
  type: Schema.tag("request"),
  id: Fields.Id,
  service: Fields.Name,
  data: Fields.Data,
  from: Fields.Sender,
  timeoutMs: Fields.Count,
})
export type Request = typeof Request.Type

/** Nobody waits any more for the answer to this `request`. */
export const Cancel = Schema.Struct({ type: Schema.tag("cancel"), id: Fields.Id })
export type Cancel = typeof Cancel.Type

/** Publications `from` to `to` of a channel were dropped because the client read too slowly. */
export const Gap = Schema.Struct({
  type: Schema.tag("gap"),
  channel: Fields.Name,
  from: Fields.Count,
  to: Fields.Count,
  count: Fields.Count,
})
export type Gap = typeof Gap.Type

/** A `bye` with this code will follow. */
export const Notice = Schema.Struct({
  type: Schema.tag("notice"),
  code: Schema.Int,
  message: Schema.String,
  waitMs: optional(Fields.Count),
})
export type Notice = typeof Notice.Type

/** The last message: the server closes after it. */
export const Bye = Schema.Struct({
  type: Schema.tag("bye"),
  code: Schema.Int,
  message: Schema.String,
  retry: Schema.Literals(["now", "backoff", "elsewhere", "reauth", "never"]),
  waitMs: optional(Fields.Count),
})
export type Bye = typeof Bye.Type

/** Any message of the gateway. */
export const ServerMessage = Schema.Union([
  Connected,
  Subscribed,
  Unsubscribed,
  Published,
  History,
  Presence,
  PresenceChanged,
  Serving,
  Unserved,
  Refreshed,
  Response,
  ErrorMessage,
  Publication,
  Request,
  Cancel,
  Gap,
  Notice,
  Bye,
])
export type ServerMessage = typeof ServerMessage.Type
