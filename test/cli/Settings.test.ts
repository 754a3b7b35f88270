import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import type { GatewayConfig } from "../../src/gateway/config/GatewayConfig.ts"
import { policy } from "../../src/gateway/config/PolicySettings.ts"
import type { Setting } from "../../src/gateway/config/Setting.ts"
import * as Settings from "../../src/gateway/config/Settings.ts"
import { defaults, elsewhere } from "./defaults.ts"
import { longline, refused } from "./harness.ts"

const tcp = (host: string, port: number): GatewayConfig["listen"] => ({ _tag: "Tcp", host, port })
const limits = (changed: Partial<GatewayConfig["limits"]>) => ({ limits: { ...defaults.limits, ...changed } })
const webSocket = (changed: Partial<NonNullable<GatewayConfig["webSocket"]>>) => ({
  webSocket: { host: "127.0.0.1", port: 7558, path: "/connect", origins: [], compression: false, ...changed },
})
const sizeText = (min: string, max: string) => `a size from ${min} to ${max}, written like 65536, 64KiB or 1MiB`
const unix = (path: string): GatewayConfig["listen"] => ({ _tag: "Unix", path })

/** Flag, variable, a value on each limit or of each choice, and what it changes. */
const accepted: ReadonlyArray<readonly [string, string, string, Partial<GatewayConfig>]> = [
  ["--host", "LONGLINE_HOST", "::1", { listen: tcp("::1", 7557), webSocket: undefined }],
  ["--port", "LONGLINE_PORT", "0", { listen: tcp("127.0.0.1", 0), webSocket: undefined }],
  ["--port", "LONGLINE_PORT", "65535", { listen: tcp("127.0.0.1", 65_535), webSocket: undefined }],
  ["--unix", "LONGLINE_UNIX", "a", { listen: unix("a"), webSocket: undefined }],
  ["--unix", "LONGLINE_UNIX", "é".repeat(53) + "a", { listen: unix("é".repeat(53) + "a"), webSocket: undefined }],
  ["--insecure", "LONGLINE_INSECURE", "true", {}],
  ["--insecure", "LONGLINE_INSECURE", "false", {}],
  ["--ws-host", "LONGLINE_WS_HOST", "::1", webSocket({ host: "::1" })],
  ["--ws-port", "LONGLINE_WS_PORT", "0", webSocket({ port: 0 })],
  ["--ws-port", "LONGLINE_WS_PORT", "65535", webSocket({ port: 65_535 })],
  ["--ws-path", "LONGLINE_WS_PATH", "/", webSocket({ path: "/" })],
  ["--ws-origins", "LONGLINE_WS_ORIGINS", "*", webSocket({ origins: ["*"] })],
  [
    "--ws-origins",
    "LONGLINE_WS_ORIGINS",
    "https://a.example, http://localhost:8080",
    webSocket({ origins: ["https://a.example", "http://localhost:8080"] }),
  ],
  ["--ws-compression", "LONGLINE_WS_COMPRESSION", "true", webSocket({ compression: true })],
  ["--ws-compression", "LONGLINE_WS_COMPRESSION", "false", webSocket({ compression: false })],
  ["--max-connections", "LONGLINE_MAX_CONNECTIONS", "1", { maxConnections: 1 }],
  ["--max-connections", "LONGLINE_MAX_CONNECTIONS", "1000000", { maxConnections: 1_000_000 }],
  ["--max-connections-per-address", "LONGLINE_MAX_CONNECTIONS_PER_ADDRESS", "1", { maxConnectionsPerAddress: 1 }],
  [
    "--max-connections-per-address",
    "LONGLINE_MAX_CONNECTIONS_PER_ADDRESS",
    "1000000",
    { maxConnectionsPerAddress: 1_000_000 },
  ],
  ["--commands-per-second", "LONGLINE_COMMANDS_PER_SECOND", "1", limits({ commandsPerSecond: 1 })],
  ["--commands-per-second", "LONGLINE_COMMANDS_PER_SECOND", "1000000", limits({ commandsPerSecond: 1_000_000 })],
  ["--max-subscriptions", "LONGLINE_MAX_SUBSCRIPTIONS", "1", limits({ maxSubscriptions: 1 })],
  ["--max-subscriptions", "LONGLINE_MAX_SUBSCRIPTIONS", "100000", limits({ maxSubscriptions: 100_000 })],
  ["--max-services", "LONGLINE_MAX_SERVICES", "1", limits({ maxServices: 1 })],
  ["--max-services", "LONGLINE_MAX_SERVICES", "100000", limits({ maxServices: 100_000 })],
  ["--max-requests", "LONGLINE_MAX_REQUESTS", "1", limits({ maxRequests: 1 })],
  ["--max-requests", "LONGLINE_MAX_REQUESTS", "100000", limits({ maxRequests: 100_000 })],
  ["--outbox-bytes", "LONGLINE_OUTBOX_BYTES", "64KiB", limits({ outboxBytes: 65_536 })],
  ["--outbox-bytes", "LONGLINE_OUTBOX_BYTES", "1073741824", limits({ outboxBytes: 1_073_741_824 })],
  ["--outbox-age", "LONGLINE_OUTBOX_AGE", "100ms", limits({ outboxAge: Duration.millis(100) })],
  ["--outbox-age", "LONGLINE_OUTBOX_AGE", "10m", limits({ outboxAge: Duration.minutes(10) })],
  ["--max-sessions", "LONGLINE_MAX_SESSIONS", "1", limits({ maxSessions: 1 })],
  ["--max-sessions", "LONGLINE_MAX_SESSIONS", "10000000", limits({ maxSessions: 10_000_000 })],
  ["--max-channels", "LONGLINE_MAX_CHANNELS", "1", limits({ maxChannels: 1 })],
  ["--max-channels", "LONGLINE_MAX_CHANNELS", "100000000", limits({ maxChannels: 100_000_000 })],
  ["--max-keys", "LONGLINE_MAX_KEYS", "1", limits({ maxKeys: 1 })],
  ["--max-keys", "LONGLINE_MAX_KEYS", "100000000", limits({ maxKeys: 100_000_000 })],
  ["--history-bytes", "LONGLINE_HISTORY_BYTES", "1MiB", limits({ historyBytes: 1_048_576 })],
  ["--history-bytes", "LONGLINE_HISTORY_BYTES", "1024GiB", limits({ historyBytes: 1_099_511_627_776 })],
  ["--buffer-bytes", "LONGLINE_BUFFER_BYTES", "1MiB", limits({ bufferBytes: 1_048_576 })],
  ["--buffer-bytes", "LONGLINE_BUFFER_BYTES", "1024GiB", limits({ bufferBytes: 1_099_511_627_776 })],
  ["--memory-percent", "LONGLINE_MEMORY_PERCENT", "1", limits({ memoryPercent: 1 })],
  ["--memory-percent", "LONGLINE_MEMORY_PERCENT", "100", limits({ memoryPercent: 100 })],
  ["--heartbeat-interval", "LONGLINE_HEARTBEAT_INTERVAL", "100ms", { heartbeatInterval: Duration.millis(100) }],
  ["--heartbeat-interval", "LONGLINE_HEARTBEAT_INTERVAL", "1h", { heartbeatInterval: Duration.hours(1) }],
  ["--heartbeat-timeout", "LONGLINE_HEARTBEAT_TIMEOUT", "100ms", { heartbeatTimeout: Duration.millis(100) }],
  ["--heartbeat-timeout", "LONGLINE_HEARTBEAT_TIMEOUT", "10m", { heartbeatTimeout: Duration.minutes(10) }],
  ["--connect-timeout", "LONGLINE_CONNECT_TIMEOUT", "100ms", { connectTimeout: Duration.millis(100) }],
  ["--connect-timeout", "LONGLINE_CONNECT_TIMEOUT", "10m", { connectTimeout: Duration.minutes(10) }],
  ["--session-ttl", "LONGLINE_SESSION_TTL", "0ms", { sessionTtl: Duration.zero }],
  ["--session-ttl", "LONGLINE_SESSION_TTL", "24h", { sessionTtl: Duration.hours(24) }],
  ["--drain-grace", "LONGLINE_DRAIN_GRACE", "0s", { drainGrace: Duration.zero }],
  ["--drain-grace", "LONGLINE_DRAIN_GRACE", "10m", { drainGrace: Duration.minutes(10) }],
  ["--drain-timeout", "LONGLINE_DRAIN_TIMEOUT", "100ms", { drainTimeout: Duration.millis(100) }],
  ["--drain-timeout", "LONGLINE_DRAIN_TIMEOUT", "1h", { drainTimeout: Duration.hours(1) }],
  ["--log-level", "LONGLINE_LOG_LEVEL", "trace", { logLevel: "Trace" }],
  ["--log-level", "LONGLINE_LOG_LEVEL", "debug", { logLevel: "Debug" }],
  ["--log-level", "LONGLINE_LOG_LEVEL", "info", { logLevel: "Info" }],
  ["--log-level", "LONGLINE_LOG_LEVEL", "warn", { logLevel: "Warn" }],
  ["--log-level", "LONGLINE_LOG_LEVEL", "error", { logLevel: "Error" }],
  ["--log-level", "LONGLINE_LOG_LEVEL", "none", { logLevel: "None" }],
  ["--log-format", "LONGLINE_LOG_FORMAT", "json", { logFormat: "json" }],
  ["--log-format", "LONGLINE_LOG_FORMAT", "pretty", { logFormat: "pretty" }],
  ["--journal", "LONGLINE_JOURNAL", "true", { journal: true }],
  ["--journal", "LONGLINE_JOURNAL", "false", { journal: false }],
]

