/**
 * Prints what a person has to correct: a line each, on standard error.
 * No control character reaches the terminal as itself, whatever the person wrote.
 */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Runtime from "effect/Runtime"
import { type Mistakes, usageExitCode } from "../gateway/config/ConfigError.ts"
import * as Printable from "../gateway/config/Printable.ts"

/** A command that did not do what it was asked for. Why has been printed. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly exitCode: number }> {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

/** Prints one complaint. */
export const complain = (message: string): Effect.Effect<void> => Console.error(`longline: ${Printable.of(message)}`)

/** Prints each mistake of a configuration. */
export const complainOfAll = (mistakes: Mistakes): Effect.Effect<void> =>
  Effect.forEach(mistakes, ({ message }) => complain(message), { discard: true })

/** Prints what has to be corrected, and ends the command with exit code 2. */
export const mistaken = (message: string): Effect.Effect<never, CommandFailed> => failed(message, usageExitCode)

/** Prints why the answer is no, and ends the command with exit code 1. */
export const rejected = (message: string): Effect.Effect<never, CommandFailed> => failed(message, 1)

/** Prints why, and ends the command with an exit code of its own. */
export const failed = (message: string, exitCode: number): Effect.Effect<never, CommandFailed> =>
  Effect.andThen(complain(message), Effect.fail(new CommandFailed({ exitCode })))

/** Logs what nobody foresaw. `runMain` would do so on standard output, where data belongs. */
export const report = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Cause.hasInterruptsOnly(cause) || !Runtime.getErrorReported(Cause.squash(cause))
    ? Effect.void
    : Effect.provideService(Effect.logError(cause), References.LogToStderr, true)
