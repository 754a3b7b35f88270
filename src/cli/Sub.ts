/**
 * `longline sub`: prints what is published to channels, as it comes, over reconnects, until it is enough.
 * Publishes nothing. What cannot be printed because it is lost is told on standard error.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { Client } from "../client/Client.ts"
import * as Setting from "../gateway/config/Setting.ts"
import { mistaken } from "./Complaint.ts"
import * as Gateways from "./Gateways.ts"
import * as Judged from "./Judged.ts"
import * as Pages from "./Pages.ts"
import * as Position from "./Position.ts"
import * as Printing from "./Printing.ts"
import * as Talk from "./Talk.ts"

/** How many publications there may be to begin with. */
export const maxHistory = 100_000

const flags = {
  channels: Argument.String("channel").pipe(
    Argument.withDescription("channels to subscribe to"),
    Argument.variadic({ min: 1 }),
  ),
  history: Judged.withDefault(
    Setting.integer({
      key: "history",
      purpose: "how many earlier publications to begin with",
      min: 0,
      max: maxHistory,
      fallback: 0,
    }),
  ),
  position: Judged.optional(Position.setting("position", "go on after this position")),
  mode: Flag.Literals("mode", ["stream", "latest", "live"]).pipe(
    Flag.withDescription("every publication; the last and then each; or from now on, whatever is missed"),
    Flag.withDefault("stream"),
  ),
  presence: Judged.toggle("presence", "be listed as present, as pres and watch show it"),
  count: Judged.optional(
    Setting.integer({
      key: "count",
      purpose: "end after this many publications",
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
      fallback: 1,
    }),
  ),
  timeout: Judged.optional(Talk.timeout("end after this time, with exit code 124 if --count is not reached")),
  ...Printing.flags,
  gateway: Gateways.flags,
}

type Given = Command.Command.Config.Infer<typeof flags>

/** `longline sub`. */
export const command = Command.make("sub", flags, (given) =>
  Effect.gen(function* () {
    if (Option.isSome(given.position) && (given.channels.length > 1 || given.history > 0))
      return yield* mistaken("--position is one channel's, and excludes --history")
    const twice = given.channels.find((channel, index) => given.channels.indexOf(channel) < index)
    if (twice !== undefined) return yield* mistaken(`the channel ${JSON.stringify(twice)} is named twice`)
    const print = yield* Printing.make(given)
    yield* Talk.run(given.gateway, (client) => {
      let left = Option.getOrElse(given.count, () => Infinity)
      return Stream.mergeAll(
        given.channels.map((channel) => follow(client, channel, given)),
        { concurrency: "unbounded" },
      ).pipe(
        Stream.filter((item) => item.type !== "presenceChanged"),
        Stream.takeUntil((item) => item.type === "publication" && --left <= 0),
        Stream.runForEachArray(print),
        Option.isSome(given.count) ? Talk.within(given.timeout) : until(given.timeout),
      )
    })
  }),
).pipe(
  Command.withDescription("Print what is published to channels, as it comes; exit code 0 after --count, or a signal."),
  Command.withShortDescription("print what is published to channels"),
  Command.withExamples([
    { command: "longline sub news", description: "Each publication of a channel" },
    { command: "longline sub news sport --history 10", description: "Two channels, each with its last ten" },
    { command: "longline sub jobs --json --count 1 --timeout 5s", description: "One publication, for a script" },
    { command: "longline sub news --template '{time} {user}: {raw}'", description: "Lines of one's own" },
  ]),
)

/** Without a number to reach, the time is how long to listen. */
const until =
  (limit: Option.Option<Duration.Duration>) =>
  <E, R>(effect: Effect.Effect<void, E, R>): Effect.Effect<void, E, R> =>
    Option.isNone(limit) ? effect : Effect.asVoid(Effect.timeoutOption(effect, limit.value))

/** A channel from where it was asked for. What is published between the history and the subscription is not missed. */
const follow = (client: Client["Service"], channel: string, { history, mode, position, presence }: Given) => {
  if (history === 0) {
    return client.subscribe(channel, {
      mode,
      presence,
      ...(Option.isSome(position) && position.value !== undefined && { position: Position.parse(position.value) }),
    })
  }
  return Stream.unwrap(
    Effect.map(Pages.read(client, channel, { limit: history, reverse: true }), ({ position, publications }) =>
      Stream.concat(
        Stream.fromIterable(publications.toReversed()),
        client.subscribe(channel, { mode, position, presence }),
      ),
    ),
  )
}
