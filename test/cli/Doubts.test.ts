import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Doubts from "../../src/cli/Doubts.ts"
import * as MemoryGauge from "../../src/server/MemoryGauge.ts"
import * as Logs from "../support/logs.ts"
import { defaults } from "./defaults.ts"

const warnings = ({ lines }: Pick<ReturnType<typeof Logs.record>, "lines">) =>
  lines.map(({ level, message }) => [level, message])

describe("the check of the history", () => {
  const mebibyte = 1024 * 1024
  const of = (heapMebibytes: number, data: typeof defaults.data) =>
    Effect.gen(function* () {
      const logs = Logs.record()
      const heap = () => ({ usedBytes: 0, limitBytes: heapMebibytes * mebibyte })
      const gauge = { memory: heap, heap, bufferBytes: () => 0 }
      const limits = { ...defaults.limits, historyBytes: 90 * mebibyte, memoryPercent: 90 }
      yield* Effect.provide(Doubts.checkHistory({ data, limits }), logs.layer).pipe(
        Effect.provideService(MemoryGauge.MemoryGauge, gauge),
      )
      return warnings(logs)
    })

  it.effect("warns when the heap has no room for it, and not if it just has", () =>
    Effect.gen(function* () {
      const message =
        "the history may take 90MiB, and newcomers are refused when this process uses 89MiB of heap: " +
        "lower --history-bytes or raise node --max-old-space-size"
      assert.deepStrictEqual(yield* of(99, undefined), [["WARN", message]])
      assert.deepStrictEqual(yield* of(100, undefined), [])
    }),
  )

  it.effect("has nothing to say of a history on disk", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* of(1, { directory: "d", sync: "always" }), [])
    }),
  )
})

describe("the check of the variables", () => {
  it.effect("warns of those that mean nothing, and has nothing to say of none", () =>
    Effect.gen(function* () {
      const of = (env: Readonly<Record<string, string>>) =>
        Effect.gen(function* () {
          const logs = Logs.record()
          yield* Effect.provide(Doubts.checkVariables, [
            logs.layer,
            ConfigProvider.layer(ConfigProvider.fromEnvRecord(env)),
          ])
          return warnings(logs)
        })
      assert.deepStrictEqual(yield* of({ LONGLINE_PROT: "1" }), [
        ["WARN", "environment variables that mean nothing: LONGLINE_PROT (did you mean LONGLINE_PORT?)"],
      ])
      assert.deepStrictEqual(yield* of({ LONGLINE_PORT: "1" }), [])
    }),
  )
})
