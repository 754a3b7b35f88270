/**
 * `churn`: connections with a subscription, of which one after the other leaves by a reset and another comes for it.
 * The latency is that of coming, up to the answer to `connect`.
 */
import * as Effect from "effect/Effect"
import * as Chance from "../Chance.ts"
import { type Context, isMine, type LoadFailed, settle } from "../Context.ts"
import { Crowd, type Place } from "../Crowd.ts"
import * as Phases from "../Phases.ts"
import * as Publishing from "../Publishing.ts"

/** Runs it to its end. */
export const run = (context: Context): Effect.Effect<void, LoadFailed> =>
  Effect.gen(function* () {
    const { figures, plan } = context
    const { counts } = figures
    const channel = Publishing.channel(context, 0)
    const crowd = new Crowd(context, { count: plan.connections, channels: () => [channel.name] })
    yield* crowd.fill
    /** Who is to come, and has nobody to come for: all are away already. In the order of their times, which go on counting. */
    const waiting: Array<() => boolean> = []
    let coming = 0
    const replace = (n: number, at: number): boolean => {
      const place = firstOpen(crowd.places, Chance.below(crowd.places.length, plan.seed, "victim", n))
      if (place === undefined) return false
      context.fork(
        Effect.gen(function* () {
          yield* crowd.leave(place)
          yield* crowd.take(place, at, at >= context.countedFrom ? "reconnect" : undefined)
          coming--
          if (place.link !== undefined) counts.received++
          if (waiting[0]?.() === true) waiting.shift()
        }),
      )
      return true
    }
    yield* Phases.pace(context, {
      isMine: (n) => isMine(context, n) && crowd.places.length > 0,
      fire: (n, at) => {
        counts.sent++
        coming++
        if (!replace(n, at)) waiting.push(() => replace(n, at))
      },
    })
    yield* settle(context, () => coming === 0)
    if (waiting.length > 0) figures.complain("all connections were away", waiting.length)
    counts.expected = counts.sent
    counts.lost = counts.sent - counts.received
  })

/** The first place from there on whose connection is not away already. */
const firstOpen = (places: ReadonlyArray<Place>, from: number): Place | undefined => {
  for (let step = 0; step < places.length; step++) {
    const place = places[(from + step) % places.length]!
    if (place.link !== undefined) return place
  }
  return undefined
}
