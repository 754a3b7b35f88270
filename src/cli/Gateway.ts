/**
 * The layers of the gateway that a configuration describes: transport, engine, authentication, policies, limits.
 * Reads no configuration, and starts nothing until its layer is built.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Heartbeat from "../connection/Heartbeat.ts"
import * as Outbox from "../connection/Outbox.ts"
import * as Access from "../gateway/Access.ts"
import * as Auth from "../gateway/auth/Identity.ts"
import * as JwtAuthenticator from "../gateway/auth/JwtAuthenticator.ts"
import type { GatewayConfig } from "../gateway/config/GatewayConfig.ts"
import * as PolicyTable from "../gateway/config/Policies.ts"
import * as LmdbEngine from "../gateway/engine/LmdbEngine.ts"
import * as MemoryEngine from "../gateway/engine/MemoryEngine.ts"
import * as Gateway from "../gateway/Gateway.ts"
import { Policies } from "../gateway/Policy.ts"
import * as LogEvents from "../observe/LogEvents.ts"
import * as Logging from "../observe/Logging.ts"
import * as Admission from "../server/Admission.ts"
import * as Drain from "../server/Drain.ts"
import * as MemoryBudget from "../server/MemoryBudget.ts"
import * as ServerEvents from "../server/ServerEvents.ts"
import * as MergedTransport from "../transport/MergedTransport.ts"
import * as TcpTransport from "../transport/TcpTransport.ts"
import * as TlsTransport from "../transport/TlsTransport.ts"
import { Transport } from "../transport/Transport.ts"
import * as WebSocketTransport from "../transport/WebSocketTransport.ts"
import * as Certificate from "./Certificate.ts"
import * as Doubts from "./Doubts.ts"
import * as Process from "./Process.ts"
import { version } from "./Version.ts"

/** The gateway with everything that it needs. Fails with what a person can mend before it starts. */
export const layer = (config: GatewayConfig): Layer.Layer<never, Process.StartError, FileSystem.FileSystem> =>
  Layer.unwrap(Effect.map(TlsTransport.makeRenewal, (renewal) => layerWith(config, renewal)))

const layerWith = (config: GatewayConfig, renewal: TlsTransport.Renewal) =>
  Gateway.layer({
    connectTimeout: config.connectTimeout,
    commandsPerSecond: config.limits.commandsPerSecond,
    sessionTtl: config.sessionTtl,
    journal: config.journal,
    maxKeptSessions: config.limits.maxSessions,
    maxSubscriptions: config.limits.maxSubscriptions,
    maxServices: config.limits.maxServices,
    maxRequests: config.limits.maxRequests,
    server: { name: "longline", version },
  }).pipe(
    Layer.merge(Layer.merge(Layer.effectDiscard(Process.prepare(config.maxConnections)), Doubts.layer(config))),
    Layer.provide([
      // Before anything says that it is ready: a signal that nobody handles ends the process.
      Certificate.layer(config.tls, renewal),
      transport(config, renewal),
      engine(config),
      authenticator(config),
      Layer.succeed(Policies, PolicyTable.serviceOf(config.policies)),
      Heartbeat.layer({ interval: config.heartbeatInterval, timeout: config.heartbeatTimeout }),
      Outbox.layer({ maxBytes: config.limits.outboxBytes, maxAge: config.limits.outboxAge }),
      Admission.layer(config),
      MemoryBudget.layer({
        maxBufferedBytes: config.limits.bufferBytes,
        maxMemoryShare: config.limits.memoryPercent / 100,
      }),
      Drain.layer({ grace: config.drainGrace, timeout: config.drainTimeout, forced: Process.nextSignal }),
    ]),
    Layer.provide(Layer.provideMerge(LogEvents.layer, ServerEvents.layer)),
    Layer.provide(Logging.layer(config)),
  )

const transport = (config: GatewayConfig, renewal: TlsTransport.Renewal) =>
  Layer.effect(
    Transport,
    Effect.gen(function* () {
      const { listen, webSocket } = config
      const tls = config.tls && { ...config.tls, key: Redacted.value(config.tls.key), renewal }
      const main = yield* listen._tag === "Unix"
        ? TcpTransport.makeUnix({ path: listen.path })
        : tls === undefined
          ? TcpTransport.make(listen)
          : TlsTransport.make({ ...listen, ...tls })
      if (webSocket === undefined) return main
      const { maxClientFrameBytes: maxMessageBytes, subprotocols } = Gateway
      const beside = yield* WebSocketTransport.make({ ...webSocket, tls, maxMessageBytes, subprotocols })
      return yield* MergedTransport.make([main, beside])
    }),
  )

const engine = ({ data, limits, policies }: GatewayConfig) => {
  const options = {
    retention: Access.retentionOf(PolicyTable.serviceOf(policies)),
    maxChannels: limits.maxChannels,
    keys: { maxKeys: limits.maxKeys },
  }
  return data === undefined
    ? MemoryEngine.layer({ ...options, maxBytes: limits.historyBytes })
    : LmdbEngine.layer({ ...options, ...data })
}

/** Without authentication everybody may do everything that policies allow to anyone, and the log says so. */
const authenticator = ({ auth }: GatewayConfig) =>
  auth === undefined
    ? Layer.merge(
        Auth.layerNone,
        Layer.effectDiscard(Effect.logWarning("no authentication: whoever connects may do everything")),
      )
    : JwtAuthenticator.layer(auth)
