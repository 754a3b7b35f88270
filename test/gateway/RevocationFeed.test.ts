import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { gateway } from "../support/clients.ts"
import { settled } from "../support/wires.ts"
import { gated } from "./engines.ts"

describe("a gateway that cannot read what was revoked", () => {
  it.effect("lets nobody in, and dies when the engine has not answered for 5 s", () =>
    Effect.gen(function* () {
      const { gates, layer } = gated()
      gates.read.close()
      const starting = yield* Effect.forkScoped(Effect.sandbox(gateway({}, { engine: layer })))
      yield* settled
      yield* TestClock.adjust(4_999)
      assert.isUndefined(starting.pollUnsafe())
      yield* TestClock.adjust(1)
      const cause = yield* Effect.flip(Fiber.join(starting))
      const message = "revocations could not be read: the engine is unavailable"
      assert.deepStrictEqual(Cause.squash(cause), new Error(message))
    }),
  )
})
