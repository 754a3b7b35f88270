/**
 * What happens to a client's connection, for who wants to show it or count it. Nothing that needs an answer: whatever can
 * be done about these, the client does.
 */
import * as Data from "effect/Data"
import type { Connected as Answer } from "./Message.ts"

/** The connection's life, in order: `Connecting`, `Connected`, `Disconnected`, and again; `Ended` is the last. */
export type ClientEvent = Data.TaggedEnum<{
  /** An attempt begins; the first is 1, and so is the first one after a connection. */
  Connecting: { readonly attempt: number }
  Connected: Pick<Answer, "connection" | "resumed" | "user" | "expiresAt" | "server" | "limits">
  /** The gateway announces the bye of this code, such as 4001 before it goes away. */
  Notice: { readonly code: number; readonly message: string; readonly waitMs: number | undefined }
  /** A connection, or an attempt, has ended. `code` is that of the gateway's bye, if it said one. */
  Disconnected: { readonly code: number | undefined; readonly message: string; readonly retryInMs: number }
  /** The gateway has taken a new token. */
  Refreshed: { readonly expiresAt: number | undefined }
  /** A token could not be had, or was not taken: this connection goes on until the old one expires. */
  RefreshFailed: { readonly error: unknown }
  /** A service that this client serves was refused when it was sent again; it is not served any more. */
  ServeRefused: { readonly service: string; readonly error: unknown }
  /** The client is over: it was closed, told not to come again, or lost its only connection (`reconnect: false`). */
  Ended: { readonly code: number | undefined; readonly message: string; readonly waitMs?: number }
}>

export const {
  $is: is,
  $match: match,
  Connected,
  Connecting,
  Disconnected,
  Ended,
  Notice,
  Refreshed,
  RefreshFailed,
  ServeRefused,
} = Data.taggedEnum<ClientEvent>()
