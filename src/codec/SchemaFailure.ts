/**
 * Makes one plain sentence's worth of facts from a schema's tree of issues: where, what was expected, what was seen.
 * Reports the first failure only, and never the payload in full: `Shown` cuts.
 */
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import { CodecError } from "./Codec.ts"
import * as Shown from "./Shown.ts"

/** The error for an issue of a parse that ran with `reportInput`: without it nothing is known of what was seen. */
export const toCodecError = (direction: "decode" | "encode", issue: SchemaIssue.Issue): CodecError => {
  const failure = find(issue, { path: [], parent: undefined, source: undefined })
  return new CodecError({
    direction,
    path: Shown.path(failure.path),
    expected: Shown.text(failure.expected),
    actual: failure.actual,
  })
}

interface Failure {
  readonly path: ReadonlyArray<PropertyKey>
  readonly expected: string
  readonly actual: string
}

/** Where in the tree the search is. */
interface Place {
  readonly path: ReadonlyArray<PropertyKey>
  /** The schema of the object or array that the path's last key belongs to. */
  readonly parent: SchemaAST.AST | undefined
  /** The nearest transformation around: what it was given stands for values that never came to be. */
  readonly source: SchemaIssue.Encoding | undefined
}

const missing = "nothing"

const find = (issue: SchemaIssue.Issue, place: Place): Failure => {
  switch (issue._tag) {
    case "Pointer":
      return find(issue.issue, { ...place, path: [...place.path, ...issue.path] })
    case "Composite":
      return find(issue.issues[0], { ...place, parent: issue.ast })
    case "Encoding":
      return find(issue.issue, { ...place, source: issue })
    case "Filter":
      return insideFilter(issue, place) ?? here(issue, place)
    case "AnyOf": {
      const tag = unknownTag(issue, place)
      if (tag !== undefined) return tag
      // A tag chose the member that failed, or only one could have matched: its failure is the one meant.
      const [only, ...others] = issue.issues
      return only !== undefined && others.length === 0 ? find(only, place) : here(issue, place)
    }
    case "MissingKey":
      return { path: place.path, expected: expectationAtKey(issue, place), actual: missing }
    case "UnexpectedKey":
      return { path: place.path, expected: "no such key", actual: seen(issue, place) }
    default:
      return here(issue, place)
  }
}

const here = (issue: SchemaIssue.Issue, place: Place): Failure => ({
  path: place.path,
  expected: expectation(issue),
  actual: seen(issue, place),
})

/** A filter may name a place inside its value; the issue there holds the whole value all the same. */
const insideFilter = (issue: SchemaIssue.Filter, place: Place): Failure | undefined => {
  if (issue.issue._tag !== "Pointer" && issue.issue._tag !== "Composite") return undefined
  const failure = find(issue.issue, place)
  const value = failure.path.slice(place.path.length).reduce(valueAt, issue.input)
  return { ...failure, actual: value === undefined ? missing : Shown.value(value) }
}

const valueAt = (value: unknown, key: PropertyKey): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined

const seen = (issue: SchemaIssue.Issue, place: Place): string => {
  // The binary format says of bytes that hold no value that their value is undefined.
  const isAbsent = !SchemaIssue.hasInput(issue) || (issue._tag === "InvalidValue" && issue.input === undefined)
  const nearest = isAbsent ? place.source : issue
  return nearest !== undefined && SchemaIssue.hasInput(nearest) ? Shown.value(nearest.input) : "something else"
}

const formatIssue = SchemaIssue.makeFormatterDefault()

// Effect's own words for what was expected. The issue is formatted without its input: formatting a large input in
// full, only to cut it, would be work a peer can order.
const expectation = (issue: SchemaIssue.Issue): string => {
  const expected = formatIssue(withoutInput(issue)).replace(/^Expected /, "")
  return expected === "<filter>" ? "a valid value" : expected
}

const withoutInput = (issue: SchemaIssue.Issue): SchemaIssue.Issue => {
  switch (issue._tag) {
    case "InvalidType":
      return new SchemaIssue.InvalidType(issue.ast)
    case "InvalidValue":
      return new SchemaIssue.InvalidValue(issue.annotations)
    case "Filter":
      return new SchemaIssue.Filter(issue.filter, withoutInput(issue.issue))
    case "AnyOf":
      return new SchemaIssue.AnyOf(issue.ast, [])
    case "OneOf":
      return new SchemaIssue.OneOf(issue.ast, issue.successes)
    case "Forbidden":
      return new SchemaIssue.Forbidden(issue.annotations)
    default:
      return issue
  }
}

const expectationAtKey = (issue: SchemaIssue.MissingKey, { path, parent }: Place): string => {
  const message = issue.annotations?.messageMissingKey
  if (typeof message === "string") return message
  const type = typeAtKey(parent, path.at(-1))
  return type === undefined ? "a value" : expectation(new SchemaIssue.InvalidType(SchemaAST.toEncoded(type)))
}

const typeAtKey = (parent: SchemaAST.AST | undefined, key: PropertyKey | undefined): SchemaAST.AST | undefined => {
  if (parent === undefined) return undefined
  if (SchemaAST.isObjects(parent)) return parent.propertySignatures.find((property) => property.name === key)?.type
  return SchemaAST.isArrays(parent) && typeof key === "number" ? parent.elements[key] : undefined
}

/** For a union whose members all have a literal at one key: what may stand there, instead of a list of whole shapes. */
const unknownTag = (issue: SchemaIssue.AnyOf, place: Place): Failure | undefined => {
  const input = SchemaIssue.hasInput(issue) ? issue.input : undefined
  for (const [key, literals] of commonTags(issue.ast)) {
    const list = literals.size === 1 ? [...literals].join() : `one of ${[...literals].join(", ")}`
    if (typeof input !== "object" || input === null || Array.isArray(input)) {
      return { path: place.path, expected: `object whose ${Shown.path([key])} is ${list}`, actual: seen(issue, place) }
    }
    const value = valueAt(input, key)
    const actual = value === undefined ? missing : Shown.value(value)
    if (!literals.has(actual)) return { path: [...place.path, key], expected: list, actual }
  }
  return undefined
}

type Tags = Map<PropertyKey, Set<string>>

/** The required keys that admit literals only, in every member, with those literals as they are shown. */
const commonTags = (ast: SchemaAST.AST): Tags => {
  const encoded = SchemaAST.toEncoded(ast)
  if (!SchemaAST.isUnion(encoded)) return tagsOf(encoded)
  const [common = new Map<PropertyKey, Set<string>>(), ...others] = encoded.types.map(commonTags)
  for (const tags of others) {
    for (const [key, literals] of common) {
      const more = tags.get(key)
      if (more === undefined) common.delete(key)
      else for (const literal of more) literals.add(literal)
    }
  }
  return common
}

const tagsOf = (ast: SchemaAST.AST): Tags => {
  const tags: Tags = new Map()
  if (!SchemaAST.isObjects(ast)) return tags
  for (const { name, type } of ast.propertySignatures) {
    if (SchemaAST.isLiteral(type) && !SchemaAST.isOptional(type)) tags.set(name, new Set([Shown.value(type.literal)]))
  }
  return tags
}
