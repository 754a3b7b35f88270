/**
 * The times a connection gives its peer, and the clock they are told by.
 * Waits for none of them: what has a deadline sets an alarm.
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as Limit from "../limit/Limit.ts"

/** How long a peer may take for what; `Duration.infinity` switches a limit off. */
export interface Deadlines {
  /**
   * From the first read to the first complete frame, heartbeats included. Default 1 minute: longer than an interval of
   * heartbeats with jitter and timeout, so that who only listens has answered one by then.
   */
  readonly firstFrame: Duration.Duration
  /** From the first read to the first message, which a heartbeat is not. Default: no limit. */
  readonly firstMessage: Duration.Duration
  /** From the first byte of a frame to its last, for every frame. Default 10 s. */
  readonly frame: Duration.Duration
  /** And one second more for each of these of declared length. Default 8 KiB. */
  readonly frameBytesPerSecond: number
  /** One write without any progress. Default 10 s. */
  readonly writeStall: Duration.Duration
  /**
   * From the peer's FIN, or from what it was sent last behind that, to the end of the handler, where no heartbeat of this side
   * shows whether the peer is still there. Default 1 minute.
   */
  readonly halfClosed: Duration.Duration
  /** Flushing a goodbye, and then again waiting for the peer's FIN. Default 1 s each. */
  readonly goodbye: Duration.Duration
}

/** The defaults of all deadlines. */
export const defaults: Deadlines = {
  firstFrame: Duration.minutes(1),
  firstMessage: Duration.infinity,
  frame: Duration.seconds(10),
  frameBytesPerSecond: 8 * 1024,
  writeStall: Duration.seconds(10),
  halfClosed: Duration.minutes(1),
  goodbye: Duration.seconds(1),
}

/** The deadlines in force. */
export const Deadlines = Context.Reference<Deadlines>("longline/connection/Deadlines", { defaultValue: () => defaults })

/** Deadlines as a layer; what is not given keeps its default. */
export const layer = (options: {
  readonly firstFrame?: Duration.Input | undefined
  readonly firstMessage?: Duration.Input | undefined
  readonly frame?: Duration.Input | undefined
  readonly frameBytesPerSecond?: number | undefined
  readonly writeStall?: Duration.Input | undefined
  readonly halfClosed?: Duration.Input | undefined
  readonly goodbye?: Duration.Input | undefined
}): Layer.Layer<never> =>
  Layer.succeed(Deadlines, {
    ...Limit.checkedUnsafe({ frameBytesPerSecond: options.frameBytesPerSecond ?? defaults.frameBytesPerSecond }),
    ...Limit.durationsUnsafe({
      firstFrame: options.firstFrame ?? defaults.firstFrame,
      firstMessage: options.firstMessage ?? defaults.firstMessage,
      frame: options.frame ?? defaults.frame,
      writeStall: options.writeStall ?? defaults.writeStall,
      halfClosed: options.halfClosed ?? defaults.halfClosed,
      goodbye: options.goodbye ?? defaults.goodbye,
    }),
  })

/** The same as numbers: milliseconds, and bytes per second. */
export type DeadlinesMs = { readonly [K in keyof Deadlines]: number }

/** Durations are for people; what runs once a read has numbers. */
export const toMillis = (deadlines: Deadlines): DeadlinesMs => ({
  firstFrame: Duration.toMillis(deadlines.firstFrame),
  firstMessage: Duration.toMillis(deadlines.firstMessage),
  frame: Duration.toMillis(deadlines.frame),
  frameBytesPerSecond: deadlines.frameBytesPerSecond,
  writeStall: Duration.toMillis(deadlines.writeStall),
  halfClosed: Duration.toMillis(deadlines.halfClosed),
  goodbye: Duration.toMillis(deadlines.goodbye),
})

/** Milliseconds of a monotonic clock with an arbitrary origin: for elapsed time only. */
export const monotonicMs = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
