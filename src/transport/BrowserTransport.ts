/**
 * Dials WebSockets from a browser, or with any `WebSocket` of its shape. Listens for nothing and names no Node.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Limit from "../limit/Limit.ts"
import { BrowserWire, type WebSocketLike } from "./BrowserWire.ts"
import {
  type Address,
  boundsOf,
  type BoundsOptions,
  defaultHandshakeTimeout,
  DialFailed,
  Offer,
  type Subprotocols,
  TransportError,
  type Wire,
} from "./Transport.ts"

/** The longest message of a gateway, in bytes: 1 MiB. */
export const defaultMaxMessageBytes = 1024 * 1024

/** Bytes that may wait to be read before the connection is given up: 4 MiB. */
export const defaultMaxUnreadBytes = 4 * 1024 * 1024

/** What makes a `WebSocket`. */
export type WebSocketConstructor = new (url: string, subprotocols: Array<string>) => WebSocketLike

/** Whom to dial. */
export interface DialOptions extends BoundsOptions {
  /** `wss://gateway.example/connect`, or `ws:` on the machine of the page. */
  readonly url: string
  /** For connecting and the handshake together: 10 seconds by default. */
  readonly timeout?: Duration.Input | undefined
  /** As in `WebSocketTransport`. Default: `frames`. */
  readonly messages?: "frames" | "bytes" | undefined
  readonly maxMessageBytes?: number | undefined
  /** Bytes that may wait to be read. A WebSocket cannot be made to wait: beyond, the connection is given up. */
  readonly maxUnreadBytes?: number | undefined
  /** What to ask for. Default: what the client speaks. */
  readonly subprotocols?: Subprotocols | undefined
  /** Default: the one of the page. */
  readonly WebSocket?: WebSocketConstructor | undefined
}

/**
 * Connects: the wire is open. Fails with `DialFailed` and `WS_ERR_NOT_OPENED` where nobody listens and where the page's
 * origin may not connect, for a browser tells no page which; with `HandshakeFailed` after the deadline.
 *
 * ```ts
 * const client = yield* Client.make({ dial: BrowserTransport.dial({ url: "wss://gateway.example/connect" }) })
 * ```
 */
export const dial = (options: DialOptions): Effect.Effect<Wire, TransportError, Scope.Scope> =>
  Effect.gen(function* () {
    const { url } = options
    const { timeout } = Limit.durationsUnsafe({ timeout: options.timeout ?? defaultHandshakeTimeout })
    const bounds = {
      ...boundsOf(options),
      ...Limit.checkedUnsafe({
        maxMessageBytes: options.maxMessageBytes ?? defaultMaxMessageBytes,
        maxUnreadBytes: options.maxUnreadBytes ?? defaultMaxUnreadBytes,
      }),
    }
    const offer = options.subprotocols ?? (yield* Offer)
    const dialling = Effect.try({
      try: () => {
        return new BrowserWire(connect(url, Object.keys(offer), options.WebSocket), {
          ...bounds,
          url,
          peer: addressOf(url),
          offer,
          messages: options.messages ?? "frames",
        })
      },
      // A URL that is none, or one that the page's policy forbids.
      catch: (cause) =>
        new TransportError({ reason: new DialFailed({ address: url, code: "WS_ERR_NOT_DIALLED", cause }) }),
    })
    const wire = yield* Effect.acquireRelease(dialling, (wire) => Effect.sync(() => wire.abortUnsafe()))
    yield* Effect.timeoutOrElse(wire.opened, {
      duration: timeout,
      orElse: () => {
        wire.refuseUnsafe("WS_ERR_HANDSHAKE_TIMEOUT")
        return wire.opened
      },
    })
    return wire
  })

/** The page's is looked up when it is dialled: what defines it may be loaded later. */
const connect = (url: string, subprotocols: Array<string>, given: WebSocketConstructor | undefined): WebSocketLike => {
  const WebSocket = given ?? (globalThis as { readonly WebSocket?: WebSocketConstructor }).WebSocket
  if (WebSocket === undefined) throw new Error("there is no WebSocket here: give one as an option")
  return new WebSocket(url, subprotocols)
}

const addressOf = (url: string): Address => {
  const { hostname, port, protocol } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, "")
  return { _tag: "Tcp", host, port: port === "" ? (protocol === "wss:" ? 443 : 80) : Number(port) }
}
