/**
 * A wire over the `WebSocket` of a browser, or over what has its shape. Names no Node: bytes are `Uint8Array`s.
 * Makes no handshake and reconnects nothing.
 *
 * As with `WebSocketWire`, a message is the body of a frame: those that arrive get their length in front, and frames that
 * leave lose it. What a browser's WebSocket does not do, this wire does not either:
 *
 * - It cannot be paused. What nobody pulls waits here, up to `maxUnreadBytes`; then the wire is lost
 *   (`WS_ERR_TOO_MUCH_UNREAD`), and a client goes on from its positions on the next one.
 * - It does not tell when it has sent something: `drained` looks at `bufferedAmount` every `drainPollMs`.
 * - It cannot be reset: `abortUnsafe` closes, and the browser sees to the rest alone.
 * - Browsers drop what arrives once `endUnsafe` was called.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { ReadQueue } from "./ReadQueue.ts"
import {
  type Address,
  type Bounds,
  DialFailed,
  type Farewell,
  HandshakeFailed,
  lostWith,
  type Subprotocols,
  type TlsIdentity,
  TransportError,
  WireViolated,
  type Wire,
} from "./Transport.ts"

/** How often `drained` looks. */
export const drainPollMs = 20

/** Bytes of UTF-8 that the text of a close frame may have. */
const maxFarewellBytes = 123

/** The bytes in front of a body: its length, unsigned and big-endian. */
const lengthBytes = 4

/** How a `WebSocket` has ended. */
export interface Close {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
}

/** What a wire uses of a `WebSocket`. */
export interface WebSocketLike {
  binaryType: string
  readonly bufferedAmount: number
  readonly protocol: string
  addEventListener(type: "open" | "error", listener: () => void): void
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void
  addEventListener(type: "close", listener: (event: Close) => void): void
  send(data: string | Uint8Array<ArrayBuffer>): void
  close(code?: number, reason?: string): void
}

/** What a wire is told by its dialler. */
export interface Options extends Bounds {
  readonly url: string
  readonly peer: Address
  readonly offer: Subprotocols
  readonly messages: "frames" | "bytes"
  readonly maxMessageBytes: number
  readonly maxUnreadBytes: number
}

/** A wire over one socket that is connecting. */
export class BrowserWire implements Wire {
  readonly peer: Address
  readonly arrived: ReadQueue
  subprotocol: string | undefined

  private readonly socket: WebSocketLike
  private readonly options: Options
  private kind: "text" | "binary" = "binary"
  private state: "connecting" | "open" | "ending" | "over" = "connecting"
  private lost: TransportError | undefined
  private lostListener: ((error: TransportError) => void) | undefined
  private heard: Farewell | undefined
  private readonly handshake = Deferred.makeUnsafe<undefined, TransportError>()
  private readonly released = Deferred.makeUnsafe<void>()

  constructor(socket: WebSocketLike, options: Options) {
    this.socket = socket
    this.options = options
    this.peer = options.peer
    this.arrived = new ReadQueue({ pause: () => undefined, resume: () => undefined }, options.readBufferBytes)
    socket.binaryType = "arraybuffer"
    socket.addEventListener("open", () => this.openedAs(socket.protocol))
    socket.addEventListener("message", ({ data }) => this.take(data))
    socket.addEventListener("close", (close) => this.closedWith(close))
    // A close follows, and says what there is to say.
    socket.addEventListener("error", () => {})
  }

  get opened(): Effect.Effect<TlsIdentity | undefined, TransportError> {
    return Deferred.await(this.handshake)
  }

  get pull(): Wire["pull"] {
    return this.arrived.pull
  }

  get drained(): Effect.Effect<void, TransportError> {
    return Effect.suspend(() => {
      if (this.lost !== undefined) return Effect.fail(this.lost)
      return this.unsentUnsafe() === 0 ? Effect.void : Effect.delay(this.drained, drainPollMs)
    })
  }

  get closed(): Effect.Effect<void> {
    return Deferred.await(this.released)
  }

  pausedUnsafe(): boolean {
    return this.arrived.paused
  }

  unreadUnsafe(): number {
    return this.arrived.queuedBytes
  }

  receivedUnsafe(): number {
    return this.arrived.received
  }

  /** What a socket that has closed still counts is never sent. */
  unsentUnsafe(): number {
    return this.state === "over" ? 0 : this.socket.bufferedAmount
  }

  heardUnsafe(): Farewell | undefined {
    return this.heard
  }

  writeUnsafe(chunks: NonEmptyReadonlyArray<Uint8Array>): boolean {
    if (this.lost !== undefined || this.state === "connecting") return false
    if (this.state !== "open") return true
    if (this.options.messages === "bytes") for (const chunk of chunks) this.send(chunk)
    else eachBody(chunks, (body) => this.send(body))
    return this.socket.bufferedAmount < this.options.writeHighWaterBytes
  }

