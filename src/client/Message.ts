/**
 * The messages of both directions as a client holds them: what it reads has data as values, what it writes has data as
 * text. Names types only; `ClientJson` and `ClientProtobuf` make them of bodies and bodies of them.
 */
import type * as Client from "../gateway/protocol/ClientMessage.ts"
import type * as Server from "../gateway/protocol/ServerMessage.ts"

/** A frame without a body, either way: each one of the gateway's is answered with one (section 3). */
export interface Heartbeat {
  readonly type: "heartbeat"
}

/** A message of a type that this client does not know: a later gateway's, to be passed over. */
export interface Unknown {
  readonly type: "unknown"
}

/** `data` is what JSON holds, or a `Uint8Array` where bytes were published. */
type WithValue<M> = Omit<M, "data"> & { readonly data: unknown }

type WithPublications<M> = Omit<M, "publications"> & { readonly publications: ReadonlyArray<Publication> }

/** One publication of a channel. */
export type Publication = WithValue<Server.Publication>

/** The answer to `subscribe`. */
export type Subscribed = WithPublications<Server.Subscribed>

/** What became of a subscription that rode along in `connect`. */
export type SubscriptionAnswer =
  | WithPublications<Extract<Server.SubscriptionAnswer, { type: "subscribed" }>>
  | Server.ErrorMessage

/** The answer to `connect`. */
export type Connected = Omit<Server.Connected, "subscriptions"> & {
  readonly subscriptions?: { readonly [channel: string]: SubscriptionAnswer }
}

/** The answer to `history`. */
export type History = WithPublications<Server.History>

/** A request to this client, which serves. */
export type Request = WithValue<Server.Request>

/** The answer to `request`. */
export type Response = WithValue<Server.Response>

/** Everything that a client may be sent. */
export type Inbound =
  | Exclude<
      Server.ServerMessage,
      Server.Publication | Server.Subscribed | Server.Connected | Server.History | Server.Request | Server.Response
    >
  | Publication
  | Subscribed
  | Connected
  | History
  | Request
  | Response
  | Heartbeat
  | Unknown

/** `connect` as it is written: its subscriptions are nobody's to judge here. */
export type Connect = Omit<Client.Connect, "subscriptions"> & {
  readonly subscriptions?: ReadonlyArray<Client.Subscription>
}

/** Everything that a client sends. */
export type Outbound = Exclude<Client.ClientMessage, Client.Connect> | Connect | Heartbeat
