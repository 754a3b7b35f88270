/**
 * One turn of the event loop, as the outboxes of a server share it: all that was sent in a turn is written at its end,
 * one write a connection. Hot: plain loops. Knows no connection and no message.
 */

/** What wants to be flushed at the end of the turn. */
export interface Flushable {
  readonly flushUnsafe: () => void
}

/** Bytes of one arena: what all connections of a server together write from without an allocation of their own. */
export const arenaBytes = 64 * 1024

/** The shared end of a turn, and the shared buffer that small frames are written into. */
export class Turn {
  /** What `take` takes from. */
  arena: Buffer = Buffer.alloc(0)
  #dirty: Array<Flushable> = []
  /** When the end of this turn was asked for, or began. */
  #at = 0
  #isEnding = false
  readonly #now: () => number
  #taken = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /**
   * The time of this turn: read from the clock twice, if anything is sent in it, and not for each connection (80 ns a
   * reading). Good for stamps; too old by what the turn has lasted.
   */
  now(): number {
    return this.#isEnding || this.#dirty.length > 0 ? this.#at : this.#now()
  }

  /** Asks for one flush at the end of this turn. The caller asks once until it is flushed. */
  schedule(flushable: Flushable): void {
    if (this.#dirty.push(flushable) > 1) return
    this.#at = this.#now()
    setImmediate(this.#run)
  }

  /**
   * Takes at most `arenaBytes` of the arena that nobody else will write to, valid until they are sent: where they begin in `arena`. What
   * one caller takes is side by side as long as no other comes between. The arena is dropped when it is used up; it
   * lives on while a socket still holds a part of it, which is bounded by the outboxes' limits because a blocked outbox
   * takes none.
   */
  take(bytes: number): number {
    if (this.arena.length - this.#taken < bytes) {
      this.arena = Buffer.allocUnsafeSlow(arenaBytes)
      this.#taken = 0
    }
    const at = this.#taken
    this.#taken += bytes
    return at
  }

  readonly #run = (): void => {
    const dirty = this.#dirty
    this.#dirty = []
    this.#at = this.#now()
    this.#isEnding = true
    for (let i = 0; i < dirty.length; i++) dirty[i]!.flushUnsafe()
    this.#isEnding = false
  }
}
