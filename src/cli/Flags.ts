/**
 * A flag for each of the gateway's settings that may have one, taken as text.
 * Knows no setting by name, and judges none: `config/` does, so that a variable and a file meet the same rules and words.
 */
import * as Option from "effect/Option"
import * as Flag from "effect/cli/Flag"
import * as Setting from "../gateway/config/Setting.ts"
import { settings } from "../gateway/config/Settings.ts"

/** The texts of flags by their names, without the dashes; None for one that was not given. */
export type Flags = { readonly [name: string]: Option.Option<string> }

const textFlag = (setting: Setting.Setting<unknown>): Flag.Flag<string> => {
  const flag = Flag.withMetavar(Flag.String(setting.name), setting.placeholder)
  return setting.bareText === undefined ? flag : Flag.withOptionalValue(flag, setting.bareText)
}

const help = (setting: Setting.Setting<unknown>): string => {
  const fallback = setting.fallbackText === undefined ? "" : `, default ${setting.fallbackText}`
  return `${setting.purpose} [${Setting.environmentName(setting)}${fallback}]`
}

/** The flags, in the order of the help. */
export const flags: { readonly [name: string]: Flag.Flag<Option.Option<string>> } = Object.fromEntries(
  Object.values<Setting.Setting<unknown>>(settings)
    .filter(({ places }) => places.includes("flag"))
    .map((setting) => [setting.name, textFlag(setting).pipe(Flag.withDescription(help(setting)), Flag.optional)]),
)

/** Those that were given. */
export const given = (texts: Flags): ReadonlyMap<string, string> =>
  new Map(Object.entries(texts).flatMap(([name, text]) => Option.toArray(Option.map(text, (text) => [name, text]))))
