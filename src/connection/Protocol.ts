/**
 * What two peers agreed on: how frames are cut, how bodies become messages, and what is said in parting.
 * Holds no state: one value serves every connection.
 */
import type * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { type Body, type Codec, CodecError, type CodecFactory } from "../codec/Codec.ts"
import * as Bytes from "../frame/Bytes.ts"
import * as FrameEncoder from "../frame/FrameEncoder.ts"
import type { FrameError } from "../frame/FrameError.ts"
import * as FrameLayout from "../frame/FrameLayout.ts"
import type { Farewell } from "../transport/Transport.ts"
import type { CloseReason } from "./CloseReason.ts"
import { SharedFrame } from "./Outbox.ts"

/** The agreement, with the types of both directions as the server sees them. */
export interface Protocol<out In, in out Out> {
  /** For events and logs. */
  readonly name: string
  /** The codec of every connection; with `codecFor` of those that have said nothing yet. */
  readonly codec: Codec<In, Out>
  /** The codec of a connection by the first body that is no heartbeat, for as long as it lives. Must not throw. */
  readonly codecFor: ((firstBody: Uint8Array) => Codec<In, Out>) | undefined
  /** The codecs of wires that have agreed on a subprotocol, by its name: they leave nothing to choose. */
  readonly subprotocols: Readonly<Record<string, Codec<In, Out>>> | undefined
  /** How frames from the peer are cut; its `maxFrameBytes` is the limit for what comes in. */
  readonly inboundLayout: FrameLayout.FrameLayout
  /** Makes frames to the peer; its layout's `maxFrameBytes` is the limit for what goes out. */
  readonly encoder: FrameEncoder.FrameEncoder
  /**
   * `empty`: a frame without a body is a heartbeat, counts as life and is never a message. `answered`: the same for the
   * side that dialled, which answers each and sends none unasked. `none`: every frame is a message, and nothing is probed.
   * Elsewhere a message whose body is empty cannot be sent.
   */
  readonly heartbeat: "empty" | "answered" | "none"
  /** Whether the peer says the first thing, so that a handler has nothing to do before. */
  readonly peerBegins: boolean
  /** A frame without a body as it comes from a peer, header and all; undefined where none can be. */
  readonly emptyFrame: Uint8Array | undefined
  /** The last message to a peer, by the reason of the end; undefined says nothing. */
  readonly goodbye: (reason: CloseReason) => Out | undefined
  /** The same for wires that end with a code. Must not throw. */
  readonly farewell: (reason: CloseReason) => Farewell | undefined
  /** The message that announces a drain, with the time left until connections are closed; undefined says nothing. */
  readonly draining: (grace: Duration.Duration) => Out | undefined
}

/**
 * What every way to make a protocol takes. What `goodbye` and `draining` return is inferred as if it were `as const`, so that
 * a literal in it stays one, whether the function takes its parameter or not. A message with an array that may be written
 * to needs its type on the function, since a constant has none: `goodbye: (reason): Bye => ({ type: "bye", tags: [] })`.
 */
export interface Options<Goodbye, Notice = Goodbye> {
  readonly name: string
  /** Default: `FrameLayout.u32`, a 4-byte big-endian length that counts the body, at most 64 KiB. */
  readonly layout?: FrameLayout.FrameLayout | undefined
  /** The limit for frames to the peer, in body bytes. Default: the same as for frames from it. */
  readonly maxOutboundFrameBytes?: number | undefined
  /** Default: `empty`, unless no frame of the layout can be empty: then `none`, and `empty` is a RangeError. */
  readonly heartbeat?: "empty" | "none" | undefined
  /**
   * The peer says the first thing: where the wire needs no handshake, the handler runs when bytes have come or the peer has
   * left, within the deadlines of the first frame. A peer that has said nothing yet then costs no fiber. Default: false.
   */
  readonly peerBegins?: boolean | undefined
  readonly goodbye?: (reason: CloseReason) => Goodbye | undefined
  readonly farewell?: (reason: CloseReason) => Farewell | undefined
  readonly draining?: (grace: Duration.Duration) => Notice | undefined
}

/**
 * A protocol whose messages are described by schemas.
 *
 * ```ts
 * const Say = Schema.Struct({ type: Schema.tag("say"), text: Schema.String })
 * const Chat = Protocol.make({ name: "chat", inbound: Say, outbound: Say, codec: JsonCodec.make() })
 * ```
 */
export const make = <In, Out, const Goodbye extends Out = Out, const Notice extends Out = Out>(
  options: Options<Goodbye, Notice> & {
    readonly inbound: Schema.Codec<In, unknown>
    readonly outbound: Schema.Codec<Out, unknown>
    readonly codec: CodecFactory
  },
): Protocol<In, Out> => fromCodec({ ...options, codec: options.codec(options) })