const heartbeatText = (max: string) => `a duration from 100ms to ${max}, written like 500ms, 25s, 2m or 1h`

/** Flag, variable, values beyond each limit and of a wrong kind, and what is allowed instead. */
const rejected: ReadonlyArray<readonly [string, string, ReadonlyArray<string>, string]> = [
  ["--host", "LONGLINE_HOST", ["*", "127.0.0.1:80"], "an IP address or a host name"],
  ["--port", "LONGLINE_PORT", ["-1", "65536", "1e3", "0x1", "80.0", " 80"], "a whole number from 0 to 65535"],
  ["--unix", "LONGLINE_UNIX", ["é".repeat(54)], "a path of 1 to 107 bytes"],
  ["--insecure", "LONGLINE_INSECURE", ["yes"], "one of true, false"],
  ["--ws-host", "LONGLINE_WS_HOST", ["-a", "a b"], "an IP address or a host name"],
  ["--ws-port", "LONGLINE_WS_PORT", ["-1", "65536", "http"], "a whole number from 0 to 65535"],
  ["--ws-path", "LONGLINE_WS_PATH", ["connect", "/a?b", "/a b"], "a path that begins with a slash and has no query"],
  [
    "--ws-origins",
    "LONGLINE_WS_ORIGINS",
    ["app.example", "https://app.example/", "HTTPS://app.example", "null", "https://a.example,"],
    "one or more origins like https://app.example, or * for all",
  ],
  ["--ws-compression", "LONGLINE_WS_COMPRESSION", ["on"], "one of true, false"],
  ["--max-connections", "LONGLINE_MAX_CONNECTIONS", ["0", "1000001"], "a whole number from 1 to 1000000"],
  [
    "--max-connections-per-address",
    "LONGLINE_MAX_CONNECTIONS_PER_ADDRESS",
    ["0", "1000001"],
    "a whole number from 1 to 1000000",
  ],
  ["--commands-per-second", "LONGLINE_COMMANDS_PER_SECOND", ["0", "1000001"], "a whole number from 1 to 1000000"],
  ["--max-subscriptions", "LONGLINE_MAX_SUBSCRIPTIONS", ["0", "100001"], "a whole number from 1 to 100000"],
  ["--max-services", "LONGLINE_MAX_SERVICES", ["0", "100001"], "a whole number from 1 to 100000"],
  ["--max-requests", "LONGLINE_MAX_REQUESTS", ["0", "100001"], "a whole number from 1 to 100000"],
  ["--outbox-bytes", "LONGLINE_OUTBOX_BYTES", ["65535", "1073741825", "1MB", "1.5MiB"], sizeText("64KiB", "1GiB")],
  ["--outbox-age", "LONGLINE_OUTBOX_AGE", ["99ms", "600001ms"], heartbeatText("10m")],
  ["--max-sessions", "LONGLINE_MAX_SESSIONS", ["0", "10000001"], "a whole number from 1 to 10000000"],
  ["--max-channels", "LONGLINE_MAX_CHANNELS", ["0", "100000001"], "a whole number from 1 to 100000000"],
  ["--max-keys", "LONGLINE_MAX_KEYS", ["0", "100000001"], "a whole number from 1 to 100000000"],
  ["--history-bytes", "LONGLINE_HISTORY_BYTES", ["1048575", "1025GiB"], sizeText("1MiB", "1024GiB")],
  ["--buffer-bytes", "LONGLINE_BUFFER_BYTES", ["1048575", "1025GiB"], sizeText("1MiB", "1024GiB")],
  ["--memory-percent", "LONGLINE_MEMORY_PERCENT", ["0", "101"], "a whole number from 1 to 100"],
  ["--heartbeat-interval", "LONGLINE_HEARTBEAT_INTERVAL", ["99ms", "3600001ms", "25"], heartbeatText("1h")],
  ["--heartbeat-timeout", "LONGLINE_HEARTBEAT_TIMEOUT", ["99ms", "600001ms"], heartbeatText("10m")],
  ["--connect-timeout", "LONGLINE_CONNECT_TIMEOUT", ["99ms", "600001ms"], heartbeatText("10m")],
  [
    "--session-ttl",
    "LONGLINE_SESSION_TTL",
    ["-1s", "86400001ms"],
    "a duration from 0ms to 24h, written like 500ms, 25s, 2m or 1h",
  ],
  [
    "--drain-grace",
    "LONGLINE_DRAIN_GRACE",
    ["-1s", "600001ms"],
    "a duration from 0ms to 10m, written like 500ms, 25s, 2m or 1h",
  ],
  ["--drain-timeout", "LONGLINE_DRAIN_TIMEOUT", ["99ms", "3600001ms"], heartbeatText("1h")],
  ["--log-level", "LONGLINE_LOG_LEVEL", ["INFO", "all", "toString"], "one of trace, debug, info, warn, error, none"],
  ["--log-format", "LONGLINE_LOG_FORMAT", ["xml"], "one of json, pretty"],
  ["--journal", "LONGLINE_JOURNAL", ["yes"], "one of true, false"],
]
const rejectedOneByOne = rejected.flatMap(([flag, variable, values, allowed]) =>
  values.map((value) => [flag, variable, value, allowed] as const),
)

