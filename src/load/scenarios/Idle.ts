/**
 * `idle`: connections that say nothing but what heartbeats ask of them. The latency is that of connecting.
 */
import * as Effect from "effect/Effect"
import type { Context, LoadFailed } from "../Context.ts"
import { Crowd } from "../Crowd.ts"
import * as Phases from "../Phases.ts"

/** Runs it to its end. */
export const run = (context: Context): Effect.Effect<void, LoadFailed> =>
  Effect.gen(function* () {
    yield* new Crowd(context, { count: context.plan.connections }).fill
    yield* Phases.begin(context)
    yield* Effect.sleep(Phases.lastMs(context))
  })
