/**
 * A pair of connected wires in memory, with the faults of a network on demand.
 * Opens no socket and reads no clock: bytes cross at the end of the current turn of the event loop, in order.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { ReadQueue } from "./ReadQueue.ts"
import {
  type Address,
  type Bounds,
  type Farewell,
  lostWith,
  type TlsIdentity,
  type TransportError,
  type Wire,
} from "./Transport.ts"

/** What arrives at once at most, as with one read of a socket. */
const maxFragmentBytes = 64 * 1024

/** One end. What it writes waits in `unsent` until the other end has room, as in a system's send buffer. */
export class MemoryWire implements Wire {
  readonly peer: Address
  readonly arrived: ReadQueue
  readonly opened: Effect.Effect<TlsIdentity | undefined, TransportError> = Exit.succeed(undefined)
  /** Set it before the wire is used: there is no handshake that would. */
  subprotocol: string | undefined = undefined
  /** What this end said when it ended. */
  farewell: Farewell | undefined = undefined

  private readonly writeHighWaterBytes: number
  private readonly released = Deferred.makeUnsafe<void>()
  private other: MemoryWire = this
  private unsent: Array<Uint8Array> = []
  private unsentBytes = 0
  private ended = false
  private finSent = false
  private crossing = false
  private stalled = false
  private fragmentBytes = maxFragmentBytes
  private lost: TransportError | undefined = undefined
  private lostListener: ((error: TransportError) => void) | undefined = undefined
  private draining: Deferred.Deferred<void, TransportError> | undefined = undefined

  constructor(peer: Address, bounds: Bounds) {
    this.peer = peer
    this.writeHighWaterBytes = bounds.writeHighWaterBytes
    // A paused queue needs no telling: the other end looks at `paused` before it lets bytes cross.
    this.arrived = new ReadQueue({ pause: () => undefined, resume: () => this.other.cross() }, bounds.readBufferBytes)
  }

  get drained(): Effect.Effect<void, TransportError> {
    return Effect.suspend(() => {
      if (this.lost !== undefined) return Effect.fail(this.lost)
      if (this.unsentBytes === 0) return Effect.void
      return Deferred.await((this.draining ??= Deferred.makeUnsafe()))
    })
  }

  get pull(): Wire["pull"] {
    return this.arrived.pull
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

  heardUnsafe(): Farewell | undefined {
    return this.other.finSent ? this.other.farewell : undefined
  }

  receivedUnsafe(): number {
    return this.arrived.received
  }

  unsentUnsafe(): number {
    return this.lost === undefined ? this.unsentBytes : 0
  }

  writeUnsafe(chunks: NonEmptyReadonlyArray<Uint8Array>): boolean {
    if (this.lost !== undefined) return false
    if (this.ended) return true
    for (const chunk of chunks) {
      // Copied, as a system does: the writer may reuse its buffer once the bytes are sent.
      this.unsent.push(new Uint8Array(chunk))
      this.unsentBytes += chunk.length
    }
    this.cross()
    return this.unsentBytes < this.writeHighWaterBytes
  }

  onLostUnsafe(listener: (error: TransportError) => void): void {
    if (this.lost === undefined) this.lostListener = listener
    else listener(this.lost)
  }

  endUnsafe(farewell?: Farewell): void {
    if (this.lost !== undefined || this.ended) return
    this.ended = true
    this.farewell = farewell
    this.cross()
  }

  abortUnsafe(): void {
    if (Deferred.isDoneUnsafe(this.released)) return
    this.arrived.clear()
    this.loseUnsafe("ABORTED")
    queueMicrotask(() => this.other.loseUnsafe("ECONNRESET"))
  }

  /** Loses the connection for both ends, as a network or a crashed host does. */
  resetUnsafe(): void {
    queueMicrotask(() => {
      this.loseUnsafe("ECONNRESET")
      this.other.loseUnsafe("ECONNRESET")
    })
  }

  /** Takes no more bytes from the network, whoever pulls here: the other end's writes stay unsent. */
  stallUnsafe(): void {
    this.stalled = true
  }

  /** Takes bytes from the network again after `stallUnsafe`. */
  unstallUnsafe(): void {
    this.stalled = false
    this.other.cross()
  }

  /** Cuts what this end writes from now on into chunks of at most `bytes`, which arrive one by one. */
  fragmentUnsafe(bytes: number): void {
    this.fragmentBytes = Math.max(1, Math.min(bytes, maxFragmentBytes))
  }

  /** Connects two ends with each other. */
  static joinUnsafe(a: MemoryWire, b: MemoryWire): void {
    a.other = b
    b.other = a
  }

  /** Moves bytes to the other end in a microtask, so that no writer runs its reader inside its own call. */
  private cross(): void {
    if (this.crossing) return
    this.crossing = true
    queueMicrotask(() => {
      this.crossing = false
      this.deliver()
    })
  }

  private deliver(): void {
    const { other } = this
    while (this.unsent.length > 0 && !other.blocked) {
      const fragment = this.nextFragment()
      this.unsentBytes -= fragment.length
      other.arrived.push(fragment)
      if (this.fragmentBytes < maxFragmentBytes) break
    }
    if (this.unsent.length > 0) {
      if (!other.blocked) this.cross()
      return
    }
    if (this.ended && !this.finSent && !other.blocked) {
      this.finSent = true
      other.arrived.finish()
      if (other.finSent) {
        this.releaseUnsafe()
        other.releaseUnsafe()
      }
    }
    // Last, since whoever waited runs inside this call, and may write or end.
    const draining = this.draining
    if (draining === undefined || this.lost !== undefined) return
    this.draining = undefined
    Deferred.doneUnsafe(draining, Effect.void)
  }

  /** Whether nothing crosses to this end for now. */
  private get blocked(): boolean {
    return this.stalled || this.arrived.paused || this.lost !== undefined
  }

  private nextFragment(): Uint8Array {
    const [head] = this.unsent
    if (head === undefined) return new Uint8Array(0)
    if (head.length <= this.fragmentBytes) {
      this.unsent.shift()
      return head
    }
    this.unsent[0] = head.subarray(this.fragmentBytes)
    return head.subarray(0, this.fragmentBytes)
  }

  private loseUnsafe(code: string): void {
    if (Deferred.isDoneUnsafe(this.released)) return
    const error = lostWith(code)
    this.lost = error
    this.unsent = []
    this.unsentBytes = 0
    this.arrived.fail(error)
    if (this.draining !== undefined) Deferred.doneUnsafe(this.draining, Effect.fail(error))
    this.releaseUnsafe()
    this.lostListener?.(error)
  }

  private releaseUnsafe(): void {
    Deferred.doneUnsafe(this.released, Effect.void)
  }
}
