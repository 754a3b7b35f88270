/**
 * Writes what a command was asked for to standard output, as fast as its reader takes it and no faster.
 * Decides nothing about its form; complaints and notices are `Complaint`'s, on standard error.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"

/** Whoever read has had enough (`| head -1`): the command has done its work, and says nothing. */
export class OutputClosed extends Data.TaggedError("OutputClosed") {
  override readonly [Runtime.errorExitCode] = 0
  override readonly [Runtime.errorReported] = false
}

/** Writes bytes or text as it is; completes when the system has taken it. */
export const write = (chunk: string | Uint8Array): Effect.Effect<void> =>
  Effect.callback((resume) => {
    // What fails is told to `closed`.
    process.stdout.write(chunk, () => resume(Effect.void))
  })

/** Writes lines in one piece. */
export const lines = (lines: ReadonlyArray<string>): Effect.Effect<void> =>
  lines.length === 0 ? Effect.void : write(`${lines.join("\n")}\n`)

/** Writes an object as one line of JSON. */
export const json = (object: object): Effect.Effect<void> => lines([JSON.stringify(object)])

/** Fails when nobody reads what is written any more. */
export const closed: Effect.Effect<never, OutputClosed> = Effect.callback((resume) => {
  const onError = () => resume(Effect.fail(new OutputClosed()))
  process.stdout.once("error", onError)
  return Effect.sync(() => process.stdout.off("error", onError))
})
