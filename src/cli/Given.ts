/**
 * The data of commands that send some: an argument, or standard input as a whole or line by line.
 * Reads no more than a frame may hold, and no line that is longer.
 */
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import { maxClientFrameBytes } from "../client/ClientCodec.ts"
import { type CommandFailed, mistaken } from "./Complaint.ts"
import * as Judged from "./Judged.ts"
import type { Form } from "./PayloadText.ts"

/** The argument, which may be left out. */
export const argument = (purpose: string) =>
  Argument.String("data").pipe(Argument.withDescription(purpose), Argument.optional)

/** How data is to be taken. */
export const forms = {
  text: Judged.toggle("text", "take data as text, even if it is JSON"),
  binary: Judged.toggle("binary", "take data as bytes; standard input as a whole"),
}

/** What the flags say of that. */
export const formOf = ({
  binary,
  text,
}: {
  readonly text: boolean
  readonly binary: boolean
}): Effect.Effect<Form, CommandFailed> =>
  text && binary
    ? mistaken("--text and --binary exclude each other")
    : Effect.succeed(text ? "text" : binary ? "binary" : "auto")

/** Standard input until its end. */
export const whole: Effect.Effect<Uint8Array, CommandFailed, Stdio.Stdio> = Effect.gen(function* () {
  const { stdin } = yield* Stdio.Stdio
  const chunks: Array<Uint8Array> = []
  let length = 0
  yield* stdin.pipe(
    Stream.takeUntil((chunk) => {
      chunks.push(chunk)
      length += chunk.length
      return length > maxClientFrameBytes
    }),
    Stream.runDrain,
    Effect.catch(({ message }) => mistaken(`standard input cannot be read: ${message}`)),
  )
  return length > maxClientFrameBytes ? yield* tooLong("standard input") : Buffer.concat(chunks)
})

/** Standard input line by line. */
export const lines: Stream.Stream<string, CommandFailed, Stdio.Stdio> = Stream.unwrap(
  Stdio.Stdio.useSync(({ stdin }) => {
    // Of a line that has not ended: nothing else bounds what is kept until it does.
    let open = 0
    return stdin.pipe(
      Stream.catch(({ message }) => Stream.fromEffect(mistaken(`standard input cannot be read: ${message}`))),
      Stream.tap((chunk) => {
        const end = chunk.lastIndexOf(lineFeed)
        open = end === -1 ? open + chunk.length : chunk.length - end - 1
        return open > maxClientFrameBytes ? tooLong("a line of standard input") : Effect.void
      }),
      Stream.decodeText,
      Stream.splitLines,
    )
  }),
)

const lineFeed = 0x0a

const tooLong = (what: string) =>
  mistaken(`${what} is longer than ${maxClientFrameBytes} bytes, which is the most that can be sent`)
