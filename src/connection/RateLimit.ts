/**
 * Token buckets for what one peer may send: frames and bytes in a second. Hot: plain arithmetic.
 * Decides nothing about a peer over its limit: its owner closes, pauses or answers.
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Limit from "../limit/Limit.ts"
import * as CloseReason from "./CloseReason.ts"

/** What happens to a peer over its limit: its connection is closed, or its frames wait (and it with them). */
export type OnExceeded = "close" | "pause"

/** The limits of every connection; infinite switches one off. A bucket holds one second of tokens. */
export interface RateLimit {
  /** Every frame counts, heartbeats too. */
  readonly framesPerSecond: number
  /** Bytes of bodies. */
  readonly bytesPerSecond: number
  /** Heartbeats have a limit of their own as well, and over it there is nothing to wait for: it always closes. */
  readonly heartbeatsPerSecond: number
  readonly onExceeded: OnExceeded
}

/** No limits. */
export const unlimited: RateLimit = {
  framesPerSecond: Infinity,
  bytesPerSecond: Infinity,
  heartbeatsPerSecond: Infinity,
  onExceeded: "close",
}

/** The limits in force. Default: none. */
export const RateLimit = Context.Reference<RateLimit>("longline/connection/RateLimit", {
  defaultValue: () => unlimited,
})

/** Limits as a layer; what is not given is not limited. */
export const layer = (options: {
  readonly framesPerSecond?: number | undefined
  readonly bytesPerSecond?: number | undefined
  readonly heartbeatsPerSecond?: number | undefined
  readonly onExceeded?: OnExceeded | undefined
}): Layer.Layer<never> =>
  Layer.succeed(RateLimit, {
    ...Limit.checkedUnsafe({
      framesPerSecond: options.framesPerSecond ?? Infinity,
      bytesPerSecond: options.bytesPerSecond ?? Infinity,
      heartbeatsPerSecond: options.heartbeatsPerSecond ?? Infinity,
    }),
    onExceeded: options.onExceeded ?? "close",
  })

/**
 * A bucket of one second of tokens that refills evenly. A single demand larger than the bucket is met by a full bucket
 * and leaves a debt, so that a frame of more bytes than the limit of a second is slow and not impossible.
 */
export class TokenBucket {
  readonly perSecond: number
  #tokens: number
  #filledAt: number

  constructor(perSecond: number, now: number) {
    this.perSecond = perSecond
    this.#tokens = perSecond
    this.#filledAt = now
  }

  /** Takes `count` tokens at the time `now` (ms, monotonic), or takes none and tells that they are not there. */
  take(count: number, now: number): boolean {
    if (this.perSecond === Infinity) return true
    this.#refill(now)
    if (this.#tokens < this.#needed(count)) return false
    this.#tokens -= count
    return true
  }

  /** Takes as many of `count` as there are. */
  drain(count: number, now: number): void {
    this.#refill(now)
    this.#tokens -= Math.max(0, Math.min(count, this.#tokens))
  }

  /** Milliseconds until `take(count)` will be met. */
  waitMs(count: number, now: number): number {
    if (this.perSecond === Infinity) return 0
    this.#refill(now)
    const missing = this.#needed(count) - this.#tokens
    return missing > 0 ? (missing / this.perSecond) * 1000 : 0
  }

  /** A bucket of nothing is full and meets no demand. */
  #needed(count: number): number {
    return this.perSecond === 0 ? count : Math.min(count, this.perSecond)
  }

  #refill(now: number): void {
    this.#tokens = Math.min(this.perSecond, this.#tokens + ((now - this.#filledAt) / 1000) * this.perSecond)
    this.#filledAt = now
  }
}

/** The buckets of one connection. */
export class Limiter {
  readonly #frames: TokenBucket
  readonly #bytes: TokenBucket
  readonly #heartbeats: TokenBucket
  readonly #pauses: boolean

  constructor(limit: RateLimit, now: number) {
    this.#frames = new TokenBucket(limit.framesPerSecond, now)
    this.#bytes = new TokenBucket(limit.bytesPerSecond, now)
    this.#heartbeats = new TokenBucket(limit.heartbeatsPerSecond, now)
    this.#pauses = limit.onExceeded === "pause"
  }

  /** Takes one frame with so many body bytes, or takes nothing: `pause` asks to wait, a reason to close. */
  take(bytes: number, isHeartbeat: boolean, now: number): "pause" | CloseReason.CloseReason | undefined {
    if (isHeartbeat && this.#heartbeats.waitMs(1, now) > 0) return exceeded("heartbeats", this.#heartbeats)
    if (this.#frames.waitMs(1, now) > 0) return this.#pauses ? "pause" : exceeded("frames", this.#frames)
    if (!this.#bytes.take(bytes, now)) return this.#pauses ? "pause" : exceeded("bytes", this.#bytes)
    this.#frames.take(1, now)
    if (isHeartbeat) this.#heartbeats.take(1, now)
    return undefined
  }

  /** Whole milliseconds, at least 1, until a frame with so many body bytes may go on. */
  waitMs(bytes: number, now: number): number {
    return Math.max(1, Math.ceil(this.#frames.waitMs(1, now)), Math.ceil(this.#bytes.waitMs(bytes, now)))
  }
}

/** Whether a limit is set at all: without one, a connection needs no `Limiter`. */
export const isLimited = (limit: RateLimit): boolean =>
  Math.min(limit.framesPerSecond, limit.bytesPerSecond, limit.heartbeatsPerSecond) !== Infinity

const exceeded = (unit: "frames" | "bytes" | "heartbeats", bucket: TokenBucket): CloseReason.CloseReason =>
  CloseReason.RateLimited({ unit, perSecond: bucket.perSecond })
