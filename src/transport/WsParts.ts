/**
 * The two halves of `ws` that do the work: what reads frames, and what writes them. Typed here, since its types leave
 * them out. Adds nothing to them.
 *
 * They are used below `ws`'s own `WebSocket` so that one wire owns the socket: its backpressure, its unsent bytes, its
 * reset, and what is said to a peer that broke the rules (docs/adr/0008-websocket.md).
 */
import type { Writable } from "node:stream"
import * as Ws from "ws"

/** The limits and the side of a receiver. */
export interface ReceiverOptions {
  /** Whether the peer is a client, whose frames are masked. */
  readonly isServer: boolean
  /** The longest message, whole. */
  readonly maxPayload: number
  /** Fragments of one message. */
  readonly maxFragments: number
  /** Reads that one frame may come in. */
  readonly maxBufferedChunks: number
  /** What inflates compressed messages; without it they break the rules. */
  readonly extensions: { readonly [extension: string]: Inflater }
}

/** An error of `ws`, or of whoever stands in for a part of it. */
export interface WsError extends Error {
  readonly code: string
}

/** What a receiver gives compressed pieces to. It is called back later, and not within the call. */
export interface Inflater {
  decompress(piece: Uint8Array, isLast: boolean, done: (error: WsError | null, body: Uint8Array) => void): void
}

/** Parameters of an extension as a header has them. */
export interface Params {
  readonly [name: string]: unknown
  readonly server_max_window_bits?: number
}

/** What a receiver tells, within `write`; an `error`, once, soon after it, with a `code` that begins with `WS_ERR_`. */
export interface ReceiverEvents {
  readonly message: (data: Buffer, isBinary: boolean) => void
  readonly ping: (data: Buffer) => void
  readonly pong: (data: Buffer) => void
  /** The peer's close frame: 1005 stands for none. */
  readonly conclude: (code: number, reason: Buffer) => void
  readonly error: (error: Error) => void
}

/** Reads frames: bytes are written to it as they come. */
export interface Receiver extends Omit<Writable, "on"> {
  on<K extends keyof ReceiverEvents>(event: K, listener: ReceiverEvents[K]): this
}

/** How to frame a message. */
export interface FrameOptions {
  readonly fin: true
  readonly opcode: number
  /** Whether this side is the client. */
  readonly mask: boolean
  /** Whether the data belongs to somebody else: it is then copied to be masked. */
  readonly readOnly: true
  /** Whether the data is compressed. */
  readonly rsv1: boolean
}

interface Parts {
  readonly Receiver: new (options: ReceiverOptions) => Receiver
  readonly PerMessageDeflate: new (options: {
    readonly isServer: true
    readonly serverNoContextTakeover: true
    readonly clientNoContextTakeover: true
  }) => { readonly accept: (offers: ReadonlyArray<Params>) => Params }
  readonly extension: {
    readonly parse: (header: string) => { readonly [name: string]: ReadonlyArray<Params> | undefined }
    readonly format: (extensions: { readonly [name: string]: ReadonlyArray<Params> }) => string
  }
  readonly Sender: { readonly frame: (data: Uint8Array, options: FrameOptions) => Array<Uint8Array> }
}

/** `ws`'s own. */
export const { extension, PerMessageDeflate, Receiver, Sender } = Ws as unknown as Parts
