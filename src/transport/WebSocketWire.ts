/**
 * A wire whose bytes travel as WebSocket messages, over a plain socket or over TLS.
 * Makes no handshake itself, and answers no ping that it has no room for.
 *
 * A connection above reads frames with a length in front, and writes such: so with `frames` each message that arrives
 * gets its length, and each frame that leaves loses it. A message is whole before the connection sees it.
 *
 * WebSocket ends both ways at once: the peer's close frame is the end of what arrives, this side's own the last that it
 * gets. A connection that ends without one is lost.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Net from "node:net"
import * as Tls from "node:tls"
import { HandshakingWire } from "./HandshakingWire.ts"
import { Inflating } from "./Inflating.ts"
import * as NodeWire from "./NodeWire.ts"
import { identityOf } from "./TlsWire.ts"
import {
  type Address,
  type Bounds,
  type Farewell,
  lostWith,
  type TlsIdentity,
  TransportError,
  WireViolated,
} from "./Transport.ts"
import * as Deflate from "./WebSocketDeflate.ts"
import * as Frames from "./WebSocketFrames.ts"
import * as WsParts from "./WsParts.ts"

/** Pings and pongs of a peer in a second: they are no messages, so that no limit of the connection counts them. */
export const maxControlFramesPerSecond = 100

/** Fragments of a message, and reads that a frame may come in: each is an object to be held. */
export const maxPieces = 1024

/** What both sides of the handshake agreed on. */
export interface Agreed {
  readonly subprotocol: string | undefined
  /** Which messages are sent and taken: those of the other kind break the rules. */
  readonly kind: "text" | "binary"
  /** How messages are compressed, if they are. */
  readonly deflate: Deflate.Agreed | undefined
}

/** What a wire is told by its transport. */
export interface Options extends Bounds {
  readonly messages: "frames" | "bytes"
  readonly maxMessageBytes: number
  readonly side: "server" | "client"
  /** Begins the upgrade on a socket whose TLS handshake is done. */
  readonly upgradeUnsafe?: ((socket: Tls.TLSSocket, wire: WebSocketWire) => void) | undefined
}

/** What stands for a close frame without a code. */
const noCode = 1005

/** A wire over one raw socket and, with TLS, the TLS socket around it. */
export class WebSocketWire extends HandshakingWire {
  subprotocol: string | undefined
  protected override readonly handshakeOf = "WebSocket"
  private readonly options: Options
  private kind: Agreed["kind"] = "binary"
  private deflate: Agreed["deflate"]
  private isReading = false
  private receiver: WsParts.Receiver | undefined
  private identity: TlsIdentity | undefined
  /** Messages of this read. */
  private bodies: Array<Uint8Array> = []
  /** The peer's close frame. */
  private heard: Farewell | undefined
  /** The code for the rule that the peer broke. */
  private broken: number | undefined
  private closeSent = false
  private controlFrames = 0
  private controlSince = 0

  constructor(raw: Net.Socket, peer: Address, options: Options) {
    super(raw, peer, options)
    this.options = options
  }

  /** TLS is done; the upgrade is next. */
  establishUnsafe(socket: Tls.TLSSocket): void {
    if (this.lost !== undefined) return
    this.identity = identityOf(socket)
    this.options.upgradeUnsafe?.(socket, this)
  }

  /** The upgrade is done: `head` has arrived behind it. */
  upgradedUnsafe(socket: Net.Socket, agreed: Agreed, head: Uint8Array): void {
    if (this.lost !== undefined) return
    const { maxMessageBytes, side } = this.options
    this.subprotocol = agreed.subprotocol
    this.kind = agreed.kind
    this.deflate = agreed.deflate
    const inflating = agreed.deflate && new Inflating({ maxMessageBytes, isFull: () => this.arrived.paused })
    this.receiver = new WsParts.Receiver({
      isServer: side === "server",
      // Noise grows when it is compressed, and clients send it so. What is not compressed is judged when it is taken.
      maxPayload: inflating === undefined ? maxMessageBytes : Deflate.boundOf(maxMessageBytes),
      maxFragments: maxPieces,
      maxBufferedChunks: maxPieces,
      extensions: inflating === undefined ? {} : { "permessage-deflate": inflating },
    })
      .on("message", (data, isBinary) => this.take(data, isBinary))
      .on("ping", (data) => this.pinged(data))
      .on("pong", () => this.countControl())
      .on("conclude", (code, reason) => this.concluded({ code, message: String(reason) }))
      .on("error", (error) => this.violated(NodeWire.codeOf(error), error))
    this.raw.allowHalfOpen = true
    socket.allowHalfOpen = true
    this.flowUnsafe(socket)
    if (inflating !== undefined) {
      const resume = () => {
        socket.resume()
        inflating.resume()
      }
      this.arrived.feedFrom({ pause: () => socket.pause(), resume })
    }
    this.openUnsafe(this.identity)
    if (head.length > 0) this.receiveUnsafe(head)
  }

  override writeUnsafe(chunks: NonEmptyReadonlyArray<Uint8Array>): boolean {
    if (this.lost !== undefined || !this.isOpen) return false
    if (this.closeSent) return true
    const { messages, side } = this.options
    return super.writeUnsafe(
      Frames.messages(chunks, { messages, kind: this.kind, mask: side === "client", deflate: this.deflate }),
    )
  }

