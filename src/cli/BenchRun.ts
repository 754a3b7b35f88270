/**
 * Runs a load on one thread or several, shows how far it is, and prints what came of it.
 * Judges no flag but the conditions. A condition that does not hold is exit code 1, and so is a load that does not
 * fit the gateway.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Assertion from "../load/Assertion.ts"
import type { LoadFailed } from "../load/Context.ts"
import * as Crew from "../load/Crew.ts"
import type { Plan } from "../load/Plan.ts"
import * as Report from "../load/Report.ts"
import * as Shown from "../load/Shown.ts"
import * as Team from "../load/Team.ts"
import * as Work from "../load/Work.ts"
import * as BenchWay from "./BenchWay.ts"
import { type CommandFailed, failed, mistaken, rejected } from "./Complaint.ts"
import * as Output from "./Output.ts"
import * as Talk from "./Talk.ts"

/** What to run, and what to print of it. */
export interface Options {
  readonly plan: Plan
  readonly way: BenchWay.Way
  /** What must hold, as it was written. */
  readonly conditions: string | undefined
  readonly format: "table" | "json" | "csv"
}

/** Runs it, and prints it. */
export const run = (options: Options): Effect.Effect<void, CommandFailed | Output.Failure, Stdio.Stdio> =>
  Effect.gen(function* () {
    const { format, plan, way } = options
    const assertions = yield* conditionsOf(options)
    const bar = yield* barOf(plan)
    if (plan.scenario === "drain" && plan.pid === undefined) {
      yield* Console.error("connecting; end the server (SIGTERM) once all are connected")
    }
    const load =
      plan.workers === 1
        ? Effect.map(Work.run({ plan, crew: Crew.alone(bar.tell), dial: BenchWay.dialer(way) }), (one) => [one])
        : Team.run({ plan, way, program: new URL("./BenchWorker.js", import.meta.url), tell: bar.tell })
    const outcomes = yield* load.pipe(
      Effect.ensuring(Effect.sync(bar.clear)),
      Effect.catch((error) => failed(error.message, exitCodeOf(error))),
    )
    const report = Report.make(plan, outcomes)
    const broken = Assertion.failed(assertions, report)
    const text =
      format === "json" ? Shown.json(report, broken) : format === "csv" ? Shown.csv(report) : Shown.table(report)
    yield* Output.lines([text])
    if (broken.length > 0) return yield* rejected(broken.map(Assertion.describe).join("; "))
  })

/** As of every command that talks to a gateway. */
const exitCodeOf = ({ ending }: LoadFailed): number => {
  if (ending === undefined) return 1
  return Talk.isRefusal(ending.code ?? 0) ? Talk.exitCodes.refused : Talk.exitCodes.notConnected
}

const conditionsOf = ({ conditions }: Options): Effect.Effect<ReadonlyArray<Assertion.Assertion>, CommandFailed> =>
  conditions === undefined
    ? Effect.succeed([])
    : Result.match(Assertion.parse(conditions), {
        onSuccess: Effect.succeed,
        onFailure: (why) => mistaken(`--assert: ${why}`),
      })

const eraseLine = "\r\u001b[2K"

/** A line on a terminal that is written over and over; nothing anywhere else. */
const barOf = Effect.fnUntraced(function* (plan: Plan) {
  const { stderrIsTerminal } = yield* Stdio.Stdio
  const isShown = yield* stderrIsTerminal
  const startedAt = performance.now()
  const write = (text: string) => void (isShown && process.stderr.write(eraseLine + text))
  return {
    tell: (progress: Crew.Progress) => {
      const line = Shown.progress(plan, progress, (performance.now() - startedAt) / 1000)
      // A line that is broken cannot be written over. A terminal that knows no width says 0.
      write(line.slice(0, (process.stderr.columns || Infinity) - 1))
    },
    clear: () => write(""),
  }
})
