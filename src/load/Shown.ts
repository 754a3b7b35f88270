/**
 * A report as people and programs read it: a table, one JSON object, two lines of CSV; and a bar while it is made.
 * Makes text only.
 */
import type { Failed } from "./Assertion.ts"
import type { Progress } from "./Crew.ts"
import * as Figures from "./Figures.ts"
import type { Summary } from "./Latencies.ts"
import { type Plan, scheduled } from "./Plan.ts"
import { bottleneckLine, type Report } from "./Report.ts"

const fields: ReadonlyArray<keyof Summary> = ["count", "p50", "p99", "p999", "max"]

/** For a person: what was measured, what was counted, and how the generator fared. */
export const table = ({ counts, generator, latencies, main, plan, problems, rate }: Report): string => {
  const rows = latencies.map(([measure, { count, ...times }]) => [
    measure === main ? `${measure} *` : measure,
    whole(count),
    ...Object.values(times).map((ms) => ms.toFixed(2)),
  ])
  const counted = Object.entries(counts).filter(([name, count]) => count > 0 || always.includes(name))
  return [
    headline(plan),
    "",
    ...aligned([["ms", "count", "p50", "p99", "p99.9", "max"], ...rows]),
    "",
    counted.map(([name, count]) => `${name} ${whole(count)}`).join(" · "),
    ...(rate === undefined ? [] : [`${rate.toFixed(1)} a second of ${main}, in the counted time`]),
    `generator: ${(generator.busy * 100).toFixed(0)} % busy, 99 % at most ${generator.lateMs.toFixed(2)} ms late`,
    ...(generator.bottleneck ? [bottleneckLine] : []),
    ...problems.map(({ message, times }) => `${whole(times)} × ${message}`),
  ].join("\n")
}

/** Zero of these is news. */
const always: ReadonlyArray<string> = ["connections", "lost", "duplicated", "out-of-order", "errors", "closed"]

const headline = (plan: Report["plan"]): string => {
  const { connections, durationMs, payloadBytes, rate, scenario, seed, warmUpMs, workers } = plan
  const paced = rate > 0 ? `${rate} a second, ${payloadBytes} bytes, ` : ""
  const time = `${durationMs / 1000} s after ${warmUpMs / 1000} s`
  return `${scenario}: ${connections} connections, ${paced}${time}, ${workers} ${workers === 1 ? "worker" : "workers"}, seed ${seed}`
}

const whole = (count: number): string => count.toLocaleString("en").replaceAll(",", " ")

const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("   "),
  )
}

/** For a program: everything, as one object in one line. */
export const json = ({ latencies, ...report }: Report, failed: ReadonlyArray<Failed>): string =>
  JSON.stringify({
    ...report,
    latencies: Object.fromEntries(latencies),
    failed: failed.map(({ assertion: { text }, observed }) => ({ assertion: text, observed: observed ?? null })),
  })

/** For a spreadsheet: a line of names and one of values. The names are the same for all scenarios. */
export const csv = ({ counts, generator, latencies, plan, rate }: Report): string => {
  const { connections, durationMs, payloadBytes, scenario, seed, workers } = plan
  const measured = new Map(latencies)
  const cells: ReadonlyArray<readonly [string, string | number | boolean]> = [
    ["scenario", scenario],
    ["asked", connections],
    ["askedRate", plan.rate],
    ["payloadBytes", payloadBytes],
    ["durationMs", durationMs],
    ["workers", workers],
    ["seed", seed],
    ...Object.entries(counts),
    ["rate", rate ?? ""],
    ...Figures.measures.flatMap((measure) =>
      fields.map((field) => [`${measure}.${field}`, measured.get(measure)?.[field] ?? ""] as const),
    ),
    ["busy", generator.busy],
    ["bottleneck", generator.bottleneck],
  ]
  return [cells.map(([name]) => name), cells.map(([, value]) => String(value))].map((row) => row.join(",")).join("\n")
}

const barCells = 24

/** One line that says how far a load is. */
export const progress = (plan: Plan, now: Progress, seconds: number): string => {
  const { connections, received, sent } = now
  const total = scheduled(plan)
  const share = plan.rate === 0 ? connections / plan.connections : Math.min(1, sent / total)
  const full = Math.min(barCells, Math.round(share * barCells))
  const bar = "█".repeat(full) + "░".repeat(barCells - full)
  const pace = seconds > 0 ? ` · ${whole(Math.round(received / seconds))} a second` : ""
  return `${plan.scenario} ${bar} ${whole(connections)} connected · ${whole(sent)} sent · ${whole(received)} received${pace}`
}
