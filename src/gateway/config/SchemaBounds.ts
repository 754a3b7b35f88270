/**
 * Finds what in a JSON Schema would let a publisher order much work: a check that grows faster than the data.
 * Judges no pattern: one that takes long even on a short text is its writer's.
 */

/**
 * Checks whose work grows with the square of the data (or worse), and the keyword that has to stand beside each. A name of
 * 60 KB took `[a-z]+$` two seconds.
 */
const bounds = [
  { check: "pattern", bound: ["maxLength"] },
  { check: "uniqueItems", bound: ["maxItems"] },
  { check: "patternProperties", bound: ["propertyNames", "maxLength"] },
] as const

/** Keywords whose value is a map of schemas: a name in it is no keyword. */
const mapsOfSchemas = new Set(["properties", "patternProperties", "$defs", "dependentSchemas"])

/** Keywords whose value is data. */
const data = new Set(["const", "enum", "default", "examples"])

/** The first check without its bound, in words; undefined if there is none. The schema must not contain itself. */
export const missing = (schema: unknown): string | undefined => {
  if (typeof schema !== "object" || schema === null) return undefined
  if (Array.isArray(schema)) return first(schema)
  const keywords = new Map<string, unknown>(Object.entries(schema))
  const unbounded = bounds.find(({ bound, check }) => (keywords.get(check) ?? false) !== false && !has(schema, bound))
  if (unbounded !== undefined)
    return `${unbounded.check} needs ${unbounded.bound.join(" with ")} beside it, or one publication could take seconds`
  return first(
    [...keywords].flatMap(([keyword, value]) => {
      if (data.has(keyword)) return []
      return mapsOfSchemas.has(keyword) && typeof value === "object" && value !== null ? Object.values(value) : [value]
    }),
  )
}

/** Whether there is a keyword, and in its schema the next one. */
const has = (schema: object, [keyword, ...rest]: ReadonlyArray<string>): boolean => {
  if (keyword === undefined) return true
  const value: unknown = Object.hasOwn(schema, keyword) ? Reflect.get(schema, keyword) : undefined
  return typeof value === "object" && value !== null ? has(value, rest) : value !== undefined && rest.length === 0
}

const first = (schemas: ReadonlyArray<unknown>): string | undefined => {
  for (const schema of schemas) {
    const found = missing(schema)
    if (found !== undefined) return found
  }
  return undefined
}
