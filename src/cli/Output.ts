/**
 * Writes what a command was asked for to standard output, as fast as its reader takes it and no faster.
 * Decides nothing about its form; complaints and notices are `Complaint`'s, on standard error.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { type CommandFailed, rejected } from "./Complaint.ts"

/** Whoever read has had enough (`| head -1`): the command has done its work, and says nothing. */
export class OutputClosed extends Data.TaggedError("OutputClosed") {
  override readonly [Runtime.errorExitCode] = 0
  override readonly [Runtime.errorReported] = false
}

/** Why no more is written: nobody reads it, or it cannot be kept (a full disk), which has been told. */
export type Failure = OutputClosed | CommandFailed

/** Writes bytes or text as it is; completes when the system has taken it. */
export const write = (chunk: string | Uint8Array): Effect.Effect<void, Failure> =>
  Effect.callback((resume) => {
    process.stdout.write(chunk, (error) => {
      if (error === null || error === undefined) return resume(Effect.void)
      // The stream tells it once more, and would end the process if nobody listened.
      process.stdout.once("error", () => {})
      const isClosed = "code" in error && error.code === "EPIPE"
      resume(
        isClosed ? Effect.fail(new OutputClosed()) : rejected(`standard output cannot be written: ${error.message}`),
      )
    })
  })

/** Writes lines in one piece. */
export const lines = (lines: ReadonlyArray<string>): Effect.Effect<void, Failure> =>
  lines.length === 0 ? Effect.void : write(`${lines.join("\n")}\n`)

/** Writes an object as one line of JSON. */
export const json = (object: object): Effect.Effect<void, Failure> => lines([JSON.stringify(object)])
