/**
 * `longline watch`: prints who comes and goes, as it happens: connections of the gateway (its journal), or members of a
 * channel. Whoever watches a channel is a member of it, and does not hear of itself.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import type { Client } from "../client/Client.ts"
import type { ClientError } from "../client/ClientError.ts"
import * as ClientEvent from "../client/ClientEvent.ts"
import type { Publication } from "../client/Message.ts"
import type { Member } from "../gateway/protocol/Fields.ts"
import * as Gateways from "./Gateways.ts"
import * as Look from "./Look.ts"
import * as Output from "./Output.ts"
import * as Pres from "./Pres.ts"
import * as Printing from "./Printing.ts"
import * as Talk from "./Talk.ts"

/** The channel of the gateway's journal. */
const journal = "$sys:connections"

/** What has happened, in one line for a person and as an object. */
interface Change {
  readonly line: string
  readonly object: object
}

/** `longline watch`. */
export const command = Command.make(
  "watch",
  {
    channel: Argument.String("channel").pipe(
      Argument.withDescription("the channel whose members to watch; without it all connections are watched"),
      Argument.optional,
    ),
    json: Printing.json,
    gateway: Gateways.flags,
  },
  ({ channel, gateway, json }) =>
    Effect.gen(function* () {
      const look = yield* Look.current
      yield* Talk.run(gateway, (client) =>
        (Option.isSome(channel) ? members(client, channel.value, look) : connections(client, look)).pipe(
          Stream.runForEachArray((changes) =>
            Output.lines(changes.map(({ line, object }) => (json ? JSON.stringify(object) : line))),
          ),
        ),
      )
    }),
).pipe(
  Command.withDescription(
    "Print who comes and goes: connections (where the gateway runs with --journal), or members of a channel.",
  ),
  Command.withShortDescription("print who comes and goes"),
  Command.withExamples([
    { command: "longline watch", description: "Each connection that opens or closes, and why" },
    { command: "longline watch chat:lobby", description: "Who is in a channel, who joins and who leaves" },
  ]),
)

const connections = (client: Client["Service"], look: Look.Look): Stream.Stream<Change, ClientError> =>
  client.subscribe(journal).pipe(
    Stream.tap((item) => Printing.tell(look, item)),
    Stream.filter((item) => item.type === "publication"),
    Stream.map((publication) => entryOf(publication, look)),
  )

const entryOf = ({ data, offset, time }: Publication, look: Look.Look): Change => {
  const { event, ...facts } = data as { readonly event: string; readonly [fact: string]: unknown }
  const { code, connection, peer, reason, user = "-" } = facts
  const about = event === "opened" ? peer : `${String(code)} ${String(reason)}`
  return {
    line: Look.safe(look, [new Date(time).toISOString(), event, connection, user, about].map(String).join(" ")),
    object: { type: event, offset, time, ...facts },
  }
}

const members = (client: Client["Service"], channel: string, look: Look.Look): Stream.Stream<Change, ClientError> => {
  const change =
    (type: "present" | "joined" | "left") =>
    (member: Member): Change => ({
      line: `${type} ${Pres.line(look, member)}`,
      object: { type, channel, ...member },
    })
  // A change may be told of whom the list had already, or had no more.
  const known = new Set<string>()
  return client.subscribe(channel, { presence: true, mode: "live" }).pipe(
    Stream.mapEffect((item) => {
      if (item.type === "presenceChanged") {
        const left = item.left.filter(({ connection }) => known.delete(connection))
        const joined = item.joined.filter(({ connection }) => !known.has(connection) && known.add(connection))
        return Effect.succeed([...left.map(change("left")), ...joined.map(change("joined"))])
      }
      if (item.type !== "subscribed") return Effect.succeed([])
      // With each connection anew: nobody tells who came and went in between.
      return Effect.map(othersIn(client, channel), (all) => {
        known.clear()
        for (const { connection } of all) known.add(connection)
        return all.map(change("present"))
      })
    }),
    Stream.flattenIterable,
  )
}

const othersIn = Effect.fnUntraced(function* (client: Client["Service"], channel: string) {
  const events = yield* Stream.runCollect(Stream.take(Stream.filter(client.events, ClientEvent.is("Connected")), 1))
  const { members } = yield* client.presence(channel)
  return members.filter(({ connection }) => connection !== events[0]?.connection)
})
