/**
 * Finds environment variables that are called like settings and are none: behind a slip of the pen a default is in force.
 * Reads no value, and keeps nothing from starting: whatever runs beside the gateway may name its variables likewise.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Nearest from "./Nearest.ts"
import * as Printable from "./Printable.ts"
import * as Setting from "./Setting.ts"
import { settings } from "./Settings.ts"

/** Variables that are told by name. */
export const maxTold = 10

const prefix = "LONGLINE"

/** Those of the commands that talk to a gateway, and of what `longline reply` runs. */
const ofOtherCommands = ["URL", "TOKEN", "CONTEXT", "SERVICE"].map((name) => `${prefix}_${name}`)

const ofSettings = Object.values<Setting.Setting<unknown>>(settings).filter(({ places }) =>
  places.includes("environment"),
)

const known = new Set([...ofSettings.map(Setting.environmentName), ...ofOtherCommands])

/** What may be written for a variable: its own name, and that of its key in a file. */
const spellings: ReadonlyMap<string, string> = new Map(
  ofSettings.flatMap((setting) => {
    const variable = Setting.environmentName(setting)
    return [variable, Setting.environmentName({ name: Setting.kebab(setting.key) })].map((name) => [
      bare(name),
      variable,
    ])
  }),
)

/** One sentence that names the variables which mean nothing, and what may have been meant; undefined without any. */
export const doubt: Effect.Effect<string | undefined> = Effect.gen(function* () {
  const provider = yield* ConfigProvider.ConfigProvider
  const unknown = (yield* namesBelow(provider, [prefix])).filter((name) => !known.has(name)).toSorted()
  if (unknown.length === 0) return undefined
  const told = unknown.slice(0, maxTold).map((name) => `${Printable.of(name)}${guess(name)}`)
  const rest = unknown.length > maxTold ? ` and ${unknown.length - maxTold} more` : ""
  return `environment variables that mean nothing: ${told.join(", ")}${rest}`
})

const guess = (name: string): string => {
  const nearest = new Set(Nearest.of(bare(name), [...spellings.keys()]).map((spelling) => spellings.get(spelling)))
  return nearest.size === 0 ? "" : ` (did you mean ${[...nearest].join(" or ")}?)`
}

/** The prefix would make every name like every other. */
function bare(name: string): string {
  return name.slice(prefix.length + 1)
}

/** A provider of the environment has its names cut at each `_`, and those that end in numbers as lists. */
const namesBelow = (
  provider: ConfigProvider.ConfigProvider,
  path: ReadonlyArray<string>,
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    // The process's environment cannot fail to be read; a provider that can has no place under a server.
    const node = yield* Effect.orDie(provider.load(path))
    const here = node?.value === undefined ? [] : [path.join("_")]
    if (node?._tag === "Array") return [...here, `${path.join("_")}_<number>`]
    if (node?._tag !== "Record") return here
    const below = yield* Effect.forEach(node.keys, (key) => namesBelow(provider, [...path, key]))
    return [...here, ...below.flat()]
  })
