/**
 * What a load came to, all workers together, and whether the generator itself was what ended first.
 * Plain values in and out; prints nothing.
 */
import { type CountName, Figures, mainMeasure, type Measure, type Problem } from "./Figures.ts"
import type { Summary } from "./Latencies.ts"
import type { Plan } from "./Plan.ts"
import type { Outcome } from "./Work.ts"

/** How the generator itself fared. */
export interface Generator {
  /** Of the busiest worker: the share of the time that its event loop was busy, 0 to 1. */
  readonly busy: number
  /** How late the schedule was, in milliseconds, at its 99th percentile. */
  readonly lateMs: number
  /** Whether the figures say less about the server than about the generator. */
  readonly bottleneck: boolean
}

/** A load that is over. */
export interface Report {
  readonly plan: Omit<Plan, "token">
  readonly counts: Readonly<Record<CountName, number>>
  /** What was measured, in the order of `Figures.measures`. */
  readonly latencies: ReadonlyArray<readonly [Measure, Summary]>
  readonly main: Measure
  /** What the main measure counted, in a second of the counted time; undefined where nothing is sent at a rate. */
  readonly rate: number | undefined
  readonly generator: Generator
  readonly problems: ReadonlyArray<Problem>
}

/** A worker that is busier than this has no room for what the server could do. */
export const maxBusy = 0.9

/** A schedule that is later than this is not the schedule that was asked for. Timers alone make 2 ms. */
export const maxLateMs = 10

/** Whether a generator that fared so was the bottleneck. One that spins is always busy, and that says nothing. */
export const isBottleneck = ({ busy, lateMs }: Omit<Generator, "bottleneck">): boolean =>
  busy > maxBusy || lateMs > maxLateMs

/** What every bottlenecked table says. */
export const bottleneckLine = "the generator was the bottleneck: figures are a lower bound"

/** The report of all workers' outcomes. */
export const make = (plan: Plan, outcomes: ReadonlyArray<Outcome>): Report => {
  const figures = new Figures()
  for (const outcome of outcomes) figures.add(outcome.figures)
  const latencies = figures.summaries()
  const summaryOf = (wanted: Measure) => latencies.find(([measure]) => measure === wanted)?.[1]
  const main = mainMeasure[plan.scenario]
  const busy = Math.max(0, ...outcomes.map(({ busy }) => busy))
  const lateMs = summaryOf("slip")?.p99 ?? 0
  const { token: _, ...shown } = plan
  return {
    plan: shown,
    counts: figures.counts,
    latencies,
    main,
    rate: plan.rate === 0 ? undefined : ((summaryOf(main)?.count ?? 0) * 1000) / plan.durationMs,
    generator: { busy, lateMs, bottleneck: isBottleneck({ busy: plan.spin ? 0 : busy, lateMs }) },
    problems: figures.problems(),
  }
}
