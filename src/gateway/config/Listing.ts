/**
 * Lists a configuration with the source of each value, as YAML or as JSON; either can be loaded again.
 * Shows no secret, and leaves out what does not apply: a host beside a unix socket, tokens without keys.
 */
import * as Yaml from "yaml"
import * as Shown from "../../codec/Shown.ts"
import type { Explained } from "./GatewayConfig.ts"
import { policy } from "./PolicySettings.ts"
import * as Printable from "./Printable.ts"
import * as Reading from "./Reading.ts"
import type * as Setting from "./Setting.ts"
import { configFile, settings } from "./Settings.ts"

/** One value of a configuration. */
interface Entry {
  readonly path: ReadonlyArray<string>
  readonly setting: Setting.Setting<unknown>
  readonly reading: Reading.Reading<unknown>
}

/** As YAML: each value with its source in a comment. What is not set, and each secret, is a comment as a whole. */
export const toYaml = (explained: Explained): string => {
  const file = explained.readings.config
  const head = "# Flags win over the environment, it wins over the file, the file over the defaults."
  const from = file.value === undefined ? "# There is no file." : `# The file is ${Printable.of(file.value)}.`
  return [head, from, ...yamlLines(entriesOf(explained), 0)].join("\n")
}

/** As JSON: `config`, which is a configuration file, and `sources` by path. */
export const toJson = (explained: Explained): string => {
  const entries = entriesOf(explained)
  const config = nest(entries.filter(({ reading }) => reading.plain !== undefined))
  const sources = Object.fromEntries(
    entries.filter(isSet).map(({ path, reading }) => [Shown.path(path), sourceOf(reading)]),
  )
  return JSON.stringify({ config, sources }, undefined, 2)
}

const sourceOf = (reading: Reading.Reading<unknown>) =>
  Reading.isWritten(reading) ? { source: reading.source, where: reading.where } : { source: reading.source }

const entriesOf = ({ config, readings, policies }: Explained): ReadonlyArray<Entry> => {
  const idle = (key: string) =>
    (config.listen._tag === "Unix" && (key === settings.host.key || key === settings.port.key)) ||
    (config.webSocket === undefined && key.startsWith("websocket.")) ||
    (config.auth === undefined && key.startsWith("auth.")) ||
    (config.data === undefined && key === settings.dataSync.key)
  return [
    ...entriesAt([], settings, readings).filter(({ setting }) => setting !== configFile && !idle(setting.key)),
    ...entriesAt(["policy"], policy, policies.fallback),
    ...[...policies.namespaces].flatMap(([name, readings]) => entriesAt(["namespaces", name], policy, readings)),
  ]
}

const entriesAt = <T extends Reading.Table>(
  prefix: ReadonlyArray<string>,
  table: T,
  readings: Reading.Readings<T>,
): ReadonlyArray<Entry> =>
  Object.entries(table).flatMap(([key, setting]) => {
    const reading: Reading.Reading<unknown> | undefined = readings[key]
    return reading === undefined ? [] : [{ path: [...prefix, ...setting.key.split(".")], setting, reading }]
  })

const isSet = ({ reading }: Entry): boolean => reading.plain !== undefined || Reading.isWritten(reading)

interface Tree {
  readonly [key: string]: unknown
}

const nest = (entries: ReadonlyArray<Entry>, depth = 0): Tree =>
  Object.fromEntries(
    [...groups(entries, depth)].map(([key, group]) => {
      const [first] = group
      return [key, first?.path.length === depth + 1 ? first.reading.plain : nest(group, depth + 1)]
    }),
  )

const groups = (entries: ReadonlyArray<Entry>, depth: number): ReadonlyMap<string, ReadonlyArray<Entry>> => {
  const groups = new Map<string, Array<Entry>>()
  for (const entry of entries) {
    const key = entry.path[depth] ?? ""
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [entry])
    else group.push(entry)
  }
  return groups
}

const yamlLines = (entries: ReadonlyArray<Entry>, depth: number): ReadonlyArray<string> =>
  [...groups(entries, depth)].flatMap(([key, group]) => {
    const [first] = group
    const start = `${"  ".repeat(depth)}${scalar(key)}:`
    if (first?.path.length === depth + 1) return [yamlLine("  ".repeat(depth), `${scalar(key)}:`, first)]
    return [start, ...yamlLines(group, depth + 1)]
  })

const yamlLine = (indent: string, key: string, { setting, reading }: Entry): string => {
  if (!isSet({ setting, reading, path: [] })) return `${indent}# ${key} ${setting.fallbackText ?? ""}`.trimEnd()
  const source = Reading.isWritten(reading) ? `set by ${Printable.of(reading.where)}` : reading.source
  if (reading.plain === undefined) return `${indent}# ${key} ***  # ${source}`
  return `${indent}${key} ${scalar(reading.plain)}  # ${source}`
}

/** On one line: JSON is YAML too, and a text needs quotes only where YAML would take it for something else. */
const scalar = (plain: unknown): string =>
  typeof plain === "string"
    ? Yaml.stringify(plain, { lineWidth: 0, blockQuote: false }).trimEnd()
    : JSON.stringify(plain)
