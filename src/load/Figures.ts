/**
 * What came of a load, as far as one worker or all of them know: counts, latencies, and what went wrong in words.
 * Judges nothing.
 */
import { type Encoded as EncodedLatencies, Latencies, type Summary } from "./Latencies.ts"
import type { ScenarioName } from "./Plan.ts"

/** What is counted, by the names that people write, each with what it is. */
export const counts = {
  connections: "connections that the server let in, each place once",
  sent: "publications, requests or reconnects that left at their time",
  expected: "deliveries or answers that should have come",
  received: "those that came, each once",
  lost: "those that did not come in time",
  duplicated: "deliveries that came again",
  "out-of-order": "deliveries that others had overtaken",
  errors: "messages that the server answered with an error",
  retries: "attempts to connect that failed and were repeated",
  closed: "connections that ended though nobody wanted it",
  shed: "slow readers that the server closed",
  heartbeats: "heartbeats that came, and were answered",
} as const

/** One of `counts`. */
export type CountName = keyof typeof counts

/** What is measured: what each is stands in `docs/load.md`. */
export const measures = ["connect", "delivery", "answer", "reconnect", "goodbye", "slip"] as const

/** One of `measures`. */
export type Measure = (typeof measures)[number]

/** What each scenario is about: the measure whose percentiles have no prefix. */
export const mainMeasure: Readonly<Record<ScenarioName, Measure>> = {
  idle: "connect",
  "fan-out": "delivery",
  rooms: "delivery",
  publish: "answer",
  request: "answer",
  "reconnect-storm": "reconnect",
  "slow-reader": "delivery",
  churn: "reconnect",
  drain: "goodbye",
}

/** What went wrong, and how often. */
export interface Problem {
  readonly message: string
  readonly times: number
}

/** Figures on their way from a worker. */
export interface Encoded {
  readonly counts: Readonly<Record<CountName, number>>
  readonly latencies: ReadonlyArray<readonly [Measure, EncodedLatencies]>
  readonly problems: ReadonlyArray<readonly [string, number]>
}

/** Different problems that are told apart; a server that fails in a thousand ways is told of eight. */
const maxProblems = 8

/** Mutable, and owned by one worker. */
export class Figures {
  readonly counts: Record<CountName, number> = {
    connections: 0,
    sent: 0,
    expected: 0,
    received: 0,
    lost: 0,
    duplicated: 0,
    "out-of-order": 0,
    errors: 0,
    retries: 0,
    closed: 0,
    shed: 0,
    heartbeats: 0,
  }
  readonly #latencies = new Map<Measure, Latencies>()
  readonly #problems = new Map<string, number>()

  /** Takes note of a latency in microseconds. */
  record(measure: Measure, micros: number): void {
    this.#latenciesOf(measure).record(micros)
  }

  /** Takes note of what went wrong. */
  complain(message: string, times = 1): void {
    const before = this.#problems.get(message)
    if (before !== undefined || this.#problems.size < maxProblems) this.#problems.set(message, (before ?? 0) + times)
  }

  /** What was measured, in the order of `measures`. */
  summaries(): ReadonlyArray<readonly [Measure, Summary]> {
    return measures.flatMap((measure) => {
      const latencies = this.#latencies.get(measure)
      return latencies === undefined ? [] : [[measure, latencies.summary()] as const]
    })
  }

  /** What went wrong, the most frequent first. */
  problems(): ReadonlyArray<Problem> {
    return [...this.#problems].map(([message, times]) => ({ message, times })).toSorted((a, b) => b.times - a.times)
  }

  /** As it goes from one worker to another. */
  encoded(): Encoded {
    const latencies = [...this.#latencies].map(([measure, latencies]) => [measure, latencies.encoded()] as const)
    return { counts: { ...this.counts }, latencies, problems: [...this.#problems] }
  }

  /** Adds what another has. */
  add({ counts, latencies, problems }: Encoded): void {
    for (const [name, count] of Object.entries(counts) as Array<[CountName, number]>) this.counts[name] += count
    for (const [measure, encoded] of latencies) this.#latenciesOf(measure).add(encoded)
    for (const [message, times] of problems) this.complain(message, times)
  }

  #latenciesOf(measure: Measure): Latencies {
    let latencies = this.#latencies.get(measure)
    if (latencies === undefined) this.#latencies.set(measure, (latencies = new Latencies()))
    return latencies
  }
}
