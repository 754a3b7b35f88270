/**
 * Every message that a client sends, as a schema and a type (docs/protocol.md, section 4).
 * Says what is well formed and nothing about order, permission or size: the session judges those.
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Fields from "./Fields.ts"

/** A message that fits no schema, or has an unknown `type`: error 107 tells the client, and the connection goes on. */
export interface Malformed {
  readonly type: "malformed"
  /** The asker's id, if one could be read. Never that of a `response` or `error`: those ids are the server's own. */
  readonly id?: number
  /** Where in the message, for example `position.offset`; empty for the whole. */
  readonly path: string
  /** One sentence for a person: what was expected and what was seen. */
  readonly message: string
}

/** A subscription inside `connect` that is malformed: an error for that channel only. */
export interface MalformedSubscription extends Malformed {
  readonly channel: string
}

/** What a client wants of a channel; rides along in `connect`, where the channel takes the place of the id. */
export const Subscription = Schema.Struct({
  channel: Fields.Name,
  position: Schema.optionalKey(Fields.Position),
  mode: Schema.optionalKey(Schema.Literals(["stream", "latest", "live"])),
  presence: Schema.optionalKey(Schema.Boolean),
})
export type Subscription = typeof Subscription.Type

/** A subscription as it rides in `connect`, of which only the channel is certain: each is judged by itself. */
export const SubscriptionEntry = Schema.StructWithRest(Schema.Struct({ channel: Schema.String }), [
  Schema.Record(Schema.String, Schema.Unknown),
])

/**
 * Subscriptions that may ride in `connect`: what fits into JSON of 16 KiB. In Protobuf an empty one takes two bytes, and to
 * say what is wrong with one takes 10 µs.
 */
export const maxEntries = 1024

/** `version` is any: one that is not supported has a bye of its own. Subscriptions are entries, still to be judged. */
export const Connect = Schema.Struct({
  type: Schema.tag("connect"),
  id: Fields.Id,
  version: Schema.Int,
  token: Schema.optionalKey(Schema.String),
  session: Schema.optionalKey(Schema.Struct({ id: Schema.String, key: Schema.String })),
  client: Schema.optionalKey(Schema.Struct({ name: Schema.String, version: Schema.String })),
  subscriptions: Schema.optionalKey(Schema.Array(SubscriptionEntry).check(Schema.isMaxLength(maxEntries))),
})

/** Always the first message; each subscription in it is one, or what is wrong with it. */
export type Connect = Omit<typeof Connect.Type, "subscriptions"> & {
  readonly subscriptions?: ReadonlyArray<Result.Result<Subscription, MalformedSubscription>>
}

/** Answered by `subscribed`. */
export const Subscribe = Schema.Struct({ type: Schema.tag("subscribe"), id: Fields.Id, ...Subscription.fields })
export type Subscribe = typeof Subscribe.Type

/** Answered by `unsubscribed`, also without a subscription. */
export const Unsubscribe = Schema.Struct({ type: Schema.tag("unsubscribe"), id: Fields.Id, channel: Fields.Name })
export type Unsubscribe = typeof Unsubscribe.Type

/** Answered by `published` if it has an id. `echo` is true if absent: the publisher hears itself. */
export const Publish = Schema.Struct({
  type: Schema.tag("publish"),
  id: Schema.optionalKey(Fields.Id),
  channel: Fields.Name,
  data: Fields.Data,
  key: Schema.optionalKey(Schema.String),
  tags: Schema.optionalKey(Fields.Tags),
  echo: Schema.optionalKey(Schema.Boolean),
})
export type Publish = typeof Publish.Type

/** Answered by `history`. */
export const History = Schema.Struct({
  type: Schema.tag("history"),
  id: Fields.Id,
  channel: Fields.Name,
  since: Schema.optionalKey(Fields.Position),
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Fields.maxHistoryLimit }))),
  reverse: Schema.optionalKey(Schema.Boolean),
})
export type History = typeof History.Type

/** Answered by `presence`. */
export const Presence = Schema.Struct({ type: Schema.tag("presence"), id: Fields.Id, channel: Fields.Name })
export type Presence = typeof Presence.Type

/** Answered by `response`, or by an error of the responder or of the gateway. */
export const Request = Schema.Struct({
  type: Schema.tag("request"),
  id: Fields.Id,
  service: Fields.Name,
  data: Fields.Data,
  timeoutMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Fields.maxTimeoutMs }))),
})
export type Request = typeof Request.Type

/** Answered by `serving`: from now on this client gets requests for the service. */
export const Serve = Schema.Struct({ type: Schema.tag("serve"), id: Fields.Id, service: Fields.Name })
export type Serve = typeof Serve.Type

/** Answered by `unserved`: no new requests; those at hand may still be answered. */
export const Unserve = Schema.Struct({ type: Schema.tag("unserve"), id: Fields.Id, service: Fields.Name })
export type Unserve = typeof Unserve.Type

/** A responder's answer; the id is that of the `request` it was sent. */
export const Response = Schema.Struct({ type: Schema.tag("response"), id: Fields.Id, data: Fields.Data })
export type Response = typeof Response.Type

/** A responder's refusal. Its code is the application's own (200 to 999) or one of the gateway's. */
export const ResponseError = Schema.Struct({
  type: Schema.tag("error"),
  id: Fields.Id,
  code: Schema.Int.check(Schema.isBetween({ minimum: 100, maximum: 999 })),
  message: Schema.String,
  retry: Schema.optionalKey(Schema.Boolean),
})
export type ResponseError = typeof ResponseError.Type

/** Gives up the request with this id, which is then answered with error 119. */
export const Cancel = Schema.Struct({ type: Schema.tag("cancel"), id: Fields.Id })
export type Cancel = typeof Cancel.Type

/** Answered by `refreshed`: a new token before the old one expires. */
export const Refresh = Schema.Struct({ type: Schema.tag("refresh"), id: Fields.Id, token: Schema.String })
export type Refresh = typeof Refresh.Type

/** The schema of each message by its `type`. A codec picks one by it, so that what is wrong has a short path. */
export const schemas = {
  connect: Connect,
  subscribe: Subscribe,
  unsubscribe: Unsubscribe,
  publish: Publish,
  history: History,
  presence: Presence,
  request: Request,
  serve: Serve,
  unserve: Unserve,
  response: Response,
  error: ResponseError,
  cancel: Cancel,
  refresh: Refresh,
}

/** Every well-formed message of a client. */
export type ClientMessage =
  | Connect
  | Subscribe
  | Unsubscribe
  | Publish
  | History
  | Presence
  | Request
  | Serve
  | Unserve
  | Response
  | ResponseError
  | Cancel
  | Refresh

/** What a codec makes of a body: a message, or what is wrong with one. */
export type ClientFrame = ClientMessage | Malformed
