/**
 * Counts what connections take in, and calls when it may be more than is allowed: a look at what they hold follows then.
 * Hot: one addition. Never counts what leaves again, so that it may call too early and never too late.
 *
 * What connections hold is at most what they held at the last look and what they took in since. Nothing has to be taken
 * off when bytes leave, which the system does not tell, or when a connection ends: no error can add up.
 */

/** What the connections that share it have taken in since the last look. */
export class Intake {
  #bytes = 0
  #allowance: number
  readonly #passedUnsafe: () => void

  /** Calls once more than `allowance` bytes have come, and then not again before `allow`. */
  constructor(allowance: number, passedUnsafe: () => void) {
    this.#allowance = allowance
    this.#passedUnsafe = passedUnsafe
  }

  /** So many bytes more are held, from now on or for a moment. What comes of it may end connections, the caller's too. */
  growUnsafe(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes <= this.#allowance) return
    this.#allowance = Infinity
    this.#passedUnsafe()
  }

  /** Begins to count anew. */
  allow(bytes: number): void {
    this.#bytes = 0
    this.#allowance = bytes
  }
}

/** For connections that nobody looks at. */
export const unlimited = (): Intake => new Intake(Infinity, () => {})
