/**
 * A wire over one Effect `Socket`: the socket's own pull, and a writing fiber that takes what was handed over.
 * Knows no platform; what a `Socket` does not tell, this wire does not know.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import type * as Socket from "effect/socket/Socket"
import { type Address, lostWith, type TlsIdentity, type TransportError, type Wire } from "./Transport.ts"

type Chunks = NonEmptyReadonlyArray<Uint8Array>

/** One peer of a `SocketServer`. It lives in the server's handler, which `serve` is. */
export class SocketWire implements Wire {
  readonly peer: Address
  readonly opened: Effect.Effect<TlsIdentity | undefined, TransportError> = Exit.succeed(undefined)
  readonly pull: Pull.Pull<Chunks, TransportError>

  private readonly highWaterBytes: number
  private readonly released: Deferred.Deferred<void>
  private readonly readEnd = Deferred.makeUnsafe<void>()
  private readonly lostSignal = Deferred.makeUnsafe<void>()
  private wake: Deferred.Deferred<void> | undefined = undefined
  private draining: Deferred.Deferred<void, TransportError> | undefined = undefined
  private lost: TransportError | undefined = undefined
  private lostListener: ((error: TransportError) => void) | undefined = undefined
  private queued: Array<Uint8Array> = []
  private unsent = 0
  private received = 0
  private pulling = false
  private ended = false

  constructor(peer: Address, pull: Socket.Reader["pull"], highWaterBytes: number, released: Deferred.Deferred<void>) {
    this.peer = peer
    this.released = released
    this.highWaterBytes = highWaterBytes
    const stop = Effect.sync(() => {
      this.pulling = false
    })
    const read = pull.pipe(
      Effect.map((chunks) => this.receive(chunks)),
      Effect.catch((error) => this.endOfReading(error)),
      Effect.ensuring(stop),
    )
    this.pull = Effect.suspend(() => {
      if (this.lost !== undefined) return Effect.fail(this.lost)
      if (Deferred.isDoneUnsafe(this.readEnd)) return Cause.done()
      this.pulling = true
      return read
    })
  }

  /** The handler that a `SocketServer` runs for each socket: it returns when both directions ended or the wire is lost. */
  static serve(options: {
    readonly highWaterBytes: number
    readonly peer: Effect.Effect<Address>
    readonly onWire: (wire: SocketWire) => void
  }): (socket: Socket.Socket) => Effect.Effect<void, Socket.SocketError> {
    return Effect.fnUntraced(function* (socket: Socket.Socket) {
      const peer = yield* options.peer
      const released = Deferred.makeUnsafe<void>()
      // Registered before the socket is acquired, hence run behind its release.
      yield* Effect.addFinalizer(() => Deferred.succeed(released, undefined))
      const { pull } = yield* socket.reader
      const wire = new SocketWire(peer, pull, options.highWaterBytes, released)
      options.onWire(wire)
      yield* Effect.onInterrupt(wire.run(socket.writer), () => Effect.sync(() => wire.abortUnsafe()))
    }, Effect.scoped)
  }

  get closed(): Effect.Effect<void> {
    return Deferred.await(this.released)
  }

  get drained(): Effect.Effect<void, TransportError> {
    return Effect.suspend(() => {
      if (this.lost !== undefined) return Effect.fail(this.lost)
      if (this.unsent === 0) return Effect.void
      return Deferred.await((this.draining ??= Deferred.makeUnsafe()))
    })
  }

  /** What waits, waits in the platform's socket: this side is then paused. */
  unreadUnsafe(): number {
    return 0
  }

  pausedUnsafe(): boolean {
    return !this.pulling && this.lost === undefined && !Deferred.isDoneUnsafe(this.readEnd)
  }

  receivedUnsafe(): number {
    return this.received
  }

  unsentUnsafe(): number {
    return this.unsent
  }

  writeUnsafe(chunks: Chunks): boolean {
    if (this.lost !== undefined) return false
    if (this.ended) return true
    for (const chunk of chunks) {
      this.queued.push(chunk)
      this.unsent += chunk.length
    }
    this.wakeUnsafe()
    return this.unsent < this.highWaterBytes
  }

  onLostUnsafe(listener: (error: TransportError) => void): void {
    if (this.lost === undefined) this.lostListener = listener
    else listener(this.lost)
  }

  endUnsafe(): void {
    this.ended = true
    this.wakeUnsafe()
  }

  abortUnsafe(): void {
    this.loseUnsafe("ABORTED")
  }

  private run(writer: Socket.Socket["writer"]): Effect.Effect<void> {
    // Releasing the writer's scope sends FIN behind what was written.
    const writing = Effect.scoped(Effect.flatMap(writer, (writer) => this.writeAll(writer))).pipe(
      Effect.catch((error) => Effect.sync(() => this.loseUnsafe(codeOf(error), error))),
    )
    return Effect.raceFirst(Effect.andThen(writing, Deferred.await(this.readEnd)), Deferred.await(this.lostSignal))
  }

  private writeAll(writer: Socket.Writer): Effect.Effect<void, Socket.SocketError> {
    const step: Effect.Effect<void, Socket.SocketError> = Effect.suspend(() => {
      const batch = this.queued
      if (Arr.isArrayNonEmpty(batch)) {
        this.queued = []
        return Effect.andThen(writer.writeAll(batch), () => {
          for (const chunk of batch) this.unsent -= chunk.length
          this.noteWritten()
          return step
        })
      }
      if (this.ended) return Effect.void
      return Effect.andThen(Deferred.await((this.wake = Deferred.makeUnsafe())), step)
    })
    return step
  }

  private noteWritten(): void {
    if (this.unsent > 0 || this.draining === undefined) return
    const draining = this.draining
    this.draining = undefined
    Deferred.doneUnsafe(draining, Effect.void)
  }

  private wakeUnsafe(): void {
    if (this.wake === undefined) return
    const wake = this.wake
    this.wake = undefined
    Deferred.doneUnsafe(wake, Effect.void)
  }

  private receive(chunks: NonEmptyReadonlyArray<Uint8Array | string>): Chunks {
    const bytes = Arr.map(chunks, (chunk) => (typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk))
    for (const chunk of bytes) this.received += chunk.length
    return bytes
  }

  private endOfReading(error: Socket.SocketError): Pull.Pull<never, TransportError> {
    if (this.lost === undefined && error.reason._tag === "SocketCloseError" && error.reason.code === 1000) {
      Deferred.doneUnsafe(this.readEnd, Effect.void)
      return Cause.done()
    }
    return Effect.fail(this.loseUnsafe(codeOf(error), error))
  }

  private loseUnsafe(code: string, cause?: unknown): TransportError {
    if (this.lost !== undefined) return this.lost
    const error = lostWith(code, cause)
    this.lost = error
    this.queued = []
    this.unsent = 0
    if (this.draining !== undefined) Deferred.doneUnsafe(this.draining, Effect.fail(error))
    Deferred.doneUnsafe(this.lostSignal, Effect.void)
    this.lostListener?.(error)
    return error
  }
}

/** The system's code where the platform passes it on; `ECONNRESET` for a socket that closed without a goodbye. */
const codeOf = (error: Socket.SocketError): string => {
  const cause: unknown = "cause" in error.reason ? error.reason.cause : undefined
  const code: unknown = cause instanceof Error && "code" in cause ? cause.code : undefined
  return typeof code === "string" ? code : "ECONNRESET"
}
