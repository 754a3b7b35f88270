/**
 * The watch that a connection is raced with: it probes a peer when nothing went one of the two ways for an interval,
 * and ends the connection when nothing comes back. Rings at most three times in an interval, whatever the traffic.
 * Beside it that of the other side, which probes nobody: it waits to be probed.
 * Holds no fiber and no timer, and knows no frames: its connection sends the probe.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as Limit from "../limit/Limit.ts"
import { type Alarm, type Alarms, quantumMs } from "./Alarms.ts"
import * as CloseReason from "./CloseReason.ts"
import { noSlot } from "./DeadlineQueue.ts"

/** How long nothing may go one of the two ways before a probe. */
export const defaultHeartbeatInterval = Duration.seconds(25)

/** How long nothing may come after a probe. */
export const defaultHeartbeatTimeout = Duration.seconds(10)

/** The first interval is longer or shorter by up to this part, so that a storm of connects is no storm of probes. */
export const heartbeatJitter = 0.1

/**
 * Probes leave at whole multiples of this part of the interval, up to so much late: at 25 s, four times a second. Those due
 * together are written together, and a server that wakes a fifth as often for them spends a third less (bench, heartbeats).
 */
export const probeGrain = 0.01

/** When to probe, and how long to wait. An infinite interval switches heartbeats off. */
export interface HeartbeatSettings {
  readonly interval: Duration.Duration
  readonly timeout: Duration.Duration
}

/** The settings in force. */
export const HeartbeatSettings = Context.Reference<HeartbeatSettings>("longline/connection/HeartbeatSettings", {
  defaultValue: () => ({ interval: defaultHeartbeatInterval, timeout: defaultHeartbeatTimeout }),
})

/**
 * Heartbeats as a layer; what is not given keeps its default (25 s, 10 s). An infinite interval switches them off; one of 0
 * is a RangeError, since it would probe without a pause.
 */
export const layer = (options: {
  readonly interval?: Duration.Input | undefined
  readonly timeout?: Duration.Input | undefined
}): Layer.Layer<never> => {
  const settings = Limit.durationsUnsafe({
    interval: options.interval ?? defaultHeartbeatInterval,
    timeout: options.timeout ?? defaultHeartbeatTimeout,
  })
  if (Duration.isZero(settings.interval)) throw new RangeError("interval is 0; Infinity switches heartbeats off")
  return Layer.succeed(HeartbeatSettings, settings)
}

/** Whether this side sends heartbeats, so that a peer that has gone is found out. */
export const isProbing = (kind: "empty" | "answered" | "none", { interval }: HeartbeatSettings): boolean =>
  kind === "empty" && Duration.isFinite(interval)

/** What a heartbeat watches; times are of the monotonic clock in milliseconds. */
export interface Pulse {
  /** When bytes last came from the peer. */
  readonly receivedAt: () => number
  /** When a frame was last written to it. */
  readonly sentAt: () => number
  /** How many bytes ever came, also those that nobody has taken yet. */
  readonly receivedBytes: () => number
  /** Whether silence is no sign of death: this side has stopped reading, or a frame is arriving. */
  readonly isExcused: () => boolean
  /** Whether the peer's FIN was read: it answers no more, though it may still listen. */
  readonly hasEnded: () => boolean
  readonly probe: () => void
  /** Called once, when the peer was silent for too long: the reason to close. */
  readonly closeUnsafe: (reason: CloseReason.CloseReason) => void
}

/** What the watches of a server share. */
export interface Shared {
  readonly heartbeat: HeartbeatSettings
  readonly alarms: Alarms
  readonly now: () => number
}

/** No byte count: the peer owes no answer. */
const nothingOwed = -1

/** The watch over one peer: an alarm, set to when silence would have lasted for too long. */
export class Watch implements Alarm {
  deadline = 0
  slot = noSlot

  readonly #pulse: Pulse
  readonly #shared: Shared
  #intervalMs: number
  #probedAt = 0
  /** What had come when the peer was probed, while its answer is waited for. */
  #receivedBefore = nothingOwed

  /** Starts to watch. `draw` is a random number from 0 to 1. */
  constructor(pulse: Pulse, shared: Shared, draw: number) {
    this.#pulse = pulse
    this.#shared = shared
    this.#intervalMs = Math.round(Duration.toMillis(shared.heartbeat.interval) * (1 + heartbeatJitter * (2 * draw - 1)))
    this.#look(shared.now())
  }

