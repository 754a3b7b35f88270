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
import type { Address, TlsIdentity, Wire } from "../transport/Transport.ts"
import { type Attribute, Attributes } from "./Attribute.ts"
import * as CloseReason from "./CloseReason.ts"
import { type Connection, ConnectionError } from "./Connection.ts"
import type * as Heartbeat from "./Heartbeat.ts"
import * as Outbox from "./Outbox.ts"
import type { Protocol } from "./Protocol.ts"
import { Reader } from "./Reader.ts"
import type { Settings } from "./Settings.ts"

/** What a connection is made of. */
export interface LiveOptions<In, Out> {
  readonly id: number
  readonly wire: Wire
  readonly tls: TlsIdentity | undefined
  readonly protocol: Protocol<In, Out>
  readonly settings: Settings
  /** Runs an effect in the connection's scope. */
  readonly fork: (effect: Effect.Effect<void>) => void
  /** Called once, soon after the reason is known and not within the call that gave it. */
  readonly onClosing: (reason: CloseReason.CloseReason) => void
}

/** The connection as its server sees it. */
export class LiveConnection<In, Out> implements Connection<In, Out>, Heartbeat.Pulse {
  readonly id: number
  readonly peer: Address
  readonly tls: TlsIdentity | undefined
  readonly openedAt: number

  readonly #options: LiveOptions<In, Out>
  readonly #reader: Reader<In>
  #codec: Codec<In, Out>
  readonly #outbox: Outbox.Outbox
  #attributes: Attributes | undefined
  #closed: Deferred.Deferred<CloseReason.CloseReason> | undefined
  #reason: CloseReason.CloseReason | undefined

