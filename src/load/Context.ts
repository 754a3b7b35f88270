/**
 * What the parts of one worker's load share: the plan, its own figures, the clock, the way to the server.
 * Decides nothing.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import type { Crew } from "./Crew.ts"
import * as Figures from "./Figures.ts"
import type * as Link from "./Link.ts"
import type { Plan } from "./Plan.ts"
import * as Stamp from "./Stamp.ts"

/** The load cannot be put on this server, for a reason that a person can mend. */
export class LoadFailed extends Data.TaggedError("LoadFailed")<{
  readonly message: string
  /** How the last attempt to connect ended, if that is the reason. */
  readonly ending?: Link.Ending
}> {}

/** One worker's load. */
export interface Context {
  readonly plan: Plan
  readonly crew: Crew
  /** A connection with this number; the number picks the address that it comes from. */
  readonly dial: (index: number) => Link.Dialer
  readonly figures: Figures.Figures
  readonly stamps: Stamp.Stamps
  /** Microseconds of the machine's monotonic clock, which all workers read. */
  readonly now: () => number
  /** Of the whole load: it ends with every connection and every fiber of it. */
  readonly scope: Scope.Scope
  /** Runs beside the schedule what a turn of it begins. */
  readonly fork: (effect: Effect.Effect<void>) => void
  /** When what is scheduled begins to be counted; set once everybody is connected. */
  countedFrom: number
}

/** What a worker needs from outside. */
export type Options = Pick<Context, "plan" | "crew" | "dial">

/** A context at the beginning of a load. */
export const make = (options: Options): Effect.Effect<Context, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const run = yield* FiberSet.makeRuntime()
    return {
      ...options,
      figures: new Figures.Figures(),
      stamps: Stamp.make(options.plan.run),
      now: () => Number(clock.monotonicTimeNanosUnsafe()) / 1000,
      scope: yield* Scope.Scope,
      fork: (effect) => void run(effect),
      countedFrom: Infinity,
    }
  })

/** Whether what has this number is this worker's: they take turns. */
export const isMine = ({ crew, plan }: Context, index: number): boolean => index % plan.workers === crew.worker

/** Takes note of a latency if it is counted: what should have happened at `at` has happened now. */
export const record = (context: Context, measure: Figures.Measure, at: number): void => {
  if (at >= context.countedFrom) context.figures.record(measure, context.now() - at)
}

/** Whether connecting is what the scenario measures. */
export const isAboutConnecting = ({ plan }: Context): boolean => Figures.mainMeasure[plan.scenario] === "connect"

/** Waits until it is true, at most so long: as the plan has patience, unless told otherwise. */
export const settle = (
  { plan }: Context,
  isTrue: () => boolean,
  patienceMs: number = plan.settleMs,
): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let waited = 0; !isTrue() && waited < patienceMs; waited += lookEveryMs) yield* Effect.sleep(lookEveryMs)
  })

const lookEveryMs = 10
