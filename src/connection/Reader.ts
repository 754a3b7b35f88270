/**
 * The reading half of a connection: pulls the wire, hands on what the inbox makes of it, a batch for a read, and holds
 * the peer to the deadlines of its frames. Hot: one hoisted Effect a read. Sends nothing and ends nothing: it reports.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Pull from "effect/Pull"
import type { Sieve, TransportError, Wire } from "../transport/Transport.ts"
import type * as Alarms from "./Alarms.ts"
import * as CloseReason from "./CloseReason.ts"
import { type ConnectionError, endedBy } from "./Connection.ts"
import { noSlot } from "./DeadlineQueue.ts"
import * as Heartbeat from "./Heartbeat.ts"
import { Inbox, type InboxOwner } from "./Inbox.ts"
import type { Settings } from "./Settings.ts"

/** The connection that a reader belongs to. */
export interface ReaderOwner<In> extends InboxOwner<In> {
  readonly wire: Wire
  readonly settings: Pick<
    Settings,
    "alarms" | "deadlines" | "decoding" | "heartbeat" | "intake" | "now" | "rateLimit" | "turn"
  >
  /** Called when the peer's bytes, or their absence, are a reason to end. */
  readonly closeUnsafe: (reason: CloseReason.CloseReason) => void
  /** When a frame was last written to the peer. */
  readonly sentAt: () => number
  /** Called when all that came has been handled, and nothing more is here. May be the end of this connection. */
  readonly restsUnsafe: () => void
}

/** A batch of messages; fails with the reason why there are no more. */
export type Batch<In> = Pull.Pull<Arr.NonEmptyReadonlyArray<In>, ConnectionError>

/**
 * What one peer sends. Run as an Effect it is the next batch: what one read brought, or what `one` has left of it. Every
 * connection keeps one, so it is that and an alarm itself, instead of holding an object and a function for each.
 */
