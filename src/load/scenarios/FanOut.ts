/**
 * `fan-out` and `slow-reader`: a few publishers, one channel, and everybody else hears it; with `slow-reader` some of them
 * do not read. The latency is that of each delivery to those who read.
 */
import * as Effect from "effect/Effect"
import { Audience } from "../Audience.ts"
import type { Context, LoadFailed } from "../Context.ts"
import { Crowd } from "../Crowd.ts"
import * as Phases from "../Phases.ts"
import * as Publishing from "../Publishing.ts"

/** Runs it to its end. Whom the server closes for not reading is counted as shed. */
export const run = (context: Context): Effect.Effect<void, LoadFailed> =>
  Effect.gen(function* () {
    const { figures, plan } = context
    const { connections, helpers, rate } = plan
    const slow = plan.scenario === "slow-reader" ? plan.slow : 0
    const channel = Publishing.channel(context, 0)
    const channels = () => [channel.name]
    const audience = new Audience(context)
    const publishing = new Publishing.Publishing(context, 1)
    const readers = new Crowd(context, {
      count: connections - slow,
      channels,
      onPublication: (stamp, index) => audience.hear(stamp, index),
    })
    const dawdlers = new Crowd(context, {
      count: slow,
      from: connections - slow,
      channels,
      onEnded: () => {
        figures.counts.shed++
        return true
      },
    })
    const publishers = new Crowd(context, {
      count: helpers,
      from: connections,
      commandsPerSecond: rate / helpers,
      onMessage: (message, index) => publishing.take(message, index),
    })
    yield* readers.fill
    yield* dawdlers.fill
    for (const { link } of dawdlers.places) link?.pause()
    yield* publishers.fill
    const publisherOf = (n: number) => publishers.place(connections + (n % helpers))
    yield* Phases.pace(context, {
      isMine: (n) => publisherOf(n) !== undefined,
      fire: (n, at) => {
        const { index, link } = publisherOf(n)!
        publishing.publish(link, index, channel, at)
      },
    })
    yield* Phases.conclude(context, publishing, audience, [readers.places.length])
  })
