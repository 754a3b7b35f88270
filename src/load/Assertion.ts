/**
 * What must hold of a report, as a person writes it: `p99<50ms,lost=0`.
 * Refuses names that no report has, and units that do not fit; what was not measured does not hold.
 */
import * as Result from "effect/Result"
import * as Figures from "./Figures.ts"
import type { Summary } from "./Latencies.ts"
import type { Report } from "./Report.ts"

/** One condition. */
export interface Assertion {
  /** As it was written. */
  readonly text: string
  readonly name: string
  readonly operator: Operator
  /** Milliseconds of what is measured in time. */
  readonly bound: number
}

/** A condition that does not hold. */
export interface Failed {
  readonly assertion: Assertion
  /** Undefined for what was not measured. */
  readonly observed: number | undefined
}

const operators = {
  "<": (a: number, b: number) => a < b,
  "<=": (a: number, b: number) => a <= b,
  "=": (a: number, b: number) => a === b,
  ">=": (a: number, b: number) => a >= b,
  ">": (a: number, b: number) => a > b,
} as const

/** How a condition compares. */
export type Operator = keyof typeof operators

const percentiles: Readonly<Record<string, keyof Summary>> = { p50: "p50", p99: "p99", "p99.9": "p999", max: "max" }

const numbers: ReadonlyArray<string> = [...Object.keys(Figures.counts), "rate", "bottleneck"]

const times: ReadonlyArray<string> = [
  ...Object.keys(percentiles),
  ...Figures.measures.flatMap((measure) => Object.keys(percentiles).map((percentile) => `${measure}.${percentile}`)),
]

/** Every name that a condition may have. */
export const names: ReadonlyArray<string> = [...Object.keys(percentiles), ...numbers]

const unitsInMs: Readonly<Record<string, number>> = { us: 0.001, µs: 0.001, ms: 1, s: 1000, "": 1 }

/** Reads conditions with commas between them. The failure is a sentence for a person. */
export const parse = (text: string): Result.Result<ReadonlyArray<Assertion>, string> => {
  const assertions: Array<Assertion> = []
  for (const part of text.split(",").map((part) => part.trim())) {
    const [, name = "", operator = "", digits = "", unit = ""] =
      /^([a-z0-9.-]+)\s*(<=|>=|<|>|=)\s*(\d+(?:\.\d+)?)([a-zµ]*)$/.exec(part) ?? []
    if (operator === "") {
      return Result.fail(`${JSON.stringify(part)} is no condition; one is a name, <, <=, =, >= or >, and a number`)
    }
    const isTime = times.includes(name)
    if (!isTime && !numbers.includes(name)) {
      const known = `${names.join(", ")}; ${Figures.measures.join(", ")} have .p50, .p99, .p99.9 and .max`
      return Result.fail(`${JSON.stringify(name)} is nothing that is measured; known are ${known}`)
    }
    const factor = unitsInMs[unit]
    if (factor === undefined || (!isTime && unit !== "")) {
      const allowed = isTime ? "its unit is us, ms or s, and ms if there is none" : "it is a number without a unit"
      return Result.fail(`${JSON.stringify(part)} has the unit ${JSON.stringify(unit)}; ${allowed}`)
    }
    assertions.push({
      text: part,
      name,
      operator: operator as Operator,
      bound: Number(digits) * (isTime ? factor : 1),
    })
  }
  return Result.succeed(assertions)
}

/** Those that do not hold. */
export const failed = (assertions: ReadonlyArray<Assertion>, report: Report): ReadonlyArray<Failed> =>
  assertions.flatMap((assertion) => {
    const observed = observe(report, assertion.name)
    const holds = observed !== undefined && operators[assertion.operator](observed, assertion.bound)
    return holds ? [] : [{ assertion, observed }]
  })

/** The failure as a sentence. */
export const describe = ({ assertion: { name, text }, observed }: Failed): string => {
  if (observed === undefined) return `${text} does not hold: ${name} was not measured`
  return `${text} does not hold: ${name} is ${Number(observed.toFixed(3))}${times.includes(name) ? "ms" : ""}`
}

const observe = ({ counts, generator, latencies, main, rate }: Report, name: string): number | undefined => {
  if (name === "rate") return rate
  if (name === "bottleneck") return Number(generator.bottleneck)
  if (name in counts) return counts[name as Figures.CountName]
  const dot = name.indexOf(".")
  const isMain = name in percentiles
  const measure = isMain ? main : name.slice(0, dot)
  const percentile = percentiles[isMain ? name : name.slice(dot + 1)]!
  const summary = latencies.find(([known]) => known === measure)?.[1]
  return summary === undefined || summary.count === 0 ? undefined : summary[percentile]
}
