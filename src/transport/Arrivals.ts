/**
 * Holds the wires that arrived at a listener until somebody accepts them, in order with the failures between them.
 * Refuses to grow beyond its bound: what arrives then is reset.
 */
import type { NonEmptyArray, NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Limit from "../limit/Limit.ts"
import { type AcceptFailed, TransportError, type Wire } from "./Transport.ts"

type Accept = Pull.Pull<NonEmptyReadonlyArray<Wire>, TransportError>

/** One listener's arrivals. A waiting accept is resumed with `accept` itself, so interrupting it loses no wire. */
export class Arrivals {
  readonly accept: Accept = Effect.suspend(() => this.take())

  private readonly limit: number
  private readonly wait: Accept = Effect.callback((resume) => {
    // A fiber may have yielded between its look and this, and what arrived then has woken nobody.
    if (this.queued.length > 0 || this.closed) return resume(this.accept)
    this.waiter = resume
  })
  private waiter: ((accept: Accept) => void) | undefined = undefined
  private taker: ((wire: Wire) => void) | undefined = undefined
  private queued: Array<Wire | AcceptFailed> = []
  /** Whether arrivals are taken no more. */
  closed = false

  constructor(acceptBacklog: number) {
    this.limit = Limit.checkedUnsafe({ acceptBacklog }).acceptBacklog
  }

  /**
   * From now on hands wires that find an accept waiting to `take`. The system gives one a turn, and to wake a fiber for
   * each, and park it again, was a twentieth of a connect (bench, connect).
   */
  acceptWithUnsafe = (take: (wire: Wire) => void): void => {
    this.taker = take
  }

  /** Queues a wire that finds no accept waiting; resets it when `limit` arrivals do already, or nobody will accept any more. */
  push(wire: Wire): void {
    if (this.isFull) return wire.abortUnsafe()
    // Who waits has all that came before.
    if (this.waiter !== undefined && this.taker !== undefined) return this.taker(wire)
    this.queued.push(wire)
    this.wake()
  }

  /** Queues a failure. One that finds `limit` arrivals waiting is dropped: the acceptor is behind anyway. */
  fail(failure: AcceptFailed): void {
    if (this.isFull) return
    this.queued.push(failure)
    this.wake()
  }

  /** Takes no more arrivals. Those that wait may still be accepted. */
  close(): void {
    this.closed = true
    this.wake()
  }

  /** Resets the wires that nobody accepted: with the listener's scope goes their last possible owner. */
  abort(): void {
    this.close()
    const queued = this.queued
    this.queued = []
    for (const arrival of queued) if ("pull" in arrival) arrival.abortUnsafe()
  }

  private get isFull(): boolean {
    return this.closed || (this.waiter === undefined && this.queued.length >= this.limit)
  }

  private wake(): void {
    const waiter = this.waiter
    if (waiter === undefined) return
    this.waiter = undefined
    waiter(this.accept)
  }

  private take(): Accept {
    const head = this.queued[0]
    if (head === undefined) return this.closed ? Cause.done() : this.wait
    if (!("pull" in head)) {
      this.queued.shift()
      return Effect.fail(new TransportError({ reason: head }))
    }
    const wires: NonEmptyArray<Wire> = [head]
    for (const arrival of this.queued.slice(1)) {
      if (!("pull" in arrival)) break
      wires.push(arrival)
    }
    this.queued = this.queued.slice(wires.length)
    return Effect.succeed(wires)
  }
}
