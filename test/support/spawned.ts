/**
 * Runs a program and lets a test wait for its lines and its end. Refuses to wait past a deadline: a wait that fails says
 * what was awaited and what the program printed instead.
 */
import { spawn } from "node:child_process"
import type { Readable } from "node:stream"

/** How a program ended: its exit code, or the signal that ended it. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A program that runs. `lines` and `errorLines` grow while it does. */
export interface Spawned {
  /** Undefined for a program that could not be started. */
  readonly pid: number | undefined
  readonly lines: ReadonlyArray<string>
  readonly errorLines: ReadonlyArray<string>
  /** The first value other than `undefined` that `pick` makes of a line, of those printed already and those to come. */
  readonly line: <A>(what: string, pick: (line: string) => A | undefined) => Promise<A>
  /** The same of what it says on standard error. */
  readonly errorLine: Spawned["line"]
  /** Completes when the program has ended and everything it printed was read; never fails. */
  readonly exited: Promise<Exit>
  /** Sends the signal (SIGTERM unless told) and waits for the end; `SIGKILL` follows after the deadline. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<Exit>
}

/** The longest wait for a line or an end, in milliseconds; start-up on a busy two-core machine takes a tenth of it. */
export const deadlineMs = 15_000

/** What a program may need besides its arguments. */
export interface Options {
  /** Said with the reason when the program cannot be started at all. */
  readonly hint?: string
  /** Added to the environment of the test. */
  readonly env?: Readonly<Record<string, string>>
  /** What it reads on standard input, to the end. Default: nothing. */
  readonly input?: string
  /** Where it runs. Default: where the test does. */
  readonly cwd?: string
}

/** Starts a program. That it could not be started is what the waits then fail with. */
export const start = (command: string, args: ReadonlyArray<string>, options: Options = {}): Spawned => {
  const child = spawn(command, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  })
  // One that is gone before it has read everything is not this side's fault.
  child.stdin.on("error", () => {}).end(options.input)
  const lines: Array<string> = []
  const errorLines: Array<string> = []
  const waiting = new Set<() => void>()
  let ended: Exit | undefined
  let fault = ""

  const wake = () => waiting.forEach((look) => look())
  readLines(child.stdout, (line) => {
    lines.push(line)
    wake()
  })
  readLines(child.stderr, (line) => {
    errorLines.push(line)
    wake()
  })
  const exited = new Promise<Exit>((resolve) => {
    const end = (exit: Exit) => {
      ended = exit
      wake()
      resolve(exit)
    }
    child.once("error", (error) => {
      fault = ` ${error.message}. ${options.hint ?? ""}`
      end({ code: null, signal: null })
    })
    child.once("close", (code, signal) => end({ code, signal }))
  })

  const report = (what: string) =>
    new Error(
      [`${command} ${args.join(" ")}: ${what}.${fault}`, "stdout:", ...lines, "stderr:", ...errorLines].join("\n"),
    )

  const lineOf = <A>(lines: ReadonlyArray<string>, what: string, pick: (line: string) => A | undefined) =>
    new Promise<A>((resolve, reject) => {
      let seen = 0
      const settle = (finish: () => void) => {
        clearTimeout(deadline)
        waiting.delete(look)
        finish()
      }
      const look = () => {
        while (seen < lines.length) {
          const picked = pick(lines[seen++]!)
          if (picked !== undefined) return settle(() => resolve(picked))
        }
        if (ended !== undefined) settle(() => reject(report(`ended before ${what}`)))
      }
      const deadline = setTimeout(() => settle(() => reject(report(`no ${what} in ${deadlineMs} ms`))), deadlineMs)
      waiting.add(look)
      look()
    })

  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    child.kill(signal)
    const last = setTimeout(() => child.kill("SIGKILL"), deadlineMs)
    const exit = await exited
    clearTimeout(last)
    return exit
  }

  return {
    pid: child.pid,
    lines,
    errorLines,
    line: (what, pick) => lineOf(lines, what, pick),
    errorLine: (what, pick) => lineOf(errorLines, what, pick),
    exited,
    stop,
  }
}

/** Not `node:readline`: since Node 24 it takes U+2028, which JSON may hold, for the end of a line. */
const readLines = (from: Readable, onLine: (line: string) => void): void => {
  let rest = ""
  from.setEncoding("utf8")
  from.on("data", (text: string) => {
    const lines = (rest + text).split("\n")
    rest = lines.pop() ?? ""
    lines.forEach(onLine)
  })
  from.on("end", () => {
    if (rest !== "") onLine(rest)
  })
}
