/**
 * The bench: starts servers, puts the same load on each in turn, and prints one table.
 * Asserts no time: what it refuses is a byte that is wrong or missing.
 *
 *     npm run bench -- --only echo-50x32 --peers node,longline --rounds 5 --seconds 3 --json bench/results/today.json
 */
import { writeFileSync } from "node:fs"
import * as Os from "node:os"
import { parseArgs } from "node:util"
import * as Children from "./harness/Children.ts"
import * as Peers from "./harness/Peers.ts"
import * as Report from "./harness/Report.ts"
import * as Rounds from "./harness/Rounds.ts"
import * as Scenarios from "./harness/Scenarios.ts"
import * as Table from "./harness/Table.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string" },
    seconds: { type: "string" },
    only: { type: "string", multiple: true, default: [] },
    peers: { type: "string" },
    json: { type: "string" },
    smoke: { type: "boolean", default: false },
  },
})

const positive = (name: string, text: string | undefined, otherwise: number): number => {
  const value = text === undefined ? otherwise : Number(text)
  if (!(value > 0 && value < Infinity)) throw new Error(`--${name} is ${text}; it must be a number above 0`)
  return value
}

// `--only a b` and `--only a,b` and `--only a --only b` are all meant.
const only = [...values.only, ...positionals].flatMap((names) => names.split(","))
const unknown = only.filter((name) => Scenarios.all.every((scenario) => scenario.name !== name))
if (unknown.length > 0) {
  const known = Scenarios.all.map(({ name }) => name).join(", ")
  throw new Error(`no scenario is called ${unknown.join(", ")}; there are ${known}`)
}
const scenarios = Scenarios.all.filter(({ name }) => only.length === 0 || only.includes(name))

// The smoke builds nothing: it is about our own code, and must be over in seconds.
const chosen = values.peers?.split(",").map(Peers.byName) ?? Peers.all.filter(({ needs }) => !values.smoke || !needs)
const wanted = (scenario: Scenarios.Scenario) =>
  scenario.peers.map(Peers.byName).filter((peer) => chosen.includes(peer))

const options: Rounds.Options = {
  rounds: Math.ceil(positive("rounds", values.rounds, values.smoke ? 1 : 5)),
  seconds: positive("seconds", values.seconds, values.smoke ? 0.1 : 3),
  warmUpSeconds: values.smoke ? 0.05 : 1,
  smoke: values.smoke,
}

const missing = new Map<Peers.Peer, string>()
for (const peer of new Set(scenarios.flatMap(wanted))) {
  const reason = Children.prepare(peer)
  if (reason !== undefined) missing.set(peer, reason)
}

// A bench that is told to end takes its servers with it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))

const servers = new Children.Servers()
const measure = async (scenario: Scenarios.Scenario): Promise<ReadonlyArray<Report.Row>> => {
  const peers = wanted(scenario)
  const there = peers.filter((peer) => !missing.has(peer))
  const absent = new Map([...missing].filter(([peer]) => peers.includes(peer)))
  const outcomes = await Rounds.run(scenario, there, servers, options)
  const rows = Report.rowsOf(values.smoke ? { ...scenario, goals: {} } : scenario, outcomes, absent)
  // A full run takes an hour: what is known is shown on the way.
  if (!values.smoke) process.stderr.write(`${Table.render(rows)}\n\n`)
  return rows
}
// In the smoke no figure counts, so nothing has to be alone on the machine.
const rows = values.smoke ? (await Promise.all(scenarios.map(measure))).flat() : []
if (!values.smoke) for (const scenario of scenarios) rows.push(...(await measure(scenario)))
await servers.stop()

const machine = {
  cpu: `${Os.cpus().length} × ${Os.cpus()[0]?.model.trim()}`,
  system: `${Os.type()} ${Os.release()}`,
  memoryGiB: Math.round(Os.totalmem() / 2 ** 30),
  node: process.version,
}
const date = new Date().toISOString()
const { cpu, memoryGiB, node, system } = machine
const { rounds, seconds } = options
if (values.smoke) console.log("A smoke: everything came back right. Its figures mean nothing.\n")
console.log(
  `${date.slice(0, 10)}, ${cpu}, ${memoryGiB} GiB, ${system}, Node ${node}, ${rounds} rounds of ${seconds} s\n`,
)
console.log(Table.render(rows))
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ date, machine, options, rows }, null, 2)}\n`)
