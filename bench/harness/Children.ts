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
  if (peer.needs !== undefined && !isPresent(peer.needs.present)) {
    return `${peer.needs.present} is missing: apt-get install ${peer.needs.install}`
  }
  const paths = pathsOf(peer)
  mkdirSync(paths.target, { recursive: true })
  const [command, ...args] = peer.build?.(paths) ?? []
  if (command !== undefined) execFileSync(command, args, { stdio: ["ignore", "ignore", "inherit"] })
  return undefined
}

/** Servers by peer, each started when it is first asked for. */
export class Servers {
  readonly #servers = new Map<Peer, Server>()

  /** The server of a peer. */
  async obtain(peer: Peer): Promise<Server> {
    const server = this.#servers.get(peer) ?? (await start(peer))
    this.#servers.set(peer, server)
    return server
  }

  /** Stops one, or all of them. */
  async stop(only?: Peer): Promise<void> {
    const peers = only === undefined ? [...this.#servers.keys()] : [only]
    await Promise.all(peers.map((peer) => this.#servers.get(peer)?.stop()))
    for (const peer of peers) this.#servers.delete(peer)
  }
}

const start = (peer: Peer): Promise<Server> => {
  const [command, ...args] = peer.start(pathsOf(peer))
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] })
  const exited = exitOf(child)
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${peer.name} did not listen within ${startMs} ms`)), startMs)
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [, port] = /listening on \S*127\.0\.0\.1:(\d+)/.exec(line) ?? []
      if (port === undefined) return
      clearTimeout(late)
      const stop = async () => {
        child.kill("SIGKILL")
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
    // A child must not outlive a bench that fails.
    const kill = () => child.kill("SIGKILL")
    process.once("exit", kill)
    child.once("error", reject)
    child.once("close", (code, signal) => {
      process.off("exit", kill)
      resolve(code ?? signal)
    })
  })

const pathsOf = (peer: Peer): Paths => ({
  sources: `${root}bench/peers`,
  compiled: `${root}build/bench/peers`,
  target: `${root}build/bench/foreign/${peer.name}`,
})

const isPresent = (file: string): boolean =>
  file.startsWith("/") ? existsSync(file) : (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(`${folder}/${file}`))
