#!/usr/bin/env node
/**
 * `longline`: flags, environment and file to a configuration, that to layers, and the layers run until a signal.
 * Only composes. SIGTERM and SIGINT drain; a second signal ends the drain at once.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Cli from "./cli/Cli.ts"
import * as Gateway from "./cli/Gateway.ts"
import * as Process from "./cli/Process.ts"
import * as Serve from "./cli/Serve.ts"
import * as Drain from "./server/Drain.ts"

Cli.run(
  Serve.command((config) => Effect.catch(Layer.launch(Gateway.layer(config)), Process.startFailed)),
  { version: Process.version },
).pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain({ teardown: Drain.teardown }))
