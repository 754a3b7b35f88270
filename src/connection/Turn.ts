/**
 * One turn of the event loop, as the outboxes of a server share it: all that was sent in a turn is written at its end,
 * one write a connection; in a long turn, what is answered sooner. Hot: plain loops. Knows no connection and no message.
 */
import * as Bytes from "../frame/Bytes.ts"

/** What wants to be flushed at the end of the turn. */
export interface Flushable {
  readonly flushUnsafe: () => void
}

/** Bytes of one arena: what all connections of a server together write from without an allocation of their own. */
export const arenaBytes = 64 * 1024

/**
 * Connections that were answered one after the other and are then written, though the turn goes on. A write for each wakes
 * its peer alone, and costs more; with hundreds that wait for the end, each has left the caches by then (bench, echo-500x1).
 */
export const answeredAtOnce = 32

/** The shared end of a turn, and the shared buffer that small frames are written into. */
export class Turn {
  /** What `take` takes from. */
  arena: Uint8Array = new Uint8Array(0)
  #dirty: Array<Flushable> = []
  /** Of those, from where to where the last ones are answered. */
  #answeredFrom = 0
  #answeredTo = 0
  /** When the end of this turn was asked for, or began. */
  #at = 0
  #isComing = false
  #isEnding = false
  readonly #now: () => number
  readonly #atEnd: (run: () => void) => void
  #taken = 0

  constructor(now: () => number, atEnd: (run: () => void) => void = atEndOfTurn) {
    this.#now = now
    this.#atEnd = atEnd
  }

  /**
   * The time of this turn: read from the clock twice, if anything is sent in it, and not for each connection (80 ns a
   * reading). Good for stamps; too old by what the turn has lasted.
   */
  now(): number {
    return this.#isComing || this.#isEnding ? this.#at : this.#now()
  }

  /** Asks for one flush at the end of this turn. The caller asks once until it is flushed. */
  schedule(flushable: Flushable): void {
    this.#dirty.push(flushable)
    if (this.#isComing) return
    this.#isComing = true
    this.#at = this.#now()
    this.#atEnd(this.#run)
  }

  /**
   * Says of the one that asked last that its peer has been answered, so that more is unlikely in this turn. Of others it
   * means nothing: what is sent to many may be followed by the next publication.
   */
  answeredUnsafe(flushable: Flushable): void {
    const last = this.#dirty.length - 1
    if (this.#dirty[last] !== flushable) return
    if (this.#answeredTo !== last) this.#answeredFrom = last
    this.#answeredTo = last + 1
    if (this.#answeredTo - this.#answeredFrom < answeredAtOnce) return
    this.#answeredTo = this.#answeredFrom
    flush(this.#dirty.splice(this.#answeredFrom))
  }

  /**
   * Takes at most `arenaBytes` of the arena that nobody else will write to, valid until they are sent: where they begin
   * in `arena`. What one caller takes is side by side as long as no other comes between. The arena is dropped when it is
   * used up; it lives on while a socket still holds a part of it, which is bounded by the outboxes' limits because a
   * blocked outbox takes none.
   */
  take(bytes: number): number {
    if (this.arena.length - this.#taken < bytes) {
      this.arena = Bytes.here.own(arenaBytes)
      this.#taken = 0
    }
    const at = this.#taken
    this.#taken += bytes
    return at
  }

  readonly #run = (): void => {
    const dirty = this.#dirty
    this.#dirty = []
    this.#answeredFrom = 0
    this.#answeredTo = 0
    this.#isComing = false
    this.#at = this.#now()
    this.#isEnding = true
    flush(dirty)
    this.#isEnding = false
  }
}

const flush = (dirty: ReadonlyArray<Flushable>): void => {
  for (let i = 0; i < dirty.length; i++) dirty[i]!.flushUnsafe()
}

/**
 * Where a platform has no end of a turn to offer, what runs now is one. Not a timer: those of a page in the background
 * wait for a second, and longer.
 */
const atEndOfTurn: (run: () => void) => void =
  "setImmediate" in globalThis ? (run) => void globalThis.setImmediate(run) : (run) => queueMicrotask(run)