  constructor(options: LiveOptions<In, Out>) {
    const { fork, protocol, settings, wire } = options
    const { deadlines, now, rateLimit, turn } = settings
    this.id = options.id
    this.peer = wire.peer
    this.tls = options.tls
    this.openedAt = settings.clock.currentTimeMillisUnsafe()
    this.#options = options
    this.#codec = protocol.codec
    const { codecFor } = protocol
    this.#reader = new Reader<In>({
      wire,
      protocol,
      rateLimit,
      deadlines,
      now,
      turn,
      fork,
      onReason: this.closeUnsafe,
      codecFor: codecFor && ((firstBody) => (this.#codec = codecFor(firstBody))),
    })
    this.#outbox = new Outbox.Outbox({
      wire,
      encoder: protocol.encoder,
      turn,
      maxBytes: settings.outbox.maxBytes,
      maxAgeMs: Duration.toMillis(settings.outbox.maxAge),
      writeStallMs: deadlines.writeStall,
      now,
      fork,
      onOverflow: this.closeUnsafe,
    })
  }

  // --- reading

  get messages(): Stream.Stream<In, ConnectionError> {
    return Stream.fromPull(Effect.succeed(this.#reader.batch))
  }

  get receive(): Pull.Pull<In, ConnectionError> {
    return this.#reader.one
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
    return this.#options.wire.receivedUnsafe()
  }

  isExcused(): boolean {
    return this.#reader.peerEnded || this.#options.wire.pausedUnsafe() || this.#reader.isArriving
  }

  probe(): void {
    this.#outbox.offer("")
  }

  // --- sending

  sendUnsafe = (message: Out): ConnectionError | undefined => {
    if (!this.isOpen) return this.#ended()
    const body = this.#codec.encode(message)
    const error = Result.isFailure(body) ? body.failure : this.#outbox.offer(body.success)
    // The message may have been the one too many.
    return error === undefined ? this.#ended() : new ConnectionError({ reason: CloseReason.BadOutbound({ error }) })
  }

  #ended(): ConnectionError | undefined {
    return this.#reason && new ConnectionError({ reason: this.#reason })
  }

  get room(): Effect.Effect<void> {
    return this.#outbox.room
  }

  sendSharedUnsafe(frame: Outbox.SharedFrame): void {
    this.#outbox.offerShared(frame)
  }

  send = (message: Out): Effect.Effect<void, ConnectionError> => this.sendAll([message])

  sendAll = (messages: ReadonlyArray<Out>): Effect.Effect<void, ConnectionError> =>
    Effect.suspend(() => this.#sendFrom(messages, 0))

  #sendFrom(messages: ReadonlyArray<Out>, from: number): Effect.Effect<void, ConnectionError> {
    const codec = this.#codec
    for (let i = from; i < messages.length; i++) {
      if (this.#reason !== undefined) return Effect.fail(new ConnectionError({ reason: this.#reason }))
      const body = codec.encode(messages[i]!)
      if (Result.isFailure(body)) return badOutbound(body.failure)
      if (this.#outbox.isFullFor(body.success.length)) {
        return Effect.flatMap(this.#outbox.room, () => this.#sendFrom(messages, i))
      }
      const refused = this.#outbox.offer(body.success)
      if (refused !== undefined) return badOutbound(refused)
    }
    return Effect.void
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

  close = (reason: CloseReason.CloseReason = CloseReason.Done()): Effect.Effect<void> =>
    Effect.sync(() => this.closeUnsafe(reason))

  closeUnsafe = (reason: CloseReason.CloseReason): void => {
    if (this.#reason !== undefined) return
    const [recorded, last] = this.#lastWords(reason)
    this.#reason = recorded
    // Not within this call: a handler whose own read fails gets to see the failure before it is interrupted, and a
    // caller that goes through many connections is not run into by the ends of some.
    queueMicrotask(() => {
      if (this.#closed !== undefined) Deferred.doneUnsafe(this.#closed, Exit.succeed(recorded))
      this.#options.onClosing(recorded)
    })
    this.#reader.stop(recorded)
    this.#outbox.seal({ discard: reason._tag === "SlowConsumer" || reason._tag === "WriteStalled", last })
  }

  /** The protocol's goodbye. One that throws is a failure of the application's, which is the reason then. */
  #lastWords(reason: CloseReason.CloseReason): readonly [CloseReason.CloseReason, last?: Body] {
    if (!CloseReason.canBeTold(reason)) return [reason]
    try {
      const told = this.#options.protocol.goodbye(reason)
      const last = told === undefined ? undefined : Result.getOrUndefined(this.#codec.encode(told))
      return last === undefined ? [reason] : [reason, last]
    } catch (defect) {
      return [CloseReason.HandlerFailed({ cause: Cause.die(defect) })]
    }
  }

  handlerEndedUnsafe(exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isSuccess(exit)) {
      return this.closeUnsafe(this.#reader.peerEnded ? CloseReason.PeerClosed() : CloseReason.Done())
    }
    // This connection's own reasons were recorded when they came up; any other is of a connection beside it.
    const error = Cause.squash(exit.cause)
    const isOwn = error instanceof ConnectionError && error.reason._tag === "BadOutbound"
    this.closeUnsafe(isOwn ? error.reason : CloseReason.HandlerFailed({ cause: exit.cause }))
  }

  /**
   * Flushes, sends FIN, and waits for the peer's: what it still sends is read and thrown away, so that no reset
   * destroys the goodbye. Each of the two waits has its deadline, then the wire is reset.
   */
  goodbye(reason: CloseReason.CloseReason, handlerStopped: Effect.Effect<void>): Effect.Effect<void> {
    const { settings, wire } = this.#options
    if (reason._tag === "WireLost") return Effect.sync(() => wire.abortUnsafe())
    // Who leaves in peace gets all that was sent to it, within the deadlines of every write.
    const inPeace = reason._tag === "Done" || reason._tag === "PeerClosed"
    const { maxAge } = settings.outbox
    const patience = Duration.isFinite(maxAge) ? maxAge : settings.deadlines.writeStall
    const flushing = inPeace ? patience : settings.deadlines.goodbye
    const rest = Effect.andThen(handlerStopped, Effect.ignore(Effect.forever(wire.pull, { disableYield: true })))
    return this.#outbox.flushed.pipe(
      Effect.timeoutOption(flushing),
      Effect.andThen(Effect.sync(() => wire.endUnsafe())),
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
