/**
 * The flags that make a load, and what each is where it is not given, scenario by scenario.
 * Judges each by itself; what holds between them is `Bench`'s.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Setting from "../gateway/config/Setting.ts"
import { type ScenarioName, scenarios } from "../load/Plan.ts"
import * as Stamp from "../load/Stamp.ts"
import * as Judged from "./Judged.ts"

/** What a scenario is when nothing is said. */
export interface Defaults {
  readonly connections: number
  readonly rate: number
  readonly payloadBytes: number
  readonly durationMs: number
}

const usual: Defaults = { connections: 1000, rate: 20, payloadBytes: 128, durationMs: 10_000 }

/** The defaults of each scenario. A rate of 0 is none: nothing is sent. */
export const defaults: Readonly<Record<ScenarioName, Defaults>> = {
  idle: { ...usual, rate: 0 },
  "fan-out": usual,
  rooms: { ...usual, rate: 500 },
  publish: { ...usual, connections: 50, rate: 2_000 },
  request: { ...usual, connections: 50, rate: 1_000 },
  "reconnect-storm": { ...usual, connections: 500 },
  // As much as the buffers of the system and of a gateway take from who does not read, in a few seconds.
  "slow-reader": { ...usual, connections: 50, rate: 200, payloadBytes: 8 * 1024 },
  churn: { ...usual, connections: 500, rate: 100 },
  drain: { ...usual, rate: 0, durationMs: 60_000 },
}

/** What one helping connection is given to do by default: half of what a gateway takes of it by default. */
export const helperCommandsPerSecond = 500

/** More descriptors than a process may have where nobody changed it. */
const maxConnections = 500_000

const counted = (key: string, purpose: string, min: number, max: number) =>
  Judged.optional(Setting.integer({ key, purpose, min, max, fallback: min }))

const timed = (key: string, purpose: string, minMs: number, maxMs: number) =>
  Judged.optional(Setting.duration({ key, purpose, minMs, maxMs, fallbackMs: minMs }))

/** The flags. What is not given depends on the scenario. */
export const flags = {
  connections: counted("connections", "connections of the scenario", 1, maxConnections),
  connectRate: counted("connect-rate", "new connections in a second while it is set up", 1, 100_000),
  publishers: counted("publishers", "further connections that publish, or serve requests", 1, 10_000),
  rooms: counted("rooms", "channels of rooms", 1, 100_000),
  slow: counted("slow", "connections of slow-reader that do not read", 1, 100_000),
  rate: counted("rate", "publications, requests or reconnects in a second, all together", 1, 1_000_000),
  payload: Judged.optional(
    Setting.size({
      key: "payload",
      purpose: "bytes of each publication's or request's data",
      min: Stamp.leastBytes,
      max: 60 * 1024,
      fallback: usual.payloadBytes,
    }),
  ),
  duration: timed("duration", "the counted time", 100, 3_600_000),
  warmUp: timed("warm-up", "what is sent before it, checked and not counted", 0, 600_000),
  settle: timed("settle", "how long is waited for what is missing", 100, 600_000),
  workers: counted("workers", "threads that share the load", 1, 64),
  sources: counted("sources", "addresses of 127.0.0.0/8 that connections come from", 1, 10_000),
  seed: counted("seed", "the same seed plans the same load", 0, 2 ** 31 - 1),
  pid: counted("pid", "the server's process, for drain to send SIGTERM to", 1, 2 ** 31 - 1),
}

const paced = scenarios.filter((name) => defaults[name].rate > 0)
const helped: ReadonlyArray<ScenarioName> = ["fan-out", "request", "reconnect-storm", "slow-reader"]

/** Flags that mean something in some scenarios only, and in which. */
export const only = {
  publishers: helped,
  rooms: ["rooms"],
  slow: ["slow-reader"],
  rate: paced,
  payload: paced.filter((name) => name !== "churn"),
  pid: ["drain"],
} as const satisfies { readonly [Name in keyof typeof flags]?: ReadonlyArray<ScenarioName> }

/** Milliseconds of a duration that may not have been given. */
export const millis = (given: Option.Option<Duration.Duration>, otherwise: number): number =>
  Option.match(given, { onNone: () => otherwise, onSome: Duration.toMillis })
