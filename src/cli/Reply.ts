/**
 * `longline reply`: answers the requests for a service, with themselves, with always the same, or with what a program makes
 * of them. Runs no more programs at a time than it is told, and gives no request to a shell but on standard input.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { ServiceError } from "../client/Client.ts"
import type { Request } from "../client/Message.ts"
import * as Setting from "../gateway/config/Setting.ts"
import { type CommandFailed, complain, mistaken } from "./Complaint.ts"
import * as Gateways from "./Gateways.ts"
import * as Data from "./Given.ts"
import * as Judged from "./Judged.ts"
import * as Look from "./Look.ts"
import * as Output from "./Output.ts"
import * as PayloadText from "./PayloadText.ts"
import * as Printing from "./Printing.ts"
import * as Program from "./Program.ts"
import * as Talk from "./Talk.ts"

const flags = {
  service: Argument.String("service").pipe(Argument.withDescription("the service to answer for")),
  echo: Judged.toggle("echo", "answer each request with its own data"),
  answer: Judged.text("answer", "<data>", "answer each request with this"),
  program: Judged.text("command", "<command>", "run this for each request, with its data on standard input"),
  concurrency: Judged.withDefault(
    Setting.integer({ key: "concurrency", purpose: "commands that may run at a time", min: 1, max: 1000, fallback: 8 }),
  ),
  text: Judged.toggle("text", "take answers as text, even if they are JSON"),
  binary: Judged.toggle("binary", "take answers as bytes"),
  json: Printing.json,
  gateway: Gateways.flags,
}

type Given = Command.Command.Config.Infer<typeof flags>

/** `longline reply`. */
export const command = Command.make("reply", flags, (given) =>
  Effect.gen(function* () {
    const { gateway, json, service } = given
    const answer = yield* answerOf(given)
    const look = yield* Look.current
    const print = ({ data, from }: Request) =>
      json
        ? Output.json({ type: "request", service, from, ...PayloadText.fields(data) })
        : Output.lines([Look.safe(look, `${service} ${PayloadText.format(data)}`)])
    yield* Talk.run(gateway, (client) =>
      Effect.gen(function* () {
        const over = yield* Deferred.make<never, Output.Failure>()
        const printed = (request: Request) =>
          Effect.catch(print(request), (error) => Effect.andThen(Deferred.fail(over, error), Effect.never))
        yield* client.serve(service, (request) => Effect.andThen(printed(request), answer(request)))
        if (json) yield* Output.json({ type: "serving", service })
        else if (look.isTerminal) yield* complain(`serving ${service}`)
        return yield* Deferred.await(over)
      }).pipe(Effect.scoped),
    )
  }),
).pipe(
  Command.withDescription("Answer the requests for a service, and print them, until a signal."),
  Command.withShortDescription("answer for a service"),
  Command.withExamples([
    { command: "longline reply echo --echo", description: "Each request is its own answer" },
    { command: "longline reply shout --command 'tr a-z A-Z' --text", description: "What a program makes of it" },
    { command: `longline reply health --answer '{"ok": true}'`, description: "Always the same" },
  ]),
)

type Answer = (request: Request) => Effect.Effect<unknown, ServiceError, ChildProcessSpawner>

const answerOf = Effect.fnUntraced(function* ({
  answer,
  concurrency,
  echo,
  program,
  ...given
}: Given): Effect.fn.Return<Answer, CommandFailed> {
  const form = yield* Data.formOf(given)
  const answers: Array<Answer> = []
  if (echo) answers.push(({ data }) => Effect.succeed(data))
  if (Option.isSome(answer)) {
    const value = PayloadText.valueOf(answer.value, form)
    answers.push(() => Effect.succeed(value))
  }
  if (Option.isSome(program)) {
    const running = yield* Semaphore.make(concurrency)
    answers.push((request) => running.withPermit(Program.run(program.value, request, form)))
  }
  const [only, ...others] = answers
  return only === undefined || others.length > 0
    ? yield* mistaken("one of --echo, --answer and --command says what to answer")
    : only
})
