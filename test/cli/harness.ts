/** Runs the command line in memory: arguments, environment and files go in, config, output and exit code come out. */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as PlatformError from "effect/PlatformError"
import * as Runtime from "effect/Runtime"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as TestConsole from "effect/testing/TestConsole"
import * as Cli from "../../src/cli/Cli.ts"
import * as Root from "../../src/cli/Root.ts"
import * as Verbs from "../../src/cli/Verbs.ts"
import type { GatewayConfig } from "../../src/gateway/config/GatewayConfig.ts"

export interface Given {
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** Path to contents. Every other path does not exist. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>
  readonly stdin?: string
  readonly terminal?: boolean
  /** What the gateway does with its config, instead of ending well. */
  readonly serve?: Effect.Effect<void, string>
}

export interface Outcome {
  /** What the gateway was started with; undefined when it was not. */
  readonly config: GatewayConfig | undefined
  readonly stdout: string
  readonly stderr: string
  /** As `runMain` would end the process. */
  readonly exitCode: number
  /** Whether `runMain` would log the failure. */
  readonly reported: boolean
}

/** Runs `longline` once, on a console of its own. */
export const longline = (given: Given): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    let config: GatewayConfig | undefined
    const run = (loaded: GatewayConfig) =>
      Effect.suspend(() => {
        config = loaded
        return given.serve ?? Effect.void
      })
    const command = Root.command(run, yield* Effect.promise(() => Verbs.all()))
    const exit = yield* Effect.exit(Cli.run(command, { version: "1.2.3" }).pipe(Effect.provide(platform(given))))
    let exitCode = -1
    Runtime.defaultTeardown(exit, (code) => (exitCode = code))
    return {
      config,
      stdout: (yield* TestConsole.logLines).join("\n"),
      stderr: (yield* TestConsole.errorLines).join("\n"),
      exitCode,
      reported: Exit.isFailure(exit) && exit.cause.reasons.some((reason) => reported(reason)),
    }
  }).pipe(Effect.provide(TestConsole.layer, { local: true }))

/** A run that was refused with one line, and without a word from the runtime. */
export const refused = (line: string): Outcome => ({
  config: undefined,
  stdout: "",
  stderr: `longline: ${line}`,
  exitCode: 2,
  reported: false,
})

const reported = (reason: object): boolean => !("error" in reason) || Runtime.getErrorReported(reason.error)

const platform = ({ args = [], env = {}, files = {}, stdin = "", terminal = false }: Given) =>
  Layer.mergeAll(
    ConfigProvider.layer(ConfigProvider.fromEnvRecord(env)),
    Stdio.layerTest({
      args: Effect.succeed(args),
      stdin: Stream.make(Buffer.from(stdin)),
      stdoutIsTerminal: Effect.succeed(terminal),
    }),
    FileSystem.layerNoop({
      stream: (path) => Stream.fromEffect(bytesOf(files, path)),
      readFile: (path) => bytesOf(files, path),
      readFileString: (path) => Effect.map(bytesOf(files, path), (bytes) => Buffer.from(bytes).toString()),
    }),
    Path.layer,
    Layer.succeed(
      ChildProcessSpawner.ChildProcessSpawner,
      ChildProcessSpawner.make(() => unused),
    ),
    Layer.succeed(
      Terminal.Terminal,
      Terminal.make({
        columns: unused,
        rows: unused,
        size: unused,
        readInput: unused,
        readLine: unused,
        display: () => unused,
      }),
    ),
  )

const bytesOf = (files: Readonly<Record<string, string | Uint8Array>>, path: string) =>
  Effect.suspend(() => {
    const contents = files[path]
    if (contents === undefined) return Effect.fail(noSuchFile(path))
    return Effect.succeed(typeof contents === "string" ? Buffer.from(contents) : contents)
  })

const noSuchFile = (path: string): PlatformError.PlatformError =>
  PlatformError.systemError({
    _tag: "NotFound",
    module: "FileSystem",
    method: "readFile",
    pathOrDescriptor: path,
    cause: new Error("ENOENT: no such file or directory"),
  })

/** The command line asks its platform for these and never uses them. */
const unused = Effect.die("unused")
