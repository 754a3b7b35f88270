/**
 * How often one client may command: a bucket of one second, and what becomes of a client that does not heed it.
 * Reads no clock and answers nothing: it judges.
 */
import { TokenBucket } from "../connection/RateLimit.ts"

/** A client may be over its rate for so long; one that goes on is closed with 4300. */
export const overRateToleranceMs = 10_000

/** Being under the rate for so long is taken as having heeded error 111. */
export const overRateForgottenMs = 1_000

/** The commands of one client. Times are of a clock that never goes back, in milliseconds. */
export class CommandRate {
  readonly #bucket: TokenBucket
  #heartbeatsCharged: number
  #overSince = -Infinity
  #overAt = -Infinity

  constructor(perSecond: number, heartbeats: number, now: number) {
    this.#bucket = new TokenBucket(perSecond, now)
    this.#heartbeatsCharged = heartbeats
  }

  /**
   * Charges one command, and the heartbeats since the last one (`heartbeats` are all so far). Undefined: it is welcome.
   * Otherwise the milliseconds to wait, or that the client has not waited for too long.
   */
  charge(heartbeats: number, now: number): number | "unheeded" | undefined {
    if (heartbeats > this.#heartbeatsCharged) this.#bucket.drain(heartbeats - this.#heartbeatsCharged, now)
    this.#heartbeatsCharged = heartbeats
    if (this.#bucket.take(1, now)) return undefined
    if (now - this.#overAt > overRateForgottenMs) this.#overSince = now
    this.#overAt = now
    return now - this.#overSince >= overRateToleranceMs ? "unheeded" : Math.ceil(this.#bucket.waitMs(1, now))
  }
}
