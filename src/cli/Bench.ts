/**
 * `longline bench SCENARIO`: puts a load on a gateway and says what came of it.
 * Refuses what would be a nuisance: a server beyond this machine without a word, more connections than it has descriptors.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { randomBytes, randomInt } from "node:crypto"
import { ConfigError } from "../gateway/config/ConfigError.ts"
import { type Plan, scenarios, type ScenarioName, scheduled } from "../load/Plan.ts"
import * as BenchSettings from "./BenchSettings.ts"
import * as BenchWay from "./BenchWay.ts"
import { mistaken } from "./Complaint.ts"
import * as Process from "./Process.ts"
import * as Target from "./Target.ts"

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

const toggle = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withoutNegation, Flag.withDescription(description), Flag.withDefault(false))

const flags = {
  scenario: Argument.String("scenario").pipe(Argument.withDescription(scenarios.join(", "))),
  url: text("url", "<address>", "the gateway: tcp://, tls://, ws://, wss://, unix: or host:port [LONGLINE_URL]"),
  tokenFile: text("token-file", "<file>", "file with a token; the token itself is in [LONGLINE_TOKEN]"),
  ...BenchSettings.flags,
  assert: text("assert", "<conditions>", "what must hold, such as p99<50ms,lost=0: exit code 1 if it does not"),
  json: toggle("json", "print one JSON object"),
  csv: toggle("csv", "print a line of names and a line of values"),
  spin: toggle("spin", "watch the clock instead of sleeping: late by microseconds, for a core of each worker"),
  iOwnThisServer: toggle("i-own-this-server", "the server is not on this machine, and I may put this load on it"),
}

type Given = Command.Command.Config.Infer<typeof flags>

/** `longline bench`. */
export const command = Command.make("bench", flags, (given) =>
  Effect.gen(function* () {
    const { conditions, format } = yield* outputOf(given)
    const target = yield* targetOf(given)
    const { plan, sources } = yield* planOf(given, target)
    // Only who measures pays for loading the histogram.
    const BenchRun = yield* Effect.promise(() => import("./BenchRun.ts"))
    yield* BenchRun.run({ plan, way: { target, sources }, conditions, format })
  }),
).pipe(
  Command.withDescription(
    "Put a load on a gateway, and print latencies and whatever was lost, doubled or out of order.",
  ),
  Command.withShortDescription("measure a gateway under load"),
  Command.withExamples([
    { command: "longline bench fan-out --connections 5000 --rate 50", description: "One publisher, 5 000 subscribers" },
    { command: "longline bench publish --assert 'p99<20ms,lost=0'", description: "Exit code 1 if that does not hold" },
    { command: "longline bench idle --connections 50000 --workers 2", description: "From 100 addresses of loopback" },
  ]),
)

const outputOf = Effect.fnUntraced(function* ({ assert, csv, json }: Given) {
  if (csv && json) return yield* mistaken("--csv must be left out when --json is given")
  const format = json ? ("json" as const) : csv ? ("csv" as const) : ("table" as const)
  return { format, conditions: Option.getOrUndefined(assert) }
})

const defaultUrl = `tcp://127.0.0.1:${Target.defaultPort}`

const targetOf = Effect.fnUntraced(function* ({ iOwnThisServer, url }: Given) {
  const variable = yield* Effect.orDie(Config.option(Config.String("LONGLINE_URL")))
  const value = Option.getOrElse(
    Option.orElse(url, () => variable),
    () => defaultUrl,
  )
  const parsed = Target.parse(value)
  if (Result.isFailure(parsed)) {
    const setting = Option.isSome(url) ? "--url" : "LONGLINE_URL"
    return yield* new ConfigError({ setting, value, allowed: parsed.failure })
  }
  if (!Target.isLocal(parsed.success) && !iOwnThisServer) {
    return yield* mistaken(
      `${Target.format(parsed.success)} is not on this machine; --i-own-this-server says that you may put a load on it`,
    )
  }
  return parsed.success
})

const tokenOf = Effect.fnUntraced(function* ({ tokenFile }: Given) {
  if (Option.isNone(tokenFile)) {
    return Option.getOrUndefined(yield* Effect.orDie(Config.option(Config.String("LONGLINE_TOKEN"))))
  }
  const read = FileSystem.FileSystem.use((fs) => fs.readFileString(tokenFile.value))
  const text = yield* Effect.catch(read, () =>
    mistaken(`--token-file is ${JSON.stringify(tokenFile.value)}; it must be a file that can be read`),
  )
  return text.trim()
})

/** Connections of one address by default: half of the seats that a gateway has for it. */
const connectionsPerSource = 500

/** Descriptors beside those of connections. */
const spareDescriptors = 64

/** What a run may send. */
const maxScheduled = 100_000_000

const planOf = Effect.fnUntraced(function* (given: Given, target: Target.Target) {
  const scenario = yield* scenarioOf(given.scenario)
  const values = yield* BenchSettings.read(given)
  const token = yield* tokenOf(given)
  const defaults = BenchSettings.defaults[scenario]
  const connections = values.connections ?? defaults.connections
  const rate = defaults.rate === 0 ? 0 : (values.rate ?? defaults.rate)
  const helpers = values.publishers ?? Math.max(1, Math.ceil(rate / BenchSettings.helperCommandsPerSecond))
  const { pid, seed = randomInt(2 ** 31 - 1), workers = 1 } = values
  const plan: Plan = {
    scenario,
    run: randomBytes(4).toString("hex"),
    connections,
    connectRate: values.connectRate ?? 1000,
    helpers,
    rooms: Math.min(connections, values.rooms ?? Math.ceil(connections / 10)),
    slow: Math.min(connections - 1, values.slow ?? Math.ceil(connections / 10)),
    rate,
    payloadBytes: values.payload ?? defaults.payloadBytes,
    warmUpMs: BenchSettings.millis(values.warmUp, 1000),
    durationMs: BenchSettings.millis(values.duration, defaults.durationMs),
    settleMs: BenchSettings.millis(values.settle, 10_000),
    seed,
    workers,
    spin: given.spin,
    ...(token === undefined ? {} : { token }),
    ...(pid === undefined ? {} : { pid }),
  }
  yield* judge(plan)
  const canChoose = BenchWay.hasSources(target)
  if (values.sources !== undefined && values.sources > 1 && !canChoose) {
    return yield* mistaken(`--sources must be left out: ${Target.format(target)} is not tcp on loopback`)
  }
  const wanted = Math.ceil((connections + helpers) / connectionsPerSource)
  return { plan, sources: values.sources ?? (canChoose ? wanted : 1) }
})

const scenarioOf = (text: string): Effect.Effect<ScenarioName, ConfigError> => {
  const found = scenarios.find((name) => name === text)
  if (found !== undefined) return Effect.succeed(found)
  return Effect.fail(new ConfigError({ setting: "the scenario", value: text, allowed: scenarios.join(", ") }))
}

/** What holds between flags. */
const judge = Effect.fnUntraced(function* (plan: Plan) {
  const { connections, helpers, pid, scenario, workers } = plan
  if (pid !== undefined && scenario !== "drain") return yield* mistaken("--pid must be left out: it is for drain only")
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
