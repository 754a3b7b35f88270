/**
 * A connection at work: its reader and its outbox, and the one reason for which it ends.
 * Runs no handler: `Lifetime.serve` does.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Body, Codec } from "../codec/Codec.ts"
import type { Address, Arrived, TlsIdentity, Wire } from "../transport/Transport.ts"
import { type Attribute, Attributes } from "./Attribute.ts"
import * as CloseReason from "./CloseReason.ts"
import { type Connection, ConnectionError, endedBy } from "./Connection.ts"
import type * as Heartbeat from "./Heartbeat.ts"
import { Outbox, type OutboxOwner, type SharedFrame } from "./Outbox.ts"
import * as Protocol from "./Protocol.ts"
import { type Batch, Reader, type ReaderOwner } from "./Reader.ts"
import { type Sender, Sending } from "./Sending.ts"
import type { Settings } from "./Settings.ts"

/** What a connection is made of. */
export interface LiveOptions<In, Out> {
  readonly id: number
  readonly wire: Wire
  readonly protocol: Protocol.Protocol<In, Out>
  readonly settings: Settings
}

/** Who runs a connection. */
export interface LiveOwner {
  /** Runs an effect in the connection's scope. */
  fork(effect: Effect.Effect<void>): void
  /** Called once, soon after the reason is known and not within the call that gave it. */
  closingUnsafe(reason: CloseReason.CloseReason): void
}

/**
 * The connection as its server sees it. There are many, idle most of the time: its parts hold it instead of copies of its
 * fields, and a member that may be taken off it is bound when it is first asked for (bench, idle).
 */
