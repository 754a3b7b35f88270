/**
 * What one read brought, made into messages: frames cut, heartbeats counted and dropped, limits held inside a chunk,
 * bodies decoded. Hot: plain loops, one array out for one array in. Reads no socket and closes nothing: it says why.
 */
import * as Result from "effect/Result"
import type { Codec } from "../codec/Codec.ts"
import * as FrameDecoder from "../frame/FrameDecoder.ts"
import * as WrongProtocol from "../frame/WrongProtocol.ts"
import * as CloseReason from "./CloseReason.ts"
import type { Protocol } from "./Protocol.ts"
import { isLimited, Limiter } from "./RateLimit.ts"
import type { Settings } from "./Settings.ts"

/** The connection that an inbox belongs to, which is held as it is: copies of its fields would be memory. */
export interface InboxOwner<In> {
  readonly protocol: Pick<Protocol<In, never>, "inboundLayout" | "codec" | "emptyFrame" | "heartbeat">
  readonly settings: Pick<Settings, "decoding" | "rateLimit" | "now" | "turn">
  /** The codec of this connection, by the first body that is no heartbeat; asked once. */
  codecOf(firstBody: Uint8Array): Codec<In, never>
  /** Sends a heartbeat, in answer to one. */
  probe(): void
}

/** The decoding side of one connection. */
export class Inbox<In> {
  /** When bytes last came, on the clock of `now`. */
  receivedAt: number
  /** Complete frames so far, heartbeats included. */
  frames = 0
  /** Those of them that were heartbeats. */
  heartbeats = 0
  /** Why nothing more will come. The messages before it were delivered. */
  failure: CloseReason.CloseReason | undefined

  /** Frames that wait for the rate limit, at least one of them. */
  #held: Array<Uint8Array> | undefined
  readonly #decoder: FrameDecoder.FrameDecoder
  readonly #limiter: Limiter | undefined
  /** Undefined until the peer has said something. */
  #codec: Codec<In, never> | undefined
  readonly #owner: InboxOwner<In>

  constructor(owner: InboxOwner<In>) {
    const { decoding, now, rateLimit } = owner.settings
    this.#owner = owner
    this.receivedAt = now()
    this.#decoder = FrameDecoder.make(owner.protocol.inboundLayout, decoding)
    if (isLimited(rateLimit)) this.#limiter = new Limiter(rateLimit, this.receivedAt)
  }

