/**
 * What the process is to the outside: its descriptors, its second signal, how it says that it cannot start.
 * Decides nothing about the server: a drain asks here for the second signal.
 */
import * as Data from "effect/Data"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { readFileSync } from "node:fs"
import type { AuthConfigError } from "../gateway/auth/AuthConfig.ts"
import type { DirectoryError } from "../gateway/engine/DataDirectory.ts"
import { maxGoodbyes, maxRefusalsTold } from "../server/Server.ts"
import type { TransportError } from "../transport/Transport.ts"

/** Descriptors that a gateway needs beside those of its connections: its own, goodbyes and refusals under way. */
const spareDescriptors = 64 + maxGoodbyes + maxRefusalsTold

/** Warns if the system would run out of descriptors before the gateway runs out of seats: it hangs up without a word. */
export const checkDescriptors = (maxConnections: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const limit = descriptorLimit()
    const needed = maxConnections + spareDescriptors
    return needed <= limit
      ? Effect.void
      : Effect.logWarning(
          `${maxConnections} connections need about ${needed} descriptors, this process may have ${limit}: raise ulimit -n or lower --max-connections`,
        )
  })

/** The soft limit, where the system tells it (Linux). */
export const descriptorLimit = (): number => {
  try {
    return Number(/^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? Infinity)
  } catch {
    return Infinity
  }
}

/** A reader of the log that goes away (a collector that restarts, `| head`) must not take the gateway with it. */
const outliveLogReader: Effect.Effect<void> = Effect.sync(() => {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})
})

/** What is to be done to the process, and looked at in it, before it serves. */
export const prepare = (maxConnections: number): Effect.Effect<void> =>
  Effect.andThen(outliveLogReader, checkDescriptors(maxConnections))

/** Completes with the next SIGTERM or SIGINT: for whoever has already seen the first. */
export const nextSignal: Effect.Effect<void> = Effect.callback((resume) => {
  const onSignal = () => resume(Effect.void)
  process.once("SIGTERM", onSignal).once("SIGINT", onSignal)
  return Effect.sync(() => process.off("SIGTERM", onSignal).off("SIGINT", onSignal))
})

/** Each SIGHUP from now on. Those that come while one is handled are one more. */
export const hangups: Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope> = Effect.gen(function* () {
  const queue = yield* Queue.sliding<void>(1)
  const onSignal = () => void Queue.offerUnsafe(queue, undefined)
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("SIGHUP", onSignal)),
    () => Effect.sync(() => process.off("SIGHUP", onSignal)),
  )
  return queue
})

/** A start that failed for a reason a person can mend: printed as one line, exit code 1. */
export class StartFailed extends Data.TaggedError("StartFailed")<{ readonly cause: unknown }> {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false
}

/** What keeps a gateway from starting: its address, its data directory, the keys of its tokens. */
export type StartError = TransportError | DirectoryError | AuthConfigError

/** Prints why the server cannot start. */
export const startFailed = (error: StartError): Effect.Effect<never, StartFailed> =>
  Effect.andThen(Console.error(`longline: ${error.message}`), Effect.fail(new StartFailed({ cause: error })))
