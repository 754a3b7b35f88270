/**
 * Every setting of the gateway, with its default and its range, in the order of the help.
 * Checks each alone: what must hold between settings is in `GatewayConfig`.
 */
import * as Effect from "effect/Effect"
import type * as LogLevel from "effect/LogLevel"
import type * as Option from "effect/Option"
import type { ConfigError } from "./ConfigError.ts"
import { isHost } from "./Host.ts"
import * as Setting from "./Setting.ts"

/** Loopback: nothing is reachable from elsewhere unless somebody says so. */
export const defaultHost = "127.0.0.1"

/** The port, where nothing else is said. */
export const defaultPort = 7557

/** The last port there is. */
export const maxPort = 65_535

/** The longest path the kernel takes: `sun_path` of Linux is 108 bytes, one of them the terminator. */
export const maxUnixPathBytes = 107

/** Leaves a quarter of 20 000 descriptors, a common hard limit, for files, health checks and newcomers being refused. */
export const defaultMaxConnections = 15_000
/** Below the 1 048 576 descriptors that Linux allows a process unless told otherwise. */
export const maxMaxConnections = 1_000_000

/**
 * One address is one machine, or an office behind one router: seldom a thousand connections. So no single peer takes
 * more than a fifteenth of the seats. Behind a proxy, or for a load test, it is raised.
 */
export const defaultMaxConnectionsPerAddress = 1000

/** Silence after which a peer is probed. */
export const defaultHeartbeatIntervalMs = 25_000

/** From a probe to the end of a connection that stays silent. */
export const defaultHeartbeatTimeoutMs = 10_000

/** From the opened connection to its first message. */
export const defaultConnectTimeoutMs = 10_000

/** From the notice of a shutdown to its first goodbye. */
export const defaultDrainGraceMs = 5000

/** With the grace it stays below the 30 s that Kubernetes gives a process between SIGTERM and SIGKILL. */
export const defaultDrainTimeoutMs = 20_000

/** Shorter and a busy turn of the event loop looks like a dead peer. */
export const minTimeoutMs = 100

/** The longest interval: one hour. */
export const maxHeartbeatIntervalMs = 3_600_000

/** The longest of the timeouts that concern one peer: ten minutes. */
export const maxTimeoutMs = 600_000

/** The longest shutdown: one hour. */
export const maxDrainTimeoutMs = 3_600_000

/** How log lines are written: one JSON object each, or for a person's eyes. */
export type LogFormat = "json" | "pretty"

const isPath = (text: string): boolean => text !== ""

