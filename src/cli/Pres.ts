/**
 * `longline pres`: prints who is in a channel, and ends.
 */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import type { Member } from "../gateway/protocol/Fields.ts"
import * as Gateways from "./Gateways.ts"
import * as Look from "./Look.ts"
import * as Output from "./Output.ts"
import * as Printing from "./Printing.ts"
import * as Talk from "./Talk.ts"

/** `longline pres`. */
export const command = Command.make(
  "pres",
  {
    channel: Argument.String("channel").pipe(Argument.withDescription("the channel to look at")),
    json: Printing.json,
    gateway: Gateways.flags,
  },
  ({ channel, gateway, json }) =>
    Effect.gen(function* () {
      const look = yield* Look.current
      yield* Talk.run(gateway, (client) =>
        Effect.flatMap(client.presence(channel), ({ count, members }) => {
          if (json) return Output.json({ type: "presence", channel, count, members })
          const unlisted = count > members.length ? [`and ${count - members.length} more`] : []
          return Output.lines([...members.map((member) => line(look, member)), ...unlisted])
        }),
      )
    }),
).pipe(
  Command.withDescription("Print the members of a channel: connection, user, and since when."),
  Command.withShortDescription("print who is in a channel"),
  Command.withExamples([{ command: "longline pres chat:lobby", description: "Who is there" }]),
)

/** A member in a line; without a user there is a dash. */
export const line = (look: Look.Look, { connection, joinedAt, user = "-" }: Member): string =>
  Look.safe(look, `${connection} ${user} ${new Date(joinedAt).toISOString()}`)
