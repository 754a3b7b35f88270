/**
 * The bench's child processes: servers that are built, started and stopped, and generator runs.
 * A tool chain that is missing is a finding, not an error; anything else that fails ends the bench with its output.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Outcome, Plan } from "../load/Plan.ts"
import type { Paths, Peer } from "./Peers.ts"

/** A server that listens. */
export interface Server {
  readonly port: number
  readonly pid: number
  readonly stop: () => Promise<void>
}

/** The longest start of a server, Java on a busy machine included. */
const startMs = 30_000

const root = fileURLToPath(new URL("../../../", import.meta.url))
const generator = fileURLToPath(new URL("../load/main.js", import.meta.url))

/** Says what is missing, or builds the peer. */
export const prepare = (peer: Peer): string | undefined => {
  const absent = peer.needs?.present.filter((file) => !isPresent(file)) ?? []
  if (absent.length > 0) return `no ${absent.join(", ")}: apt-get install ${peer.needs?.install}`
  const paths = pathsOf(peer)
  mkdirSync(paths.target, { recursive: true })
  for (const [command, ...args] of peer.build?.(paths) ?? []) {
    execFileSync(command, args, { stdio: ["ignore", "ignore", "inherit"] })
  }
  return undefined
}

/** Servers by peer, each started when it is first asked for. */
export class Servers {
  readonly #servers = new Map<Peer, Promise<Server>>()

  /** The server of a peer. */
  obtain(peer: Peer): Promise<Server> {
    const server = this.#servers.get(peer) ?? start(peer)
    this.#servers.set(peer, server)
    return server
  }

  /** Stops one, or all of them. */
  async stop(only?: Peer): Promise<void> {
    const servers = [...this.#servers].filter(([peer]) => only === undefined || peer === only)
    for (const [peer, server] of servers) {
      this.#servers.delete(peer)
      await (await server).stop()
    }
  }
}

/** Starts a peer and waits until it listens. */
const start = (peer: Peer): Promise<Server> => {
  const [command, ...args] = peer.start(pathsOf(peer))
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] })
  // A server must not outlive a bench that fails. A generator ends by itself when its server does.
  const kill = () => child.kill("SIGKILL")
  process.once("exit", kill)
  const exited = exitOf(child).finally(() => process.off("exit", kill))
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${peer.name} did not listen within ${startMs} ms`)), startMs)
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [, port] = /listening on \S*127\.0\.0\.1:(\d+)/.exec(line) ?? []
      if (port === undefined) return
      clearTimeout(late)
      const stop = async () => {
        kill()
        await exited
      }
      resolve({ port: Number(port), pid: child.pid!, stop })
    })
    exited.then((code) => reject(new Error(`${peer.name} ended with ${code} before it listened`)), reject)
  })
}

/** Runs the generator with a plan. */
export const run = async (plan: Plan): Promise<Outcome> => {
  const child = spawn(process.execPath, [generator, JSON.stringify(plan)], { stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  let errors = ""
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
  const code = await exitOf(child)
  if (code !== 0) throw new Error(`the load generator ended with ${code}: ${JSON.stringify(plan)}\n${errors}`)
  return JSON.parse(output) as Outcome
}

const exitOf = (child: ChildProcess): Promise<number | string | null> =>
  new Promise((resolve, reject) => {
    child.once("error", reject)
    child.once("close", (code, signal) => resolve(code ?? signal))
  })

const pathsOf = (peer: Peer): Paths => ({
  sources: `${root}bench/peers`,
  compiled: `${root}build/bench`,
  target: `${root}build/bench/foreign/${peer.name}`,
})

const isPresent = (file: string): boolean =>
  file.startsWith("/")
    ? existsSync(file)
    : (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(`${folder}/${file}`))
