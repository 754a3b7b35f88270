import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { vi } from "vitest"
import * as Client from "../../src/client/Client.ts"

vi.mock("../../src/client/ClientProtobuf.ts", () => {
  throw new TypeError("Failed to fetch dynamically imported module")
})

describe("a client whose Protobuf cannot be loaded", () => {
  it.effect("is over before it has dialled, and says why", () =>
    Effect.gen(function* () {
      const dial = Effect.die("dialled")
      const { reason } = yield* Effect.flip(Client.make({ dial, encoding: "protobuf" }))
      assert.strictEqual(reason._tag, "Ended")
      assert.match(reason.message, /^the Protobuf encoding cannot be loaded: /)
    }),
  )
})
