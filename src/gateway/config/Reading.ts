/**
 * Finds the values of settings: the flag, else the environment variable, else the file, else the default.
 * Knows no particular setting, no file format and no command line library. Contradictions between settings are not its own.
 */
import * as Arr from "effect/Array"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { ConfigError, type Mistake, type Mistakes } from "./ConfigError.ts"
import * as Setting from "./Setting.ts"

/** Where a value came from; `inherited`: a namespace's, from the default policy. */
export type Source = "default" | "inherited" | Setting.Place

/** A value together with where it came from, so that a complaint about it can name the place. */
export interface Reading<out A> {
  readonly value: A
  readonly source: Source
  /** `--port`, `LONGLINE_PORT`, or `longline.yaml:3: listen.port`. */
  readonly where: string
  /** As it was written: a text, or what the file holds. */
  readonly written: unknown
  /** What a file would hold for the value; undefined if that is nothing. */
  readonly plain: unknown
}

/** Finds what a configuration file holds at a path; undefined for nothing. */
export type Lookup = (path: ReadonlyArray<string>) => { readonly plain: unknown; readonly where: string } | undefined

/** Where to look, beside the environment: the flags that were given, without their dashes, and the file. */
export interface Sources {
  readonly flags: ReadonlyMap<string, string>
  readonly lookup: Lookup
}

/** A table of settings. */
export type Table = Readonly<Record<string, Setting.Setting<unknown>>>

/** The value of each setting of a table, and where it came from. */
export type Readings<T extends Table> = {
  readonly [K in keyof T]: T[K] extends Setting.Setting<infer A> ? Reading<A> : never
}

/** Where there is no file, nothing is found. */
export const nothing: Lookup = () => undefined

/** Whether somebody said it, as opposed to a default. */
export const isWritten = (reading: Reading<unknown>): boolean =>
  reading.source !== "default" && reading.source !== "inherited"

/** The complaint about a reading: it is named where it was written. */
export const refuse = (reading: Pick<Reading<unknown>, "where" | "written">, allowed: string): ConfigError =>
  new ConfigError({ setting: reading.where, value: reading.written, allowed })

/** The readings of a table, with the basis's where nothing was written. */
export const inherit = <R extends Readonly<Record<string, Reading<unknown>>>>(own: R, basis: R): R => {
  const inherited = Object.entries(basis).map(([key, reading]) => {
    const written = own[key]
    return [key, written !== undefined && isWritten(written) ? written : { ...reading, source: "inherited" }]
  })
  // The same keys with the same types: TypeScript does not see it through the entries.
  return Object.fromEntries(inherited) as R
}

/** Reads each setting of a table; all that cannot be used are told together. */
export const readAll = <T extends Table>(table: T, sources: Sources): Effect.Effect<Readings<T>, Mistakes> =>
  Effect.gen(function* () {
    const readings: Record<string, Reading<unknown>> = {}
    const mistakes: Array<Mistake> = []
    for (const [key, setting] of Object.entries(table)) {
      const reading = yield* Effect.result(read(setting, sources))
      if (reading._tag === "Success") readings[key] = reading.success
      else mistakes.push(reading.failure)
    }
    if (Arr.isArrayNonEmpty(mistakes)) return yield* Effect.fail(mistakes)
    // One reading for each key of the table, with the setting's own type: TypeScript does not see it through the loop.
    return readings as Readings<T>
  })

/**
 * Finds one setting's value.
 * What loses is not judged, so a flag rescues from a bad variable, and a variable from a bad file. An empty variable is as
 * if it were not there, as Effect's environment provider has it; an empty flag is a value, and mostly a bad one.
 */
export const read: <A>(setting: Setting.Setting<A>, sources: Sources) => Effect.Effect<Reading<A>, ConfigError> =
  Effect.fnUntraced(function* <A>(setting: Setting.Setting<A>, { flags, lookup }: Sources) {
    const inText = (source: Setting.Place, where: string, written: string) =>
      judge(setting, { source, where, written, plain: setting.plainOf(written) })

    const flag = setting.places.includes("flag") ? flags.get(setting.name) : undefined
    if (flag !== undefined) return yield* inText("flag", Setting.flagName(setting), flag)

    if (setting.places.includes("environment")) {
      const name = Setting.environmentName(setting)
      // The process's environment cannot fail to be read; a provider that can has no place under a server.
      const variable = yield* Effect.orDie(Config.option(Config.String(name)))
      if (Option.isSome(variable)) return yield* inText("environment", name, variable.value)
    }

    const found = setting.places.includes("file") ? lookup(setting.key.split(".")) : undefined
    if (found !== undefined) return yield* judge(setting, { source: "file", ...found, written: found.plain })
    return byDefault(setting)
  })

const byDefault = <A>(setting: Setting.Setting<A>): Reading<A> => {
  const written = setting.fallbackText ?? ""
  const plain = setting.plainOf(written)
  return {
    value: setting.fallback,
    source: "default",
    where: Setting.whereItGoes(setting),
    written,
    // What stands for a default is not always a value: "pretty on a terminal, json otherwise".
    plain: Option.isSome(setting.accept(plain)) ? plain : undefined,
  }
}

const judge = <A>(
  setting: Setting.Setting<A>,
  reading: Omit<Reading<unknown>, "value">,
): Effect.Effect<Reading<A>, ConfigError> => {
  const shown = setting.secret === true ? { ...reading, written: "***", plain: undefined } : reading
  return Option.match(setting.accept(reading.plain), {
    onNone: () => Effect.fail(refuse(shown, setting.allowed)),
    onSome: (value) => Effect.succeed({ ...shown, value }),
  })
}