  onLostUnsafe(listener: (error: TransportError) => void): void {
    if (this.lost === undefined) this.lostListener = listener
    else listener(this.lost)
  }

  endUnsafe(farewell: Farewell = { code: 1000, message: "" }): void {
    if (this.state !== "open") return
    this.state = "ending"
    this.socket.close(farewell.code, cut(farewell.message))
  }

  abortUnsafe(): void {
    if (this.state === "over") return
    this.arrived.clear()
    this.lose(lostWith("ABORTED"))
  }

  /** Gives the handshake up. */
  refuseUnsafe(code: string): void {
    this.lose(new TransportError({ reason: new HandshakeFailed({ of: "WebSocket", code }) }))
  }

  private openedAs(subprotocol: string): void {
    if (this.state !== "connecting") return
    const { offer } = this.options
    const kind = offer[subprotocol]
    if (kind === undefined && Object.keys(offer).length > 0) return this.refuseUnsafe("WS_ERR_BAD_SUBPROTOCOL")
    if (kind !== undefined) this.kind = kind
    this.subprotocol = subprotocol === "" ? undefined : subprotocol
    this.state = "open"
    Deferred.doneUnsafe(this.handshake, Effect.undefined)
  }

  private take(data: unknown): void {
    if (this.state === "over" || this.arrived.ended) return
    if ((typeof data === "string") !== (this.kind === "text")) {
      return this.violated("protocol", "WS_ERR_WRONG_KIND", `messages are ${this.kind} here, by what was agreed on`)
    }
    const body = typeof data === "string" ? utf8.encode(data) : new Uint8Array(data as ArrayBuffer)
    const { maxMessageBytes, maxUnreadBytes, messages } = this.options
    if (body.length > maxMessageBytes) {
      const text = `a message of ${body.length} bytes, allowed are ${maxMessageBytes}`
      return this.violated("tooLarge", "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", text)
    }
    if (messages === "frames") this.arrived.push(prefixed(body))
    else if (body.length > 0) this.arrived.push(body)
    const unread = this.arrived.queuedBytes
    if (unread <= maxUnreadBytes) return
    this.lose(lostWith("WS_ERR_TOO_MUCH_UNREAD", new Error(`${unread} bytes unread, allowed are ${maxUnreadBytes}`)))
  }

  private send(body: Uint8Array): void {
    // The socket copies: what an arena lends may be written to again.
    this.socket.send(this.kind === "text" ? text.decode(body) : (body as Uint8Array<ArrayBuffer>))
  }

  private violated(rule: WireViolated["rule"], code: string, message: string): void {
    this.arrived.fail(new TransportError({ reason: new WireViolated({ rule, code, cause: new Error(message) }) }))
  }

  private closedWith({ code, reason, wasClean }: Close): void {
    if (this.state === "over") return
    if (this.state === "connecting") {
      return this.lose(
        new TransportError({ reason: new DialFailed({ address: this.options.url, code: "WS_ERR_NOT_OPENED" }) }),
      )
    }
    if (!wasClean) return this.lose(lostWith("WS_ERR_ABNORMAL_CLOSURE"))
    // 1005 stands for no code.
    if (code !== 1005) this.heard = { code, message: reason }
    this.state = "over"
    this.arrived.finish()
    Deferred.doneUnsafe(this.released, Effect.void)
  }

  private lose(error: TransportError): void {
    if (this.state === "over") return
    this.state = "over"
    this.lost = error
    this.socket.close()
    this.arrived.fail(error)
    Deferred.doneUnsafe(this.handshake, Effect.fail(error))
    Deferred.doneUnsafe(this.released, Effect.void)
    this.lostListener?.(error)
  }
}

const utf8 = new TextEncoder()
const text = new TextDecoder("utf-8", { ignoreBOM: true })

const prefixed = (body: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(lengthBytes + body.length)
  new DataView(frame.buffer).setUint32(0, body.length)
  frame.set(body, lengthBytes)
  return frame
}

/** The bodies of frames, which a chunk may end anywhere in. */
const eachBody = (chunks: NonEmptyReadonlyArray<Uint8Array>, use: (body: Uint8Array) => void): void => {
  const frames = chunks.length === 1 ? chunks[0] : joined(chunks)
  const view = new DataView(frames.buffer, frames.byteOffset, frames.length)
  for (let at = 0; at < frames.length;) {
    const from = at + lengthBytes
    at = from + view.getUint32(at)
    use(frames.subarray(from, at))
  }
}

const joined = (chunks: NonEmptyReadonlyArray<Uint8Array>): Uint8Array => {
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

/** As much of a text as a close frame holds, cut between characters. */
const cut = (message: string): string => {
  const { read } = utf8.encodeInto(message, new Uint8Array(maxFarewellBytes))
  return message.slice(0, read)
}
