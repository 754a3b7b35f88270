/**
 * The clients of `clients/` as programs of a test, and what they print as messages. Refuses to skip: a
 * missing interpreter fails the test and names the package.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { onTestFailed, onTestFinished } from "vitest"
import * as Spawned from "../support/spawned.ts"

/** A line of a client: a protocol message without its id, or `{ type: "heartbeat" }`. */
export type Message = { readonly type: string } & Readonly<Record<string, unknown>>

/** A client that runs; it is killed when the test is over. */
export interface Client {
  /** The first message of the type that it printed or will print. */
  readonly message: (type: string) => Promise<Message>
  /** Waits until it has printed so many messages of the type. */
  readonly messages: (type: string, count: number) => Promise<ReadonlyArray<Message>>
  /** Waits for its end, and gives the exit code and all that it printed. */
  readonly ended: () => Promise<{ readonly code: number | null; readonly messages: ReadonlyArray<Message> }>
  /** Waits for its end, however it prints. */
  readonly exitCode: () => Promise<number | null>
}

/** A language: starts a client of it with the arguments that all of them share. */
export type Language = (...args: ReadonlyArray<string>) => Client

const here = fileURLToPath(new URL(".", import.meta.url))
const clients = join(here, "../../clients")

/** `clients/python` as a command that does not reconnect. */
export const python: Language = (...args) => runPython("-m", "longline", "--once", ...args)

/** `scenario.py` of this folder, which uses the same package as a library; its argument is the port. */
export const pythonScenario: Language = (...args) => runPython(join(here, "scenario.py"), ...args)

/** The Erlang programs, compiled: the command line of `clients/erlang` and the `scenario.erl` of this folder. */
export interface Erlang {
  readonly erlang: Language
  readonly erlangScenario: Language
  readonly dispose: () => void
}

/** Compiles them into a temporary folder that `dispose` removes; a warning is an error. */
export const compileErlang = (): Erlang => {
  const folder = mkdtempSync(join(tmpdir(), "longline-erlang-"))
  const dispose = () => rmSync(folder, { recursive: true })
  const sources = ["longline", "longline_json", "longline_cli"].map((name) => join(clients, "erlang", `${name}.erl`))
  try {
    execFileSync("erlc", ["-Wall", "-Werror", "-o", folder, ...sources, join(here, "scenario.erl")])
  } catch (error) {
    dispose()
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT"
    throw missing ? new Error("erlc is missing. Install it: apt-get install erlang-base", { cause: error }) : error
  }
  const main =
    (module: string): Language =>
    (...args) =>
      run(
        "erl",
        ["-noshell", "-pa", folder, "-s", module, "main", "-extra", ...args],
        "Install it: apt-get install erlang-base",
      )
  return { erlang: main("longline_cli"), erlangScenario: main("scenario"), dispose }
}

const runPython: Language = (...args) => run("python3", args, pythonHint)

const pythonHint = "Install it: apt-get install python3"
const goHint = "Install it: apt-get install golang-go"
const goEnv = { GOFLAGS: "-mod=mod", GOPROXY: "off" }

/** The Go program, compiled. */
export interface Go {
  readonly go: Language
  /** One that reconnects, and its standard input. */
  readonly staying: (input: string, ...args: ReadonlyArray<string>) => Client
  readonly dispose: () => void
}

/** Compiles it into a temporary folder that `dispose` removes. */
export const compileGo = (): Go => {
  const folder = mkdtempSync(join(tmpdir(), "longline-go-"))
  const dispose = () => rmSync(folder, { recursive: true })
  const program = join(folder, "longline")
  try {
    execFileSync("go", ["build", "-o", program, "./cmd/longline"], {
      cwd: join(clients, "go"),
      env: { ...process.env, ...goEnv },
    })
  } catch (error) {
    dispose()
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT"
    throw missing ? new Error(`go is missing. ${goHint}`, { cause: error }) : error
  }
  return {
    go: (...args) => run(program, ["--once", ...args], goHint),
    staying: (input, ...args) => run(program, args, goHint, { input }),
    dispose,
  }
}

/** `clients/python` as a command that reconnects, and its standard input. */
export const stayingPython: Go["staying"] = (input, ...args) =>
  run("python3", ["-m", "longline", ...args], pythonHint, { input })

/** The tests that the clients have of their own, which read the vectors. */
export const ownTests = {
  Python: () => run("python3", ["-m", "unittest"], pythonHint, { cwd: join(clients, "python") }),
  Go: () => run("go", ["test", "./..."], goHint, { cwd: join(clients, "go"), env: goEnv }),
}

const run = (
  command: string,
  args: ReadonlyArray<string>,
  hint: string,
  options: Omit<Spawned.Options, "hint"> = {},
): Client => {
  const env = { ERL_CRASH_DUMP_SECONDS: "0", PYTHONDONTWRITEBYTECODE: "1", PYTHONPATH: join(clients, "python") }
  const client = Spawned.start(command, args, { hint, ...options, env: { ...env, ...options.env } })
  onTestFinished(async () => {
    await client.stop("SIGKILL")
  })
  onTestFailed(() => client.errorLines.forEach((line) => process.stderr.write(`${command}: ${line}\n`)))
  const parsed = () => client.lines.map((line) => JSON.parse(line) as Message)
  const messages = (type: string, count: number) => {
    const heard: Array<Message> = []
    return client.line(`${count} × ${type}`, (line) => {
      const message = JSON.parse(line) as Message
      return message.type === type && heard.push(message) === count ? heard : undefined
    })
  }
  return {
    messages,
    exitCode: async () => (await client.exited).code,
    message: async (type) => (await messages(type, 1))[0]!,
    ended: async () => {
      const { code, signal } = await client.exited
      if (code === null && signal === null) throw new Error(`${command} could not be started. ${hint}`)
      return { code, messages: parsed() }
    },
  }
}
