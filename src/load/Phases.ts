/**
 * The phases that all workers go through together: everybody is connected, what is scheduled happens, what is missing is
 * waited for. Knows no scenario.
 */
import * as Effect from "effect/Effect"
import { type Context, settle } from "./Context.ts"
import * as Pacer from "./Pacer.ts"
import { scheduled } from "./Plan.ts"
import type { Publishing } from "./Publishing.ts"
import type { Audience } from "./Audience.ts"

/** Waits until every worker's connections are there; the schedule begins at the time that this gives. */
export const begin = (context: Context): Effect.Effect<number> =>
  Effect.map(context.crew.meet([]), () => {
    const from = context.now()
    context.countedFrom = from + context.plan.warmUpMs * 1000
    return from
  })

/** Begins, and runs the plan's schedule to its end. */
export const pace = (context: Context, of: Pick<Pacer.Schedule, "isMine" | "fire">): Effect.Effect<void> =>
  Effect.flatMap(begin(context), (from) =>
    Pacer.run(context, {
      ...of,
      from,
      slipFrom: context.countedFrom,
      perSecond: context.plan.rate,
      count: scheduled(context.plan),
    }),
  )

/** Warm-up and counted time without a schedule. */
export const lastMs = ({ plan }: Context): number => plan.warmUpMs + plan.durationMs

/**
 * Waits for answers, adds up what all workers' publications were acknowledged, and then waits for the deliveries: so many of
 * each channel as it has receivers here.
 */
export const conclude = (
  context: Context,
  publishing: Publishing,
  audience: Audience,
  receivers: ReadonlyArray<number>,
): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* settle(context, () => publishing.waiting === 0)
    if (publishing.waiting > 0) {
      context.figures.counts.errors += publishing.waiting
      context.figures.complain("a publication was not answered in time", publishing.waiting)
    }
    const acknowledged = yield* context.crew.meet(publishing.acknowledged)
    yield* audience.conclude(receivers.reduce((sum, count, channel) => sum + count * (acknowledged[channel] ?? 0), 0))
  })