/** The table. A key here, its flag and its environment variable are one name in three spellings. */
export const settings = {
  host: Setting.text({
    name: "host",
    purpose: "address to listen on",
    placeholder: "<host>",
    allowed: "an IP address or a host name",
    fallback: defaultHost,
    isAllowed: isHost,
  }),
  port: Setting.integer({
    name: "port",
    purpose: "port to listen on, 0 picks a free one",
    min: 0,
    max: maxPort,
    fallback: defaultPort,
  }),
  unix: Setting.text({
    name: "unix",
    purpose: "unix socket to listen on, instead of host and port",
    placeholder: "<path>",
    allowed: `a path of 1 to ${maxUnixPathBytes} bytes`,
    fallback: undefined,
    isAllowed: (text) => isPath(text) && Buffer.byteLength(text) <= maxUnixPathBytes,
  }),
  tlsCert: Setting.text({
    name: "tls-cert",
    purpose: "certificate chain, PEM; turns TLS on",
    placeholder: "<file>",
    allowed: "the path of a file",
    fallback: undefined,
    isAllowed: isPath,
  }),
  tlsKey: Setting.text({
    name: "tls-key",
    purpose: "the certificate's private key, PEM",
    placeholder: "<file>",
    allowed: "the path of a file",
    fallback: undefined,
    isAllowed: isPath,
  }),
  tlsClientCa: Setting.text({
    name: "tls-client-ca",
    purpose: "authorities, PEM; clients must show a certificate of theirs",
    placeholder: "<file>",
    allowed: "the path of a file",
    fallback: undefined,
    isAllowed: isPath,
  }),
  maxConnections: Setting.integer({
    name: "max-connections",
    purpose: "connections at once",
    min: 1,
    max: maxMaxConnections,
    fallback: defaultMaxConnections,
  }),
  maxConnectionsPerAddress: Setting.integer({
    name: "max-connections-per-address",
    purpose: "connections at once from one address",
    min: 1,
    max: maxMaxConnections,
    fallback: defaultMaxConnectionsPerAddress,
  }),
  heartbeatInterval: Setting.duration({
    name: "heartbeat-interval",
    purpose: "silence after which a peer is probed",
    minMs: minTimeoutMs,
    maxMs: maxHeartbeatIntervalMs,
    fallbackMs: defaultHeartbeatIntervalMs,
  }),
  heartbeatTimeout: Setting.duration({
    name: "heartbeat-timeout",
    purpose: "silence after a probe that ends a connection",
    minMs: minTimeoutMs,
    maxMs: maxTimeoutMs,
    fallbackMs: defaultHeartbeatTimeoutMs,
  }),
  connectTimeout: Setting.duration({
    name: "connect-timeout",
    purpose: "time a newcomer has for its first message",
    minMs: minTimeoutMs,
    maxMs: maxTimeoutMs,
    fallbackMs: defaultConnectTimeoutMs,
  }),
  drainGrace: Setting.duration({
    name: "drain-grace",
    purpose: "time between a shutdown's notice and its first goodbye",
    minMs: 0,
    maxMs: maxTimeoutMs,
    fallbackMs: defaultDrainGraceMs,
  }),
  drainTimeout: Setting.duration({
    name: "drain-timeout",
    purpose: "time for the goodbyes of a shutdown, after the grace",
    minMs: minTimeoutMs,
    maxMs: maxDrainTimeoutMs,
    fallbackMs: defaultDrainTimeoutMs,
  }),
  logLevel: Setting.choice<LogLevel.LogLevel, LogLevel.LogLevel>({
    name: "log-level",
    purpose: "the least important lines to log",
    choices: { trace: "Trace", debug: "Debug", info: "Info", warn: "Warn", error: "Error", none: "None" },
    fallback: "Info",
    fallbackText: "info",
  }),
  logFormat: Setting.choice<LogFormat, undefined>({
    name: "log-format",
    purpose: "how log lines are written",
    choices: { json: "json", pretty: "pretty" },
    fallback: undefined,
    fallbackText: "pretty on a terminal, json otherwise",
  }),
  insecure: Setting.toggle({
    name: "insecure",
    purpose: "allow listening beyond loopback without authentication",
  }),
} as const

/** What the command line gave for each setting, as text; None for a flag that was not there. */
export type Flags = { readonly [K in keyof typeof settings]: Option.Option<string> }

/** The value of each setting and where it came from. */
export type Readings = {
  readonly [K in keyof typeof settings]: (typeof settings)[K] extends Setting.Setting<infer A>
    ? Setting.Reading<A>
    : never
}

/** Reads every setting from the flags, the environment and the defaults, in that order. */
export const read = (flags: Flags): Effect.Effect<Readings, ConfigError> =>
  Effect.all({
    host: Setting.read(settings.host, flags.host),
    port: Setting.read(settings.port, flags.port),
    unix: Setting.read(settings.unix, flags.unix),
    tlsCert: Setting.read(settings.tlsCert, flags.tlsCert),
    tlsKey: Setting.read(settings.tlsKey, flags.tlsKey),
    tlsClientCa: Setting.read(settings.tlsClientCa, flags.tlsClientCa),
    maxConnections: Setting.read(settings.maxConnections, flags.maxConnections),
    maxConnectionsPerAddress: Setting.read(settings.maxConnectionsPerAddress, flags.maxConnectionsPerAddress),
    heartbeatInterval: Setting.read(settings.heartbeatInterval, flags.heartbeatInterval),
    heartbeatTimeout: Setting.read(settings.heartbeatTimeout, flags.heartbeatTimeout),
    connectTimeout: Setting.read(settings.connectTimeout, flags.connectTimeout),
    drainGrace: Setting.read(settings.drainGrace, flags.drainGrace),
    drainTimeout: Setting.read(settings.drainTimeout, flags.drainTimeout),
    logLevel: Setting.read(settings.logLevel, flags.logLevel),
    logFormat: Setting.read(settings.logFormat, flags.logFormat),
    insecure: Setting.read(settings.insecure, flags.insecure),
  })
