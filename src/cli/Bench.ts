/**
 * `longline bench SCENARIO`: puts a load on a gateway and says what came of it.
 * Refuses what would be a nuisance: a server beyond this machine without a word, more connections than it has descriptors.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { randomBytes, randomInt } from "node:crypto"
import { ConfigError } from "../gateway/config/ConfigError.ts"
import { type Plan, scenarios, type ScenarioName, scheduled } from "../load/Plan.ts"
import * as BenchSettings from "./BenchSettings.ts"
import * as BenchWay from "./BenchWay.ts"
import { mistaken } from "./Complaint.ts"
import * as Gateways from "./Gateways.ts"
import * as Judged from "./Judged.ts"
import * as Process from "./Process.ts"
import * as Target from "./Target.ts"

const flags = {
  scenario: Argument.String("scenario").pipe(Argument.withDescription(scenarios.join(", "))),
  ...BenchSettings.flags,
  spin: Judged.toggle("spin", "watch the clock instead of sleeping: late by microseconds, for a core of each worker"),
  assert: Judged.text("assert", "<conditions>", "what must hold, such as p99<50ms,lost=0: exit code 1 if it does not"),
  json: Judged.toggle("json", "print one JSON object"),
  csv: Judged.toggle("csv", "print a line of names and a line of values"),
  iOwnThisServer: Judged.toggle(
    "i-own-this-server",
    "the server is not on this machine, and I may put this load on it",
  ),
  gateway: Gateways.flags,
}

type Given = Command.Command.Config.Infer<typeof flags>

/** `longline bench`. */
export const command = Command.make("bench", flags, (given) =>
  Effect.gen(function* () {
    const { conditions, format } = yield* outputOf(given)
    const gateway = yield* Gateways.resolve(given.gateway)
    if (!Target.isLocal(gateway.target) && !given.iOwnThisServer) {
      return yield* mistaken(
        `${gateway.address} is not on this machine; --i-own-this-server says that you may put a load on it`,
      )
    }
    const { plan, sources } = yield* planOf(given, gateway)
    // Only who measures pays for loading the histogram.
    const BenchRun = yield* Effect.promise(() => import("./BenchRun.ts"))
    const { target, trust } = gateway
    yield* BenchRun.run({ plan, way: { target, trust, sources }, conditions, format })
  }),
).pipe(
  Command.withDescription(
    "Put a load on a gateway, and print latencies and whatever was lost, doubled or out of order.",
  ),
  Command.withShortDescription("measure a gateway under load"),
  Command.withExamples([
    { command: "longline bench fan-out --connections 5000 --rate 50", description: "One publisher, 5 000 subscribers" },
    { command: "longline bench publish --assert 'p99<20ms,lost=0'", description: "Exit code 1 if that does not hold" },
    { command: "longline bench idle --connections 15000 --workers 2", description: "From 31 addresses of loopback" },
  ]),
)

const outputOf = Effect.fnUntraced(function* ({ assert, csv, json }: Given) {
  if (csv && json) return yield* mistaken("--csv must be left out when --json is given")
  const format = json ? ("json" as const) : csv ? ("csv" as const) : ("table" as const)
  return { format, conditions: Option.getOrUndefined(assert) }
})

/** Connections of one address by default: half of the seats that a gateway has for it. */
const connectionsPerSource = 500

/** Descriptors beside those of connections. */
const spareDescriptors = 64

/** What a run may send. */
const maxScheduled = 100_000_000

const planOf = Effect.fnUntraced(function* (given: Given, { address, target, token }: Gateways.Gateway) {
  const scenario = yield* scenarioOf(given.scenario)
  yield* refuseOthers(given, scenario)
  const defaults = BenchSettings.defaults[scenario]
  const otherwise = <A>(option: Option.Option<A>, value: A): A => Option.getOrElse(option, () => value)
  const connections = otherwise(given.connections, defaults.connections)
  const rate = defaults.rate === 0 ? 0 : otherwise(given.rate, defaults.rate)
  const helpers = otherwise(given.publishers, Math.max(1, Math.ceil(rate / BenchSettings.helperCommandsPerSecond)))
  const tenth = Math.ceil(connections / 10)
  const pid = Option.getOrUndefined(given.pid)
  const plan: Plan = {
    scenario,
    run: randomBytes(4).toString("hex"),
    connections,
    connectRate: otherwise(given.connectRate, 1000),
    helpers,
    rooms: Math.min(connections, otherwise(given.rooms, tenth)),
    slow: Math.min(connections - 1, otherwise(given.slow, tenth)),
    rate,
    payloadBytes: otherwise(given.payload, defaults.payloadBytes),
    warmUpMs: BenchSettings.millis(given.warmUp, 1000),
    durationMs: BenchSettings.millis(given.duration, defaults.durationMs),
    settleMs: BenchSettings.millis(given.settle, 10_000),
    connectTimeoutMs: Duration.toMillis(given.gateway.connectTimeout),
    seed: otherwise(given.seed, randomInt(2 ** 31 - 1)),
    workers: otherwise(given.workers, 1),
    spin: given.spin,
    ...(token !== undefined && { token: typeof token === "string" ? token : yield* token }),
    ...(pid !== undefined && { pid }),
  }
  yield* judge(plan)
  const canChoose = BenchWay.hasSources(target)
  const wanted = canChoose ? Math.ceil((connections + helpers) / connectionsPerSource) : 1
  const sources = otherwise(given.sources, wanted)
  if (sources > 1 && !canChoose) {
    return yield* mistaken(`--sources must be left out: ${address} is not tcp on loopback`)
  }
  return { plan, sources }
})

const scenarioOf = (text: string): Effect.Effect<ScenarioName, ConfigError> => {
  const found = scenarios.find((name) => name === text)
  if (found !== undefined) return Effect.succeed(found)
  return Effect.fail(new ConfigError({ setting: "the scenario", value: text, allowed: scenarios.join(", ") }))
}

/** A flag that would mean nothing is a mistake: somebody believes that it does. */
const refuseOthers = Effect.fnUntraced(function* (given: Given, scenario: ScenarioName) {
  for (const [name, known] of Object.entries<ReadonlyArray<ScenarioName>>(BenchSettings.only)) {
    if (Option.isSome(given[name as keyof typeof BenchSettings.only]) && !known.includes(scenario)) {
      return yield* mistaken(`--${name} must be left out of ${scenario}: it is for ${known.join(", ")}`)
    }
  }
})

/** What holds between flags. */
const judge = Effect.fnUntraced(function* (plan: Plan) {
  const { connections, helpers, workers } = plan
  if (workers > connections) return yield* mistaken(`--workers must be at most --connections, which is ${connections}`)
  if (scheduled(plan) > maxScheduled) {
    return yield* mistaken(
      `--rate and --duration make ${scheduled(plan)} messages; they must be at most ${maxScheduled} together`,
    )
  }
  const limit = Process.descriptorLimit()
  const needed = connections + helpers + spareDescriptors
  if (needed <= limit) return
  return yield* mistaken(
    `${connections} connections need about ${needed} descriptors, this process may have ${limit}: raise ulimit -n, or lower --connections`,
  )
})