/**
 * A protocol on a codec that is there already, `Codec.bytes` for one.
 *
 * Peers that may choose between codecs do so with their first body: `codecFor` gets it and says which codec the
 * connection keeps. It should give the same few codecs each time, since a broadcast encodes once for each of them.
 * Where the wire has agreed on one of `subprotocols`, that decides instead.
 *
 * ```ts
 * const isJson = (body: Uint8Array) => body[0] === 0x7b
 * const Chat = Protocol.fromCodec({ name: "chat", codec: json, codecFor: (body) => (isJson(body) ? json : binary) })
 * ```
 */
export const fromCodec = <In, Out, const Goodbye extends Out = Out, const Notice extends Out = Out>(
  options: Options<Goodbye, Notice> & {
    readonly codec: Codec<In, Out>
    readonly codecFor?: ((firstBody: Uint8Array) => Codec<NoInfer<In>, NoInfer<Out>>) | undefined
    readonly subprotocols?: Readonly<Record<string, Codec<NoInfer<In>, NoInfer<Out>>>> | undefined
  },
): Protocol<In, Out> => {
  const inboundLayout = options.layout ?? FrameLayout.u32
  const { maxOutboundFrameBytes = inboundLayout.maxFrameBytes } = options
  const encoder = FrameEncoder.make(FrameLayout.withMaxFrameBytes(inboundLayout, maxOutboundFrameBytes))
  const canBeEmpty = encoder.refuse(0) === undefined
  // Its probes would never leave, and every idle peer be taken for dead.
  if (options.heartbeat === "empty" && !canBeEmpty) {
    throw new RangeError(`no frame of ${options.name}'s layout can be empty: its heartbeat must be "none"`)
  }
  return {
    name: options.name,
    codec: options.codec,
    codecFor: options.codecFor,
    subprotocols: options.subprotocols,
    inboundLayout,
    encoder,
    emptyFrame: Result.getOrUndefined(FrameEncoder.make(inboundLayout).encode(new Uint8Array(0))),
    heartbeat: options.heartbeat ?? (canBeEmpty ? "empty" : "none"),
    peerBegins: options.peerBegins ?? false,
    goodbye: options.goodbye ?? (() => undefined),
    farewell: options.farewell ?? (() => undefined),
    draining: options.draining ?? (() => undefined),
  }
}

/**
 * The protocol as the side that dials keeps to it: one side sends heartbeats and the other answers, since an answer looks
 * like a question; and its handler has the first word.
 */
export const dialled = <In, Out>(protocol: Protocol<In, Out>): Protocol<In, Out> => ({
  ...protocol,
  heartbeat: protocol.heartbeat === "empty" ? "answered" : protocol.heartbeat,
  peerBegins: false,
})

/**
 * A message's body, or why it has none. An empty one is refused where it would be a heartbeat: the peer would never see
 * the message, and who sent it would never know.
 */
export const encode = <Out>(
  protocol: Pick<Protocol<unknown, Out>, "heartbeat">,
  codec: Codec<unknown, Out>,
  message: Out,
): Result.Result<Body, CodecError> => {
  const body = codec.encode(message)
  if (Result.isFailure(body) || body.success.length > 0 || protocol.heartbeat === "none") return body
  return Result.fail(new CodecError(emptyBody))
}

const emptyBody = {
  direction: "encode",
  path: "",
  expected: 'a body (a frame without one is a heartbeat, unless the protocol says heartbeat: "none")',
  actual: "0 bytes",
} as const

/** A frame for many, or why there is none. */
export type Shared = Result.Result<SharedFrame, CodecError | FrameError>

/**
 * A message for many connections, whatever codecs they speak: encoded once for each, when the first who speaks it gets
 * it.
 *
 * ```ts
 * const shared = new Protocol.SharedMessage(Chat, message)
 * for (const connection of connections) connection.sendSharedUnsafe(Result.getOrThrow(shared.frameFor(connection.codec)))
 * ```
 */
export class SharedMessage<in out Out> {
  readonly #protocol: Protocol<unknown, Out>
  readonly #message: Out
  #codec: Codec<unknown, Out> | undefined
  #frame: Shared | undefined
  /** Those of other codecs than the last one asked for; most messages have none. */
  #others: Map<Codec<unknown, Out>, Shared> | undefined

  constructor(protocol: Protocol<unknown, Out>, message: Out) {
    this.#protocol = protocol
    this.#message = message
  }

  /** The frame for a connection with this codec, or why there is none. */
  frameFor(codec: Codec<unknown, Out>): Shared {
    if (this.#frame !== undefined && this.#codec === codec) return this.#frame
    const frame = this.#others?.get(codec) ?? encodeShared(this.#protocol, this.#message, codec)
    if (this.#frame !== undefined) (this.#others ??= new Map()).set(this.#codec!, this.#frame)
    this.#codec = codec
    return (this.#frame = frame)
  }
}

const encodeShared = <Out>(protocol: Protocol<unknown, Out>, message: Out, codec: Codec<unknown, Out>): Shared =>
  Result.flatMap(encode(protocol, codec, message), (body): Result.Result<SharedFrame, FrameError> => {
    const bytes = typeof body === "string" ? Bytes.here.of(body) : body
    return Result.map(protocol.encoder.encode(bytes), (frame) => new SharedFrame(frame))
  })
