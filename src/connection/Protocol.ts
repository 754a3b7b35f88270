/**
 * What two peers agreed on: how frames are cut, how bodies become messages, and what is said in parting.
 * Holds no state: one value serves every connection.
 */
import type * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { Codec, CodecError, CodecFactory } from "../codec/Codec.ts"
import * as FrameEncoder from "../frame/FrameEncoder.ts"
import type { FrameError } from "../frame/FrameError.ts"
import * as FrameLayout from "../frame/FrameLayout.ts"
import type { CloseReason } from "./CloseReason.ts"
import { SharedFrame } from "./Outbox.ts"

/** The agreement, with the types of both directions as the server sees them. */
export interface Protocol<out In, in out Out> {
  /** For events and logs. */
  readonly name: string
  readonly codec: Codec<In, Out>
  /** How frames from the peer are cut; its `maxFrameBytes` is the limit for what comes in. */
  readonly inboundLayout: FrameLayout.FrameLayout
  /** Makes frames to the peer; its layout's `maxFrameBytes` is the limit for what goes out. */
  readonly encoder: FrameEncoder.FrameEncoder
  /**
   * `empty`: a frame without a body is a heartbeat, counts as life and is never a message. `none`: every frame is a
   * message, and nothing is probed.
   */
  readonly heartbeat: "empty" | "none"
  /** The last message to a peer, by the reason of the end; undefined says nothing. */
  readonly goodbye: (reason: CloseReason) => Out | undefined
  /** The message that announces a drain, with the time left until connections are closed; undefined says nothing. */
  readonly draining: (grace: Duration.Duration) => Out | undefined
}

/** What every way to make a protocol takes. */
export interface Options<Out> {
  readonly name: string
  /** Default: `FrameLayout.u32`, a 4-byte big-endian length that counts the body, at most 64 KiB. */
  readonly layout?: FrameLayout.FrameLayout
  /** The limit for frames to the peer, in body bytes. Default: the same as for frames from it. */
  readonly maxOutboundFrameBytes?: number
  /** Default: `empty`, unless no frame of the layout can be empty: then `none`. */
  readonly heartbeat?: "empty" | "none"
  readonly goodbye?: (reason: CloseReason) => Out | undefined
  readonly draining?: (grace: Duration.Duration) => Out | undefined
}

/**
 * A protocol whose messages are described by schemas.
 *
 * ```ts
 * const Say = Schema.Struct({ type: Schema.tag("say"), text: Schema.String })
 * const Chat = Protocol.make({ name: "chat", inbound: Say, outbound: Say, codec: JsonCodec.make() })
 * ```
 */
export const make = <In, Out>(
  options: Options<NoInfer<Out>> & {
    readonly inbound: Schema.Codec<In, unknown>
    readonly outbound: Schema.Codec<Out, unknown>
    readonly codec: CodecFactory
  },
): Protocol<In, Out> => fromCodec({ ...options, codec: options.codec(options) })

/** A protocol on a codec that is there already, `Codec.bytes` for one. */
export const fromCodec = <In, Out>(
  options: Options<NoInfer<Out>> & { readonly codec: Codec<In, Out> },
): Protocol<In, Out> => {
  const inboundLayout = options.layout ?? FrameLayout.u32
  const { maxOutboundFrameBytes = inboundLayout.maxFrameBytes } = options
  const encoder = FrameEncoder.make(FrameLayout.withMaxFrameBytes(inboundLayout, maxOutboundFrameBytes))
  return {
    name: options.name,
    codec: options.codec,
    inboundLayout,
    encoder,
    heartbeat: options.heartbeat ?? (encoder.refuse(0) === undefined ? "empty" : "none"),
    goodbye: options.goodbye ?? (() => undefined),
    draining: options.draining ?? (() => undefined),
  }
}

/** Encodes a message once, header and all, for many connections. */
export const encodeShared = <In, Out>(
  protocol: Protocol<In, Out>,
  message: Out,
): Result.Result<SharedFrame, CodecError | FrameError> =>
  Result.flatMap(protocol.codec.encode(message), (body): Result.Result<SharedFrame, FrameError> => {
    const bytes = typeof body === "string" ? Buffer.from(body) : body
    return Result.map(protocol.encoder.encode(bytes), (frame) => new SharedFrame(frame))
  })
