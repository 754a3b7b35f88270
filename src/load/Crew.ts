/**
 * What the workers of a load have in common: a place to meet, where they add up what each has counted.
 * One worker alone has nobody to wait for.
 */
import * as Effect from "effect/Effect"

/** What is told while a load runs. */
export interface Progress {
  readonly connections: number
  readonly sent: number
  readonly received: number
}

/** One worker's way to the others. */
export interface Crew {
  /** Its number, from 0. */
  readonly worker: number
  /** Completes when every worker has come as often, with the sums of what they brought, place by place. */
  readonly meet: (counts: ReadonlyArray<number>) => Effect.Effect<ReadonlyArray<number>>
  /** Tells whoever looks on. */
  readonly tell: (progress: Progress) => void
}

/** A worker that is alone. */
export const alone = (tell: (progress: Progress) => void): Crew => ({ worker: 0, meet: Effect.succeed, tell })

/** Where workers meet: `arrive` takes what one of them brings, and gives back the sums once all have come. */
export const makeMeeting = (
  workers: number,
): ((counts: ReadonlyArray<number>) => ReadonlyArray<number> | undefined) => {
  let sums: Array<number> = []
  let arrived = 0
  return (counts) => {
    counts.forEach((count, place) => (sums[place] = (sums[place] ?? 0) + count))
    if (++arrived < workers) return undefined
    const all = sums
    sums = []
    arrived = 0
    return all
  }
}
