/**
 * Patterns over the names of channels and services, as tokens carry them: `news:*`, `chat:{user}`, `logs:**`.
 * Nothing is a regular expression: a name is walked once, segment by segment.
 *
 * A name is cut into segments at each `:`. A pattern's segment is one of
 *
 * | segment  | matches                                                                                     |
 * |----------|---------------------------------------------------------------------------------------------|
 * | text     | itself; it holds no `*`, `{` or `}`                                                         |
 * | `*`      | one segment that is not empty                                                               |
 * | `**`     | last only: all that is left, one character or more                                          |
 * | `{user}` | the token's own user, in which `%` is written `%25` and `:` is written `%3A`: one segment   |
 *
 * Names that begin with `$` belong to the gateway: only a pattern that itself begins with `$` matches them.
 */
import * as Result from "effect/Result"
import * as Fields from "../protocol/Fields.ts"

/** A pattern made for one user. */
export interface Pattern {
  readonly matches: (name: string) => boolean
  /** The one name that it matches, if it has no wildcard. */
  readonly literal: string | undefined
}

/** A user as it stands for `{user}`: one segment whatever it holds, and no two users are written alike. */
export const segmentOfUser = (user: string): string => user.replaceAll("%", "%25").replaceAll(":", "%3A")

type Segment =
  | { readonly _tag: "Literal"; readonly text: string }
  | { readonly _tag: "One" }
  | { readonly _tag: "Rest" }

/** Reads a pattern for a user; fails with what it must be instead, which completes "it must be …". */
export const parse = (text: string, user: string | undefined): Result.Result<Pattern, string> => {
  if (!Fields.isName(text)) return Result.fail(`1 to ${Fields.maxNameBytes} bytes of UTF-8 without control characters`)
  const parts = text.split(":")
  const segments: Array<Segment> = []
  for (const [index, part] of parts.entries()) {
    if (part === "*") segments.push({ _tag: "One" })
    else if (part === "**" && index === parts.length - 1) segments.push({ _tag: "Rest" })
    else if (part === "**") return Result.fail("one with ** at its end only")
    else if (part === "{user}" && user === undefined) return Result.fail("one without {user}: the token has no sub")
    else if (part === "{user}") segments.push({ _tag: "Literal", text: segmentOfUser(user!) })
    else if (/[*{}]/.test(part)) return Result.fail("one whose *, ** and {user} stand alone between colons")
    else segments.push({ _tag: "Literal", text: part })
  }
  return Result.succeed(make(segments, text.startsWith("$")))
}

const make = (segments: ReadonlyArray<Segment>, reachesReserved: boolean): Pattern => {
  const literals = segments.filter((segment) => segment._tag === "Literal").map(({ text }) => text)
  const isLiteral = literals.length === segments.length
  const literal = literals.join(":")
  const walk = isLiteral ? (name: string) => name === literal : (name: string) => matchSegments(segments, name)
  return {
    matches: (name) => (reachesReserved || !name.startsWith("$")) && walk(name),
    literal: isLiteral && (reachesReserved || !literal.startsWith("$")) ? literal : undefined,
  }
}

const matchSegments = (segments: ReadonlyArray<Segment>, name: string): boolean => {
  let from = 0
  for (const segment of segments) {
    // The name had fewer segments than the pattern has.
    if (from > name.length) return false
    if (segment._tag === "Rest") return from < name.length
    const colon = name.indexOf(":", from)
    const end = colon === -1 ? name.length : colon
    if (segment._tag === "One" ? end === from : !isAt(name, from, end, segment.text)) return false
    from = end + 1
  }
  // One past the end: the last segment ended where the name does.
  return from === name.length + 1
}

const isAt = (name: string, from: number, end: number, text: string): boolean =>
  end - from === text.length && name.startsWith(text, from)
