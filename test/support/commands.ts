/**
 * Runs `node dist/main.js` with arguments, an environment of its own and something on standard input, until it ends.
 * Refuses to wait for ever: a command that hangs is killed, and has no exit code then.
 */
import { spawn } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { program } from "./gateway.ts"
import * as Spawned from "./spawned.ts"

/** What a command came to. */
export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** What a command is given beside its arguments. */
export interface Options {
  /** The whole environment, but for PATH. */
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string | Uint8Array
  /** A file that standard output goes to. */
  readonly stdout?: string
}

/** Runs one command; bytes of standard output are in Latin-1 with `binary`. */
export const run = (
  args: ReadonlyArray<string>,
  { binary = false, env = {}, stdin = "", stdout }: Options & { readonly binary?: boolean } = {},
): Promise<Outcome> =>
  new Promise((resolve) => {
    const output = stdout === undefined ? "pipe" : openSync(stdout, "w")
    const child = spawn(process.execPath, [program, ...args], {
      env: { PATH: process.env["PATH"], ...env },
      stdio: ["pipe", output, "pipe"],
    })
    if (output !== "pipe") closeSync(output)
    const killing = setTimeout(() => child.kill("SIGKILL"), Spawned.deadlineMs)
    const [out, err]: [Array<Buffer>, Array<Buffer>] = [[], []]
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk))
    child.stderr?.on("data", (chunk: Buffer) => err.push(chunk))
    child.once("close", (code) => {
      clearTimeout(killing)
      resolve({
        code,
        stdout: Buffer.concat(out).toString(binary ? "latin1" : "utf8"),
        stderr: Buffer.concat(err).toString("utf8"),
      })
    })
    // A command that reads nothing may be gone already.
    child.stdin?.on("error", () => {})
    child.stdin?.end(stdin)
  })

/** Starts a command that goes on until it is stopped. */
export const start = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>): Spawned.Spawned =>
  Spawned.start(process.execPath, [program, ...args], { env })

/** A command that did what it was asked for. */
export const printed = (stdout: string): Outcome => ({ code: 0, stdout, stderr: "" })

/** A command that did not, and said why in one line. */
export const failed = (code: number, line: string): Outcome => ({ code, stdout: "", stderr: `longline: ${line}\n` })

/** Lines of JSON, with what differs from run to run replaced by its kind. */
export const objects = (lines: string | ReadonlyArray<string>): ReadonlyArray<unknown> =>
  (typeof lines === "string" ? lines.trimEnd().split("\n") : lines).map(
    (line) => JSON.parse(line, (key, value: unknown) => (varying.has(key) ? typeof value : value)) as unknown,
  )

const varying = new Set(["epoch", "time", "connection", "joinedAt"])

/** Runs a command whose reader leaves as soon as it has heard something, as `| head -1` does. */
export const hangUp = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) => {
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  })
  const killing = setTimeout(() => child.kill("SIGKILL"), Spawned.deadlineMs)
  let stderr = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
  const heard = new Promise<string>((resolve) => {
    child.stdout.once("data", (chunk: Buffer) => {
      child.stdout.destroy()
      resolve(chunk.toString("utf8"))
    })
  })
  const ended = new Promise<{ readonly code: number | null; readonly stderr: string }>((resolve) => {
    child.once("close", (code) => {
      clearTimeout(killing)
      resolve({ code, stderr })
    })
  })
  return { heard, ended }
}
