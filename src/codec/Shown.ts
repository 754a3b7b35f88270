/**
 * Shows what was seen in a message to a person: briefly, and in bounded time whatever the peer sent.
 * Never shows more of a payload than `maxCharacters`, and nothing of what stands inside objects but key names.
 */

/** The most characters of a path, an expectation or a value in an error, the ellipsis included. */
export const maxCharacters = 200

const maxKeys = 8

/** The text itself if it is short enough, otherwise its beginning with an ellipsis. Cuts no character in half. */
export const text = (whole: string): string => {
  if (whole.length <= maxCharacters) return whole
  const end = maxCharacters - 1
  const last = whole.charCodeAt(end - 1)
  const isHalf = last >= 0xd800 && last <= 0xdbff
  return `${whole.slice(0, isHalf ? end - 1 : end)}…`
}

/** A value of any kind: scalars as they are, arrays by length, objects by their keys. */
export const value = (seen: unknown): string => {
  switch (typeof seen) {
    case "string":
      // Cut before quoting, so that a long string is not escaped in full; cut again, since escapes lengthen it.
      return text(JSON.stringify(seen.slice(0, maxCharacters)))
    case "object":
      return seen === null ? "null" : text(object(seen))
    case "function":
    case "symbol":
      return typeof seen
    default:
      return text(String(seen))
  }
}

/** A path as it would be written in code: `data.items[3].price`; keys that are no names are quoted. */
export const path = (keys: ReadonlyArray<PropertyKey>): string => {
  let written = ""
  for (const key of keys) {
    if (typeof key === "number") written += `[${key}]`
    else if (typeof key === "symbol") written += `[${String(key)}]`
    else if (!/^[A-Za-z_$][\w$]*$/.test(key)) written += `[${JSON.stringify(key.slice(0, maxCharacters))}]`
    else written += written === "" ? key : `.${key}`
    if (written.length > maxCharacters) break
  }
  return text(written)
}

const object = (seen: object): string => {
  if (Array.isArray(seen)) return `array of ${seen.length}`
  if (seen instanceof Uint8Array) return `${seen.length} bytes`
  if (seen instanceof Date) return Number.isNaN(seen.getTime()) ? "an invalid Date" : seen.toISOString()
  // The prototype's constructor: an own key of that name is the peer's.
  const kind: unknown = Object.getPrototypeOf(seen)?.constructor?.name
  if (typeof kind === "string" && kind !== "Object") return kind
  const keys: Array<string> = []
  // A loop that ends, rather than Object.keys of as many keys as the peer likes.
  for (const key in seen) {
    if (keys.length === maxKeys) return `object with keys ${keys.join(", ")}, …`
    keys.push(path([key]))
  }
  return keys.length === 0 ? "empty object" : `object with keys ${keys.join(", ")}`
}
