/**
 * The command `check-config`: tells everything that is wrong with the configuration, and serves nothing.
 * Knows no setting by name.
 */
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Command from "effect/cli/Command"
import * as GatewayConfig from "../gateway/config/GatewayConfig.ts"
import { complainOfAll } from "./Complaint.ts"
import { flags, given } from "./Flags.ts"

/** The configuration was checked, and is wrong: everything has been printed, exit code 1. */
export class CheckFailed extends Data.TaggedError("CheckFailed") {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false
}

/** The command. Succeeds with one line on standard output. */
export const command = Command.make("check-config", flags, (texts) =>
  GatewayConfig.load(given(texts)).pipe(
    Effect.andThen(Console.log("the configuration is valid")),
    Effect.catchTag("InvalidConfig", ({ mistakes }) =>
      Effect.andThen(complainOfAll(mistakes), Effect.fail(new CheckFailed())),
    ),
  ),
).pipe(
  Command.withDescription("Check the configuration and everything it refers to; the exit code is 1 if it is wrong."),
  Command.withShortDescription("check the configuration"),
)
