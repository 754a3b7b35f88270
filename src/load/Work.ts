/**
 * One worker's load from its first connection to its figures, and how busy the worker was with it.
 * Prints nothing, and names no socket: connections come from the dialer it is given.
 */
import * as Effect from "effect/Effect"
import { performance } from "node:perf_hooks"
import * as Context from "./Context.ts"
import type * as Figures from "./Figures.ts"
import type { ScenarioName } from "./Plan.ts"
import * as Churn from "./scenarios/Churn.ts"
import * as Drain from "./scenarios/Drain.ts"
import * as FanOut from "./scenarios/FanOut.ts"
import * as Idle from "./scenarios/Idle.ts"
import * as Publish from "./scenarios/Publish.ts"
import * as ReconnectStorm from "./scenarios/ReconnectStorm.ts"
import * as Request from "./scenarios/Request.ts"
import * as Rooms from "./scenarios/Rooms.ts"

/** What came of one worker's load. */
export interface Outcome {
  readonly figures: Figures.Encoded
  /** The share of the counted time, as far as something happened in it, that its event loop was busy: 0 to 1. */
  readonly busy: number
}

const scenarios: Readonly<Record<ScenarioName, (context: Context.Context) => Effect.Effect<void, Context.LoadFailed>>> =
  {
    idle: Idle.run,
    "fan-out": FanOut.run,
    rooms: Rooms.run,
    publish: Publish.run,
    request: Request.run,
    "reconnect-storm": ReconnectStorm.run,
    "slow-reader": FanOut.run,
    churn: Churn.run,
    drain: Drain.run,
  }

/** Runs this worker's share of the plan. When it ends, all its connections are reset. */
export const run = (options: Context.Options): Effect.Effect<Outcome, Context.LoadFailed> =>
  Effect.gen(function* () {
    const context = yield* Context.make(options)
    const busy = watch(context)
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(watchEveryMs), Effect.sync(busy.look))))
    yield* scenarios[options.plan.scenario](context)
    busy.look()
    return { figures: context.figures.encoded(), busy: busy.share() }
  }).pipe(Effect.scoped)

const watchEveryMs = 200

/** Looks at the event loop, and tells how far the load is. */
const watch = (context: Context.Context) => {
  const { crew, figures } = context
  const { counts } = figures
  let before = performance.eventLoopUtilization()
  let done = 0
  let activeMs = 0
  let totalMs = 0
  const look = () => {
    const now = performance.eventLoopUtilization()
    const { active, idle } = performance.eventLoopUtilization(now, before)
    before = now
    const { connections, received, sent } = counts
    // What is waited for in silence says nothing about how much more there could have been.
    const isCounted = context.now() >= context.countedFrom || Context.isAboutConnecting(context)
    if (isCounted && connections + received + sent > done) {
      activeMs += active
      totalMs += active + idle
    }
    done = connections + received + sent
    crew.tell({ connections, sent, received })
  }
  return { look, share: () => (totalMs === 0 ? 0 : activeMs / totalMs) }
}
