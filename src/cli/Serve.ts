/**
 * The command that serves: its flags become the checked configuration, which a handler is given.
 * Knows no setting by name and starts nothing itself.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as GatewayConfig from "../gateway/config/GatewayConfig.ts"
import * as CheckConfig from "./CheckConfig.ts"
import { flags, given } from "./Flags.ts"
import * as PrintConfig from "./PrintConfig.ts"
import * as Token from "./Token.ts"

/** The command `longline`, which loads the configuration and runs the gateway with it; the others stand below it. */
export const command = <E, R>(run: (config: GatewayConfig.GatewayConfig) => Effect.Effect<void, E, R>) =>
  Command.make("longline", flags, (texts) => Effect.flatMap(GatewayConfig.load(given(texts)), run)).pipe(
    Command.withDescription("A gateway that holds very many long-lived connections."),
    Command.withExamples([
      { command: "longline --port 0", description: "Listen on loopback, on any free port" },
      { command: "longline --config longline.yaml", description: "Listen as a file says" },
      { command: "longline --tls-cert cert.pem --tls-key key.pem", description: "Listen with TLS" },
    ]),
    Command.withSubcommands([CheckConfig.command, PrintConfig.command, Token.command]),
  )
