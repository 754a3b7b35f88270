/**
 * The command `check-config`: tells everything that is wrong with the configuration, and serves nothing.
 * Knows no setting by name.
 */
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Command from "effect/cli/Command"
import type { Mistakes } from "../gateway/config/ConfigError.ts"
import * as GatewayConfig from "../gateway/config/GatewayConfig.ts"
import { complainOfAll } from "./Complaint.ts"
import { flags, given } from "./Flags.ts"
import * as Judged from "./Judged.ts"

/** The configuration was checked, and is wrong: everything has been printed, exit code 1. */
export class CheckFailed extends Data.TaggedError("CheckFailed") {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false
}

const json = Judged.toggle("json", "print JSON: whether it is valid, and each mistake")

/** The command. Succeeds with one line on standard output. */
export const command = Command.make("check-config", { json, flags }, ({ json, flags: texts }) =>
  GatewayConfig.load(given(texts)).pipe(
    Effect.andThen(Console.log(json ? JSON.stringify({ valid: true, mistakes: [] }) : "the configuration is valid")),
    Effect.catchTag("InvalidConfig", ({ mistakes }) =>
      Effect.andThen(json ? tell(mistakes) : complainOfAll(mistakes), Effect.fail(new CheckFailed())),
    ),
  ),
).pipe(
  Command.withDescription("Check the configuration and everything it refers to; the exit code is 1 if it is wrong."),
  Command.withShortDescription("check the configuration"),
  Command.withExamples([
    { command: "longline check-config --config longline.yaml", description: "Before the gateway is started with it" },
  ]),
)

const tell = (mistakes: Mistakes) =>
  Console.log(JSON.stringify({ valid: false, mistakes: mistakes.map(({ message }) => message) }))
