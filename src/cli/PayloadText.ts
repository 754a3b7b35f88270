/**
 * Data as it is written on a command line: text that is JSON stands for its value, any other for itself.
 * Sends nothing, and judges no size.
 */
import { Buffer } from "node:buffer"

/** How a text is to be taken. */
export type Form = "auto" | "text" | "binary"

/** The value that a text stands for: `{"a":1}` and `42` are JSON, `hello` is a string. Bytes are those of a text. */
export const valueOf = (given: string | Uint8Array, form: Form): unknown => {
  if (form === "binary") return typeof given === "string" ? new Uint8Array(Buffer.from(given)) : given
  const text =
    typeof given === "string"
      ? given
      : Buffer.from(given)
          .toString("utf8")
          .replace(/\r?\n$/, "")
  if (form === "text") return text
  try {
    return JSON.parse(text, finite) as unknown
  } catch {
    return text
  }
}

/** JSON has numbers that no double holds (`1e400`), which would go out as `null`: what has one is text. */
const finite = (_key: string, value: unknown): unknown => {
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError("a number that no double holds")
  return value
}

/** The value as one line: JSON, and bytes in base64. `valueOf` makes the same value of JSON. */
export const format = (value: unknown): string => (value instanceof Uint8Array ? base64(value) : JSON.stringify(value))

/** The value without quotes or base64: text as it is, bytes as they are, all else as JSON. */
export const raw = (value: unknown): string | Uint8Array =>
  typeof value === "string" || value instanceof Uint8Array ? value : JSON.stringify(value)

/** The fields of a line of JSON, as the protocol has them. */
export const fields = (value: unknown): { readonly data: unknown; readonly binary?: true } =>
  value instanceof Uint8Array ? { data: base64(value), binary: true } : { data: value }

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64")
