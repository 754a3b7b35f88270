/**
 * `publish`: each connection publishes to a channel of its own that nobody hears. The latency is that of the answer.
 * The offsets that are told must be those that follow.
 */
import * as Effect from "effect/Effect"
import { type Context, type LoadFailed, settle } from "../Context.ts"
import { Crowd } from "../Crowd.ts"
import * as Phases from "../Phases.ts"
import * as Publishing from "../Publishing.ts"
import { Tracker } from "../Tracker.ts"

/** Runs it to its end. An offset that came before counts as duplicated, one that was overtaken as out of order. */
export const run = (context: Context): Effect.Effect<void, LoadFailed> =>
  Effect.gen(function* () {
    const { connections, rate } = context.plan
    const { counts } = context.figures
    const trackers = new Map<number, Tracker>()
    const publishing = new Publishing.Publishing(context, connections, (message, index) => {
      let tracker = trackers.get(index)
      if (tracker === undefined) trackers.set(index, (tracker = new Tracker()))
      const arrival = tracker.see(Number(message["offset"]) - 1)
      if (arrival === "double") counts.duplicated++
      if (arrival === "late") counts["out-of-order"]++
      counts.received++
    })
    const publishers = new Crowd(context, {
      count: connections,
      commandsPerSecond: rate / connections,
      onMessage: (message, index) => publishing.take(message, index),
    })
    yield* publishers.fill
    const publisherOf = (n: number) => publishers.place(n % connections)
    yield* Phases.pace(context, {
      isMine: (n) => publisherOf(n) !== undefined,
      fire: (n, at) => {
        const { index, link } = publisherOf(n)!
        publishing.publish(link, index, Publishing.channel(context, index), at)
      },
    })
    yield* settle(context, () => publishing.waiting === 0)
    counts.expected = counts.sent
    counts.lost = publishing.waiting
  })
