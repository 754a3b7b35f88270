import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"
import { Arrivals } from "../../src/transport/Arrivals.ts"
import { AcceptFailed } from "../../src/transport/Transport.ts"

describe("An accept that yields on its way", () => {
  const arrivals: ReadonlyArray<[string, (arrivals: Arrivals) => void]> = [
    ["what arrived", (arrivals) => arrivals.fail(new AcceptFailed({ code: "ECONNABORTED" }))],
    ["the end", (arrivals) => arrivals.close()],
  ]

  for (const [what, arrive] of arrivals) {
    it.effect(`sees ${what} before it waited`, () =>
      Effect.gen(function* () {
        for (let steps = 3; steps < 10; steps++) {
          const arrivals = new Arrivals(1)
          const yielding = Effect.provideService(arrivals.accept, Scheduler.MaxOpsBeforeYield, steps)
          const accepting = yield* Effect.forkChild(Effect.exit(yielding), { startImmediately: true })
          arrive(arrivals)
          for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
          assert.isDefined(accepting.pollUnsafe(), `${steps} steps`)
        }
      }),
    )
  }
})
