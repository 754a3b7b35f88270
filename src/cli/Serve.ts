/**
 * The command that serves: its flags become the checked configuration, which a handler is given.
 * Knows no setting by name and starts nothing itself.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as GatewayConfig from "../gateway/config/GatewayConfig.ts"
import { type Flags, flags, given } from "./Flags.ts"

/** Runs the gateway with a configuration. */
export type Run<E, R> = (config: GatewayConfig.GatewayConfig) => Effect.Effect<void, E, R>

/** Loads the configuration and runs the gateway with it. */
export const handler =
  <E, R>(run: Run<E, R>) =>
  (texts: Flags) =>
    Effect.flatMap(GatewayConfig.load(given(texts)), run)

/** `longline serve`, which `longline` alone is too. */
export const command = <E, R>(run: Run<E, R>) =>
  Command.make("serve", flags, handler(run)).pipe(
    Command.withDescription("Run the gateway until SIGTERM or SIGINT, which drain it; a second one ends the drain."),
    Command.withShortDescription("run the gateway, as longline alone does"),
    Command.withExamples([
      { command: "longline serve --data /var/lib/longline", description: "Keep publications over restarts" },
      { command: "longline serve --config longline.yaml", description: "As a file says" },
    ]),
  )
