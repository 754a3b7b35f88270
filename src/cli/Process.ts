/**
 * What the process is to the outside: its version, its signals, its exit codes.
 * Decides nothing about the server: a drain asks here for the second signal.
 */
import * as Data from "effect/Data"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { readFileSync } from "node:fs"
import type { TransportError } from "../transport/Transport.ts"

/** The version in package.json. */
export const version = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { readonly version: string }
).version

/** Completes with the next SIGTERM or SIGINT: for whoever has already seen the first. */
export const nextSignal: Effect.Effect<void> = Effect.callback((resume) => {
  const onSignal = () => resume(Effect.void)
  process.once("SIGTERM", onSignal).once("SIGINT", onSignal)
  return Effect.sync(() => process.off("SIGTERM", onSignal).off("SIGINT", onSignal))
})

/** A start that failed for a reason a person can mend: printed as one line, exit code 1. */
export class StartFailed extends Data.TaggedError("StartFailed")<{ readonly cause: unknown }> {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false
}

/** Prints why the server cannot start. */
export const startFailed = (error: TransportError): Effect.Effect<never, StartFailed> =>
  Effect.andThen(Console.error(`longline: ${error.message}`), Effect.fail(new StartFailed({ cause: error })))

/** A drain that a signal asked for has done its work: exit code 0 where Effect has 130. Other codes stay. */
export const teardown: Runtime.Teardown = (exit, onExit) =>
  Runtime.defaultTeardown(exit, (code) => onExit(code === interruptedExitCode ? 0 : code))

const interruptedExitCode = 130
