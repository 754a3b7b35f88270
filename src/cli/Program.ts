/**
 * Runs a command of the person for one request: data on its standard input, the answer on its standard output.
 * What goes wrong is told here; who asked learns no more than that it did. Keeps no more of an answer than can be sent.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { ServiceError } from "../client/Client.ts"
import type { Request } from "../client/Message.ts"
import { maxClientFrameBytes } from "../gateway/protocol/FrameLimits.ts"
import { complain } from "./Complaint.ts"
import * as PayloadText from "./PayloadText.ts"

/** The code of the refusal that whoever asked gets when the command fails. */
export const failureCode = 200

/** Runs the command in a shell, which is killed if nobody waits for it any more, and takes what it prints as told. */
export const run = (
  command: string,
  { data, service }: Request,
  form: PayloadText.Form,
): Effect.Effect<unknown, ServiceError, ChildProcessSpawner> =>
  Effect.gen(function* () {
    const spawner = yield* ChildProcessSpawner
    const program = yield* spawner.spawn(
      ChildProcess.make("sh", ["-c", command], {
        stdin: { stream: Stream.succeed(Buffer.from(PayloadText.raw(data))) },
        stderr: "inherit",
        env: { LONGLINE_SERVICE: service },
        extendEnv: true,
      }),
    )
    const chunks: Array<Uint8Array> = []
    let length = 0
    yield* program.stdout.pipe(
      Stream.takeUntil((chunk) => {
        chunks.push(chunk)
        length += chunk.length
        return length > maxClientFrameBytes
      }),
      Stream.runDrain,
    )
    if (length > maxClientFrameBytes) return yield* refuse("the command has answered more than can be sent")
    const exitCode = yield* program.exitCode
    if (exitCode !== 0) return yield* refuse(`the command has ended with exit code ${exitCode}`)
    const answer = PayloadText.givenOf(Buffer.concat(chunks), form)
    return answer === undefined
      ? yield* refuse("the command has answered no UTF-8 text; with --binary it is taken as bytes")
      : PayloadText.valueOf(answer, form)
  }).pipe(
    Effect.scoped,
    Effect.catchTag("PlatformError", ({ message }) => refuse(`the command cannot be run: ${message}`)),
  )

const refuse = (why: string) =>
  Effect.andThen(complain(why), Effect.fail(new ServiceError({ code: failureCode, message: "the command failed" })))
