/**
 * Finds the keys of a configuration file that mean nothing, and sections that are none.
 * Judges no value: `Reading` does.
 */
import { isReadonlyArrayNonEmpty } from "effect/Array"
import * as Result from "effect/Result"
import * as Shown from "../../codec/Shown.ts"
import { ConfigError, type Mistake, type Mistakes, UnknownKey } from "./ConfigError.ts"
import * as ConfigFile from "./ConfigFile.ts"
import * as Nearest from "./Nearest.ts"
import { policy } from "./PolicySettings.ts"
import type { Table } from "./Reading.ts"
import * as Setting from "./Setting.ts"
import { settings } from "./Settings.ts"

/** What may stand at a key: a value, which a setting judges; known keys; or any names, all with the same below them. */
type Known = { readonly keys?: ReadonlyMap<string, Known>; readonly each?: Known }

const value: Known = {}

/** Succeeds if every key of the file is known; fails with all that are not, in the order of the file. */
export const check = (file: ConfigFile.ConfigFile): Result.Result<void, Mistakes> => {
  const mistakes = walk(file, [], file.root, known)
  return isReadonlyArrayNonEmpty(mistakes) ? Result.fail(mistakes) : Result.void
}

const walk = (
  file: ConfigFile.ConfigFile,
  path: ReadonlyArray<string>,
  found: unknown,
  { keys, each }: Known,
): ReadonlyArray<Mistake> => {
  // `listen:` with nothing behind it is a section all of whose keys are commented out.
  if ((keys === undefined && each === undefined) || found === null) return []
  const names = [...(keys?.keys() ?? [])]
  if (!ConfigFile.isSection(found)) {
    const allowed =
      keys === undefined ? "a section with a key for each name" : `a section with some of ${names.join(", ")}`
    return [new ConfigError({ setting: ConfigFile.where(file, path), value: found, allowed })]
  }
  return Object.entries(found).flatMap(([key, below]) => {
    const here = [...path, key]
    const next = keys?.get(key) ?? each
    return next === undefined ? [unknown(file, here, below, names)] : walk(file, here, below, next)
  })
}

const unknown = (
  file: ConfigFile.ConfigFile,
  path: ReadonlyArray<string>,
  found: unknown,
  siblings: ReadonlyArray<string>,
): Mistake => {
  const key = path.join(".")
  const misplaced = Object.values<Setting.Setting<unknown>>(settings).find((setting) => setting.key === key)
  if (misplaced !== undefined) {
    const shown = misplaced.secret === true ? "***" : found
    const allowed = `left to ${Setting.environmentName(misplaced)}: it is never in the file`
    return new ConfigError({ setting: ConfigFile.where(file, path), value: shown, allowed })
  }
  const [section, name] = [path.slice(0, -1), path.at(-1)!]
  const beside = Nearest.of(name, siblings).map((sibling) => Shown.path([...section, sibling]))
  return new UnknownKey({
    place: file.placeOf(path),
    key: Shown.path(path),
    nearest: beside.length > 0 ? beside : elsewhere(name),
    known: siblings,
  })
}

/** The key may be right and its section not, or be written like the flag: `maxConnections`, `max-connections`. */
const elsewhere = (name: string): ReadonlyArray<string> => {
  const asFlag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  const flag = Object.values(settings).filter((setting) => setting.name === asFlag)
  return flag.length > 0 ? flag.map(({ key }) => key) : Nearest.of(name, everyKey)
}

const keysOf = (table: Table): ReadonlyArray<string> =>
  Object.values(table)
    .filter(({ places }) => places.includes("file"))
    .map(({ key }) => key)

const everyKey = [...keysOf(settings), ...keysOf(policy).map((key) => `policy.${key}`)]

const treeOf = (keys: ReadonlyArray<string>): Known => {
  const heads = new Set(keys.map((key) => key.split(".")[0]!))
  const below = (head: string) =>
    keys.filter((key) => key.startsWith(`${head}.`)).map((key) => key.slice(head.length + 1))
  return { keys: new Map([...heads].map((head) => [head, below(head).length === 0 ? value : treeOf(below(head))])) }
}

const known: Known = {
  keys: new Map([...treeOf(everyKey).keys!, ["namespaces", { each: treeOf(keysOf(policy)) }]]),
}
