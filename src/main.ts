#!/usr/bin/env node
/**
 * `longline`: flags and environment to a configuration, that to layers, and the layers run until a signal.
 * Only composes. SIGTERM and SIGINT drain; a second signal ends the drain at once.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Cli from "./cli/Cli.ts"
import * as Process from "./cli/Process.ts"
import * as Serve from "./cli/Serve.ts"
import * as Heartbeat from "./connection/Heartbeat.ts"
import * as Defaults from "./gateway/Defaults.ts"
import * as Gateway from "./gateway/Gateway.ts"
import type { GatewayConfig } from "./gateway/config/GatewayConfig.ts"
import * as LogEvents from "./observe/LogEvents.ts"
import * as Logging from "./observe/Logging.ts"
import * as Admission from "./server/Admission.ts"
import * as Drain from "./server/Drain.ts"
import * as ServerEvents from "./server/ServerEvents.ts"
import * as TcpTransport from "./transport/TcpTransport.ts"
import * as TlsTransport from "./transport/TlsTransport.ts"

const transport = ({ listen, tls }: GatewayConfig) => {
  if (listen._tag === "Unix") return TcpTransport.layerUnix({ path: listen.path })
  return tls === undefined
    ? TcpTransport.layer(listen)
    : TlsTransport.layer({ ...listen, ...tls, key: Redacted.value(tls.key) })
}

const gateway = (config: GatewayConfig) =>
  Gateway.layer({ connectTimeout: config.connectTimeout, server: { name: "longline", version: Process.version } }).pipe(
    Layer.merge(Layer.effectDiscard(Process.prepare(config.maxConnections))),
    Layer.provide([
      transport(config),
      Defaults.layer,
      Heartbeat.layer({ interval: config.heartbeatInterval, timeout: config.heartbeatTimeout }),
      Admission.layer(config),
      Drain.layer({ grace: config.drainGrace, timeout: config.drainTimeout, forced: Process.nextSignal }),
    ]),
    Layer.provide(Layer.provideMerge(LogEvents.layer, ServerEvents.layer)),
    Layer.provide(Logging.layer(config)),
  )

Cli.run(
  Serve.command((config) => Effect.catchTag(Layer.launch(gateway(config)), "TransportError", Process.startFailed)),
  { version: Process.version },
).pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain({ teardown: Drain.teardown }))
