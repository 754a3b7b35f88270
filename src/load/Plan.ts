/**
 * What a load is: its scenario, its size, its pace and its bounds, as plain JSON that every worker is given.
 * Judges nothing: the command line does.
 */

/** What can be put on a server. */
export const scenarios = [
  "idle",
  "fan-out",
  "rooms",
  "publish",
  "request",
  "reconnect-storm",
  "slow-reader",
  "churn",
  "drain",
] as const

/** One of `scenarios`. */
export type ScenarioName = (typeof scenarios)[number]

/** One load, the same for all workers. */
export interface Plan {
  readonly scenario: ScenarioName
  /** Names the run in channels and in payloads, so that runs beside each other do not meet. Letters and digits. */
  readonly run: string
  /** Subscribers, publishers of `publish`, requesters of `request`: whatever the scenario has many of. */
  readonly connections: number
  /** New connections in a second while the load is set up. */
  readonly connectRate: number
  /** Connections beside those that publish for `fan-out`, `slow-reader` and `reconnect-storm`, or serve for `request`. */
  readonly helpers: number
  /** Channels of `rooms`. */
  readonly rooms: number
  /** Those of the connections of `slow-reader` that do not read. */
  readonly slow: number
  /** Publications, requests or reconnects in a second, over all connections. */
  readonly rate: number
  /** Bytes of the data of a publication or a request as JSON, its quotes included. */
  readonly payloadBytes: number
  /** What is sent in this time at the beginning is checked, but its latency is not counted. */
  readonly warmUpMs: number
  /** The counted time behind it. */
  readonly durationMs: number
  /** How long is waited for what is missing, and for places to be taken, whatever number of attempts that needs. */
  readonly settleMs: number
  /** How long one attempt to connect may take. */
  readonly connectTimeoutMs: number
  /** Decides every chance: the same seed plans the same load. */
  readonly seed: number
  readonly workers: number
  /** Whether workers watch the clock instead of sleeping: they are late by microseconds, and take a core each. */
  readonly spin: boolean
  readonly token?: string
  /** The server's process, which `drain` sends SIGTERM to. */
  readonly pid?: number
}

/** How many are scheduled in warm-up and counted time together. */
export const scheduled = ({ durationMs, rate, warmUpMs }: Plan): number =>
  Math.round((rate * (warmUpMs + durationMs)) / 1000)
