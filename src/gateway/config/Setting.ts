/**
 * One setting: its key, flag and environment variable, its default and what is allowed.
 * Knows no particular setting and no place where one is written: `Reading` finds its value.
 */
import { isReadonlyArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as DurationText from "./DurationText.ts"
import * as SizeText from "./SizeText.ts"

/** Where a setting may be written, the weakest first. */
export type Place = "file" | "environment" | "flag"

/** A setting whose text, or value in a configuration file, becomes an `A`. */
export interface Setting<out A> {
  /** Its path in a configuration file: `limits.connections`. */
  readonly key: string
  /** The flag without its dashes: `max-connections`. */
  readonly name: string
  /** Where it may be written. */
  readonly places: ReadonlyArray<Place>
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
  /** Whether the value is never to be shown. */
  readonly secret?: true
  /** What a file would hold for the text of a flag or a variable; the text itself if that makes no sense. */
  readonly plainOf: (text: string) => unknown
  /** Judges what a file holds, or what `plainOf` made. */
  readonly accept: (plain: unknown) => Option.Option<A>
}

/** What a setting is called, where it may be written, and what for. The name follows from the key if it is not given. */
export interface Named {
  readonly key: string
  readonly name?: string
  readonly places?: ReadonlyArray<Place>
  readonly purpose: string
}

const everywhere: ReadonlyArray<Place> = ["file", "environment", "flag"]

const named = ({ key, name = kebab(key), places = everywhere, purpose }: Named) => ({ key, name, places, purpose })

/** `heartbeat.interval` as a flag is `heartbeat-interval`. */
export const kebab = (key: string): string =>
  key.replaceAll(".", "-").replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

const asWritten = (text: string): unknown => text

/** A whole number from `min` to `max`, both included. */
export const integer = (
  options: Named & { readonly min: number; readonly max: number; readonly fallback: number },
): Setting<number> => ({
  ...named(options),
  fallback: options.fallback,
  placeholder: `<${options.min}..${options.max}>`,
  allowed: `a whole number from ${options.min} to ${options.max}`,
  fallbackText: String(options.fallback),
  plainOf: (text) => (/^\d+$/.test(text) ? Number(text) : text),
  accept: (plain) =>
    Option.some(plain).pipe(
      Option.filter(Predicate.isNumber),
      Option.filter((value) => Number.isInteger(value) && value >= options.min && value <= options.max),
    ),
})

/** A number of bytes from `min` to `max`, both included. */
export const size = (
  options: Named & { readonly min: number; readonly max: number; readonly fallback: number },
): Setting<number> => {
  const [min, max] = [SizeText.format(options.min), SizeText.format(options.max)]
  return {
    ...named(options),
    fallback: options.fallback,
    placeholder: `<${min}..${max}>`,
    allowed: `a size from ${min} to ${max}, written like 65536, 64KiB or 1MiB`,
    fallbackText: SizeText.format(options.fallback),
    plainOf: asWritten,
    accept: (plain) =>
      (typeof plain === "string" || typeof plain === "number" ? SizeText.parse(String(plain)) : Option.none()).pipe(
        Option.filter((bytes) => bytes >= options.min && bytes <= options.max),
      ),
  }
}

/** A duration from `minMs` to `maxMs`, both included. */
export const duration = (
  options: Named & { readonly minMs: number; readonly maxMs: number; readonly fallbackMs: number },
): Setting<Duration.Duration> => {
  const [min, max] = [Duration.millis(options.minMs), Duration.millis(options.maxMs)]
  const [minText, maxText] = [DurationText.format(min), DurationText.format(max)]
  const fallback = Duration.millis(options.fallbackMs)
  return {
    ...named(options),
    placeholder: `<${minText}..${maxText}>`,
    allowed: `a duration from ${minText} to ${maxText}, written like 500ms, 25s, 2m or 1h`,
    fallback,
    fallbackText: DurationText.format(fallback),
    plainOf: asWritten,
    accept: (plain) =>
      Option.some(plain).pipe(
        Option.filter(Predicate.isString),
        Option.flatMap(DurationText.parse),
        Option.filter(Duration.between({ minimum: min, maximum: max })),
      ),
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
  const choices = new Map<unknown, A>(Object.entries(options.choices))
  return {
    ...named(options),
    placeholder: `<${[...choices.keys()].join("|")}>`,
    allowed: `one of ${[...choices.keys()].join(", ")}`,
    fallback: options.fallback,
    fallbackText: options.fallbackText,
    plainOf: asWritten,
    accept: (plain) => Option.fromNullishOr(choices.get(plain)),
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
  ...named(options),
  placeholder: options.placeholder,
  allowed: options.allowed,
  fallback: options.fallback,
  fallbackText: options.fallback,
  plainOf: asWritten,
  accept: (plain) => Option.filter(Option.some(plain), Predicate.isString).pipe(Option.filter(options.isAllowed)),
})

/** The path of a file or directory; without one the value is undefined. */
export const path = (options: Named & { readonly placeholder: string }): Setting<string | undefined> =>
  text({
    ...options,
    allowed: `the path of a ${options.placeholder.slice(1, -1)}`,
    fallback: undefined,
    isAllowed: (text) => text !== "",
  })

/** Several texts that pass a test: a list in a file, divided by commas elsewhere. Without any the value is undefined. */
export const list = <A extends string>(
  options: Named & {
    readonly placeholder: string
    readonly allowed: string
    readonly isAllowed: (text: string) => text is A
  },
): Setting<NonEmptyReadonlyArray<A> | undefined> => ({
  ...named(options),
  placeholder: options.placeholder,
  allowed: options.allowed,
  fallback: undefined,
  fallbackText: undefined,
  plainOf: (text) => text.split(",").map((part) => part.trim()),
  accept: (plain) => {
    const parts: ReadonlyArray<unknown> = Array.isArray(plain) ? plain : [plain]
    const texts = parts.filter((part) => typeof part === "string").filter(options.isAllowed)
    return texts.length === parts.length && isReadonlyArrayNonEmpty(texts) ? Option.some(texts) : Option.none()
  },
})

/** Text that is never shown, and written in the environment only: files are copied, and command lines are public. */
export const secret = (options: Omit<Named, "places">): Setting<Redacted.Redacted<string> | undefined> => ({
  ...named({ ...options, places: ["environment"] }),
  placeholder: "<secret>",
  allowed: "a text that is not empty",
  fallback: undefined,
  fallbackText: undefined,
  secret: true,
  plainOf: asWritten,
  accept: (plain) => (typeof plain === "string" && plain !== "" ? Option.some(Redacted.make(plain)) : Option.none()),
})

/** On or off: the word `true` or `false`, or a bare flag for `true`. */
export const toggle = (options: Named & { readonly fallback?: boolean }): Setting<boolean> => ({
  ...named(options),
  placeholder: "<true|false>",
  allowed: "one of true, false",
  fallback: options.fallback ?? false,
  fallbackText: String(options.fallback ?? false),
  bareText: "true",
  plainOf: (text) => (text === "true" ? true : text === "false" ? false : text),
  accept: (plain) => Option.filter(Option.some(plain), Predicate.isBoolean),
})

/** The flag of a setting as it is written: `--max-connections`. */
export const flagName = (setting: Pick<Setting<unknown>, "name">): string => `--${setting.name}`

/** The environment variable of a setting: `LONGLINE_MAX_CONNECTIONS`. */
export const environmentName = (setting: Pick<Setting<unknown>, "name">): string =>
  `LONGLINE_${setting.name.replaceAll("-", "_").toUpperCase()}`

/** The strongest place where a setting may be written, for a complaint that it is missing. */
export const whereItGoes = (setting: Pick<Setting<unknown>, "key" | "name" | "places">): string =>
  setting.places.includes("flag")
    ? flagName(setting)
    : setting.places.includes("environment")
      ? environmentName(setting)
      : setting.key
