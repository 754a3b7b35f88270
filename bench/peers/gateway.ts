/**
 * The gateway as `node dist/main.js` composes it, without its command line, and without a limit on commands.
 */
import * as Layer from "effect/Layer"
import { LogEvents, ServerEvents } from "longline"
import { Defaults, Gateway } from "longline/gateway"
import { launch } from "./Launch.ts"

launch(
  Gateway.layer({ commandsPerSecond: Infinity, server: { name: "longline", version: "bench" } }).pipe(
    Layer.provide(Defaults.layer),
    Layer.provide(Layer.provideMerge(LogEvents.layer, ServerEvents.layer)),
  ),
)
