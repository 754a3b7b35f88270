/**
 * How long to wait before the next attempt to connect: full jitter, from half a second to twenty (section 9).
 * Waits for nothing itself and reads no clock.
 */
import type { Retry } from "../gateway/protocol/ByeCode.ts"

/** The ceiling of the first wait, which doubles with every attempt. */
export const firstCeilingMs = 500

/** Where the ceiling stops. */
export const lastCeilingMs = 20_000

/** How long a connection has to live for the next wait to be the first one again. */
export const healthyAfterMs = 30_000

/** What is known of a connection that has ended. */
export interface Ended {
  /** How long it was connected; undefined for an attempt that failed. */
  readonly connectedMs: number | undefined
  /** What its `bye` advised, if there was one. */
  readonly retry?: Retry | undefined
  /** The least that its `bye` wants waited. */
  readonly waitMs?: number | undefined
}

/** The waits of one client. `random` gives numbers from 0 to 1. */
export class Backoff {
  #attempts = 0
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  /** Milliseconds to wait. What the gateway wants waited comes before the jitter, not in its place. */
  next({ connectedMs = 0, retry, waitMs = 0 }: Ended): number {
    if (connectedMs >= healthyAfterMs) this.#attempts = 0
    const attempt = this.#attempts++
    // At once, but once: advice that is heeded again and again would be a storm.
    if (retry === "now" && attempt === 0) return waitMs
    return waitMs + Math.round(this.#random() * Math.min(lastCeilingMs, firstCeilingMs * 2 ** attempt))
  }
}
