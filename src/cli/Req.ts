/**
 * `longline req`: asks a service once, and prints what it answers.
 * Asks nobody twice: what became of a request that is not answered is unknown.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { mistaken } from "./Complaint.ts"
import * as Gateways from "./Gateways.ts"
import * as Given from "./Given.ts"
import * as Judged from "./Judged.ts"
import * as Look from "./Look.ts"
import * as Output from "./Output.ts"
import * as PayloadText from "./PayloadText.ts"
import * as Printing from "./Printing.ts"
import * as Talk from "./Talk.ts"

/** `longline req`. */
export const command = Command.make(
  "req",
  {
    service: Argument.String("service").pipe(Argument.withDescription("the service to ask")),
    data: Given.argument("what to ask; without it standard input is sent as a whole"),
    timeout: Judged.withDefault(Talk.timeout("how long the answer may take; then the exit code is 124")),
    ...Given.forms,
    raw: Printing.raw,
    json: Printing.json,
    gateway: Gateways.flags,
  },
  ({ gateway, json, raw, service, timeout, ...given }) =>
    Effect.gen(function* () {
      if (raw && json) return yield* mistaken("--raw and --json exclude each other")
      const form = yield* Given.formOf(given)
      const value = PayloadText.valueOf(Option.isSome(given.data) ? given.data.value : yield* Given.whole(form), form)
      const look = yield* Look.current
      yield* Talk.run(gateway, (client) =>
        Effect.flatMap(client.request(service, value, { timeout }), (data) => {
          if (json) return Output.json({ type: "response", service, ...PayloadText.fields(data) })
          return raw
            ? Output.write(Printing.rawOf(look, data))
            : Output.lines([Look.safe(look, PayloadText.format(data))])
        }),
      )
    }),
).pipe(
  Command.withDescription(
    "Ask a service, and print its answer; the exit code is 1 if nobody serves it, or if it refuses.",
  ),
  Command.withShortDescription("ask a service"),
  Command.withExamples([
    { command: `longline req shout '"hello"'`, description: "The answer as JSON" },
    {
      command: "longline req resize --binary --raw --timeout 30s < cat.jpg > small.jpg",
      description: "Bytes both ways",
    },
  ]),
)
