/** The configuration of a gateway that is told nothing. */
import * as Duration from "effect/Duration"
import type { GatewayConfig } from "../../src/gateway/config/GatewayConfig.ts"
import type { Allowed, Policy } from "../../src/gateway/Policy.ts"

export const allowing = (allowed: Allowed): Policy["allow"] => ({
  subscribe: allowed,
  publish: allowed,
  history: allowed,
  presence: allowed,
  serve: allowed,
  request: allowed,
})

export const policy: Policy = {
  history: { size: 1000, ageMs: 600_000 },
  recovery: true,
  presence: true,
  presenceGraceMs: 15_000,
  maxPresenceMembers: 1000,
  slowConsumer: "close",
  maxDataBytes: 65_536,
  publishesPerSecond: 1_000_000,
  maxSubscribers: 1_000_000,
  allow: allowing("anyone"),
}

export const defaults: GatewayConfig = {
  listen: { _tag: "Tcp", host: "127.0.0.1", port: 7557 },
  webSocket: { host: "127.0.0.1", port: 7558, path: "/connect", origins: [], compression: false },
  tls: undefined,
  maxConnections: 15_000,
  maxConnectionsPerAddress: 1000,
  limits: {
    commandsPerSecond: 1000,
    maxSubscriptions: 1000,
    maxServices: 1000,
    maxRequests: 1000,
    outboxBytes: 1_048_576,
    outboxAge: Duration.seconds(10),
    maxSessions: 100_000,
    maxChannels: 1_000_000,
    maxKeys: 300_000,
    historyBytes: 268_435_456,
    bufferBytes: 268_435_456,
    memoryPercent: 90,
  },
  heartbeatInterval: Duration.seconds(25),
  heartbeatTimeout: Duration.seconds(10),
  connectTimeout: Duration.seconds(10),
  sessionTtl: Duration.seconds(60),
  drainGrace: Duration.seconds(5),
  drainTimeout: Duration.seconds(20),
  data: undefined,
  auth: undefined,
  policies: { fallback: policy, namespaces: new Map() },
  journal: false,
  logLevel: "Info",
  logFormat: "json",
}

/** The same where somebody says where to listen, and says nothing of WebSockets. */
export const elsewhere: GatewayConfig = { ...defaults, webSocket: undefined }
