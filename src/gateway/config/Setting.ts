/**
 * One setting: its flag, its environment variable, its default and what is allowed; and how a value for it is found.
 * Knows no particular setting and no command line library.
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { ConfigError } from "./ConfigError.ts"
import * as DurationText from "./DurationText.ts"

/** A setting whose text becomes an `A`. */
export interface Setting<out A> {
  /** The flag without its dashes: `max-connections`. */
  readonly name: string
  /** What the setting is for, in a few words for the help. */
  readonly purpose: string
  /** What stands for the value in the help: `<0..65535>`. */
  readonly placeholder: string
  /** Completes the sentence "it must be …". */
  readonly allowed: string
  /** The value when nothing is written, and how the help says it. */
  readonly fallback: A
  readonly fallbackText: string | undefined
  /** What the flag means without a value, where that means something. */
  readonly bareText?: string
  readonly parse: (text: string) => Option.Option<A>
}

/** A value together with where it came from, so that a complaint about it can name the place. */
export interface Reading<out A> {
  readonly value: A
  /** False when the value is the default. */
  readonly written: boolean
  /** `--port`, or `LONGLINE_PORT` when the environment had it. */
  readonly where: string
  readonly text: string
}

type Named = Pick<Setting<unknown>, "name" | "purpose">

/** A whole number from `min` to `max`, both included. */
export const integer = (
  options: Named & { readonly min: number; readonly max: number; readonly fallback: number },
): Setting<number> => ({
  ...options,
  placeholder: `<${options.min}..${options.max}>`,
  allowed: `a whole number from ${options.min} to ${options.max}`,
  fallbackText: String(options.fallback),
  parse: (text) =>
    Option.some(Number(text)).pipe(
      Option.filter((value) => /^\d+$/.test(text) && value >= options.min && value <= options.max),
    ),
})

/** A duration from `minMs` to `maxMs`, both included. */
export const duration = (
  options: Named & { readonly minMs: number; readonly maxMs: number; readonly fallbackMs: number },
): Setting<Duration.Duration> => {
  const [min, max] = [Duration.millis(options.minMs), Duration.millis(options.maxMs)]
  const [minText, maxText] = [DurationText.format(min), DurationText.format(max)]
  const fallback = Duration.millis(options.fallbackMs)
  return {
    name: options.name,
    purpose: options.purpose,
    placeholder: `<${minText}..${maxText}>`,
    allowed: `a duration from ${minText} to ${maxText}, written like 500ms, 25s, 2m or 1h`,
    fallback,
    fallbackText: DurationText.format(fallback),
    parse: (text) => Option.filter(DurationText.parse(text), Duration.between({ minimum: min, maximum: max })),
  }
}

/** One of a few words, each standing for a value. */
export const choice = <A, B>(
  options: Named & {
    readonly choices: Readonly<Record<string, A>>
    readonly fallback: B
    readonly fallbackText: string
  },
): Setting<A | B> => {
  const choices = new Map(Object.entries(options.choices))
  return {
    ...options,
    placeholder: `<${[...choices.keys()].join("|")}>`,
    allowed: `one of ${[...choices.keys()].join(", ")}`,
    parse: (text) => Option.fromNullishOr(choices.get(text)),
  }
}

/** Text that passes a test; without a default the value is undefined. */
export const text = <B extends string | undefined>(
  options: Named & {
    readonly placeholder: string
    readonly allowed: string
    readonly fallback: B
    readonly isAllowed: (text: string) => boolean
  },
): Setting<string | B> => ({
  ...options,
  fallbackText: options.fallback,
  parse: Option.liftPredicate(options.isAllowed),
})

/** Off, unless written as a bare flag or as the word `true`. */
export const toggle = (options: Named): Setting<boolean> => ({
  ...choice({ ...options, choices: { true: true, false: false }, fallback: false, fallbackText: "false" }),
  bareText: "true",
})

/** The flag of a setting as it is written: `--max-connections`. */
export const flagName = (setting: Pick<Setting<unknown>, "name">): string => `--${setting.name}`

/** The environment variable of a setting: `LONGLINE_MAX_CONNECTIONS`. */
export const environmentName = (setting: Pick<Setting<unknown>, "name">): string =>
  `LONGLINE_${setting.name.replaceAll("-", "_").toUpperCase()}`

/**
 * Finds a setting's value: the flag, else the environment variable, else the default.
 * What loses is not looked at, so a flag rescues from a bad variable. An empty variable is as if it were not there, as
 * Effect's environment provider has it; an empty flag is a value, and mostly a bad one.
 */
export const read: <A>(setting: Setting<A>, flag: Option.Option<string>) => Effect.Effect<Reading<A>, ConfigError> =
  Effect.fnUntraced(function* <A>(setting: Setting<A>, flag: Option.Option<string>) {
    if (Option.isSome(flag)) return yield* parse(setting, { where: flagName(setting), text: flag.value })
    const name = environmentName(setting)
    // The process's environment cannot fail to be read; a provider that can has no place under a server.
    const variable = yield* Effect.orDie(Config.option(Config.String(name)))
    if (Option.isSome(variable)) return yield* parse(setting, { where: name, text: variable.value })
    const text = setting.fallbackText ?? ""
    return { value: setting.fallback, written: false, where: flagName(setting), text }
  })

/** The complaint about a reading: it is named where it was written. */
export const refuse = (reading: Reading<unknown>, allowed: string): ConfigError =>
  new ConfigError({ setting: reading.where, value: reading.text, allowed })

const parse = <A>(
  setting: Setting<A>,
  { where, text }: Pick<Reading<A>, "where" | "text">,
): Effect.Effect<Reading<A>, ConfigError> =>
  Option.match(setting.parse(text), {
    onNone: () => Effect.fail(new ConfigError({ setting: where, value: text, allowed: setting.allowed })),
    onSome: (value) => Effect.succeed({ value, written: true, where, text }),
  })
