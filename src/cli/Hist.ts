/**
 * `longline hist`: prints what a channel has kept of what was published, and ends.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Setting from "../gateway/config/Setting.ts"
import * as Gateways from "./Gateways.ts"
import * as Judged from "./Judged.ts"
import * as Output from "./Output.ts"
import * as Pages from "./Pages.ts"
import * as Position from "./Position.ts"
import * as Printing from "./Printing.ts"
import { maxHistory } from "./Sub.ts"
import * as Talk from "./Talk.ts"

/** `longline hist`. */
export const command = Command.make(
  "hist",
  {
    channel: Argument.String("channel").pipe(Argument.withDescription("the channel to read")),
    limit: Judged.withDefault(
      Setting.integer({
        key: "limit",
        purpose: "publications at the most",
        min: 1,
        max: maxHistory,
        fallback: 100,
      }),
    ),
    reverse: Judged.toggle("reverse", "newest first, from the last one back"),
    since: Judged.optional(Position.setting("since", "those after this position; with --reverse those before it")),
    ...Printing.flags,
    gateway: Gateways.flags,
  },
  ({ channel, gateway, limit, reverse, since, ...given }) =>
    Effect.gen(function* () {
      const print = yield* Printing.make(given)
      const from = Option.getOrUndefined(since)
      yield* Talk.run(gateway, (client) =>
        Effect.gen(function* () {
          const wanted = { limit, reverse, ...(from !== undefined && { since: Position.parse(from) }) }
          const { more, position, publications } = yield* Pages.read(client, channel, wanted)
          yield* print(publications)
          if (given.json) yield* Output.json({ type: "history", channel, position, more })
        }),
      )
    }),
).pipe(
  Command.withDescription("Print the publications that a channel has kept, oldest first."),
  Command.withShortDescription("print a channel's history"),
  Command.withExamples([
    { command: "longline hist news", description: "The hundred oldest" },
    { command: "longline hist news --reverse --limit 1 --raw", description: "The data of the last one" },
  ]),
)
