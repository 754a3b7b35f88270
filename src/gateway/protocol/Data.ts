/**
 * Application data as the gateway carries it: JSON as text, so that it is encoded once for everybody, or plain bytes.
 * Looks into neither.
 */

/** A JSON value as its text. */
export interface Json {
  readonly type: "json"
  /** What `JSON.stringify` gives: one value, no byte order mark, no lone surrogate. */
  readonly text: string
}

/** Bytes as they are in Protobuf, and in base64 in JSON. */
export interface Binary {
  readonly type: "binary"
  /** Not a view into what was read: it may be kept. */
  readonly bytes: Uint8Array
}

/** What a publication, a request or a response carries. */
export type Data = Json | Binary

/** JSON data of a value that JSON knows. */
export const json = (value: unknown): Json => ({ type: "json", text: JSON.stringify(value) })

/** Binary data of bytes that nobody else writes to. */
export const binary = (bytes: Uint8Array): Binary => ({ type: "binary", bytes })

/** How many bytes the data is counted as: its length in UTF-8, or in bytes. */
export const byteLength = (data: Data): number =>
  data.type === "json" ? Buffer.byteLength(data.text) : data.bytes.length
