/**
 * What an engine is asked, with a deadline, and its error as a client is told it. Asks nothing itself.
 */
import * as Effect from "effect/Effect"
import type { EngineError } from "./engine/Engine.ts"
import * as ErrorCode from "./protocol/ErrorCode.ts"

/** The answer within so many milliseconds: later than that the engine is as good as unavailable. */
export const within = <A>(asked: Effect.Effect<A, EngineError>, ms: number): Effect.Effect<A, ErrorCode.ErrorFacts> =>
  asked.pipe(
    Effect.mapError(ErrorCode.ofEngine),
    Effect.timeoutOrElse({ duration: ms, orElse: () => Effect.fail(ErrorCode.make("engineUnavailable")) }),
  )
