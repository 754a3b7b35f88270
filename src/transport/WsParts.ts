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
  readonly rsv1: false
}

interface Parts {
  readonly Receiver: new (options: ReceiverOptions) => Receiver
  readonly Sender: { readonly frame: (data: Uint8Array, options: FrameOptions) => Array<Uint8Array> }
}

/** `ws`'s own. */
export const { Receiver, Sender } = Ws as unknown as Parts
