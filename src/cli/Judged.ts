/**
 * Flags whose text a setting judges, so that every mistake is told in the same words as the gateway's own.
 * Reads no variable and no file: flags of the gateway itself are `Flags`'.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import type * as Setting from "../gateway/config/Setting.ts"

/** A flag that must be given. Its key in the setting is its name. */
export const flag = <A>(setting: Setting.Setting<A>): Flag.Flag<A> => described(setting, setting.purpose)

/** A flag that may be left out. */
export const optional = <A>(setting: Setting.Setting<A>): Flag.Flag<Option.Option<A>> => Flag.optional(flag(setting))

/** A flag with its setting's default, which the help tells. */
export const withDefault = <A>(setting: Setting.Setting<A>): Flag.Flag<A> =>
  described(setting, `${setting.purpose} [default ${setting.fallbackText}]`).pipe(Flag.withDefault(setting.fallback))

/** A text that is taken as it is. */
export const text = (name: string, placeholder: string, purpose: string): Flag.Flag<Option.Option<string>> =>
  Flag.String(name).pipe(Flag.withMetavar(placeholder), Flag.withDescription(purpose), Flag.optional)

/** On or off, off by default, without a `--no-` of its own. */
export const toggle = (name: string, purpose: string): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(Flag.withoutNegation, Flag.withDescription(purpose), Flag.withDefault(false))

const described = <A>({ accept, allowed, name, placeholder, plainOf }: Setting.Setting<A>, purpose: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar(placeholder),
    Flag.withDescription(purpose),
    Flag.mapEffect((text) =>
      Option.match(accept(plainOf(text)), {
        onSome: Effect.succeed,
        onNone: () =>
          Effect.fail(new CliError.InvalidValue({ option: name, value: text, expected: allowed, kind: "flag" })),
      }),
    ),
  )
