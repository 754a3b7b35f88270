/**
 * The command that serves: a flag for each of the gateway's settings, and a handler that is given the checked config.
 * Knows no setting by name and starts nothing itself.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GatewayConfig from "../gateway/config/GatewayConfig.ts"
import * as Setting from "../gateway/config/Setting.ts"
import { settings } from "../gateway/config/Settings.ts"

/**
 * The command `longline`, which loads the configuration and runs the gateway with it.
 * Flags are taken as text: `config/` parses them, so that an environment variable meets the same rules and words.
 */
export const command = <E, R>(run: (config: GatewayConfig.GatewayConfig) => Effect.Effect<void, E, R>) =>
  Command.make("longline", flags, (given) => Effect.flatMap(GatewayConfig.load(given), run)).pipe(
    Command.withDescription("A gateway that holds very many long-lived connections."),
    Command.withExamples([
      { command: "longline --port 0", description: "Listen on loopback, on any free port" },
      { command: "longline --tls-cert cert.pem --tls-key key.pem", description: "The same with TLS" },
    ]),
  )

const textFlag = (setting: Setting.Setting<unknown>): Flag.Flag<string> => {
  const flag = Flag.withMetavar(Flag.String(setting.name), setting.placeholder)
  return setting.bareText === undefined ? flag : Flag.withOptionalValue(flag, setting.bareText)
}

const help = (setting: Setting.Setting<unknown>): string => {
  const fallback = setting.fallbackText === undefined ? "" : `, default ${setting.fallbackText}`
  return `${setting.purpose} [${Setting.environmentName(setting)}${fallback}]`
}

const flags = Record.map(settings, (setting: Setting.Setting<unknown>): Flag.Flag<Option.Option<string>> =>
  textFlag(setting).pipe(Flag.withDescription(help(setting)), Flag.optional),
)
