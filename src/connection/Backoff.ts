/**
 * How long to wait before the next attempt to connect: full jitter, from half a second to twenty.
 * Waits for nothing itself and reads no clock.
 */

/** The ceiling of the first wait, which doubles with every attempt. */
export const firstCeilingMs = 500

/** Where the ceiling stops. */
export const lastCeilingMs = 20_000

/** How long a connection has to live for the next wait to be the first one again. */
export const healthyAfterMs = 30_000

/** What the other side wants of who comes again, if it said something. */
export interface Advice {
  /** To come at once. Heeded once: again and again it would be a storm. */
  readonly atOnce?: boolean | undefined
  /** The least to wait. It comes before the jitter, not in its place. */
  readonly waitMs?: number | undefined
}

/** What is known of a connection that has ended. */
export interface Ended extends Advice {
  /** How long it was connected; undefined for an attempt that failed. */
  readonly connectedMs: number | undefined
}

/** The waits of one client. `random` gives numbers from 0 to 1. */
export class Backoff {
  #attempts = 0
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  /** Milliseconds to wait. */
  next({ atOnce = false, connectedMs = 0, waitMs = 0 }: Ended): number {
    if (connectedMs >= healthyAfterMs) this.#attempts = 0
    const attempt = this.#attempts++
    if (atOnce && attempt === 0) return waitMs
    return waitMs + Math.round(this.#random() * Math.min(lastCeilingMs, firstCeilingMs * 2 ** attempt))
  }
}