  /** Ends with the peer's own code if it closed first, else with the farewell's, else with that of the rule it broke. */
  override endUnsafe(farewell?: Farewell): void {
    if (this.lost !== undefined || this.closeSent) return
    if (this.isOpen) {
      this.closeSent = true
      super.writeUnsafe(Frames.control(Frames.opcodes.close, this.lastWords(farewell), this.options.side === "client"))
      if (!this.hasEnded) return
    }
    super.endUnsafe()
  }

  /** Whether nothing more of the peer is read. */
  private get hasEnded(): boolean {
    return this.heard !== undefined || this.broken !== undefined
  }

  heardUnsafe(): Farewell | undefined {
    return this.heard?.code === noCode ? undefined : this.heard
  }

  private lastWords(farewell: Farewell | undefined): Uint8Array {
    if (this.heard?.code === noCode) return new Uint8Array(0)
    if (this.heard !== undefined) return Frames.closing(this.heard.code, "")
    return Frames.closing(farewell?.code ?? this.broken ?? 1000, farewell?.message ?? "")
  }

  override receiveUnsafe(chunk: Uint8Array): void {
    if (this.hasEnded) return
    this.isReading = true
    this.receiver?.write(chunk)
    this.isReading = false
    this.deliver()
  }

  override finishUnsafe(): void {
    if (this.hasEnded) return
    if (this.deflate === undefined) return this.finished()
    // What is compressed may wait here for room, and the close frame behind it. An error of the receiver's is told as one.
    this.receiver?.end((error?: unknown) => {
      if (error == null) this.finished()
    })
  }

  /** The peer's bytes have ended, and all of them were read. */
  private finished(): void {
    if (this.hasEnded) return
    if (!this.closeSent) return this.loseUnsafe(lostWith("WS_ERR_ABNORMAL_CLOSURE"))
    // It has heard the close frame, and has left without one of its own.
    super.finishUnsafe()
    super.endUnsafe()
  }

  private take(data: Buffer, isBinary: boolean): void {
    if (this.hasEnded) return
    if (isBinary !== (this.kind === "binary")) return this.violated("WS_ERR_WRONG_KIND", wrongKind(this.kind))
    const { maxMessageBytes } = this.options
    if (data.length > maxMessageBytes) {
      return this.violated("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", tooLong(maxMessageBytes))
    }
    this.bodies.push(data)
    // What was compressed comes later than the read that it came in.
    if (!this.isReading) this.deliver()
  }

  /** All messages of one read in one step, as the bytes of any other wire arrive. */
  private deliver(): void {
    if (this.bodies.length === 0) return
    const bodies = this.bodies
    this.bodies = []
    if (this.options.messages === "frames") return this.arrived.push(Frames.prefixed(bodies))
    for (const body of bodies) if (body.length > 0) this.arrived.push(body)
  }

  private pinged(data: Uint8Array): void {
    this.countControl()
    // RFC 6455, section 5.5.3: the latest ping is enough. So a peer that pings and does not read is owed one answer.
    if (this.closeSent || this.hasEnded || this.socket.writableLength > 0) return
    super.writeUnsafe(Frames.control(Frames.opcodes.pong, data, this.options.side === "client"))
  }

  private countControl(): void {
    const now = performance.now()
    if (now - this.controlSince >= 1000) {
      this.controlSince = now
      this.controlFrames = 0
    }
    if (++this.controlFrames > maxControlFramesPerSecond) this.violated("WS_ERR_TOO_MANY_PINGS", tooManyPings())
  }

  private concluded(heard: Farewell): void {
    if (this.hasEnded) return
    this.deliver()
    this.heard = heard
    super.finishUnsafe()
    if (this.closeSent) super.endUnsafe()
  }

  /** What came before it is delivered first. The connection says goodbye, and `endUnsafe` which rule was broken. */
  private violated(code: string, cause: Error): void {
    if (this.hasEnded || this.lost !== undefined) return
    this.deliver()
    this.broken = statusOf(code)
    const rule = this.broken === 1009 ? "tooLarge" : "protocol"
    this.arrived.fail(new TransportError({ reason: new WireViolated({ rule, code, cause }) }))
    if (this.closeSent) super.endUnsafe()
  }
}

/** The close code of RFC 6455, section 7.4.1, for an error of `ws` or of this file. */
const statusOf = (code: string): number => {
  switch (code) {
    case "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH":
    case "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH":
      return 1009
    case "WS_ERR_INVALID_UTF8":
    case "WS_ERR_INVALID_COMPRESSED_DATA":
      return 1007
    case "WS_ERR_WRONG_KIND":
      return 1003
    case "WS_ERR_TOO_MANY_BUFFERED_PARTS":
    case "WS_ERR_TOO_MANY_PINGS":
      return 1008
    default:
      return 1002
  }
}

const wrongKind = (kind: Agreed["kind"]): Error => new Error(`messages are ${kind} here, by what was agreed on`)

const tooLong = (maxMessageBytes: number): Error => new Error(`a message of more than ${maxMessageBytes} bytes`)

const tooManyPings = (): Error => new Error(`more than ${maxControlFramesPerSecond} pings and pongs in a second`)