  stop(): void {
    this.#shared.alarms.lift(this)
  }

  ringUnsafe(now: number): void {
    // Behind a FIN, too, a peer is probed once an interval: a socket is not read any more then, so that nothing but writing
    // to a peer that has gone shows it. No other traffic might ever come to a handler that waits for something else.
    const owesNothing = this.#receivedBefore === nothingOwed || this.#pulse.hasEnded()
    if (owesNothing || this.#pulse.receivedBytes() > this.#receivedBefore) return this.#look(now)
    const timeoutMs = Duration.toMillis(this.#shared.heartbeat.timeout)
    const lateAt = this.#probedAt + timeoutMs
    if (now < lateAt) return this.#lookBy(lateAt, now)
    if (this.#pulse.isExcused()) return this.#shared.alarms.set(this, now + timeoutMs)
    this.#pulse.closeUnsafe(CloseReason.HeartbeatTimeout({ intervalMs: this.#intervalMs, timeoutMs }))
  }

  #look(now: number): void {
    this.#receivedBefore = nothingOwed
    const quietSince = Math.max(this.#probedAt, Math.min(this.#pulse.receivedAt(), this.#pulse.sentAt()))
    const grainMs = Duration.toMillis(this.#shared.heartbeat.interval) * probeGrain
    const dueAt = Math.ceil((quietSince + this.#intervalMs) / grainMs) * grainMs
    if (dueAt > now) this.#shared.alarms.set(this, dueAt)
    else this.#probe(now)
  }

  #probe(now: number): void {
    const { heartbeat } = this.#shared
    this.#intervalMs = Duration.toMillis(heartbeat.interval)
    this.#probedAt = now
    this.#receivedBefore = this.#pulse.receivedBytes()
    this.#pulse.probe()
    this.#lookBy(now + Duration.toMillis(heartbeat.timeout), now)
  }

  /** An interval later at the latest: who has answered is due for the next probe then, however long it might have taken. */
  #lookBy(time: number, now: number): void {
    this.#shared.alarms.set(this, Math.min(time, now + this.#intervalMs))
  }
}

/** What the side that dialled watches. */
export interface Heard extends Pick<Pulse, "receivedBytes" | "isExcused" | "hasEnded" | "probe" | "closeUnsafe"> {
  /** Whether what came waits here to be read, so that a probe among it has no answer yet. */
  readonly isBusy: () => boolean
}

/**
 * The watch over a peer that sends the heartbeats: nothing heard for an interval and its timeout is the end. While this
 * side is busy, it shows by heartbeats of its own that it lives. A FIN does not excuse silence here: whoever sends the
 * heartbeats has left with it, and its time is what this side has for what it still does.
 */
export class Listening implements Alarm {
  deadline = 0
  slot = noSlot

  readonly #heard: Heard
  readonly #shared: Shared
  #bytes = -1
  #at = 0

  /** Starts to watch. */
  constructor(heard: Heard, shared: Shared) {
    this.#heard = heard
    this.#shared = shared
    this.ringUnsafe(shared.now())
  }

  stop(): void {
    this.#shared.alarms.lift(this)
  }

  ringUnsafe(now: number): void {
    const { alarms, heartbeat } = this.#shared
    const intervalMs = Duration.toMillis(heartbeat.interval)
    const timeoutMs = Duration.toMillis(heartbeat.timeout)
    const bytes = this.#heard.receivedBytes()
    const isBusy = this.#heard.isBusy()
    if (isBusy) this.#heard.probe()
    if (bytes !== this.#bytes || isBusy || this.#heard.isExcused()) {
      this.#bytes = bytes
      this.#at = now
    }
    // The first heartbeat may come later, by the jitter of its sender and the grain of its probes.
    const limitMs = intervalMs * (1 + heartbeatJitter + probeGrain) + timeoutMs
    // The other side may have named the timeout: one of nothing is no reason to look all the time.
    if (now - this.#at < limitMs) alarms.set(this, now + Math.max(timeoutMs / 2, quantumMs))
    else if (this.#heard.hasEnded()) this.#heard.closeUnsafe(CloseReason.PeerClosed())
    else this.#heard.closeUnsafe(CloseReason.HeartbeatTimeout({ intervalMs, timeoutMs }))
  }
}
