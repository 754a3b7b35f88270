#!/usr/bin/env node
/**
 * `longline`: the command that was asked for, on Node. To serve is flags, environment and file to a configuration, that to
 * layers, and the layers run until a signal: SIGTERM and SIGINT drain; a second signal ends the drain at once.
 * Only composes.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Command from "effect/cli/Command"
import * as Cli from "./cli/Cli.ts"
import { report } from "./cli/Complaint.ts"
import * as Verbs from "./cli/Verbs.ts"
import { version } from "./cli/Version.ts"

const verb = process.argv[2]

if (Verbs.isTalking(verb)) {
  const command = Command.make("longline").pipe(Command.withSubcommands([await Verbs.one(verb)]))
  const main = Cli.run(command, { version }).pipe(Effect.tapCause(report), Effect.provide(NodeServices.layer))
  NodeRuntime.runMain(Effect.provideService(main, References.LogToStderr, true), { disableErrorReporting: true })
} else {
  const [Root, Gateway, Process, Drain] = await Promise.all([
    import("./cli/Root.ts"),
    import("./cli/Gateway.ts"),
    import("./cli/Process.ts"),
    import("./server/Drain.ts"),
  ])
  const command = Root.command(
    (config) => Effect.catch(Layer.launch(Gateway.layer(config)), Process.startFailed),
    await Verbs.all(),
  )
  const main = Cli.run(command, { version }).pipe(Effect.tapCause(report), Effect.provide(NodeServices.layer))
  NodeRuntime.runMain(main, { disableErrorReporting: true, teardown: Drain.teardown })
}