describe("Settings", () => {
  it.effect("without flags and variables the defaults hold", () =>
    Effect.gen(function* () {
      const outcome = yield* longline({})
      assert.deepStrictEqual(outcome, { config: defaults, stdout: "", stderr: "", exitCode: 0, reported: false })
    }),
  )

  it.effect.each(accepted)("%s and %s take %s", ([flag, variable, value, change]) =>
    Effect.gen(function* () {
      const expected = { ...defaults, ...change }
      assert.deepStrictEqual((yield* longline({ args: [`${flag}=${value}`] })).config, expected)
      assert.deepStrictEqual((yield* longline({ env: { [variable]: value } })).config, expected)
    }),
  )

  it.effect.each(rejectedOneByOne)(
    "%s and %s refuse %s and say where it was written",
    ([flag, variable, value, allowed]) =>
      Effect.gen(function* () {
        const complaint = `is "${value}"; it must be ${allowed}`
        assert.deepStrictEqual(yield* longline({ args: [`${flag}=${value}`] }), refused(`${flag} ${complaint}`))
        assert.deepStrictEqual(yield* longline({ env: { [variable]: value } }), refused(`${variable} ${complaint}`))
      }),
  )

  it("every setting has a value that is taken and one that is refused; those that need others are tested with them", () => {
    const flags = Object.values<Setting<unknown>>(Settings.settings)
      .map(({ name }) => `--${name}`)
      .filter((flag) => !/^--(config|data|sync|tls.*|auth.*)$/.test(flag))
    assert.deepStrictEqual([...new Set(accepted.map(([flag]) => flag))], flags)
    assert.deepStrictEqual([...new Set(rejected.map(([flag]) => flag))], flags)
  })

  it("what stands for a default is the default, or says in words that it depends", () => {
    const all = Object.values<Setting<unknown>>({ ...Settings.settings, ...policy })
    const told = all.filter(({ fallbackText }) => fallbackText !== undefined)
    const other = told.filter(
      ({ accept, fallback, fallbackText, plainOf }) =>
        !Equal.equals(accept(plainOf(fallbackText!)), Option.some(fallback)),
    )
    assert.deepStrictEqual(
      other.map(({ name, fallbackText }) => [name, fallbackText]),
      [["log-format", "pretty on a terminal, json otherwise"]],
    )
  })

  it.effect("a flag takes its value as the next argument too", () =>
    Effect.gen(function* () {
      const { config } = yield* longline({ args: ["--port", "0", "--log-level", "warn"] })
      assert.deepStrictEqual(config, { ...elsewhere, listen: tcp("127.0.0.1", 0), logLevel: "Warn" })
    }),
  )

  it.effect("a flag wins over its variable, which is then not looked at", () =>
    Effect.gen(function* () {
      const { config } = yield* longline({ args: ["--port", "1"], env: { LONGLINE_PORT: "x" } })
      assert.deepStrictEqual(config, { ...elsewhere, listen: tcp("127.0.0.1", 1) })
    }),
  )

  it.effect("a flag that repeats the default still wins over its variable", () =>
    Effect.gen(function* () {
      const { config } = yield* longline({ args: ["--port", "7557"], env: { LONGLINE_PORT: "1" } })
      assert.deepStrictEqual(config, elsewhere)
    }),
  )

  it.effect("an empty variable is as if it were not there; an empty flag is a value", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* longline({ env: { LONGLINE_PORT: "", LONGLINE_UNIX: "" } })).config, defaults)
      assert.deepStrictEqual(
        yield* longline({ args: ["--unix="] }),
        refused(`--unix is ""; it must be a path of 1 to 107 bytes`),
      )
      assert.deepStrictEqual(
        yield* longline({ args: ["--tls-cert="] }),
        refused(`--tls-cert is ""; it must be the path of a file`),
      )
    }),
  )

  it.effect("a variable whose name begins another's is read, and one that only looks like ours is not", () =>
    Effect.gen(function* () {
      const { config } = yield* longline({
        env: {
          LONGLINE_MAX_CONNECTIONS: "20",
          LONGLINE_MAX_CONNECTIONS_PER_ADDRESS: "10",
          LONGLINE_PORT_7557_TCP: "tcp://10.0.0.1:7557",
          PORT: "80",
        },
      })
      assert.deepStrictEqual(config, { ...defaults, maxConnections: 20, maxConnectionsPerAddress: 10 })
    }),
  )

  it.effect("logs are pretty on a terminal unless asked otherwise", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* longline({ terminal: true })).config, { ...defaults, logFormat: "pretty" })
      assert.deepStrictEqual(
        (yield* longline({ terminal: true, env: { LONGLINE_LOG_FORMAT: "json" } })).config,
        defaults,
      )
    }),
  )
})