  /** The messages that these chunks complete. */
  take(chunks: ReadonlyArray<Uint8Array>): Array<In> {
    const messages: Array<In> = []
    const { heartbeats } = this
    this.receivedAt = this.#owner.settings.turn.now()
    for (let i = 0; i < chunks.length && this.failure === undefined; i++) {
      this.#decode(this.#decoder.push(chunks[i]!), messages, this.receivedAt)
      if (this.failure === undefined && this.#decoder.failure !== undefined) this.failure = this.#badFrame()
    }
    // One answer to all that came together.
    if (this.heartbeats > heartbeats) this.#answer()
    return messages
  }

  /**
   * Takes a chunk that is one heartbeat and nothing else, within the limits; others it does not touch. The first frame
   * is for the decoder, which knows strangers by it.
   */
  takesHeartbeat(chunk: Uint8Array): boolean {
    const { emptyFrame, heartbeat } = this.#owner.protocol
    if (chunk.length !== emptyFrame?.length || heartbeat === "none" || !isSame(chunk, emptyFrame)) return false
    if (this.#decoder.framesDecoded === 0 || this.#decoder.pending !== undefined || this.failure !== undefined)
      return false
    const now = this.#owner.settings.turn.now()
    if (this.#limiter?.take(0, true, now) !== undefined) return false
    this.receivedAt = now
    this.frames++
    this.heartbeats++
    this.#answer()
    return true
  }

  /** Takes bytes if they are the middle of a frame: copied to its others, nobody need be woken. */
  absorb(bytes: Uint8Array): boolean {
    if (!this.#decoder.absorb(bytes)) return false
    this.receivedAt = this.#owner.settings.turn.now()
    return true
  }

  /** Milliseconds until held frames may go on; 0 if none are held. Frames are held by the policy `pause` only. */
  get heldMs(): number {
    if (this.#held === undefined) return 0
    return this.#limiter!.waitMs(this.#held[0]!.length, this.#owner.settings.now())
  }

  /** The messages of held frames that may go on now. */
  release(): Array<In> {
    const messages: Array<In> = []
    const held = this.#held ?? []
    this.#held = undefined
    this.#decode(held, messages, this.#owner.settings.now())
    return messages
  }

  /** Why the end of the peer's bytes is no clean end, if so. */
  end(): CloseReason.CloseReason | undefined {
    const error = this.#decoder.end()
    return error && CloseReason.Truncated({ error })
  }

  /** Raises or lowers the limit for frames that begin with the next read. */
  limit(maxFrameBytes: number): void {
    this.#decoder.limit(maxFrameBytes)
  }

  /** Bytes allocated for the frame that is arriving. */
  get bufferBytes(): number {
    return this.#decoder.bufferBytes
  }

  /** Lets go of whatever was not delivered. Nothing more will come. */
  discard(): void {
    this.#held = undefined
    this.#decoder.end()
  }

  /** Which frame `arriving` is about: a number that changes with every frame. */
  get arrivingFrame(): number {
    return this.#decoder.framesDecoded
  }

  /** The frame that has begun and is not complete. */
  get arriving(): FrameDecoder.PendingFrame | undefined {
    return this.#decoder.pending
  }

  #answer(): void {
    if (this.#owner.protocol.heartbeat === "answered") this.#owner.probe()
  }

  #decode(bodies: ReadonlyArray<Uint8Array>, messages: Array<In>, now: number): void {
    const { protocol } = this.#owner
    const dropsEmpty = protocol.heartbeat !== "none"
    if (this.#held !== undefined) {
      // What came later waits behind what is held.
      for (let i = 0; i < bodies.length; i++) this.#held.push(bodies[i]!)
      return
    }
    const codec = this.#codec ?? this.#choose(bodies, dropsEmpty)
    for (let i = 0; i < bodies.length; i++) {
      const body = bodies[i]!
      const isHeartbeat = body.length === 0 && dropsEmpty
      const exceeded = this.#limiter?.take(body.length, isHeartbeat, now)
      if (exceeded !== undefined) {
        if (exceeded === "pause") this.#held = bodies.slice(i)
        else this.failure = exceeded
        return
      }
      this.frames++
      if (isHeartbeat) {
        this.heartbeats++
        continue
      }
      const decoded = codec.decode(body)
      if (Result.isFailure(decoded)) {
        this.failure = CloseReason.BadMessage({ error: decoded.failure })
        return
      }
      messages.push(decoded.success)
    }
  }

  #choose(bodies: ReadonlyArray<Uint8Array>, dropsEmpty: boolean): Codec<In, never> {
    const first = bodies.find((body) => body.length > 0 || !dropsEmpty)
    // Nothing but heartbeats: no codec is asked.
    if (first === undefined) return this.#owner.protocol.codec
    return (this.#codec = this.#owner.codecOf(first))
  }

  #badFrame(): CloseReason.CloseReason {
    const error = this.#decoder.failure!
    const head = this.#decoder.failureHead
    const stranger = head && WrongProtocol.diagnose(head, this.#owner.protocol.inboundLayout)
    return stranger === undefined ? CloseReason.BadFrame({ error }) : CloseReason.WrongProtocol({ stranger, error })
  }
}

/** Of a few bytes each: quicker than a call of the system's comparison. */
const isSame = (chunk: Uint8Array, frame: Uint8Array): boolean => {
  for (let i = 0; i < frame.length; i++) if (chunk[i] !== frame[i]) return false
  return true
}
