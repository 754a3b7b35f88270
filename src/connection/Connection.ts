/**
 * One peer in one Scope: the wire's stream of bytes through the frame decoder and the codec, raced with its heartbeat;
 * what is sent goes through the outbox. Accepts nobody and knows no other connection.
 *
 * A connection ends once, for one reason, whoever was first: the handler, the peer, a limit, a deadline, the server.
 * The handler is then interrupted, the goodbye is said, and the wire is brought to an end within a deadline.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Address, TlsIdentity, TransportError, Wire } from "../transport/Transport.ts"
import { type Attribute, Attributes } from "./Attribute.ts"
import * as CloseReason from "./CloseReason.ts"
import * as Deadlines from "./Deadlines.ts"
import * as Heartbeat from "./Heartbeat.ts"
import { Inbox } from "./Inbox.ts"
import * as Outbox from "./Outbox.ts"
import type { Protocol } from "./Protocol.ts"
import * as RateLimit from "./RateLimit.ts"
import { Turn } from "./Turn.ts"

/** A connection that has ended, or (with `BadOutbound`) a message that cannot be sent and was not. */
export class ConnectionError extends Data.TaggedError("ConnectionError")<{
  readonly reason: CloseReason.CloseReason
}> {
  override get message(): string {
    return CloseReason.format(this.reason)
  }
}

/** One peer, as a handler sees it. */
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
  /** The next message, and only that. */
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
  /** Sends a frame that was encoded for many. Never waits. */
  readonly sendSharedUnsafe: (frame: Outbox.SharedFrame) => void
  /** Ends the connection; the goodbye goes behind what was sent. Default reason: `Done`. */
  readonly close: (reason?: CloseReason.CloseReason) => Effect.Effect<void>
  /** `close` for callers outside of Effect. */
  readonly closeUnsafe: (reason: CloseReason.CloseReason) => void
  /** Completes with the reason when the connection ends; the goodbye is then still to be said. */
  readonly closed: Effect.Effect<CloseReason.CloseReason>
  /** Complete frames from the peer so far, heartbeats included. */
  readonly framesReceived: number
  /** Those of them that were heartbeats. */
  readonly heartbeatsReceived: number
  /** The limit for the body of frames that arrive from now on. Default: the layout's. */
  readonly limitInboundUnsafe: (maxFrameBytes: number) => void
  readonly get: <A>(attribute: Attribute<A>) => A | undefined
  readonly set: <A>(attribute: Attribute<A>, value: A) => void
}

/** All that connections of a server share: settings, the clock, the turn. */
export interface Settings {
  readonly heartbeat: Heartbeat.HeartbeatSettings
  readonly deadlines: Deadlines.Deadlines
  readonly outbox: Outbox.OutboxLimits
  readonly rateLimit: RateLimit.RateLimit
  readonly clock: Clock.Clock
  readonly turn: Turn
}

/** The settings in force, read once for a server. */
export const settings: Effect.Effect<Settings> = Effect.gen(function* () {
  return {
    heartbeat: yield* Heartbeat.HeartbeatSettings,
    deadlines: yield* Deadlines.Deadlines,
    outbox: yield* Outbox.OutboxLimits,
    rateLimit: yield* RateLimit.RateLimit,
    clock: yield* Clock.Clock,
    turn: new Turn(),
  }
})

/** What `serve` needs beside the handler. */
export interface Options<In, Out> {
  readonly id: number
  readonly wire: Wire
  readonly protocol: Protocol<In, Out>
  readonly settings: Settings
  /** Runs when bytes may flow, before the handler. */
  readonly onOpened: (connection: Connection<In, Out>) => Effect.Effect<void>
  /** Runs once when the reason is known, before the goodbye. */
  readonly onEnded: (
    reason: CloseReason.CloseReason,
    connection: Connection<In, Out> | undefined,
  ) => Effect.Effect<void>
}

/**
 * Owns the wire from its handshake to its end, runs the handler on it in a Scope of its own, and completes with the
 * reason when the wire is closed. Never fails: whatever happens is a reason. Interrupting it resets the wire.
 */
