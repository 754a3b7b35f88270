/**
 * `rooms`: many channels, a few members each, and any member says something to its room, which it hears itself.
 * The latency is that of each delivery.
 */
import * as Effect from "effect/Effect"
import { Audience } from "../Audience.ts"
import * as Chance from "../Chance.ts"
import type { Context, LoadFailed } from "../Context.ts"
import { Crowd } from "../Crowd.ts"
import * as Phases from "../Phases.ts"
import * as Publishing from "../Publishing.ts"

/** Runs it to its end. */
export const run = (context: Context): Effect.Effect<void, LoadFailed> =>
  Effect.gen(function* () {
    const { connections, rate, rooms, seed } = context.plan
    const roomOf = (index: number) => Publishing.channel(context, index % rooms)
    const audience = new Audience(context)
    const publishing = new Publishing.Publishing(context, rooms)
    const members = new Crowd(context, {
      count: connections,
      channels: (index) => [roomOf(index).name],
      commandsPerSecond: rate / connections,
      onPublication: (stamp, index) => audience.hear(stamp, index),
      onMessage: (message, index) => publishing.take(message, index),
    })
    yield* members.fill
    const speakerOf = (n: number) => members.place(Chance.below(connections, seed, "speaker", n))
    yield* Phases.pace(context, {
      isMine: (n) => speakerOf(n) !== undefined,
      fire: (n, at) => {
        const { index, link } = speakerOf(n)!
        publishing.publish(link, index, roomOf(index), at)
      },
    })
    const receivers = Array.from({ length: rooms }, () => 0)
    for (const { index } of members.places) receivers[index % rooms]!++
    yield* Phases.conclude(context, publishing, audience, receivers)
  })