export class Reader<In>
  extends Effectable.Class<Arr.NonEmptyReadonlyArray<In>, ConnectionError | Cause.Done>
  implements Sieve, Alarms.Alarm
{
  readonly inbox: Inbox<In>
  /** Whether the peer has sent FIN, and all that came before it was read. */
  peerEnded = false

  readonly #owner: ReaderOwner<In>
  /** When the first read began; negative before. Nobody is late before anybody listens. */
  #listensSince = -1
  /** As an alarm it rings when the peer is late, set only while it owes something, or when it has left for long enough. */
  deadline = 0
  slot = noSlot
  /** Messages of a batch of which `one` took the first, the next one last: taking one is then no copy. */
  #rest: Array<In> | undefined
  /** Bytes of the last read as long as somebody may be at work on what came of them. */
  #handedBytes = 0
  #stopped: CloseReason.CloseReason | undefined
  #arrivingFrame = -1
  #arrivingSince = 0

  constructor(owner: ReaderOwner<In>) {
    super()
    this.#owner = owner
    this.inbox = new Inbox(owner)
    owner.wire.arrived?.sieveWith(this)
    // Nobody was told of what came before.
    owner.settings.intake.growUnsafe(owner.wire.unreadUnsafe())
  }

  override asEffect(): Batch<In> {
    if (this.#rest !== undefined) {
      const rest = this.#rest.toReversed()
      this.#rest = undefined
      return Effect.succeed(rest as Arr.NonEmptyArray<In>)
    }
    if (this.#stopped !== undefined) return Effect.fail(endedBy(this.#stopped))
    // What is held came before what failed.
    const heldMs = this.inbox.heldMs
    if (heldMs > 0) return Effect.flatMap(Effect.sleep(heldMs), () => this.#deliver(this.inbox.release()))
    if (this.inbox.failure !== undefined) return this.#fail(this.inbox.failure)
    this.listen()
    return this.#read()
  }

  /**
   * One read of the wire and what comes of it. With many connections each Effect of a read is memory to be fetched: taking
   * from `arrived` instead of running `pull` saves an eighth of a message (bench, echo-500x1).
   */
  #read(): Batch<In> {
    const { wire } = this.#owner
    const { arrived } = wire
    this.#handedBytes = 0
    const chunks = arrived?.takeUnsafe()
    if (chunks !== undefined) return this.#received(chunks)
    if (arrived !== undefined && !arrived.ended) {
      this.#owner.restsUnsafe()
      return arrived.wait(this)
    }
    return Effect.matchCauseEffect(wire.pull, {
      onSuccess: (chunks) => this.#received(chunks),
      onFailure: (cause) => this.#left(cause),
    })
  }

  /** The next message. */
  get one(): Pull.Pull<In, ConnectionError> {
    return Effect.suspend(() => {
      if (this.#rest === undefined) return Effect.map(this, (messages) => this.#firstOf(messages))
      const next = this.#rest.pop() as In
      if (this.#rest.length === 0) this.#rest = undefined
      return Effect.succeed(next)
    })
  }

  #firstOf(messages: Arr.NonEmptyReadonlyArray<In>): In {
    if (messages.length > 1) this.#rest = messages.slice(1).toReversed()
    return messages[0]
  }

  takesUnsafe(chunk: Uint8Array): boolean {
    if (this.#stopped !== undefined) return false
    const { bufferBytes } = this.inbox
    if (this.inbox.absorb(chunk)) {
      // The frame is being watched already. Last, as in `#received`.
      this.#owner.settings.intake.growUnsafe(Math.max(0, this.inbox.bufferBytes - bufferBytes))
      return true
    }
    if (!this.inbox.takesHeartbeat(chunk)) return false
    this.#watch()
    return true
  }

  queuedUnsafe(chunk: Uint8Array): void {
    this.#owner.settings.intake.growUnsafe(chunk.length)
  }

  finishedUnsafe(): void {
    this.#linger()
  }

  /** Whether the peer has sent FIN, read or not. */
  get hasEnded(): boolean {
    return this.peerEnded || this.#owner.wire.arrived?.finished === true
  }

  /** From now on the peer is expected to say something, if it was not before. */
  listen(): void {
    if (this.#listensSince >= 0) return
    this.#listensSince = this.#owner.settings.now()
    this.#watch()
  }

  /** Bytes from the peer that are still here: unread, read and at work on, or a frame that is not complete. */
  get heldBytes(): number {
    return this.#owner.wire.unreadUnsafe() + this.#handedBytes + this.inbox.bufferBytes
  }

  /** Whether a frame is arriving, within its deadline, and all that came of it was taken. */
  get isArriving(): boolean {
    return this.inbox.arriving !== undefined && this.#owner.wire.unreadUnsafe() === 0
  }

  /** The connection has ended: nothing more is read, and nothing is late any more. */
  stop(reason: CloseReason.CloseReason): void {
    this.#stopped = reason
    this.#inTime()
    this.inbox.discard()
    this.#handedBytes = 0
  }

  #received(chunks: ReadonlyArray<Uint8Array>): Batch<In> {
    let bytes = 0
    for (let i = 0; i < chunks.length; i++) bytes += chunks[i]!.length
    const bufferBytes = this.inbox.bufferBytes
    const messages = this.inbox.take(chunks)
    this.#watch()
    // A part of a frame is copied, and the chunk let go.
    this.#handedBytes = messages.length > 0 || this.inbox.heldMs > 0 ? bytes : 0
    // Last, since it may be the end of this connection.
    this.#owner.settings.intake.growUnsafe(this.#handedBytes + Math.max(0, this.inbox.bufferBytes - bufferBytes))
    return this.#deliver(messages)
  }

  #left(cause: Cause.Cause<TransportError | Cause.Done>): Batch<In> {
    if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
    const failure = Cause.squash(cause)
    if (!Cause.isDone(failure)) return this.#fail(CloseReason.WireLost({ error: failure as TransportError }))
    if (this.peerEnded) return Cause.done()
    this.peerEnded = true
    this.#linger()
    const truncated = this.inbox.end()
    return truncated === undefined ? Cause.done() : this.#fail(truncated)
  }

  #deliver(messages: Array<In>): Batch<In> {
    return Arr.isArrayNonEmpty(messages) ? Effect.succeed(messages) : this
  }

  #fail(reason: CloseReason.CloseReason): Effect.Effect<never, ConnectionError> {
    this.#owner.closeUnsafe(reason)
    return Effect.fail(endedBy(this.#stopped ?? reason))
  }

  #watch(): void {
    // An alarm that was set behind the end would keep all that belongs to this connection until it rings.
    if (this.#stopped !== undefined || this.hasEnded) return
    const arriving = this.inbox.arriving
    let at = this.#listensSince + this.#firstMs
    if (arriving !== undefined) {
      if (this.inbox.arrivingFrame !== this.#arrivingFrame) {
        this.#arrivingFrame = this.inbox.arrivingFrame
        this.#arrivingSince = this.inbox.receivedAt
      }
      at = Math.min(at, this.#arrivingSince + this.#allowedMs(arriving.declaredBytes))
    }
    this.#mustCome(at)
  }

  #mustCome(at: number): void {
    this.#owner.settings.alarms.set(this, at)
  }

  #inTime(): void {
    this.#owner.settings.alarms.lift(this)
  }

  /** The peer has ended its side: it owes nothing more, and this side has so long for what it still does. */
  #linger(): void {
    if (this.#stopped === undefined) this.#mustCome(this.#owner.settings.now() + this.#lingerMs)
  }

  /**
   * A peer that is probed is found out when it goes. Who dialled has what servers give to their goodbye: they throw away
   * what comes behind their FIN, and reset then, which is not seen here, since Node's sockets are not polled behind a FIN
   * (seen: 37 s, until the heartbeat was late). Not before it was read, so that what came first is handled.
   */
  get #lingerMs(): number {
    const { protocol, settings } = this.#owner
    if (protocol.heartbeat === "answered") return this.peerEnded ? settings.deadlines.goodbye : Infinity
    return Heartbeat.isProbing(protocol.heartbeat, settings.heartbeat) ? Infinity : settings.deadlines.halfClosed
  }

  /** How long the peer has from the first read to whatever it still owes first; infinite once nothing is owed. */
  get #firstMs(): number {
    const { firstFrame, firstMessage } = this.#owner.settings.deadlines
    if (this.inbox.frames > this.inbox.heartbeats) return Infinity
    return this.inbox.frames > 0 ? firstMessage : Math.min(firstFrame, firstMessage)
  }

  #allowedMs(declaredBytes: number | undefined): number {
    const { frame, frameBytesPerSecond } = this.#owner.settings.deadlines
    return declaredBytes === undefined ? frame : frame + (declaredBytes / frameBytesPerSecond) * 1000
  }

  ringUnsafe(now: number): void {
    const { wire } = this.#owner
    if (this.hasEnded) {
      const quietSince = wire.unsentUnsafe() > 0 ? now : this.#owner.sentAt()
      if (now < quietSince + this.#lingerMs) this.#mustCome(quietSince + this.#lingerMs)
      else this.#owner.closeUnsafe(CloseReason.PeerClosed())
      return
    }
    const arriving = this.inbox.arriving
    if (wire.unreadUnsafe() > 0 || wire.pausedUnsafe()) {
      // The handler is busy, not the peer late: what is missing may be waiting here.
      this.#arrivingSince = now
      this.#mustCome(this.#arrivingSince + this.#allowedMs(arriving?.declaredBytes))
    } else if (now >= this.#listensSince + this.#firstMs) {
      const late = this.inbox.frames > 0 ? CloseReason.FirstMessageLate : CloseReason.FirstFrameLate
      this.#owner.closeUnsafe(late({ limitMs: this.#firstMs }))
    } else if (arriving !== undefined) {
      const limitMs = Math.round(this.#allowedMs(arriving.declaredBytes))
      const { declaredBytes = 0, receivedBytes } = arriving
      this.#owner.closeUnsafe(CloseReason.FrameTooSlow({ limitMs, declaredBytes, receivedBytes }))
    }
  }
}