export const serve = Effect.fnUntraced(function* <In, Out, E, R>(
  options: Options<In, Out>,
  handler: (connection: Connection<In, Out>) => Effect.Effect<unknown, E, R>,
) {
  const { onEnded, settings, wire } = options
  const scope = yield* Scope.Scope
  yield* Scope.addFinalizer(
    scope,
    Effect.sync(() => wire.abortUnsafe()),
  )
  const opened = yield* Effect.result(wire.opened)
  if (Result.isFailure(opened)) {
    const reason = CloseReason.WireLost({ error: opened.failure })
    yield* onEnded(reason, undefined)
    return reason
  }
  const services = yield* Effect.context<R>()
  const fork = (effect: Effect.Effect<void>) => void Effect.runForkWith(services)(Effect.forkIn(effect, scope))
  const connection = new LiveConnection(options, opened.success, fork)
  wire.onLostUnsafe((error) => connection.closeUnsafe(CloseReason.WireLost({ error })))
  const [running, reason] = yield* Effect.gen(function* () {
    yield* options.onOpened(connection)
    const running = yield* Effect.suspend(() => handler(connection)).pipe(
      Effect.scoped,
      Effect.onExit((exit) => Effect.sync(() => connection.handlerEndedUnsafe(exit))),
      Effect.forkIn(scope, { startImmediately: true }),
    )
    if (options.protocol.heartbeat === "empty" && connection.isOpen) {
      yield* Heartbeat.run(connection, settings.heartbeat).pipe(
        Effect.map(connection.closeUnsafe),
        Effect.forkIn(scope, { startImmediately: true }),
      )
    }
    return [running, yield* connection.closed] as const
  }).pipe(
    Effect.onInterrupt(() => connection.reset(CloseReason.Draining())),
    Effect.onExit(() => onEnded(connection.reason ?? CloseReason.Draining(), connection)),
  )
  // The handler leaves the wire first, so that one fiber at a time reads it.
  const stopped = Fiber.interrupt(running)
  yield* Effect.all([stopped, connection.goodbye(reason, stopped)], { concurrency: 2, discard: true })
  return reason
}, Effect.scoped)

type Batch<In> = Pull.Pull<Arr.NonEmptyReadonlyArray<In>, ConnectionError>

class LiveConnection<In, Out> implements Connection<In, Out>, Heartbeat.Pulse {
  readonly id: number
  readonly peer: Address
  readonly tls: TlsIdentity | undefined
  readonly openedAt: number

  readonly #options: Options<In, Out>
  readonly #inbox: Inbox<In>
  readonly #outbox: Outbox.Outbox
  readonly #attributes = new Attributes()
  readonly #closed = Deferred.makeUnsafe<CloseReason.CloseReason>()
  readonly #inboundDeadline: Deadlines.LazyDeadline
  readonly #now: () => number
  readonly #openedAt: number
  #reason: CloseReason.CloseReason | undefined
  /** Messages of a batch of which `receive` took the first, the next one last: taking one is then no copy. */
  #rest: Array<In> = []
  /** Whether somebody waits for the peer's bytes: only then is lateness the peer's. */
  #pulling = false
  #peerEnded = false
  #arrivingFrame = -1
  #arrivingSince = 0

