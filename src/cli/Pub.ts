/**
 * `longline pub`: publishes what is said on the command line, or each line of standard input.
 * Goes no faster than the gateway allows, and publishes nothing twice: without a key, a loss is an error. After an error
 * nothing more is published, and what is on its way is told. Whoever publishes needs nobody who reads what is told.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { Client } from "../client/Client.ts"
import { ClientError } from "../client/ClientError.ts"
import * as ClientEvent from "../client/ClientEvent.ts"
import * as Setting from "../gateway/config/Setting.ts"
import { type CommandFailed, mistaken } from "./Complaint.ts"
import * as Gateways from "./Gateways.ts"
import * as Given from "./Given.ts"
import * as Judged from "./Judged.ts"
import * as Output from "./Output.ts"
import * as PayloadText from "./PayloadText.ts"
import * as Printing from "./Printing.ts"
import * as Talk from "./Talk.ts"

/** Publications that may wait for their answer. */
export const maxInFlight = 64

/** Of what the gateway allows in a second, what is used: answers to its heartbeats count too. */
const share = 0.9

/** How much of a pause may be made up for at once. */
const maxBehindMs = 100

const flags = {
  channel: Argument.String("channel").pipe(Argument.withDescription("the channel to publish to")),
  data: Given.argument("what to publish; without it each line of standard input is published"),
  key: Judged.text(
    "key",
    "<text>",
    "publish once for this key, whatever is repeated; -1, -2, ... follow it if there are several",
  ),
  tags: Flag.KeyValuePair("tag").pipe(
    Flag.withMetavar("<name=value>"),
    Flag.withDescription("a tag of the publication; may be repeated"),
    Flag.optional,
  ),
  count: Judged.withDefault(
    Setting.integer({
      key: "count",
      purpose: "how often to publish the argument",
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
      fallback: 1,
    }),
  ),
  rate: Judged.optional(
    Setting.integer({
      key: "rate",
      purpose: "publications a second; otherwise as many as the gateway allows",
      min: 1,
      max: 1_000_000,
      fallback: 1,
    }),
  ),
  ...Given.forms,
  timeout: Judged.withDefault(Talk.timeout("how long the answer may take")),
  json: Printing.json,
  gateway: Gateways.flags,
}

type Flags = Command.Command.Config.Infer<typeof flags>

/** `longline pub`. */
export const command = Command.make("pub", flags, (given) =>
  Effect.gen(function* () {
    const form = yield* Given.formOf(given)
    if (Option.isNone(given.data) && given.count > 1)
      return yield* mistaken("--count must be left out when standard input is published")
    const texts: Stream.Stream<string | Uint8Array, CommandFailed, Stdio.Stdio> = Option.match(given.data, {
      onSome: (text) => Stream.take(Stream.forever(Stream.succeed(text)), given.count),
      onNone: () => (form === "binary" ? Stream.fromEffect(Given.whole(form)) : Given.lines),
    })
    const isOne = Option.isSome(given.data) ? given.count === 1 : form === "binary"
    yield* Talk.run(
      given.gateway,
      (client) =>
        Effect.gen(function* () {
          const pace = yield* paceOf(client, given)
          const stopped = yield* Deferred.make<CommandFailed | ClientError>()
          const stop = (error: CommandFailed | ClientError) => Deferred.succeed(stopped, error)
          const tally = makeTally()
          yield* texts.pipe(
            Stream.catch((error) => Stream.fromEffectDrain(stop(error))),
            Stream.zipWithIndex,
            Stream.tap(() => pace),
            Stream.interruptWhen(Deferred.await(stopped)),
            Stream.mapEffect(
              ([text, i]) =>
                publish(client, given, PayloadText.valueOf(text, form), isOne ? "" : `-${i + 1}`).pipe(
                  Effect.tapError(stop),
                  Effect.result,
                ),
              { concurrency: maxInFlight },
            ),
            Stream.runForEachArray(tally.take),
          )
          if (!(yield* Deferred.isDone(stopped))) return
          const error = yield* Deferred.await(stopped)
          if (isOne || !(error instanceof ClientError)) return yield* Effect.fail(error)
          return yield* Talk.fail(error, `${tally.summary()}: `)
        }),
      // What is repeated until it is there may as well wait for a connection.
      Option.isSome(given.key) ? { offlineQueue: maxInFlight } : {},
    )
  }),
).pipe(
  Command.withDescription("Publish to a channel: data that is JSON as it is, any other as text."),
  Command.withShortDescription("publish to a channel"),
  Command.withExamples([
    { command: `longline pub news '{"title": "hello"}'`, description: "One publication" },
    { command: "tail -f app.log | longline pub logs --text", description: "Each line of standard input, as text" },
    {
      command: "longline pub jobs run --key job-7 --tag from=cron",
      description: "Published once, however often it is run",
    },
    { command: "longline pub pictures --binary < cat.jpg", description: "Bytes" },
  ]),
)

/** Prints what is published, as long as somebody reads, and counts what became of all. */
const makeTally = () => {
  let [taken, published, unknown, firstFailed] = [0, 0, 0, 0]
  let isRead = true
  const take = (results: ReadonlyArray<Result.Result<string, ClientError>>): Effect.Effect<void, CommandFailed> => {
    const told: Array<string> = []
    for (const [i, result] of results.entries()) {
      if (Result.isSuccess(result)) told.push(result.success)
      else {
        if (result.failure.reason._tag === "OutcomeUnknown") unknown++
        if (firstFailed === 0) firstFailed = taken + i + 1
      }
    }
    taken += results.length
    published += told.length
    if (!isRead) return Effect.void
    return Effect.catchTag(Output.lines(told), "OutputClosed", () => Effect.sync(() => void (isRead = false)))
  }
  const summary = () =>
    `${published} published${unknown > 0 ? `, ${unknown} perhaps` : ""}, the rest not; number ${firstFailed}`
  return { take, summary }
}

/** Publishes one value; the line that says so. */
const publish = (
  client: Client["Service"],
  { channel, json, key, tags, timeout }: Flags,
  value: unknown,
  suffix: string,
) =>
  Effect.map(
    client.publish(channel, value, {
      timeout,
      ...(Option.isSome(key) && { key: `${key.value}${suffix}` }),
      ...(Option.isSome(tags) && { tags: tags.value }),
    }),
    ({ duplicate, epoch, offset }) =>
      json
        ? JSON.stringify({ type: "published", channel, offset, epoch, duplicate })
        : `${channel} ${offset}${duplicate ? " (duplicate)" : ""}`,
  )

/** Waits until the next publication is due. What was late is made up for, but no more than `maxBehindMs` of it. */
const paceOf = Effect.fnUntraced(function* (client: Client["Service"], { rate }: Flags) {
  const events = yield* Stream.runCollect(Stream.take(Stream.filter(client.events, ClientEvent.is("Connected")), 1))
  const perSecond = Option.getOrElse(rate, () => (events[0]?.limits.commandsPerSecond ?? Infinity) * share)
  let due = 0
  return Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const waitMs = due - now
    due = Math.max(due, now - maxBehindMs) + 1000 / perSecond
    return waitMs >= 1 ? Effect.sleep(waitMs) : Effect.void
  })
})
