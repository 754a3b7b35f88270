/**
 * `reconnect-storm`: subscribers of one channel that all lose their connection at once and all come back at once, with
 * session and position, while the publishing goes on; again and again. The latency is from the loss to the answer to
 * `connect`, which brings what was missed. Nothing may be lost over a storm.
 */
import * as Effect from "effect/Effect"
import { Audience } from "../Audience.ts"
import { type Context, type LoadFailed, settle } from "../Context.ts"
import { Crowd } from "../Crowd.ts"
import * as Phases from "../Phases.ts"
import * as Publishing from "../Publishing.ts"

/** From the end of a storm to the next one, and from the last one to the end of the publishing. */
const calmMs = 1000

/** Runs it to its end. */
export const run = (context: Context): Effect.Effect<void, LoadFailed> =>
  Effect.gen(function* () {
    const { connections, helpers, rate } = context.plan
    const { counts } = context.figures
    const channel = Publishing.channel(context, 0)
    const audience = new Audience(context)
    const publishing = new Publishing.Publishing(context, 1)
    const subscribers = new Crowd(context, {
      count: connections,
      channels: () => [channel.name],
      keepsPositions: true,
      onPublication: (stamp, index) => audience.hear(stamp, index),
    })
    const publishers = new Crowd(context, {
      count: helpers,
      from: connections,
      commandsPerSecond: rate / helpers,
      onMessage: (message, index) => publishing.take(message, index),
    })
    yield* subscribers.fill
    yield* publishers.fill
    const publisherOf = (n: number) => publishers.place(connections + (n % helpers))
    const publish = Phases.pace(context, {
      isMine: (n) => publisherOf(n) !== undefined,
      fire: (n, at) => {
        const { index, link } = publisherOf(n)!
        publishing.publish(link, index, channel, at)
      },
    })

    const storm = Effect.gen(function* () {
      let away = subscribers.places.length
      const at = context.now()
      for (const place of subscribers.places) {
        context.fork(
          Effect.gen(function* () {
            yield* subscribers.leave(place)
            yield* subscribers.take(place, at, "reconnect")
            away--
          }),
        )
      }
      yield* settle(context, () => away === 0)
      if (away > 0) {
        counts.errors += away
        context.figures.complain("not back in time", away)
      }
    })
    const storms = Effect.gen(function* () {
      const until = context.now() + Phases.lastMs(context) * 1000
      yield* Effect.sleep(context.plan.warmUpMs)
      do {
        yield* storm
        yield* Effect.sleep(calmMs)
      } while (context.now() < until)
    })
    yield* Effect.all([publish, storms], { concurrency: "unbounded" })
    yield* Phases.conclude(context, publishing, audience, [subscribers.places.length])
  })