  constructor(options: Options<In, Out>, tls: TlsIdentity | undefined, fork: (effect: Effect.Effect<void>) => void) {
    const { protocol, settings, wire } = options
    const now = () => Deadlines.monotonicMs(settings.clock)
    this.id = options.id
    this.peer = wire.peer
    this.tls = tls
    this.openedAt = settings.clock.currentTimeMillisUnsafe()
    this.#options = options
    this.#now = now
    this.#openedAt = now()
    this.#inbox = new Inbox({ protocol, rateLimit: settings.rateLimit, now })
    this.#outbox = new Outbox.Outbox({
      wire,
      encoder: protocol.encoder,
      turn: settings.turn,
      maxBytes: settings.outbox.maxBytes,
      maxAgeMs: Duration.toMillis(settings.outbox.maxAge),
      writeStallMs: Duration.toMillis(settings.deadlines.writeStall),
      now,
      fork,
      onOverflow: this.closeUnsafe,
    })
    this.#inboundDeadline = new Deadlines.LazyDeadline({
      now,
      fork,
      leastMs: Math.min(Duration.toMillis(settings.deadlines.firstFrame), Duration.toMillis(settings.deadlines.frame)),
      onPassed: () => this.#inboundLate(),
    })
    this.#inboundDeadline.set(this.#openedAt + Duration.toMillis(settings.deadlines.firstFrame))
  }

  // --- reading

  get messages(): Stream.Stream<In, ConnectionError> {
    return Stream.fromPull(Effect.succeed(this.#pull))
  }

  get receive(): Pull.Pull<In, ConnectionError> {
    return Effect.suspend(() => {
      if (this.#rest.length > 0) return Effect.succeed(this.#rest.pop() as In)
      return Effect.map(this.#pull, (messages) => {
        this.#rest = messages.slice(1).toReversed()
        return messages[0]
      })
    })
  }

  readonly #pull: Batch<In> = Effect.suspend(() => {
    const rest = this.#rest.toReversed()
    this.#rest = []
    if (Arr.isArrayNonEmpty(rest)) return Effect.succeed(rest)
    if (this.#reason !== undefined) return Effect.fail(new ConnectionError({ reason: this.#reason }))
    // What is held came before what failed.
    const heldMs = this.#inbox.heldMs
    if (heldMs > 0) {
      return Effect.flatMap(Effect.sleep(heldMs), () => this.#deliver(this.#inbox.release()))
    }
    const failure = this.#inbox.failure
    if (failure !== undefined) return this.#fail(failure)
    this.#pulling = true
    return Effect.matchCauseEffect(Effect.onInterrupt(this.#options.wire.pull, this.#onLeft), this.#onPulled)
  })

  /** A handler that leaves a pull by interruption is busy with something else: no other continuation runs then. */
  readonly #onLeft = (): Effect.Effect<void> =>
    Effect.sync(() => {
      this.#pulling = false
    })

  readonly #onPulled = {
    onSuccess: (chunks: ReadonlyArray<Uint8Array>): Batch<In> => {
      this.#pulling = false
      const messages = this.#inbox.take(chunks)
      this.#watchArrival()
      return this.#deliver(messages)
    },
    onFailure: (cause: Cause.Cause<TransportError | Cause.Done>): Batch<In> => {
      this.#pulling = false
      if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
      const failure = Cause.squash(cause)
      if (!Cause.isDone(failure)) return this.#fail(CloseReason.WireLost({ error: failure as TransportError }))
      this.#peerEnded = true
      this.#inboundDeadline.lift()
      const truncated = this.#inbox.end()
      return truncated === undefined ? Cause.done() : this.#fail(truncated)
    },
  }

  #deliver(messages: Array<In>): Batch<In> {
    return Arr.isArrayNonEmpty(messages) ? Effect.succeed(messages) : this.#pull
  }

  #fail(reason: CloseReason.CloseReason): Effect.Effect<never, ConnectionError> {
    this.closeUnsafe(reason)
    return Effect.fail(new ConnectionError({ reason: this.#reason ?? reason }))
  }

  get framesReceived(): number {
    return this.#inbox.frames
  }

  get heartbeatsReceived(): number {
    return this.#inbox.heartbeats
  }

  limitInboundUnsafe = (maxFrameBytes: number): void => this.#inbox.limit(maxFrameBytes)

  // --- deadlines

  #watchArrival(): void {
    const { deadlines } = this.#options.settings
    const arriving = this.#inbox.arriving
    let at = this.#inbox.frames === 0 ? this.#openedAt + Duration.toMillis(deadlines.firstFrame) : Infinity
    if (arriving !== undefined) {
      if (this.#inbox.arrivingFrame !== this.#arrivingFrame) {
        this.#arrivingFrame = this.#inbox.arrivingFrame
        this.#arrivingSince = this.#inbox.receivedAt
      }
      at = Math.min(at, this.#arrivingSince + this.#frameMs(arriving.declaredBytes))
    }
    this.#inboundDeadline.set(at)
  }

  #frameMs(declaredBytes = 0): number {
    const { frame, frameBytesPerSecond } = this.#options.settings.deadlines
    return Duration.toMillis(frame) + (declaredBytes / frameBytesPerSecond) * 1000
  }

  #inboundLate(): void {
    const { deadlines } = this.#options.settings
    const arriving = this.#inbox.arriving
    if (!this.#pulling) {
      // The handler is busy: the bytes may be waiting here.
      this.#arrivingSince = this.#now()
      this.#inboundDeadline.set(this.#arrivingSince + this.#frameMs(arriving?.declaredBytes))
    } else if (this.#inbox.frames === 0 && this.#now() >= this.#openedAt + Duration.toMillis(deadlines.firstFrame)) {
      this.closeUnsafe(CloseReason.FirstFrameLate({ limitMs: Duration.toMillis(deadlines.firstFrame) }))
    } else if (arriving !== undefined) {
      const { declaredBytes = 0, receivedBytes } = arriving
      const limitMs = Math.round(this.#frameMs(declaredBytes))
      this.closeUnsafe(CloseReason.FrameTooSlow({ limitMs, declaredBytes, receivedBytes }))
    }
  }

  // --- the pulse that the heartbeat watches

  receivedAt = (): number => this.#inbox.receivedAt
  sentAt = (): number => this.#outbox.sentAt
  receivedBytes = (): number => this.#options.wire.receivedUnsafe()
  isExcused = (): boolean => this.#options.wire.pausedUnsafe() || (this.#pulling && this.#inbox.arriving !== undefined)
  probe = (): void => void this.#outbox.offer("")

  // --- sending

  sendUnsafe = (message: Out): ConnectionError | undefined => {
    if (!this.isOpen) return this.#ended()
    const body = this.#options.protocol.codec.encode(message)
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

  sendSharedUnsafe = (frame: Outbox.SharedFrame): void => this.#outbox.offerShared(frame)

  send = (message: Out): Effect.Effect<void, ConnectionError> => this.sendAll([message])

  sendAll = (messages: ReadonlyArray<Out>): Effect.Effect<void, ConnectionError> =>
    Effect.suspend(() => this.#sendFrom(messages, 0))

  #sendFrom(messages: ReadonlyArray<Out>, from: number): Effect.Effect<void, ConnectionError> {
    const { codec } = this.#options.protocol
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

  get reason(): CloseReason.CloseReason | undefined {
    return this.#reason
  }

  get closed(): Effect.Effect<CloseReason.CloseReason> {
    return Deferred.await(this.#closed)
  }

  close = (reason: CloseReason.CloseReason = CloseReason.Done()): Effect.Effect<void> =>
    Effect.sync(() => this.closeUnsafe(reason))

  closeUnsafe = (reason: CloseReason.CloseReason): void => {
    if (this.#reason !== undefined) return
    this.#reason = reason
    // Not within this call: a handler whose own read fails gets to see the failure before it is interrupted, and a
    // caller that goes through many connections is not run into by the ends of some.
    queueMicrotask(() => Deferred.doneUnsafe(this.#closed, Exit.succeed(reason)))
    this.#inboundDeadline.lift()
    const told = CloseReason.canBeTold(reason) ? this.#options.protocol.goodbye(reason) : undefined
    const last = told === undefined ? undefined : Result.getOrUndefined(this.#options.protocol.codec.encode(told))
    this.#outbox.seal({ discard: reason._tag === "SlowConsumer" || reason._tag === "WriteStalled", last })
  }

  /** The end without a goodbye that anybody waits for. */
  reset(reason: CloseReason.CloseReason): Effect.Effect<void> {
    return Effect.sync(() => {
      this.closeUnsafe(reason)
      this.#options.wire.abortUnsafe()
    })
  }

  handlerEndedUnsafe(exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isSuccess(exit)) return this.closeUnsafe(this.#peerEnded ? CloseReason.PeerClosed() : CloseReason.Done())
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
    const inPeace = reason._tag === "Done" || reason._tag === "PeerClosed" || reason._tag === "Application"
    const { maxAge } = settings.outbox
    const patience = Duration.isFinite(maxAge) ? maxAge : settings.deadlines.writeStall
    const flushing = inPeace ? patience : settings.deadlines.goodbye
    const rest = Effect.andThen(handlerStopped, Effect.ignore(Effect.forever(wire.pull, { disableYield: true })))
    return this.#outbox.flushed.pipe(
      Effect.raceFirst(Effect.sleep(flushing)),
      Effect.andThen(Effect.sync(() => wire.endUnsafe())),
      Effect.andThen(Effect.raceFirst(wire.closed, Effect.sleep(settings.deadlines.goodbye))),
      Effect.raceFirst(Effect.andThen(rest, Effect.never)),
      Effect.ensuring(Effect.sync(() => wire.abortUnsafe())),
    )
  }

  get = <A>(attribute: Attribute<A>): A | undefined => this.#attributes.get(attribute)
  set = <A>(attribute: Attribute<A>, value: A): void => this.#attributes.set(attribute, value)
}

const badOutbound = (error: Extract<CloseReason.CloseReason, { _tag: "BadOutbound" }>["error"]) =>
  Effect.fail(new ConnectionError({ reason: CloseReason.BadOutbound({ error }) }))
