import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import * as Process from "../../src/cli/Process.ts"
import { maxGoodbyes, maxRefusalsTold } from "../../src/server/Server.ts"
import * as Logs from "../support/logs.ts"

describe("the check of descriptors", () => {
  it.effect("warns when the seats need one descriptor more than there are, and not before", () =>
    Effect.gen(function* () {
      const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))!
      const limit = Number(soft)
      const seats = limit - 64 - maxGoodbyes - maxRefusalsTold
      const { layer, lines } = Logs.record()
      yield* Effect.provide(Process.checkDescriptors(seats), layer)
      assert.deepStrictEqual(lines, [])
      yield* Effect.provide(Process.checkDescriptors(seats + 1), layer)
      const message =
        `${seats + 1} connections need about ${limit + 1} descriptors, this process may have ${limit}: ` +
        "raise ulimit -n or lower --max-connections"
      assert.deepStrictEqual(lines, [{ level: "WARN", message, annotations: {} }])
    }),
  )
})
