/**
 * The limits of the whole gateway and of one connection, with their defaults and ranges.
 * What holds for one channel is in `PolicySettings`.
 */
import * as Duration from "effect/Duration"
import { defaultMaxOutboxAge, defaultMaxOutboxBytes } from "../../connection/Outbox.ts"
import { defaultMaxBufferedBytes, defaultMaxMemoryShare } from "../../server/MemoryBudget.ts"
import * as Setting from "./Setting.ts"

/** Leaves a quarter of 20 000 descriptors, a common hard limit, for files, health checks and newcomers being refused. */
export const defaultMaxConnections = 15_000
/** Below the 1 048 576 descriptors that Linux allows a process unless told otherwise. */
export const maxMaxConnections = 1_000_000

/**
 * One address is one machine, or an office behind one router: seldom a thousand connections. So no single peer takes
 * more than a fifteenth of the seats. Behind a proxy, or for a load test, it is raised.
 */
export const defaultMaxConnectionsPerAddress = 1000

/** Messages of one connection in a second, at the most that can be said. */
const maxPerSecond = 1_000_000

/** Things that one connection may have at once, at the most that can be said. */
const maxOfConnection = 100_000

const kib = 1024
const mib = 1024 * kib
const gib = 1024 * mib

/** The table. */
export const limits = {
  maxConnections: Setting.integer({
    key: "limits.connections",
    name: "max-connections",
    purpose: "connections at once",
    min: 1,
    max: maxMaxConnections,
    fallback: defaultMaxConnections,
  }),
  maxConnectionsPerAddress: Setting.integer({
    key: "limits.connectionsPerAddress",
    name: "max-connections-per-address",
    purpose: "connections at once from one address",
    min: 1,
    max: maxMaxConnections,
    fallback: defaultMaxConnectionsPerAddress,
  }),
  commandsPerSecond: Setting.integer({
    key: "limits.commandsPerSecond",
    name: "commands-per-second",
    purpose: "messages of one connection in a second",
    min: 1,
    max: maxPerSecond,
    fallback: 1000,
  }),
  maxSubscriptions: Setting.integer({
    key: "limits.subscriptions",
    name: "max-subscriptions",
    purpose: "subscriptions of one connection",
    min: 1,
    max: maxOfConnection,
    fallback: 1000,
  }),
  maxServices: Setting.integer({
    key: "limits.services",
    name: "max-services",
    purpose: "services that one connection serves",
    min: 1,
    max: maxOfConnection,
    fallback: 1000,
  }),
  maxRequests: Setting.integer({
    key: "limits.requests",
    name: "max-requests",
    purpose: "requests of one connection that wait for an answer, and at hand of one that serves",
    min: 1,
    max: maxOfConnection,
    fallback: 1000,
  }),
  outboxBytes: Setting.size({
    key: "limits.outboxBytes",
    name: "outbox-bytes",
    purpose: "what may wait to be sent to one connection",
    min: 64 * kib,
    max: gib,
    fallback: defaultMaxOutboxBytes,
  }),
  outboxAge: Setting.duration({
    key: "limits.outboxAge",
    name: "outbox-age",
    purpose: "how long something may wait to be sent",
    minMs: 100,
    maxMs: 600_000,
    fallbackMs: Duration.toMillis(defaultMaxOutboxAge),
  }),
  maxSessions: Setting.integer({
    key: "limits.sessions",
    name: "max-sessions",
    purpose: "sessions that wait for a client that lost its connection",
    min: 1,
    max: 10_000_000,
    fallback: 100_000,
  }),
  maxChannels: Setting.integer({
    key: "limits.channels",
    name: "max-channels",
    purpose: "channels whose position is remembered",
    min: 1,
    max: 100_000_000,
    fallback: 1_000_000,
  }),
  maxKeys: Setting.integer({
    key: "limits.keys",
    name: "max-keys",
    purpose: "idempotency keys that are remembered",
    min: 1,
    max: 100_000_000,
    fallback: 300_000,
  }),
  historyBytes: Setting.size({
    key: "limits.historyBytes",
    name: "history-bytes",
    purpose: "history in memory, over all channels; the oldest goes first",
    min: mib,
    max: 1024 * gib,
    fallback: 256 * mib,
  }),
  bufferBytes: Setting.size({
    key: "limits.bufferBytes",
    name: "buffer-bytes",
    purpose: "what all connections together may have read or unsent",
    min: mib,
    max: 1024 * gib,
    fallback: defaultMaxBufferedBytes,
  }),
  memoryPercent: Setting.integer({
    key: "limits.memoryPercent",
    name: "memory-percent",
    purpose: "share of the memory limit above which newcomers are refused",
    min: 1,
    max: 100,
    fallback: defaultMaxMemoryShare * 100,
  }),
} as const
