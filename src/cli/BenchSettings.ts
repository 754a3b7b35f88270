/**
 * The flags of `longline bench` as settings, so that a mistake is told in the same words as the gateway's own, and what
 * each is where it is not given: that depends on the scenario.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flag from "effect/cli/Flag"
import { ConfigError } from "../gateway/config/ConfigError.ts"
import * as Setting from "../gateway/config/Setting.ts"
import type { ScenarioName } from "../load/Plan.ts"
import * as Stamp from "../load/Stamp.ts"

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
  Setting.integer({ key, purpose, min, max, fallback: min })

const timed = (key: string, purpose: string, minMs: number, maxMs: number, fallbackMs = minMs) =>
  Setting.duration({ key, purpose, minMs, maxMs, fallbackMs })

const settings = {
  connections: counted("connections", "connections of the scenario", 1, maxConnections),
  connectRate: counted("connect-rate", "new connections in a second while it is set up", 1, 100_000),
  publishers: counted("publishers", "further connections that publish, or serve requests", 1, 10_000),
  rooms: counted("rooms", "channels of rooms", 1, 100_000),
  slow: counted("slow", "connections of slow-reader that do not read", 1, 100_000),
  rate: counted("rate", "publications, requests or reconnects in a second, all together", 1, 1_000_000),
  payload: Setting.size({
    key: "payload",
    purpose: "bytes of each publication's or request's data",
    min: Stamp.leastBytes,
    max: 60 * 1024,
    fallback: usual.payloadBytes,
  }),
  duration: timed("duration", "the counted time", 100, 3_600_000),
  warmUp: timed("warm-up", "what is sent before it, checked and not counted", 0, 600_000, 1000),
  settle: timed("settle", "how long is waited for what is missing", 100, 600_000, 10_000),
  workers: counted("workers", "threads that share the load", 1, 64),
  sources: counted("sources", "addresses of 127.0.0.0/8 that connections come from", 1, 10_000),
  seed: counted("seed", "the same seed plans the same load", 0, 2 ** 31 - 1),
  pid: counted("pid", "the server's process, for drain to send SIGTERM to", 1, 2 ** 31 - 1),
}

/** What each flag may be given. */
type Settings = typeof settings

/** The flags, as text. */
export const flags = Object.fromEntries(
  Object.entries<Setting.Setting<unknown>>(settings).map(([name, { name: flag, placeholder, purpose }]) => [
    name,
    Flag.String(flag).pipe(Flag.withMetavar(placeholder), Flag.withDescription(purpose), Flag.optional),
  ]),
) as { readonly [Name in keyof Settings]: Flag.Flag<Option.Option<string>> }

/** Their values; undefined for those that were not given. */
export type Values = {
  readonly [Name in keyof Settings]: Settings[Name] extends Setting.Setting<infer A> ? A | undefined : never
}

/** Judges what was given. */
export const read = (given: {
  readonly [Name in keyof Settings]: Option.Option<string>
}): Effect.Effect<Values, ConfigError> =>
  Effect.gen(function* () {
    const values: Record<string, unknown> = {}
    for (const [name, setting] of Object.entries<Setting.Setting<unknown>>(settings)) {
      const text = given[name as keyof Settings]
      if (Option.isNone(text)) continue
      const value = setting.accept(setting.plainOf(text.value))
      if (Option.isNone(value)) {
        const { allowed } = setting
        return yield* new ConfigError({ setting: Setting.flagName(setting), value: text.value, allowed })
      }
      values[name] = value.value
    }
    return values as Values
  })

/** Milliseconds of a duration that may not have been given. */
export const millis = (duration: Duration.Duration | undefined, otherwise: number): number =>
  duration === undefined ? otherwise : Duration.toMillis(duration)
