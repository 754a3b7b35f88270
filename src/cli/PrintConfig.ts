/**
 * The command `print-config`: shows the configuration that would be served with, and where each value came from.
 * Knows no setting by name, and shows no secret.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GatewayConfig from "../gateway/config/GatewayConfig.ts"
import * as Listing from "../gateway/config/Listing.ts"
import { flags, given } from "./Flags.ts"

const json = Flag.Boolean("json").pipe(Flag.withDefault(false), Flag.withDescription("JSON instead of YAML"))

/** The command. What it prints can be used as a configuration file; of the JSON, its member `config`. */
export const command = Command.make("print-config", { json, flags }, ({ json, flags: texts }) =>
  Effect.flatMap(GatewayConfig.explain(given(texts)), (explained) =>
    Console.log(json ? Listing.toJson(explained) : Listing.toYaml(explained)),
  ),
).pipe(
  Command.withDescription("Print the configuration with the source of each value, without secrets."),
  Command.withShortDescription("print the configuration"),
  Command.withExamples([
    { command: "longline print-config > longline.yaml", description: "A file with every setting and its default" },
    { command: "longline print-config --json | jq .config.limits", description: "A part of it" },
  ]),
)
