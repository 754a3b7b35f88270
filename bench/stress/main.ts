/**
 * `npm run stress -- --seed N --seconds S`: a gateway, and clients that vanish, dawdle, retry and attack, for a while.
 * Then everybody behaves, and every subscriber must have every publication once and in order. Exit code 1 if not.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Ledger } from "./Ledger.ts"
import { Publisher } from "./Publisher.ts"
import * as Random from "./Random.ts"
import { Subscriber } from "./Subscriber.ts"
import { Vandal } from "./Vandal.ts"

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    seconds: { type: "string", default: "60" },
    engine: { type: "string", default: "memory" },
    publishers: { type: "string", default: "20" },
    subscribers: { type: "string", default: "80" },
    vandals: { type: "string", default: "4" },
  },
})

const seed = Number(values.seed)
const seconds = Number(values.seconds)

/** How long everything may take to settle once everybody behaves. */
const settleMs = 30_000

/** Publications of all publishers in a second: every channel stays well within what is recovered. */
const publicationsPerSecond = 300

const channels = Array.from({ length: 12 }, (_, i) => `room:${i}`)

const startGateway = async (): Promise<{ readonly port: number; readonly stop: () => Promise<unknown> }> => {
  const program = fileURLToPath(new URL("../../../dist/main.js", import.meta.url))
  const data = values.engine === "lmdb" ? mkdtempSync(join(tmpdir(), "longline-stress-")) : undefined
  const args = [program, "--port", "0", "--log-format", "json", ...(data === undefined ? [] : ["--data", data])]
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
  process.once("exit", () => {
    child.kill("SIGKILL")
    if (data !== undefined) rmSync(data, { recursive: true, force: true })
  })
  const exited = new Promise((resolve) => child.once("exit", resolve))
  const port = await new Promise<number>((resolve, reject) => {
    exited.then((code) => reject(new Error(`the gateway ended with ${String(code)}`)), reject)
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [, found] = /listening on [^\s"]*:(\d+)/.exec(line) ?? []
      if (found !== undefined) resolve(Number(found))
    })
  })
  return {
    port,
    stop: () => {
      child.kill("SIGTERM")
      return exited
    },
  }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const within = async (ms: number, isDone: () => boolean): Promise<boolean> => {
  const until = performance.now() + ms
  while (!isDone() && performance.now() < until) await sleep(50)
  return isDone()
}

const run = async (): Promise<Ledger> => {
  const ledger = new Ledger()
  const gateway = await startGateway()
  const port = () => gateway.port
  const actors = <A>(kind: string, count: string, make: (name: string, random: Random.Random) => A) =>
    Array.from({ length: Number(count) }, (_, i) => make(`${kind}${i}`, Random.make(seed, `${kind}${i}`)))

  const everyMs = (1_000 * Number(values.publishers)) / publicationsPerSecond
  const publishers = actors(
    "publisher",
    values.publishers,
    (name, random) => new Publisher({ name, port, channels, ledger, random, everyMs }),
  )
  const subscribers = actors("subscriber", values.subscribers, (name, random) => {
    const chosen = channels.filter(() => random.chance(0.25))
    return new Subscriber({ name, port, channels: chosen.length > 0 ? chosen : [channels[0]!], ledger, random })
  })
  const vandals = actors("vandal", values.vandals, (name, random) => new Vandal({ name, port, ledger, random }))

  for (const actor of [...subscribers, ...publishers, ...vandals]) actor.start()
  await sleep(seconds * 1_000)
  for (const actor of [...publishers, ...vandals]) actor.stop()
  for (const subscriber of subscribers) subscriber.behave()
  const settled = await within(settleMs, () => [...publishers, ...subscribers].every(({ isComplete }) => isComplete))
  if (!settled) ledger.fault(`not everything was answered and delivered ${settleMs} ms after the end`)
  for (const actor of [...publishers, ...subscribers]) actor.finish()
  const code = await gateway.stop()
  if (code !== 0) ledger.fault(`the gateway ended with ${String(code)}`)
  return ledger
}

console.log(`seed ${seed}, ${seconds} s, engine ${values.engine}`)
const { counts, faults } = await run()
console.log(JSON.stringify(counts))
for (const fault of faults) console.log(`FAULT ${fault}`)
console.log(faults.length === 0 ? "no fault" : `${faults.length} faults; again with --seed ${seed}`)
process.exit(faults.length === 0 ? 0 : 1)
