/**
 * What a token grants: its claim of patterns for each right, checked and compiled.
 * Refuses a claim that it does not understand in full, rather than granting less or more than was meant.
 */
import * as Result from "effect/Result"
import * as Shown from "../../codec/Shown.ts"
import type { Action, Identity } from "./Identity.ts"
import * as Pattern from "./Pattern.ts"

/** Every right, in the order of documents and prints. None of them grants another. */
export const actions = [
  "subscribe",
  "publish",
  "history",
  "presence",
  "serve",
  "request",
] as const satisfies ReadonlyArray<Action>

/** Patterns of one token, over all of its rights. */
export const maxPatterns = 100

/** Which names an identity may do something with. */
export type Grants = Identity["grants"]

/** Grants nothing: of a token without the claim. */
export const none: Grants = () => false

/** Reads the claim of a user's token; fails with a sentence that names the place. */
export const parse = (
  claim: unknown,
  options: { readonly claim: string; readonly user: string | undefined },
): Result.Result<Grants, string> => {
  if (claim === undefined) return Result.succeed(none)
  if (typeof claim !== "object" || claim === null || Array.isArray(claim)) {
    return Result.fail(complaint([options.claim], "an object of patterns by right", claim))
  }
  const granted = new Map<string, Granted>()
  let patterns = 0
  for (const [right, list] of Object.entries(claim)) {
    if (!isAction(right)) return Result.fail(complaint([options.claim], `rights among ${actions.join(", ")}`, right))
    if (!Array.isArray(list)) return Result.fail(complaint([options.claim, right], "an array of patterns", list))
    patterns += list.length
    if (patterns > maxPatterns) return Result.fail(`the token has more than ${maxPatterns} patterns, which is the most`)
    const compiled = compile(list, [options.claim, right], options.user)
    if (Result.isFailure(compiled)) return Result.fail(compiled.failure)
    granted.set(right, compiled.success)
  }
  return Result.succeed((action, name) => {
    const right = granted.get(action)
    return right !== undefined && (right.names.has(name) || right.wildcards.some((pattern) => pattern.matches(name)))
  })
}

/** How many patterns a claim holds that `parse` has read. */
export const count = (claim: unknown): number =>
  Object.values(claim ?? {}).reduce((sum: number, list: unknown) => sum + (Array.isArray(list) ? list.length : 0), 0)

/** Names that are granted as they are, found at once, and patterns that are tried in turn. */
interface Granted {
  readonly names: ReadonlySet<string>
  readonly wildcards: ReadonlyArray<Pattern.Pattern>
}

const compile = (
  list: ReadonlyArray<unknown>,
  place: ReadonlyArray<string>,
  user: string | undefined,
): Result.Result<Granted, string> => {
  const names = new Set<string>()
  const wildcards: Array<Pattern.Pattern> = []
  for (const [index, item] of list.entries()) {
    if (typeof item !== "string") return Result.fail(complaint([...place, index], "a pattern", item))
    const pattern = Pattern.parse(item, user)
    if (Result.isFailure(pattern)) return Result.fail(complaint([...place, index], pattern.failure, item))
    if (pattern.success.literal === undefined) wildcards.push(pattern.success)
    else names.add(pattern.success.literal)
  }
  return Result.succeed({ names, wildcards })
}

const isAction = (right: string): right is Action => actions.some((action) => action === right)

const complaint = (place: ReadonlyArray<string | number>, allowed: string, seen: unknown): string =>
  `${Shown.path(place)} in the token has ${Shown.value(seen)}; it must be ${allowed}`
