/**
 * The settings of the server itself, with their defaults and ranges: where it listens, its times, its log.
 * Checks each alone: what must hold between settings is in `GatewayConfig`.
 */
import type * as LogLevel from "effect/LogLevel"
import { maxUnixPathBytes } from "../../transport/Transport.ts"
import { isHost } from "./Host.ts"
import * as Setting from "./Setting.ts"

/** Loopback: nothing is reachable from elsewhere unless somebody says so. */
export const defaultHost = "127.0.0.1"

/** The port, where nothing else is said. */
export const defaultPort = 7557

/** The last port there is. */
export const maxPort = 65_535

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

/** From a lost connection to the end of its session. */
export const defaultSessionTtlMs = 60_000

/** The longest that a session outlives its connection: one day. */
export const maxSessionTtlMs = 86_400_000

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

/** When a publication counts as accepted: on disk (`always`), or in the operating system's hands (`os`). */
export type Sync = "always" | "os"

/** Where to listen. */
export const listen = {
  host: Setting.text({
    key: "listen.host",
    name: "host",
    purpose: "address to listen on",
    placeholder: "<host>",
    allowed: "an IP address or a host name",
    fallback: defaultHost,
    isAllowed: isHost,
  }),
  port: Setting.integer({
    key: "listen.port",
    name: "port",
    purpose: "port to listen on, 0 picks a free one",
    min: 0,
    max: maxPort,
    fallback: defaultPort,
  }),
  unix: Setting.text({
    key: "listen.unix",
    name: "unix",
    purpose: "unix socket to listen on, instead of host and port",
    placeholder: "<path>",
    allowed: `a path of 1 to ${maxUnixPathBytes} bytes`,
    fallback: undefined,
    isAllowed: (text) => text !== "" && Buffer.byteLength(text) <= maxUnixPathBytes,
  }),
  insecure: Setting.toggle({
    key: "listen.insecure",
    name: "insecure",
    purpose: "allow listening beyond loopback without authentication",
  }),
} as const

/** With which certificate to listen, and whose clients to let in. */
export const tls = {
  tlsCert: Setting.path({
    key: "listen.tls.cert",
    name: "tls-cert",
    purpose: "certificate chain, PEM; turns TLS on",
    placeholder: "<file>",
  }),
  tlsKey: Setting.path({
    key: "listen.tls.key",
    name: "tls-key",
    purpose: "the certificate's private key, PEM",
    placeholder: "<file>",
  }),
  tlsClientCa: Setting.path({
    key: "listen.tls.clientCa",
    name: "tls-client-ca",
    purpose: "authorities, PEM; clients must show a certificate of theirs",
    placeholder: "<file>",
  }),
} as const

/** How long the server waits for a peer, and how it stops. */
export const times = {
  heartbeatInterval: Setting.duration({
    key: "heartbeat.interval",
    purpose: "silence after which a peer is probed",
    minMs: minTimeoutMs,
    maxMs: maxHeartbeatIntervalMs,
    fallbackMs: defaultHeartbeatIntervalMs,
  }),
  heartbeatTimeout: Setting.duration({
    key: "heartbeat.timeout",
    purpose: "silence after a probe that ends a connection",
    minMs: minTimeoutMs,
    maxMs: maxTimeoutMs,
    fallbackMs: defaultHeartbeatTimeoutMs,
  }),
  connectTimeout: Setting.duration({
    key: "session.connectTimeout",
    name: "connect-timeout",
    purpose: "time a newcomer has for its first message",
    minMs: minTimeoutMs,
    maxMs: maxTimeoutMs,
    fallbackMs: defaultConnectTimeoutMs,
  }),
  sessionTtl: Setting.duration({
    key: "session.ttl",
    purpose: "how long a session waits for a client that lost its connection",
    minMs: 0,
    maxMs: maxSessionTtlMs,
    fallbackMs: defaultSessionTtlMs,
  }),
  drainGrace: Setting.duration({
    key: "drain.grace",
    purpose: "time between a shutdown's notice and its first goodbye",
    minMs: 0,
    maxMs: maxTimeoutMs,
    fallbackMs: defaultDrainGraceMs,
  }),
  drainTimeout: Setting.duration({
    key: "drain.timeout",
    purpose: "time for the goodbyes of a shutdown, after the grace",
    minMs: minTimeoutMs,
    maxMs: maxDrainTimeoutMs,
    fallbackMs: defaultDrainTimeoutMs,
  }),
} as const

/** What is logged, and how, and what is told of connections. */
export const log = {
  logLevel: Setting.choice<LogLevel.LogLevel, LogLevel.LogLevel>({
    key: "log.level",
    purpose: "the least important lines to log",
    choices: { trace: "Trace", debug: "Debug", info: "Info", warn: "Warn", error: "Error", none: "None" },
    fallback: "Info",
    fallbackText: "info",
  }),
  logFormat: Setting.choice<LogFormat, undefined>({
    key: "log.format",
    purpose: "how log lines are written",
    choices: { json: "json", pretty: "pretty" },
    fallback: undefined,
    fallbackText: "pretty on a terminal, json otherwise",
  }),
  journal: Setting.toggle({
    key: "log.journal",
    name: "journal",
    purpose: "publish the opening and closing of connections to $sys:connections",
  }),
} as const

/** Where publications are kept. Without a directory they are in memory only. */
export const data = {
  dataDirectory: Setting.path({
    key: "data.directory",
    name: "data",
    purpose: "where publications are kept over restarts; otherwise they are in memory",
    placeholder: "<directory>",
  }),
  dataSync: Setting.choice<Sync, Sync>({
    key: "data.sync",
    name: "sync",
    purpose: "answer a publish when it is on disk, or when the system has it",
    choices: { always: "always", os: "os" },
    fallback: "always",
    fallbackText: "always",
  }),
} as const
