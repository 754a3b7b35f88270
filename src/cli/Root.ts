/**
 * The command `longline` with all its others below it.
 * Loads everything: who asks for one that only talks to a gateway is better served by `Verbs`.
 */
import * as Command from "effect/cli/Command"
import * as CheckConfig from "./CheckConfig.ts"
import * as Completions from "./Completions.ts"
import { flags } from "./Flags.ts"
import * as PrintConfig from "./PrintConfig.ts"
import * as Serve from "./Serve.ts"
import * as Token from "./Token.ts"
import type * as Verbs from "./Verbs.ts"

/** The whole tree. Without a verb it serves. */
export const command = <E, R>(run: Serve.Run<E, R>, verbs: Awaited<ReturnType<typeof Verbs.all>>) => {
  const root = Command.make("longline", flags, Serve.handler(run)).pipe(
    Command.withDescription(
      "A gateway that holds very many long-lived connections, and the commands that talk to one.",
    ),
    Command.withExamples([
      { command: "longline --port 0", description: "Listen on loopback, on any free port" },
      { command: "longline --config longline.yaml", description: "Listen as a file says" },
      { command: "longline --tls-cert cert.pem --tls-key key.pem", description: "Listen with TLS" },
      { command: "longline sub news", description: "Print what is published to a channel" },
      { command: "longline pub news hello", description: "Publish to it" },
    ]),
    Command.withSubcommands([
      { group: "Serve", commands: [Serve.command(run), CheckConfig.command, PrintConfig.command, Token.command] },
      { group: "Talk to a gateway", commands: verbs },
      { group: "For the shell", commands: [Completions.command((): Command.Command.Any => root)] },
    ]),
  )
  return root
}
