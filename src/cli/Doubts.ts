/**
 * What a valid configuration will not do well, here: a history that does not fit into the heap, a variable that means
 * nothing. Says so in the log, and keeps nothing from starting.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { GatewayConfig } from "../gateway/config/GatewayConfig.ts"
import * as SizeText from "../gateway/config/SizeText.ts"
import * as Variables from "../gateway/config/Variables.ts"
import * as MemoryGauge from "../server/MemoryGauge.ts"

/** Warns of a history in memory that newcomers would be refused for before it is full. */
export const checkHistory = ({ data, limits }: Pick<GatewayConfig, "data" | "limits">): Effect.Effect<void> =>
  Effect.gen(function* () {
    const heap = (yield* MemoryGauge.MemoryGauge).heap().limitBytes
    const room = (heap * limits.memoryPercent) / 100
    if (data !== undefined || limits.historyBytes <= room) return
    const [wanted, has] = [limits.historyBytes, room - (room % mebibyte)].map(SizeText.format)
    yield* Effect.logWarning(
      `the history may take ${wanted}, and newcomers are refused when this process uses ${has} of heap: lower --history-bytes or raise node --max-old-space-size`,
    )
  })

const mebibyte = 1024 * 1024

/** Warns of variables of the environment that are called like settings and are none. */
export const checkVariables: Effect.Effect<void> = Effect.flatMap(Variables.doubt, (doubt) =>
  doubt === undefined ? Effect.void : Effect.logWarning(doubt),
)

/** When it starts. */
export const layer = (config: Pick<GatewayConfig, "data" | "limits">): Layer.Layer<never> =>
  Layer.effectDiscard(Effect.andThen(checkHistory(config), checkVariables))
