/**
 * The command `check-config`: tells everything that is wrong with the configuration, and serves nothing.
 * Knows no setting by name.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Runtime from "effect/Runtime"
import * as Command from "effect/cli/Command"
import * as GatewayConfig from "../gateway/config/GatewayConfig.ts"
import * as TlsFiles from "../gateway/config/TlsFiles.ts"
import * as Variables from "../gateway/config/Variables.ts"
import { complain } from "./Complaint.ts"
import { flags, given } from "./Flags.ts"
import * as Judged from "./Judged.ts"

/** The configuration was checked, and is wrong: everything has been printed, exit code 1. */
export class CheckFailed extends Data.TaggedError("CheckFailed") {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false
}

const json = Judged.toggle("json", "print JSON: whether it is valid, each mistake, and each warning")

/** The command. Succeeds with one line on standard output; warnings keep it from nothing. */
export const command = Command.make("check-config", { json, flags }, ({ json, flags: texts }) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const loaded = yield* Effect.result(GatewayConfig.load(given(texts), now))
    const valid = Result.isSuccess(loaded)
    const mistakes = valid ? [] : loaded.failure.mistakes.map(({ message }) => message)
    const tls = valid ? loaded.success.tls : undefined
    const certificate = tls && TlsFiles.doubtOf(tls.cert, now)
    const variables = yield* Variables.doubt
    const warnings = [
      ...(certificate === undefined ? [] : [`the TLS certificate ${certificate.text}`]),
      ...(variables === undefined ? [] : [variables]),
    ]
    if (json) yield* Console.log(JSON.stringify({ valid, mistakes, warnings }))
    else {
      for (const line of [...mistakes, ...warnings.map((warning) => `warning: ${warning}`)]) yield* complain(line)
      if (valid) yield* Console.log("the configuration is valid")
    }
    if (!valid) return yield* new CheckFailed()
  }),
).pipe(
  Command.withDescription("Check the configuration and everything it refers to; the exit code is 1 if it is wrong."),
  Command.withShortDescription("check the configuration"),
  Command.withExamples([
    { command: "longline check-config --config longline.yaml", description: "Before the gateway is started with it" },
  ]),
)