export class LiveConnection<In, Out>
  implements Connection<In, Out>, ReaderOwner<In>, OutboxOwner, Heartbeat.Pulse, Heartbeat.Heard, Sender<Out>
{
  readonly id: number
  readonly tls: TlsIdentity | undefined
  readonly openedAt: number
  readonly wire: Wire
  readonly protocol: Protocol.Protocol<In, Out>
  readonly settings: Settings

  readonly #owner: LiveOwner
  readonly #reader: Reader<In>
  #codec: Codec<In, Out>
  readonly #outbox: Outbox
  #attributes: Attributes | undefined
  #closed: Deferred.Deferred<CloseReason.CloseReason> | undefined
  #reason: CloseReason.CloseReason | undefined
  #send: Connection<In, Out>["send"] | undefined
  #sendAll: Connection<In, Out>["sendAll"] | undefined
  #sendUnsafe: Connection<In, Out>["sendUnsafe"] | undefined
  #close: Connection<In, Out>["close"] | undefined
  #closeUnsafe: Connection<In, Out>["closeUnsafe"] | undefined

  constructor(options: LiveOptions<In, Out>, tls: TlsIdentity | undefined, owner: LiveOwner) {
    this.id = options.id
    this.tls = tls
    this.openedAt = options.settings.clock.currentTimeMillisUnsafe()
    this.wire = options.wire
    this.protocol = options.protocol
    this.settings = options.settings
    this.#codec = this.#agreed ?? options.protocol.codec
    this.#owner = owner
    this.#reader = new Reader<In>(this)
    this.#outbox = new Outbox(this)
  }

  get peer(): Address {
    return this.wire.peer
  }

  fork(effect: Effect.Effect<void>): void {
    this.#owner.fork(effect)
  }

  // --- reading

  get messages(): Stream.Stream<In, ConnectionError> {
    return Stream.fromPull(Effect.succeed(this.batch))
  }

  get batch(): Batch<In> {
    return this.#reader
  }

  get receive(): Pull.Pull<In, ConnectionError> {
    return this.#reader.one
  }

  /** Runs `begin` once the peer has said something or has left, at once if it has. This may have ended by then. */
  whenBegunUnsafe(arrived: Arrived, begin: () => void): void {
    this.#reader.listen()
    arrived.wakeUnsafe(begin)
  }

  get framesReceived(): number {
    return this.#reader.inbox.frames
  }

  get heartbeatsReceived(): number {
    return this.#reader.inbox.heartbeats
  }

  get codec(): Codec<In, Out> {
    return this.#codec
  }

  restsUnsafe(): void {
    this.#outbox.answeredUnsafe()
  }

  codecOf(firstBody: Uint8Array): Codec<In, Out> {
    return (this.#codec = this.#agreed ?? this.protocol.codecFor?.(firstBody) ?? this.#codec)
  }

  get #agreed(): Codec<In, Out> | undefined {
    const { subprotocol } = this.wire
    return subprotocol === undefined ? undefined : this.protocol.subprotocols?.[subprotocol]
  }

  limitInboundUnsafe(maxFrameBytes: number): void {
    this.#reader.inbox.limit(maxFrameBytes)
  }

  // --- the pulse that the heartbeat watches

  receivedAt(): number {
    return this.#reader.inbox.receivedAt
  }

  sentAt(): number {
    return this.#outbox.sentAt
  }

  receivedBytes(): number {
    return this.wire.receivedUnsafe()
  }

  isExcused(): boolean {
    return this.wire.pausedUnsafe() || this.#reader.isArriving
  }

  hasEnded(): boolean {
    return this.#reader.hasEnded
  }

  isBusy(): boolean {
    return this.wire.unreadUnsafe() > 0
  }

  probe(): void {
    this.#outbox.offer("")
  }

  // --- sending

  get sendUnsafe(): Connection<In, Out>["sendUnsafe"] {
    return (this.#sendUnsafe ??= (message) => this.#offer(message))
  }

  #offer(message: Out): ConnectionError | undefined {
    if (!this.isOpen) return this.#ended()
    const body = Protocol.encode(this.protocol, this.#codec, message)
    const error = Result.isFailure(body) ? body.failure : this.#outbox.offer(body.success)
    // The message may have been the one too many.
    return error === undefined ? this.#ended() : new ConnectionError({ reason: CloseReason.BadOutbound({ error }) })
  }

  #ended(): ConnectionError | undefined {
    return this.#reason && endedBy(this.#reason)
  }

  get isBehind(): boolean {
    return this.#outbox.isBehind
  }

  get room(): Effect.Effect<void> {
    return this.#outbox.room
  }

  sendSharedUnsafe(frame: SharedFrame): void {
    this.#outbox.offerShared(frame)
  }

  get send(): Connection<In, Out>["send"] {
    return (this.#send ??= (message) => new Sending(this, message))
  }

  get sendAll(): Connection<In, Out>["sendAll"] {
    return (this.#sendAll ??= (messages) => Effect.suspend(() => this.#sendFrom(messages, 0)))
  }

  #sendFrom(messages: ReadonlyArray<Out>, from: number): Effect.Effect<void, ConnectionError> {
    for (let i = from; i < messages.length; i++) {
      const sent = this.sendNow(messages[i]!)
      if (sent !== Effect.void) return Effect.flatMap(sent, () => this.#sendFrom(messages, i + 1))
    }
    return Effect.void
  }

  sendNow(message: Out): Effect.Effect<void, ConnectionError> {
    if (this.#reason !== undefined) return Effect.fail(endedBy(this.#reason))
    const body = Protocol.encode(this.protocol, this.#codec, message)
    if (Result.isFailure(body)) return badOutbound(body.failure)
    if (this.#outbox.isFullFor(body.success.length)) {
      return Effect.flatMap(this.#outbox.room, () => this.sendNow(message))
    }
    const refused = this.#outbox.offer(body.success)
    return refused === undefined ? Effect.void : badOutbound(refused)
  }

  /** Bytes that the connection keeps in memory, on their way in and out; none once it was made to let go of them. */
  get heldBytes(): number {
    if (this.#reason?._tag === "Overloaded") return 0
    return this.#reader.heldBytes + this.#outbox.heldBytes
  }

  // --- the end

  get isOpen(): boolean {
    return this.#reason === undefined
  }

  get closed(): Effect.Effect<CloseReason.CloseReason> {
    return Effect.suspend(() => {
      if (this.#reason !== undefined) return Effect.succeed(this.#reason)
      this.#closed ??= Deferred.makeUnsafe()
      return Deferred.await(this.#closed)
    })
  }

  get close(): Connection<In, Out>["close"] {
    return (this.#close ??= (reason = CloseReason.Done()) => Effect.sync(() => this.#end(reason)))
  }

  get closeUnsafe(): Connection<In, Out>["closeUnsafe"] {
    return (this.#closeUnsafe ??= (reason) => this.#end(reason))
  }

  #end(reason: CloseReason.CloseReason): void {
    if (this.#reason !== undefined) return
    const [recorded, last] = this.#lastWords(reason)
    this.#reason = recorded
    const isShed = reason._tag === "Overloaded"
    // Who has not taken what it was sent would not hear a goodbye, and what the system was given is freed only so.
    const isDeaf = isShed && this.wire.unsentUnsafe() > 0
    // Not within this call: a handler whose own read fails gets to see the failure before it is interrupted, and a
    // caller that goes through many connections is not run into by the ends of some.
    queueMicrotask(() => {
      if (isDeaf) this.wire.abortUnsafe()
      if (this.#closed !== undefined) Deferred.doneUnsafe(this.#closed, Exit.succeed(recorded))
      this.#owner.closingUnsafe(recorded)
    })
    this.#reader.stop(recorded)
    this.#outbox.seal({ discard: isShed || reason._tag === "SlowConsumer" || reason._tag === "WriteStalled", last })
  }

  /** The protocol's goodbye. One that throws is a failure of the application's, which is the reason then. */
  #lastWords(reason: CloseReason.CloseReason): readonly [CloseReason.CloseReason, last?: Body] {
    if (!CloseReason.canBeTold(reason)) return [reason]
    try {
      const told = this.protocol.goodbye(reason)
      const last =
        told === undefined ? undefined : Result.getOrUndefined(Protocol.encode(this.protocol, this.#codec, told))
      return last === undefined ? [reason] : [reason, last]
    } catch (defect) {
      return [CloseReason.HandlerFailed({ cause: Cause.die(defect) })]
    }
  }

  handlerEndedUnsafe(exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isSuccess(exit)) {
      return this.#end(this.#reader.peerEnded ? CloseReason.PeerClosed() : CloseReason.Done())
    }
    const error = Cause.squash(exit.cause)
    // What `receive` and `batch` fail with behind the peer's FIN: a handler that passes it on has read to the end.
    if (this.#reader.peerEnded && Cause.isDone(error)) return this.#end(CloseReason.PeerClosed())
    // This connection's own reasons were recorded when they came up; any other is of a connection beside it.
    const isOwn = error instanceof ConnectionError && error.reason._tag === "BadOutbound"
    this.#end(isOwn ? error.reason : CloseReason.HandlerFailed({ cause: exit.cause }))
  }

  /**
   * Flushes, sends FIN, and waits for the peer's: what it still sends is read and thrown away, so that no reset
   * destroys the goodbye. Each of the two waits has its deadline, then the wire is reset.
   */
  goodbye(reason: CloseReason.CloseReason, handlerStopped: Effect.Effect<void>): Effect.Effect<void> {
    const { settings, wire } = this
    if (CloseReason.isWireGone(reason)) return Effect.sync(() => wire.abortUnsafe())
    // Who leaves in peace gets all that was sent to it, within the deadlines of every write.
    const inPeace = reason._tag === "Done" || reason._tag === "PeerClosed"
    const { maxAge } = settings.outbox
    const patience = Duration.isFinite(maxAge) ? maxAge : settings.deadlines.writeStall
    const flushing = inPeace ? patience : settings.deadlines.goodbye
    const rest = Effect.andThen(handlerStopped, Effect.ignore(Effect.forever(wire.pull, { disableYield: true })))
    return this.#outbox.flushed.pipe(
      Effect.timeoutOption(flushing),
      Effect.andThen(Effect.sync(() => wire.endUnsafe(this.protocol.farewell(reason)))),
      Effect.andThen(Effect.timeoutOption(wire.closed, settings.deadlines.goodbye)),
      Effect.raceFirst(Effect.andThen(rest, Effect.never)),
      Effect.ensuring(Effect.sync(() => wire.abortUnsafe())),
    )
  }

  get<A>(attribute: Attribute<A>): A | undefined {
    return this.#attributes?.get(attribute)
  }

  set<A>(attribute: Attribute<A>, value: A): void {
    this.#attributes ??= new Attributes()
    this.#attributes.set(attribute, value)
  }
}

const badOutbound = (error: Extract<CloseReason.CloseReason, { _tag: "BadOutbound" }>["error"]) =>
  Effect.fail(new ConnectionError({ reason: CloseReason.BadOutbound({ error }) }))
