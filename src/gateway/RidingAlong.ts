/**
 * The subscriptions that ride along in `connect`: begun together, so that nothing is missed of any of them, read some at a
 * time, and answered together in one frame. Sends nothing itself.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Client from "./protocol/ClientMessage.ts"
import * as ErrorCode from "./protocol/ErrorCode.ts"
import type * as Server from "./protocol/ServerMessage.ts"
import * as Subscriptions from "./Subscriptions.ts"

/** Recoveries of one client that are read at a time. */
export const maxReads = 4

/** The answers, by channel, and what is to be done behind them. */
export interface Answers {
  readonly subscriptions: NonNullable<Server.Connected["subscriptions"]>
  /** To be called once the answers were sent, and run if there is something to run. */
  readonly start: () => Effect.Effect<void> | undefined
}

type Entries = NonNullable<Client.Connect["subscriptions"]>
type Named<A> = readonly [channel: string, value: A]

/** Begins them all: the outcomes at once if none of them has to wait, and to be answered by `answerAll`. */
export const beginAll = (
  own: Subscriptions.Subscriptions,
  entries: Entries,
): ReadonlyArray<Named<Subscriptions.Outcome>> | Effect.Effect<ReadonlyArray<Named<Subscriptions.Outcome>>> => {
  const allowance: Subscriptions.Allowance = { bytes: Subscriptions.maxRecoveredTogether, refusal: undefined }
  const begun = entries.map((entry) => begin(own, entry, allowance))
  if (begun.every(isKnown)) return begun
  return Effect.forEach(
    begun,
    ([channel, outcome]): Effect.Effect<Named<Subscriptions.Outcome>> =>
      Effect.isEffect(outcome)
        ? Effect.map(outcome, (known) => [channel, known] as const)
        : Effect.succeed([channel, outcome]),
    { concurrency: maxReads },
  )
}

/** Answers them all, with at most `maxAnsweredBytes` of publications together. */
export const answerAll = (
  own: Subscriptions.Subscriptions,
  outcomes: ReadonlyArray<Named<Subscriptions.Outcome>>,
): Answers => {
  let room = Subscriptions.maxAnsweredBytes
  const answers = outcomes.map(([channel, outcome]) => {
    const answer = own.answer(outcome, room)
    room -= answer.bytes
    return [channel, answer] as const
  })
  const [only] = answers
  // As nearly everybody does it, and nothing to sort out.
  if (only !== undefined && answers.length === 1) {
    return { subscriptions: { [only[0]]: only[1].message }, start: only[1].start }
  }
  return {
    subscriptions: toldOnce(answers),
    start: () => {
      const waiting = answers.map(([, { start }]) => start()).filter((started) => started !== undefined)
      return waiting.length === 0 ? undefined : Effect.all(waiting, { discard: true })
    },
  }
}

/** A channel that was named twice has one answer: that it was subscribed, not that it could not be once more. */
const toldOnce = (answers: ReadonlyArray<Named<Subscriptions.Answer>>): Answers["subscriptions"] => {
  const told = new Map<string, Server.SubscriptionAnswer>()
  for (const [channel, { message }] of answers) {
    if (message.type === "subscribed" || !told.has(channel)) told.set(channel, message)
  }
  return Object.fromEntries(told)
}

const begin = (
  own: Subscriptions.Subscriptions,
  entry: Entries[number],
  allowance: Subscriptions.Allowance,
): Named<Subscriptions.Outcome | Effect.Effect<Subscriptions.Outcome>> => {
  if (Result.isSuccess(entry)) return [entry.success.channel, own.begin(entry.success, allowance)]
  const { channel, message } = entry.failure
  return [channel, { error: ErrorCode.make("malformed", { message }) }]
}

const isKnown = (
  named: Named<Subscriptions.Outcome | Effect.Effect<Subscriptions.Outcome>>,
): named is Named<Subscriptions.Outcome> => !Effect.isEffect(named[1])
