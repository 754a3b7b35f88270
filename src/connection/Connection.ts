/**
 * One peer, as a handler sees it: what it sends as a Stream of messages, and ways to send to it and to end it.
 * A contract: `LiveConnection` fulfils it, `Lifetime` runs it.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Stream from "effect/Stream"
import type { Codec } from "../codec/Codec.ts"
import { type Address, type TlsIdentity, untraced } from "../transport/Transport.ts"
import type { Attribute } from "./Attribute.ts"
import * as CloseReason from "./CloseReason.ts"
import type { SharedFrame } from "./Outbox.ts"

/** A connection that has ended, or (with `BadOutbound`) a message that cannot be sent and was not. */
export class ConnectionError extends Data.TaggedError("ConnectionError")<{
  readonly reason: CloseReason.CloseReason
}> {
  override get message(): string {
    return CloseReason.format(this.reason)
  }
}

/** What reading and sending fail with once a connection has ended: for every connection once, so without a stack. */
export const endedBy = (reason: CloseReason.CloseReason): ConnectionError =>
  untraced(() => new ConnectionError({ reason }))

/**
 * One peer, as a handler sees it. What is a property may be taken off it (`messages`, `sendUnsafe`, `close`); the methods
 * are called on it.
 */
export interface Connection<out In, in Out> {
  /** Unique within the server, counted from 1. */
  readonly id: number
  readonly peer: Address
  /** What the TLS handshake told; undefined on plain transports. */
  readonly tls: TlsIdentity | undefined
  /** Milliseconds since the epoch. */
  readonly openedAt: number
  /**
   * What the peer sends, in batches as they were read. Ends when the peer has sent FIN; fails with the reason when the
   * connection ends otherwise, the messages before it delivered first. May be run again after it was interrupted or
   * left, by one fiber at a time; a Stream that is left inside a batch (`Stream.take`) has consumed the whole batch: take
   * single messages with `receive`.
   */
  readonly messages: Stream.Stream<In, ConnectionError>
  /** What `messages` is made of, for loops that have no use for a Stream: the next batch, or `Cause.Done` after FIN. */
  readonly batch: Pull.Pull<NonEmptyReadonlyArray<In>, ConnectionError>
  /**
   * The next message, and only that; `Cause.Done` after FIN (`Pull.catchDone`). A handler that fails with it has read to the end,
   * and its connection ends with `PeerClosed`.
   */
  readonly receive: Pull.Pull<In, ConnectionError>
  /**
   * Encodes the message into the outbox, which is written at the end of the event loop's turn. Waits while the peer is
   * slow; a peer that is too slow ends the connection. Fails with `BadOutbound` if codec or layout refuse the message.
   */
  readonly send: (message: Out) => Effect.Effect<void, ConnectionError>
  /** `send` for several, in order, as one step. */
  readonly sendAll: (messages: ReadonlyArray<Out>) => Effect.Effect<void, ConnectionError>
  /** `send` that never waits: over the outbox's limit the connection ends as a slow consumer. */
  readonly sendUnsafe: (message: Out) => ConnectionError | undefined
  /** Completes while the peer keeps up, waits while it is slow: for senders by `sendUnsafe` that can wait afterwards. */
  readonly room: Effect.Effect<void>
  /** Whether the peer is slow: `room` would wait. For who would rather drop something than have it wait. */
  readonly isBehind: boolean
  /** Sends a frame that was encoded for many. Never waits. */
  sendSharedUnsafe(frame: SharedFrame): void
  /** Ends the connection; the goodbye goes behind what was sent. Default reason: `Done`. */
  readonly close: (reason?: CloseReason.CloseReason) => Effect.Effect<void>
  /** `close` for callers outside of Effect. */
  readonly closeUnsafe: (reason: CloseReason.CloseReason) => void
  /** Whether nothing has ended the connection yet: what is sent to one that has ended is lost. */
  readonly isOpen: boolean
  /** Completes with the reason when the connection ends; the goodbye is then still to be said. */
  readonly closed: Effect.Effect<CloseReason.CloseReason>
  /** Complete frames from the peer so far, heartbeats included. */
  readonly framesReceived: number
  /** Those of them that were heartbeats. */
  readonly heartbeatsReceived: number
  /**
   * How bodies of and to this peer are read and written: the protocol's codec, or, where peers may choose, from its first
   * body on the one that it has chosen.
   */
  readonly codec: Codec<In, Out>
  /** The limit for the body of frames that arrive from now on. Default: the layout's. */
  limitInboundUnsafe(maxFrameBytes: number): void
  get<A>(attribute: Attribute<A>): A | undefined
  set<A>(attribute: Attribute<A>, value: A): void
}
