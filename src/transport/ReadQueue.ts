/**
 * Holds the bytes that arrived on one wire until somebody pulls, and slows their source down beyond a bound.
 * Knows no socket: a source is anything that can pause and resume.
 */
import type { NonEmptyArray, NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type { Arrived, Sieve, TransportError } from "./Transport.ts"

/**
 * Chunks that may wait on one wire, however small: each is an object of some 150 bytes, and may keep the 8 KiB of a pool
 * that it was copied to. What comes then waits with the system, which makes one chunk of it.
 */
export const maxQueuedChunks = 64

/** Where the bytes come from: a Node socket, or the far end of a memory wire. */
export interface Source {
  readonly pause: () => unknown
  readonly resume: () => unknown
}

type Chunks = NonEmptyReadonlyArray<Uint8Array>
type End = Effect.Effect<never, TransportError | Cause.Done>

const fin: End = Cause.done()

/**
 * What one wire has read.
 *
 * A wait takes nothing: it is resumed with what then takes what is queued. So one that was interrupted just before its
 * bytes came leaves them queued for the next one, and needs no finalizer.
 */
export class ReadQueue implements Arrived {
  /** Whether the source is paused because `limitBytes`, or `maxQueuedChunks`, are waiting here. */
  paused = false
  /** Bytes that wait to be pulled. */
  queuedBytes = 0
  /** Bytes that ever arrived. */
  received = 0

  private readonly limitBytes: number
  private source: Source
  /** Who waits, and what it goes on with: kept beside each other, which is less than a function of both. */
  private waiter: ((next: Effect.Effect<never>) => void) | undefined = undefined
  private next: Effect.Effect<unknown, unknown> = Effect.void
  private queued: NonEmptyArray<Uint8Array> | undefined = undefined
  private end: End | undefined = undefined
  private sieve: Sieve | undefined = undefined

  constructor(source: Source, limitBytes: number) {
    this.source = source
    this.limitBytes = limitBytes
  }

  /** The bytes queued, or a wait for the first. Queued bytes come before the end and before a failure. */
  get pull(): Pull.Pull<Chunks, TransportError> {
    return Effect.suspend(() => {
      const chunks = this.takeUnsafe()
      return chunks === undefined ? (this.end ?? this.wait(this.pull)) : Effect.succeed(chunks)
    })
  }

  wait<A, E>(next: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.callback((resume) => {
      // A fiber may have yielded between its look and this: what came then would wake nobody, and be overtaken in a sieve.
      if (this.queued !== undefined || this.end !== undefined) return resume(next)
      this.waiter = resume
      this.next = next
    })
  }

  wakeUnsafe(wake: () => void): void {
    if (this.queued !== undefined || this.end !== undefined) return wake()
    this.waiter = wake
  }

  /** Whether the end or a failure was recorded: nothing arrives any more. */
  get ended(): boolean {
    return this.end !== undefined
  }

  get finished(): boolean {
    return this.end === fin
  }

  /** Takes the bytes from another source from now on: the TLS socket in place of the raw one. */
  feedFrom(source: Source): void {
    this.source = source
  }

  sieveWith(sieve: Sieve): void {
    this.sieve = sieve
    if (this.finished) sieve.finishedUnsafe()
  }

  /** Shows one chunk to the sieve, and queues it unless that took it. */
  push(chunk: Uint8Array): void {
    if (this.end === undefined && !this.lend(chunk)) this.keep(chunk)
  }

  /** Queues one chunk. Who waits runs before the bound is looked at, so that a fast reader is never paused. */
  keep(chunk: Uint8Array): void {
    if (this.end !== undefined) return
    this.received += chunk.length
    this.queuedBytes += chunk.length
    if (this.queued === undefined) this.queued = [chunk]
    else this.queued.push(chunk)
    this.wake()
    if (this.queuedBytes > 0) this.sieve?.queuedUnsafe(chunk)
    if (this.isFull && !this.paused && this.end === undefined) {
      this.paused = true
      this.source.pause()
    }
  }

  /**
   * Shows the sieve bytes that are not to be kept, and says whether it took them; if not, keep a copy. A wait that was
   * interrupted lasts until something is kept, so a sieve must bound what it takes: it takes no more than one frame.
   */
  lend(bytes: Uint8Array): boolean {
    // Who waits has all that came before. What is taken here leaves it parked: waking it, and parking it again, would be
    // two thirds of what a heartbeat costs, most of it garbage that has grown old (bench, heartbeats).
    if (this.waiter === undefined || this.sieve?.takesUnsafe(bytes) !== true) return false
    this.received += bytes.length
    return true
  }

  private get isFull(): boolean {
    if (this.queued === undefined) return false
    return this.queuedBytes >= this.limitBytes || this.queued.length >= maxQueuedChunks
  }

  /** Records the peer's FIN: pulls end once the queue is empty. */
  finish(): void {
    this.close(fin)
  }

  /** Records a loss: pulls fail once the queue is empty. */
  fail(error: TransportError): void {
    this.close(Effect.fail(error))
  }

  /** Forgets what is queued: this side gave the wire up, and its memory with it. */
  clear(): void {
    this.queued = undefined
    this.queuedBytes = 0
  }

  private close(end: End): void {
    if (this.end !== undefined) return
    this.end = end
    this.wake()
    if (this.finished) this.sieve?.finishedUnsafe()
  }

  private wake(): void {
    const waiter = this.waiter
    if (waiter === undefined) return
    this.waiter = undefined
    waiter(this.next as Effect.Effect<never>)
  }

  takeUnsafe(): Chunks | undefined {
    const queued = this.queued
    if (queued === undefined) return undefined
    this.clear()
    if (this.paused) {
      this.paused = false
      this.source.resume()
    }
    return queued
  }
}
