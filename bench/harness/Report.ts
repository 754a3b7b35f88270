/**
 * From outcomes to the table: medians over the rounds, ratios to the reference, goals reached or not.
 * Rounds nothing away: the outcomes themselves are in the JSON.
 */
import type { Latency, Memory, Outcome } from "../load/Plan.ts"
import type { Peer } from "./Peers.ts"
import type { Outcomes } from "./Rounds.ts"
import type { Figure, Goal, Scenario } from "./Scenarios.ts"

/** One line of the table. */
export interface Row {
  readonly scenario: string
  readonly peer: string
  /** Median, least and most of the rounds, in the scenario's unit. */
  readonly figure?: { readonly median: number; readonly min: number; readonly max: number; readonly unit: Figure }
  /** To the first peer of the scenario. */
  readonly ratio?: number
  readonly perSecond?: number
  /** Medians of the rounds; the maximum is the greatest. */
  readonly latency?: Latency
  readonly goals: ReadonlyArray<{ readonly text: string; readonly isReached: boolean }>
  readonly notes: ReadonlyArray<string>
  readonly outcomes: ReadonlyArray<Outcome>
}

/** The part of a core from which on a process counts as busy all the time. */
const busy = 0.95

/** A generator that is later than this, in milliseconds, shows in the latencies. */
const lateMs = 0.5

/** The rows of a scenario: the peers that ran, and what is missing of the others. */
export const rowsOf = (
  scenario: Scenario,
  outcomes: Outcomes,
  missing: ReadonlyMap<Peer, string>,
): ReadonlyArray<Row> => {
  const ran = [...outcomes].map(([peer, outcomes]) => summary(scenario, peer, outcomes))
  const reference = ran.find((row) => row.name === scenario.peers[0])
  const rows = ran.map(({ name, ...row }): Row => {
    const goals = (scenario.goals[name] ?? []).flatMap((goal) => {
      const other = "of" in goal ? ran.find((row) => row.name === goal.of) : reference
      const isReached = reaches(goal, row, other)
      return isReached === undefined ? [] : [{ text: textOf(goal, row.figure.unit, row, other), isReached }]
    })
    return reference === undefined
      ? { ...row, goals }
      : { ...row, goals, ratio: row.figure.median / reference.figure.median }
  })
  const absent = [...missing].map(([peer, note]): Row => ({
    scenario: scenario.name,
    peer: peer.title,
    goals: [],
    notes: [note],
    outcomes: [],
  }))
  return [...rows, ...absent]
}

const summary = (scenario: Scenario, peer: Peer, outcomes: ReadonlyArray<Outcome>) => {
  const figures = outcomes.map((outcome) => figureOf(scenario.figure, outcome))
  const latencies = outcomes.flatMap(({ latency }) => latency ?? [])
  return {
    name: peer.name,
    scenario: scenario.name,
    peer: peer.title,
    figure: { median: median(figures), min: Math.min(...figures), max: Math.max(...figures), unit: scenario.figure },
    perSecond: median(outcomes.map(({ messages, seconds }) => messages / seconds)),
    ...(latencies.length > 0 && { latency: medianLatency(latencies) }),
    notes: notesOf(peer, outcomes),
    outcomes,
  }
}

const figureOf = (figure: Figure, { memory, messages, seconds, serverCpuNs }: Outcome): number => {
  switch (figure) {
    case "µs":
      return serverCpuNs / messages / 1000
    case "KB":
      return (memory!.held - memory!.before) / memory!.connections / 1024
    case "%":
      return (serverCpuNs / (seconds * 1e9)) * 100
  }
}

const notesOf = (peer: Peer, outcomes: ReadonlyArray<Outcome>): ReadonlyArray<string> => {
  const notes: Array<string> = []
  const memories = outcomes.flatMap(({ memory }) => memory ?? [])
  if (memories.length > 0) {
    notes.push(`${(median(memories.map(givenBack)) * 100).toFixed(0)} % given back`)
    const garbage = median(memories.map(({ connections, held, uncollected }) => (uncollected - held) / connections))
    if (peer.collects) notes.push(`${(Math.max(0, garbage) / 1024).toFixed(1)} KB more before a collection`)
  }
  const late = outcomes.flatMap(({ latency }) => latency?.lateP99 ?? [])
  if (late.length > 0) {
    if (median(late) > lateMs) notes.push(`generator late by ${median(late).toFixed(1)} ms (p99)`)
    // In the open loop it looks at the clock all the time: that it is busy says nothing.
    return notes
  }
  const bound = outcomes.filter(
    ({ generatorCpuNs, seconds, serverCpuNs }) =>
      generatorCpuNs >= busy * seconds * 1e9 && serverCpuNs < busy * seconds * 1e9,
  )
  if (bound.length > 0) notes.push(`generator was the bottleneck in ${bound.length} of ${outcomes.length}`)
  return notes
}

/** The part of what the connections took that was given back. */
const givenBack = ({ after, before, held }: Memory): number => (held - after) / (held - before)

type Reaching = { readonly figure: { readonly median: number }; readonly perSecond: number }

const reaches = (goal: Goal, row: Reaching, other: Reaching | undefined): boolean | undefined => {
  if ("atMost" in goal) return row.figure.median <= goal.atMost
  if (other === undefined) return undefined
  if ("ratio" in goal) return row.figure.median <= goal.ratio * other.figure.median
  if ("above" in goal) return row.figure.median <= other.figure.median + goal.above
  return row.perSecond >= goal.throughput * other.perSecond
}

const textOf = (goal: Goal, unit: Figure, row: Reaching, other: Reaching | undefined): string => {
  if ("atMost" in goal) return `≤ ${goal.atMost} ${unit}`
  if ("ratio" in goal) return `≤ ${goal.ratio}×`
  if ("above" in goal) return `≤ +${goal.above} ${unit}`
  const times = other === undefined ? "" : ` (${(row.perSecond / other.perSecond).toFixed(1)}×)`
  return `≥ ${goal.throughput}× the throughput of ${goal.of}${times}`
}

const medianLatency = (latencies: ReadonlyArray<Latency>): Latency => ({
  p50: median(latencies.map(({ p50 }) => p50)),
  p99: median(latencies.map(({ p99 }) => p99)),
  p999: median(latencies.map(({ p999 }) => p999)),
  max: Math.max(...latencies.map(({ max }) => max)),
  lateP99: median(latencies.map(({ lateP99 }) => lateP99)),
})

/** The middle value, or the mean of the two in the middle. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
