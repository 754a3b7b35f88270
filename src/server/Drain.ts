/**
 * Two-phase shutdown with a deadline that always holds: everybody is told and may finish, then each is closed at its
 * own moment, and whoever is left at the deadline is reset. Closes no listener and knows no protocol.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as CloseReason from "../connection/CloseReason.ts"
import { monotonicMs } from "../connection/Deadlines.ts"
import * as Limit from "../limit/Limit.ts"

/** The shares of a drain. */
export interface DrainSettings {
  /** From the announcement to the first goodbye. Default 0: the toolkit closes at once. */
  readonly grace: Duration.Duration
  /** From the first goodbye to the last reset. Default 10 s. */
  readonly timeout: Duration.Duration
  /** When it completes, the drain ends now: a second signal, for example. Default: never. */
  readonly forced: Effect.Effect<void>
}

/** The default of `timeout`. */
export const defaultDrainTimeout = Duration.seconds(10)

/** The part of the timeout in which goodbyes begin; the rest is for the last of them to be flushed. */
export const goodbyeWindow = 0.75

/** Goodbyes are at most this far apart, so that a few connections do not make a long drain. */
export const goodbyeSpacing = Duration.millis(5)

/** The settings in force. */
export const DrainSettings = Context.Reference<DrainSettings>("longline/server/DrainSettings", {
  defaultValue: () => ({ grace: Duration.zero, timeout: defaultDrainTimeout, forced: Effect.never }),
})

/** Drain settings as a layer; what is not given keeps its default. */
export const layer = (options: {
  readonly grace?: Duration.Input | undefined
  readonly timeout?: Duration.Input | undefined
  readonly forced?: Effect.Effect<void> | undefined
}): Layer.Layer<never> =>
  Layer.succeed(DrainSettings, {
    ...Limit.durationsUnsafe({
      grace: options.grace ?? Duration.zero,
      timeout: options.timeout ?? defaultDrainTimeout,
    }),
    forced: options.forced ?? Effect.never,
  })

/** What is to be drained. */
export interface Target {
  /** Tells everybody that goodbyes come after `grace`. */
  readonly announce: (grace: Duration.Duration) => Effect.Effect<unknown>
  /** The connections there are now. */
  readonly connections: () => Iterable<{ readonly closeUnsafe: (reason: CloseReason.CloseReason) => void }>
  /** Completes when nobody is left. */
  readonly empty: Effect.Effect<void>
}

/** Drains, and completes with whether it was forced: by the deadline at the latest, whatever the peers do. */
export const run = (target: Target, settings: DrainSettings): Effect.Effect<{ readonly forced: boolean }> =>
  Effect.gen(function* () {
    yield* target.announce(settings.grace)
    yield* Effect.raceFirst(target.empty, Effect.sleep(settings.grace))
    const closing = Effect.andThen(sayGoodbyes(target, settings), target.empty)
    yield* Effect.raceFirst(closing, Effect.sleep(settings.timeout))
    return { forced: false }
  }).pipe(Effect.raceFirst(Effect.as(settings.forced, { forced: true })))

const sayGoodbyes = Effect.fnUntraced(function* (target: Target, settings: DrainSettings) {
  const connections = [...target.connections()]
  const windowMs = Duration.toMillis(settings.timeout) * goodbyeWindow
  const spacingMs = Math.min(Duration.toMillis(goodbyeSpacing), windowMs / connections.length)
  const clock = yield* Clock.Clock
  const startedAt = monotonicMs(clock)
  for (const [index, connection] of connections.entries()) {
    // By the clock, not by the sum of the sleeps: each is late by a little, and a timer has a resolution of a millisecond.
    const aheadMs = index * spacingMs - (monotonicMs(clock) - startedAt)
    if (aheadMs >= 1) yield* Effect.sleep(aheadMs)
    connection.closeUnsafe(CloseReason.Draining())
  }
})

/**
 * For `runMain`: a process that was drained because a signal asked for it ends with exit code 0, where Effect has 130.
 *
 * ```ts
 * NodeRuntime.runMain(Layer.launch(Main), { teardown: Drain.teardown })
 * ```
 */
export const teardown: Runtime.Teardown = (exit, onExit) =>
  Runtime.defaultTeardown(exit, (code) => onExit(code === interruptedExitCode ? 0 : code))

const interruptedExitCode = 130
