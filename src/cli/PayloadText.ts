/**
 * Data as it is written on a command line: text that is JSON stands for its value, any other for itself.
 * Sends nothing, and judges no size.
 */
import { Buffer } from "node:buffer"
import * as Utf8 from "../codec/Utf8.ts"

/** How a text is to be taken. */
export type Form = "auto" | "text" | "binary"

/** The value that a text stands for: `{"a":1}` and `42` are JSON, `hello` is a string. Bytes stand for bytes. */
export const valueOf = (given: string | Uint8Array, form: Form): unknown => {
  if (typeof given !== "string") return given
  if (form === "binary") return new Uint8Array(Buffer.from(given))
  if (form === "text") return given
  try {
    return JSON.parse(given, finite) as unknown
  } catch {
    return given
  }
}

/** What bytes from outside are to be taken as: themselves, or their text without its last line break; undefined for no text. */
export const givenOf = (bytes: Uint8Array, form: Form): string | Uint8Array | undefined =>
  form === "binary" ? bytes : Utf8.decode(bytes)?.replace(/\r?\n$/, "")

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
