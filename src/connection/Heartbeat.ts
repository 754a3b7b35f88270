/**
 * The fiber that a connection is raced with: it probes a peer when nothing went one of the two ways for an interval,
 * and ends the connection when nothing comes back. Wakes at most three times in an interval, whatever the traffic.
 * Knows no frames: its connection sends the probe.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as CloseReason from "./CloseReason.ts"
import { monotonicMs } from "./Deadlines.ts"

/** How long nothing may go one of the two ways before a probe. */
export const defaultHeartbeatInterval = Duration.seconds(25)

/** How long nothing may come after a probe. */
export const defaultHeartbeatTimeout = Duration.seconds(10)

/** The first interval is longer or shorter by up to this part, so that a storm of connects is no storm of probes. */
export const heartbeatJitter = 0.1

/** When to probe, and how long to wait. An infinite interval switches heartbeats off. */
export interface HeartbeatSettings {
  readonly interval: Duration.Duration
  readonly timeout: Duration.Duration
}

/** The settings in force. */
export const HeartbeatSettings = Context.Reference<HeartbeatSettings>("longline/connection/HeartbeatSettings", {
  defaultValue: () => ({ interval: defaultHeartbeatInterval, timeout: defaultHeartbeatTimeout }),
})

/** Heartbeats as a layer; what is not given keeps its default (25 s, 10 s). */
export const layer = (options: {
  readonly interval?: Duration.Input
  readonly timeout?: Duration.Input
}): Layer.Layer<never> =>
  Layer.succeed(HeartbeatSettings, {
    interval: Duration.fromInputUnsafe(options.interval ?? defaultHeartbeatInterval),
    timeout: Duration.fromInputUnsafe(options.timeout ?? defaultHeartbeatTimeout),
  })

/** What a heartbeat watches; times are of the monotonic clock in milliseconds. */
export interface Pulse {
  /** When bytes last came from the peer. */
  readonly receivedAt: () => number
  /** When a frame was last written to it. */
  readonly sentAt: () => number
  /** How many bytes ever came, also those that nobody has taken yet. */
  readonly receivedBytes: () => number
  /** Whether silence is no sign of death: the peer has sent FIN, this side has stopped reading, or a frame is arriving. */
  readonly isExcused: () => boolean
  readonly probe: () => void
}

/** Watches until the peer is silent for too long; completes with the reason to close. */
export const run = (pulse: Pulse, settings: HeartbeatSettings): Effect.Effect<CloseReason.CloseReason> => {
  if (!Duration.isFinite(settings.interval)) return Effect.never
  return Effect.clockWith((clock) =>
    Effect.flatMap(Random.next, (draw) => new Watch(pulse, settings, () => monotonicMs(clock), draw).look),
  )
}

/** One watch. No generator: parked for most of its life, it is as small as it gets (bench, idle). */
class Watch {
  readonly #pulse: Pulse
  readonly #settings: HeartbeatSettings
  readonly #now: () => number
  #intervalMs: number
  #probedAt = -Infinity

  constructor(pulse: Pulse, settings: HeartbeatSettings, now: () => number, draw: number) {
    this.#pulse = pulse
    this.#settings = settings
    this.#now = now
    this.#intervalMs = Duration.toMillis(settings.interval) * (1 + heartbeatJitter * (2 * draw - 1))
  }

  readonly look: Effect.Effect<CloseReason.CloseReason> = Effect.suspend(() => {
    const quietSince = Math.max(this.#probedAt, Math.min(this.#pulse.receivedAt(), this.#pulse.sentAt()))
    const left = quietSince + this.#intervalMs - this.#now()
    return left > 0 ? Effect.flatMap(Effect.sleep(Math.ceil(left)), () => this.look) : this.#probe()
  })

  #probe(): Effect.Effect<CloseReason.CloseReason> {
    this.#intervalMs = Duration.toMillis(this.#settings.interval)
    this.#probedAt = this.#now()
    const receivedBefore = this.#pulse.receivedBytes()
    this.#pulse.probe()
    const judge: Effect.Effect<CloseReason.CloseReason> = Effect.flatMap(Effect.sleep(this.#settings.timeout), () => {
      if (this.#pulse.receivedBytes() > receivedBefore) return this.look
      if (this.#pulse.isExcused()) return judge
      const timeoutMs = Duration.toMillis(this.#settings.timeout)
      return Effect.succeed(CloseReason.HeartbeatTimeout({ intervalMs: this.#intervalMs, timeoutMs }))
    })
    return judge
  }
}
