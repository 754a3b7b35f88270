/**
 * The closed vocabulary of goodbyes: every way a connection can end, with the facts of it.
 * Says what happened and not what to tell the peer: a protocol's `goodbye` translates.
 */
import * as Data from "effect/Data"
import type { CodecError } from "../codec/Codec.ts"
import type { FrameError } from "../frame/FrameError.ts"
import type { Stranger } from "../frame/WrongProtocol.ts"
import type { TransportError } from "../transport/Transport.ts"

/** Why a connection ended. The constructors below make one each; `match` and `is` take them apart. */
export type CloseReason = Data.TaggedEnum<{
  /** The handler ended by itself, or closed without giving another reason. */
  Done: {}
  /** The peer sent FIN, and what it had asked was handled, or for too long nothing was sent to it any more (`halfClosed`). */
  PeerClosed: {}
  /** The wire was reset, timed out, its handshake failed (then no goodbye can be sent), or the peer broke its rules. */
  WireLost: { readonly error: TransportError }
  /** The peer closed inside a frame. */
  Truncated: { readonly error: FrameError }
  /** A header that no frame of this protocol has: too large, negative, beyond safe integers. */
  BadFrame: { readonly error: FrameError }
  /** The first header was bad, and looks like another protocol. */
  WrongProtocol: { readonly stranger: Stranger; readonly error: FrameError }
  /** A body that the codec refused. */
  BadMessage: { readonly error: CodecError }
  /** This side tried to send what its own codec or layout refuses. */
  BadOutbound: { readonly error: CodecError | FrameError }
  /** No complete frame within the first-frame deadline. */
  FirstFrameLate: { readonly limitMs: number }
  /** Nothing but heartbeats within the first-message deadline. */
  FirstMessageLate: { readonly limitMs: number }
  /** A frame began and was not complete within its deadline. */
  FrameTooSlow: { readonly limitMs: number; readonly declaredBytes: number; readonly receivedBytes: number }
  /** Nothing received within the timeout after a probe. */
  HeartbeatTimeout: { readonly intervalMs: number; readonly timeoutMs: number }
  /** The outbox passed its limit in bytes (`observed` bytes) or in age (`observed` ms). */
  SlowConsumer: { readonly limit: "bytes" | "age"; readonly allowed: number; readonly observed: number }
  /** One write made no progress within its deadline. */
  WriteStalled: { readonly limitMs: number; readonly unsentBytes: number }
  /** More of something in a second than its limit allows; `commands` are the application's own count. */
  RateLimited: { readonly unit: "frames" | "bytes" | "heartbeats" | "commands"; readonly perSecond: number }
  /**
   * All connections together hold more than they may (`observed` bytes), and this one held so much of it that it had to
   * go.
   */
  Overloaded: { readonly allowed: number; readonly observed: number; readonly held: number }
  /**
   * No seat: the server is full, its address has too many, or accepts come too fast; or the process uses more of its
   * memory, or of its heap, than lets newcomers in (bytes).
   */
  Refused: {
    readonly limit: "connections" | "connectionsPerAddress" | "acceptsPerSecond" | "memory" | "heap"
    readonly allowed: number
    readonly observed: number
  }
  /** The server is going away. */
  Draining: {}
  /** The handler failed; only its own connection is touched. */
  HandlerFailed: { readonly cause: unknown }
  /** The application's own reason, with a code of its own protocol. */
  Application: { readonly code: number; readonly message: string }
}>

export const {
  $is: is,
  $match: match,
  Application,
  BadFrame,
  BadMessage,
  BadOutbound,
  Done,
  Draining,
  FirstFrameLate,
  FirstMessageLate,
  FrameTooSlow,
  HandlerFailed,
  HeartbeatTimeout,
  Overloaded,
  PeerClosed,
  RateLimited,
  Refused,
  SlowConsumer,
  Truncated,
  WireLost,
  WriteStalled,
  WrongProtocol,
} = Data.taggedEnum<CloseReason>()

/** Whether the peer can still be told: its wire is there, and it has not left by itself. */
export const canBeTold = (reason: CloseReason): boolean =>
  reason._tag === "WireLost" ? reason.error.reason._tag === "WireViolated" : reason._tag !== "Truncated"

/** Whether nothing can be sent or awaited any more: the wire is gone. */
export const isWireGone = (reason: CloseReason): boolean => reason._tag === "WireLost" && !canBeTold(reason)

/** One sentence for a person, with the value seen and the limit. */
export const format = (reason: CloseReason): string => {
  switch (reason._tag) {
    case "Done":
      return "closed by this side"
    case "PeerClosed":
      return "closed by the peer"
    case "WireLost":
    case "Truncated":
    case "BadFrame":
    case "BadMessage":
    case "BadOutbound":
      return reason.error.message
    case "WrongProtocol":
      return `${reason.stranger.message} (${reason.error.message})`
    case "FirstFrameLate":
      return `no complete frame within ${reason.limitMs} ms`
    case "FirstMessageLate":
      return `no message within ${reason.limitMs} ms`
    case "FrameTooSlow":
      return `a frame of ${reason.declaredBytes} bytes was not complete within ${reason.limitMs} ms: ${reason.receivedBytes} bytes arrived`
    case "HeartbeatTimeout":
      return `nothing received within ${reason.timeoutMs} ms after a heartbeat`
    case "SlowConsumer":
      return reason.limit === "bytes"
        ? `the outbox holds ${reason.observed} bytes, allowed are ${reason.allowed}: the peer reads too slowly`
        : `the oldest unsent frame is ${reason.observed} ms old, allowed are ${reason.allowed} ms: the peer reads too slowly`
    case "WriteStalled":
      return `a write made no progress within ${reason.limitMs} ms: ${reason.unsentBytes} bytes unsent`
    case "RateLimited":
      return `more than ${reason.perSecond} ${reason.unit} per second`
    case "Overloaded":
      return `all connections together hold ${reason.observed} bytes, allowed are ${reason.allowed}: this one held ${reason.held}`
    case "Refused":
      return `refused: ${reason.observed} ${refusedFor[reason.limit]}, allowed are ${reason.allowed}`
    case "Draining":
      return "the server is draining"
    case "HandlerFailed":
      return "the handler failed"
    case "Application":
      return reason.message
  }
}

const refusedFor = {
  connections: "connections",
  connectionsPerAddress: "connections from this address",
  acceptsPerSecond: "new connections in a second",
  memory: "bytes of memory in use",
  heap: "bytes of heap in use",
} as const
