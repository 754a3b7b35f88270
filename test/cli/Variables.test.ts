import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Setting from "../../src/gateway/config/Setting.ts"
import { settings } from "../../src/gateway/config/Settings.ts"
import * as Variables from "../../src/gateway/config/Variables.ts"

const doubtOf = (...names: ReadonlyArray<string>) =>
  Variables.doubt.pipe(
    Effect.provideService(
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnvRecord(Object.fromEntries(names.map((name) => [name, "1"]))),
    ),
  )

const every = Object.values<Setting.Setting<unknown>>(settings)
  .filter(({ places }) => places.includes("environment"))
  .map(Setting.environmentName)

describe("variables", () => {
  it.effect("of every setting, of the other commands, and of other programs are not doubted", () =>
    Effect.gen(function* () {
      const others = ["LONGLINE_URL", "LONGLINE_TOKEN", "LONGLINE_CONTEXT", "LONGLINE_SERVICE"]
      assert.isUndefined(yield* doubtOf(...every, ...others, "LONGLINER_PORT", "PATH"))
    }),
  )

  it.effect.each([
    ["LONGLINE_PROT", "LONGLINE_PROT (did you mean LONGLINE_PORT?)"],
    ["LONGLINE_MAX_CONECTIONS", "LONGLINE_MAX_CONECTIONS (did you mean LONGLINE_MAX_CONNECTIONS?)"],
    ["LONGLINE_LIMITS_CONNECTIONS", "LONGLINE_LIMITS_CONNECTIONS (did you mean LONGLINE_MAX_CONNECTIONS?)"],
    ["LONGLINE_DATA_DIRECTORY", "LONGLINE_DATA_DIRECTORY (did you mean LONGLINE_DATA?)"],
    ["LONGLINE_MAX", "LONGLINE_MAX"],
    ["LONGLINE_COLOUR", "LONGLINE_COLOUR"],
    ["LONGLINE__PORT", "LONGLINE__PORT (did you mean LONGLINE_PORT?)"],
    ["LONGLINE_PORT_7557_TCP", "LONGLINE_PORT_<number>"],
    ["LONGLINE_\u001b", "LONGLINE_\\u001b"],
  ] as const)("%s means nothing", ([name, told]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* doubtOf(name, "LONGLINE_HOST"), `environment variables that mean nothing: ${told}`)
    }),
  )

  it.effect("that mean nothing are named up to ten, and then counted", () =>
    Effect.gen(function* () {
      const names = Array.from(
        { length: Variables.maxTold + 1 },
        (_, index) => `LONGLINE_FOREIGN${String.fromCharCode(97 + index)}`,
      )
      const all = (told: ReadonlyArray<string>) => `environment variables that mean nothing: ${told.join(", ")}`
      assert.strictEqual(yield* doubtOf(...names.slice(1)), all(names.slice(1)))
      assert.strictEqual(yield* doubtOf(...names), `${all(names.slice(0, -1))} and 1 more`)
    }),
  )
})
