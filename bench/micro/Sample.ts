/**
 * How a small thing is timed: batches long enough for the clock, warmed up, the median of many.
 * A result that nobody uses is optimized away: every sample returns a number, and all of them are summed.
 */
import { setImmediate as turn } from "node:timers/promises"
import * as Report from "../harness/Report.ts"

/** One thing to time. */
export interface Sample {
  readonly name: string
  /** The size it is timed for, as the table shows it. */
  readonly size: string
  /** Frames or messages that one call of `run` handles. */
  readonly count: number
  readonly run: () => number | Promise<number>
  /** Whether the end of the event loop's turn belongs to it: it then follows each call, and is timed with it. */
  readonly endsTurn?: boolean
}

/** What came of it, in nanoseconds for one frame or message. */
export interface Timed {
  readonly median: number
  readonly min: number
  readonly max: number
}

const batchNs = 5e6
const warmUps = 40
const batches = 41

/** Times one sample. */
export const time = async ({ count, endsTurn = false, run }: Sample): Promise<Timed> => {
  let used = 0
  let calls = 1
  const times: Array<number> = []
  for (let batch = -warmUps; batch < batches; batch++) {
    const before = performance.now()
    for (let call = 0; call < calls; call++) {
      const result = run()
      used += typeof result === "number" ? result : await result
      if (endsTurn) await turn()
    }
    const ns = (performance.now() - before) * 1e6
    if (batch >= 0) times.push(ns / (calls * count))
    // The warm-up finds out how many calls a batch has.
    else calls = Math.max(1, Math.min(calls * 2, Math.round((calls * batchNs) / Math.max(ns, 1))))
    // What a sample left for the end of the turn is not to pile up.
    await turn()
  }
  if (Number.isNaN(used)) throw new Error("a sample returned no number")
  return { median: Report.median(times), min: Math.min(...times), max: Math.max(...times) }
}
