/**
 * The data of commands that send some: an argument, or standard input as a whole or line by line.
 * Reads no more than a frame may hold, and no line that is longer.
 */
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import { maxClientFrameBytes } from "../gateway/protocol/FrameLimits.ts"
import { type CommandFailed, mistaken } from "./Complaint.ts"
import * as Judged from "./Judged.ts"
import type { Form } from "./PayloadText.ts"
import * as PayloadText from "./PayloadText.ts"

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

/** Standard input until its end, as bytes or as their text. */
export const whole = Effect.fnUntraced(function* (
  form: Form,
): Effect.fn.Return<string | Uint8Array, CommandFailed, Stdio.Stdio> {
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
  if (length > maxClientFrameBytes) return yield* tooLong("standard input")
  return PayloadText.givenOf(Buffer.concat(chunks), form) ?? (yield* notText)
})

/** Standard input line by line. */
export const lines: Stream.Stream<string, CommandFailed, Stdio.Stdio> = Stream.unwrap(
  Stdio.Stdio.useSync(({ stdin }) => {
    // Of a line that has not ended: nothing else bounds what is kept until it does.
    let open = 0
    // What U+FFFD stood for would be lost, and nobody told.
    const decoder = new TextDecoder("utf-8", { fatal: true })
    const decode = (chunk?: Uint8Array) =>
      Effect.try({ try: () => decoder.decode(chunk, { stream: chunk !== undefined }), catch: () => undefined }).pipe(
        Effect.catch(() => notText),
      )
    return stdin.pipe(
      Stream.catch(({ message }) => Stream.fromEffect(mistaken(`standard input cannot be read: ${message}`))),
      Stream.tap((chunk) => {
        const end = chunk.lastIndexOf(lineFeed)
        open = end === -1 ? open + chunk.length : chunk.length - end - 1
        return open > maxClientFrameBytes ? tooLong("a line of standard input") : Effect.void
      }),
      Stream.mapEffect(decode),
      Stream.concat(Stream.fromEffect(Effect.suspend(decode))),
      Stream.splitLines,
    )
  }),
)

const lineFeed = 0x0a

const notText = mistaken("standard input is no UTF-8 text; with --binary it is taken as bytes, as a whole")

const tooLong = (what: string) =>
  mistaken(`${what} is longer than ${maxClientFrameBytes} bytes, which is the most that can be sent`)
