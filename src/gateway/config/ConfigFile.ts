/**
 * The configuration file: read, parsed, and asked for what it holds at a path.
 * Refuses a file that holds no object. Knows no setting.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Shown from "../../codec/Shown.ts"
import { MalformedFile, type Mistakes } from "./ConfigError.ts"
import * as ConfigText from "./ConfigText.ts"
import type * as Reading from "./Reading.ts"
import * as TextFile from "./TextFile.ts"

/** An object as a file holds it. */
export type Section = { readonly [key: string]: unknown }

/** A configuration file that could be parsed, or none. */
export interface ConfigFile {
  readonly root: Section
  /** The file, with the line of a path where one is known: `longline.yaml:3`. */
  readonly placeOf: (path: ReadonlyArray<string>) => string
}

/** What holds nothing. */
export const none: ConfigFile = { root: {}, placeOf: () => "" }

/** Reads and parses the file that the setting names, if it names one. An empty file holds nothing. */
export const load = (
  file: Reading.Reading<string | undefined>,
): Effect.Effect<ConfigFile, Mistakes, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const name = file.value
    if (name === undefined) return none
    const text = yield* Effect.mapError(TextFile.read({ ...file, value: name }), (error): Mistakes => [error])
    const { value, lineOf } = yield* Effect.fromResult(ConfigText.parse(name, text))
    if (value !== null && !isSection(value)) {
      const problem = `it holds ${Shown.value(value)}, not keys with values`
      return yield* Effect.fail<Mistakes>([new MalformedFile({ place: name, problem })])
    }
    const placeOf = (path: ReadonlyArray<string>) => {
      const line = lineOf(path)
      return line === undefined ? name : `${name}:${line}`
    }
    return { root: value ?? {}, placeOf }
  })

/** Whether a value of a file has keys. */
export const isSection = (value: unknown): value is Section =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

/** The section at a path; empty if there is none. */
export const sectionAt = (file: ConfigFile, path: ReadonlyArray<string>): Section => {
  const value = valueAt(file.root, path)
  return isSection(value) ? value : {}
}

/** Finds values below a path. */
export const lookup =
  (file: ConfigFile, prefix: ReadonlyArray<string> = []): Reading.Lookup =>
  (path) => {
    const whole = [...prefix, ...path]
    const plain = valueAt(file.root, whole)
    return plain === undefined ? undefined : { plain, where: where(file, whole) }
  }

/** A path as a complaint names it: `longline.yaml:3: listen.port`. */
export const where = (file: ConfigFile, path: ReadonlyArray<string>): string =>
  `${file.placeOf(path)}: ${Shown.path(path)}`

const valueAt = (section: Section, path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (value, key) => (isSection(value) && Object.hasOwn(value, key) ? value[key] : undefined),
    section,
  )
