import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Command from "effect/cli/Command"
import * as Root from "../../src/cli/Root.ts"
import * as Verbs from "../../src/cli/Verbs.ts"
import * as Setting from "../../src/gateway/config/Setting.ts"
import { settings } from "../../src/gateway/config/Settings.ts"
import { longline, refused } from "./harness.ts"

/** A secret has a variable and no flag. */
const flagged = Object.values<Setting.Setting<unknown>>(settings).filter(({ places }) => places.includes("flag"))

describe("mistakes on the command line", () => {
  it.effect.each([
    [["--prot", "1"], "unknown flag --prot; did you mean --port?"],
    [["--tsl-cert=c.pem"], "unknown flag --tsl-cert; did you mean --tls-cert?"],
    [["--tls"], "unknown flag --tls; did you mean --tls-cert or --tls-key or --tls-client-ca?"],
    [["--interval", "1s"], "unknown flag --interval; did you mean --heartbeat-interval?"],
    [["--nonsense"], "unknown flag --nonsense; --help lists them all"],
    // Two letters are in too many names to be a hint.
    [["--ti"], "unknown flag --ti; --help lists them all"],
    [["-x"], "unknown flag -x; --help lists them all"],
    [["--no-insecure"], "unknown flag --no-insecure; --help lists them all"],
    [["--port"], "--port needs a value: <0..65535>"],
    [["--port", "--insecure"], "--port needs a value: <0..65535>"],
    [["--port", "1", "--port", "1"], "--port has 2 occurrences; it must have at most 1 value"],
    [["server"], "unknown command server; did you mean serve?"],
    [["sub"], "<channel> must be given"],
    [["chek-config"], "unknown command chek-config; did you mean check-config?"],
    [["check-config", "--prot", "1"], "unknown flag --prot; did you mean --port?"],
    [["print-config", "x"], `unexpected argument "x"`],
    [["--insecure", "true"], "unknown command true; --help lists them all"],
    [["--", "a", "b"], `unexpected argument "a" "b"`],
    [
      ["--prot", "--hots=a"],
      "unknown flag --prot; did you mean --port?\nlongline: unknown flag --hots; did you mean --host?",
    ],
  ] as const)("%j is answered with a line for each, and exit code 2", ([args, line]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* longline({ args }), refused(line))
    }),
  )

  it.effect("no control character reaches the terminal as itself", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* longline({ args: ["--a\n\u001b[2J\u009b"] }),
        refused("unknown flag --a\\u000a\\u001b[2J\\u009b; --help lists them all"),
      )
      assert.deepStrictEqual(
        yield* longline({ args: ["--port", "1\n\u007f"] }),
        refused(`--port is "1\\n\\u007f"; it must be a whole number from 0 to 65535`),
      )
    }),
  )

  it.effect("a failure of the gateway itself is not the command line's to print", () =>
    Effect.gen(function* () {
      const { stderr, exitCode, reported } = yield* longline({ serve: Effect.fail("the port is taken") })
      assert.deepStrictEqual({ stderr, exitCode, reported }, { stderr: "", exitCode: 1, reported: true })
    }),
  )
})

describe("help and version", () => {
  it.effect.each(["--help", "-h"])("%s goes to standard output and starts nothing", (flag) =>
    Effect.gen(function* () {
      const { stdout, ...rest } = yield* longline({ args: [flag, "--port", "x"] })
      assert.deepStrictEqual(rest, { config: undefined, stderr: "", exitCode: 0, reported: false })
      assert.include(stdout, "longline <subcommand> [flags]")
    }),
  )

  it.effect.each(flagged)("the help has a line for --$name with its variable and default", (setting) =>
    Effect.gen(function* () {
      const { stdout } = yield* longline({ args: ["--help"] })
      const line = stdout.split("\n").find((line) => line.startsWith(`  --${setting.name} `)) ?? ""
      const fallback = setting.fallbackText === undefined ? "" : `, default ${setting.fallbackText}`
      assert.include(line, ` ${setting.purpose} [${Setting.environmentName(setting)}${fallback}]`)
      assert.include(line, setting.placeholder)
    }),
  )

  it.effect("the help lists the settings in order, help and version, and nothing else", () =>
    Effect.gen(function* () {
      const { stdout } = yield* longline({ args: ["--help"] })
      const listed = stdout.split("\n").flatMap((line) => /^ {2}--([\w-]+)/.exec(line)?.[1] ?? [])
      assert.deepStrictEqual(listed, [...flagged.map(({ name }) => name), "help", "version"])
    }),
  )

  it.effect("the help of every command has its examples, but for those that only hold others", () =>
    Effect.gen(function* () {
      const root: Command.Command.Any = Root.command(() => Effect.void, yield* Effect.promise(() => Verbs.all()))
      const below = (command: Command.Command.Any): ReadonlyArray<Command.Command.Any> => [
        command,
        ...command.subcommands.flatMap(({ commands }) => commands.flatMap(below)),
      ]
      const without = below(root).filter(({ examples }) => examples.length === 0)
      assert.deepStrictEqual(
        without.map(({ name }) => name),
        ["token", "context"],
      )
    }),
  )

  it("a flag's environment name is LONGLINE_ and the flag in upper snake case", () => {
    assert.strictEqual(
      Setting.environmentName(settings.maxConnectionsPerAddress),
      "LONGLINE_MAX_CONNECTIONS_PER_ADDRESS",
    )
  })

  it.effect.each(["--version", "-v"])("%s prints the version and starts nothing", (flag) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* longline({ args: [flag] }), {
        config: undefined,
        stdout: "longline v1.2.3",
        stderr: "",
        exitCode: 0,
        reported: false,
      })
    }),
  )
})
