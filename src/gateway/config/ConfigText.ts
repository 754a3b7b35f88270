/**
 * Parses the text of a configuration: YAML 1.2, JSON or TOML, by the name of its file.
 * Refuses duplicate keys, unknown tags, deep nesting, and aliases that grow. Knows no setting.
 */
import { isArrayNonEmpty } from "effect/Array"
import * as Result from "effect/Result"
import * as Toml from "smol-toml"
import * as Yaml from "yaml"
import * as Shown from "../../codec/Shown.ts"
import { MalformedFile } from "./ConfigError.ts"
import type { Mistakes } from "./ConfigError.ts"

/** What a text holds, and on which line a path begins, where that is known. */
export interface ConfigText {
  readonly value: unknown
  readonly lineOf: (path: ReadonlyArray<string>) => number | undefined
}

/** Collections in each other. Beyond it the parser's own recursion would be the limit. */
export const maxDepth = 100

/** Places that an alias may stand at, counted through aliases of aliases. */
export const maxAliases = 100

/** Errors of one text that are told. */
const maxErrors = 10

/** Parses a text. What its file is called decides how; any name but those of JSON and TOML means YAML. */
export const parse = (name: string, text: string): Result.Result<ConfigText, Mistakes> => {
  if (/\.toml$/i.test(name)) return parseToml(name, text)
  if (!/\.json$/i.test(name)) return parseYaml(name, text)
  // JSON is YAML as well: the one parser judges the syntax, the other finds duplicate keys and lines.
  const problem = jsonProblem(name, text)
  return problem === undefined ? parseYaml(name, text) : Result.fail([problem])
}

const parseToml = (name: string, text: string): Result.Result<ConfigText, Mistakes> =>
  Result.try({
    try: () => ({ value: Toml.parse(text, { maxDepth }), lineOf: () => undefined }),
    catch: (error): Mistakes => {
      const place = error instanceof Toml.TomlError ? `${name}:${error.line}:${error.column}` : name
      return [new MalformedFile({ place, problem: messageOf(error).replace(/^Invalid TOML document: /, "") })]
    },
  })

const jsonProblem = (name: string, text: string): MalformedFile | undefined => {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    const problem = messageOf(error)
    const position = / position (\d+)/.exec(problem)?.[1]
    return new MalformedFile({ place: placeAt(name, text, Number(position ?? text.length)), problem })
  }
}

const parseYaml = (name: string, text: string): Result.Result<ConfigText, Mistakes> => {
  const malformed = (offset: number, problem: string) =>
    new MalformedFile({ place: placeAt(name, text, offset), problem: Shown.text(problem) })

  const deep = tooDeepAt(text)
  if (deep !== undefined) return Result.fail([malformed(deep, `more than ${maxDepth} collections in each other`)])

  // Keys are compared below: the library compares each with each.
  const lines = new Yaml.LineCounter()
  const document = Yaml.parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: false,
  })
  const problems = [...document.errors, ...document.warnings].slice(0, maxErrors)
  const malformations = problems.map(({ code, pos, message }) =>
    // The library's words are for whoever programs with it.
    malformed(pos[0], code === "MULTIPLE_DOCS" ? "a second document begins here; a file has one" : message),
  )
  if (isArrayNonEmpty(malformations)) return Result.fail(malformations)

  const { offsets, repeated } = keysOf(document.contents)
  const repetitions = repeated
    .slice(0, maxErrors)
    .map(({ path, offset }) => malformed(offset, `${path} is there twice`))
  if (isArrayNonEmpty(repetitions)) return Result.fail(repetitions)

  return Result.try({
    try: () => ({
      value: document.toJS({ maxAliasCount: maxAliases }) as unknown,
      lineOf: (path) => {
        // What an alias stands for has no place of its own: the nearest key above it is named.
        const known = path.map((_, index) => offsets.get(idOf(path.slice(0, path.length - index))))
        const offset = known.find((offset) => offset !== undefined)
        return offset === undefined ? undefined : lines.linePos(offset).line
      },
    }),
    catch: (error): Mistakes => [new MalformedFile({ place: name, problem: messageOf(error) })],
  })
}

/** Where the text goes deeper than allowed. The library's first pass has no recursion, and its stack is the depth. */
const tooDeepAt = (text: string): number | undefined => {
  const parser = new Yaml.Parser()
  for (const lexeme of new Yaml.Lexer().lex(text)) {
    for (const _ of parser.next(lexeme)) continue
    if (parser.stack.length > maxDepth) return parser.offset
  }
  return undefined
}

interface Keys {
  /** Where each key stands, by the path's `idOf`. */
  readonly offsets: Map<string, number>
  readonly repeated: Array<{ readonly path: string; readonly offset: number }>
}

const keysOf = (
  node: unknown,
  path: ReadonlyArray<string> = [],
  keys: Keys = { offsets: new Map(), repeated: [] },
): Keys => {
  if (Yaml.isSeq(node)) node.items.forEach((item, index) => keysOf(item, [...path, String(index)], keys))
  if (!Yaml.isMap(node)) return keys
  for (const { key, value } of node.items) {
    if (!Yaml.isScalar(key)) continue
    const below = [...path, String(key.value)]
    const [id, offset] = [idOf(below), key.range?.[0] ?? 0]
    if (keys.offsets.has(id)) keys.repeated.push({ path: Shown.path(below), offset })
    else keys.offsets.set(id, offset)
    keysOf(value, below, keys)
  }
  return keys
}

const idOf = (path: ReadonlyArray<string>): string => JSON.stringify(path)

const placeAt = (name: string, text: string, offset: number): string => {
  const before = text.slice(0, offset).split("\n")
  return `${name}:${before.length}:${before.at(-1)!.length + 1}`
}

/** The first line of what a library says: the others draw the text around it. */
const messageOf = (error: unknown): string =>
  Shown.text((error instanceof Error ? error.message : String(error)).split("\n")[0]!)
