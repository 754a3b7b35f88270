/**
 * Memory for bytes, and text as UTF-8, each the fastest way that the platform has: Node's `Buffer` where there is one,
 * what every platform has elsewhere. The one place that looks; holds nothing.
 */

/** What a platform does with bytes. */
export interface Bytes {
  /** Memory of its own, nobody else's pool behind it. What it holds at first is not said. */
  readonly own: (bytes: number) => Uint8Array
  /** Memory for what is soon gone: a small one may keep a pool alive. */
  readonly pooled: (bytes: number) => Uint8Array
  /** How many bytes of UTF-8 a text is. */
  readonly lengthOf: (text: string) => number
  /** A text as bytes. */
  readonly of: (text: string) => Uint8Array
  /** Writes a text into memory that `own` gave and that has room for it. */
  readonly write: (target: Uint8Array, at: number, text: string) => void
}

const utf8 = new TextEncoder()

/** What every platform has. */
export const portable: Bytes = {
  own: (bytes) => new Uint8Array(bytes),
  pooled: (bytes) => new Uint8Array(bytes),
  lengthOf: (text) => utf8.encode(text).length,
  of: (text) => utf8.encode(text),
  write: (target, at, text) => void utf8.encodeInto(text, target.subarray(at)),
}

type NodeBuffer = typeof globalThis.Buffer

/**
 * What Node has: measured on Node 20.20 with a text of 120 bytes, 120 ns to measure and write it instead of 570, and
 * memory that nobody has to clear.
 */
export const ofNode = (buffer: NodeBuffer): Bytes => ({
  own: (bytes) => buffer.allocUnsafeSlow(bytes),
  pooled: (bytes) => buffer.allocUnsafe(bytes),
  lengthOf: (text) => buffer.byteLength(text),
  of: (text) => buffer.from(text),
  // `own` gave it.
  write: (target, at, text) => void (target as Buffer).write(text, at),
})

/** What this platform has. */
export const here: Bytes = "Buffer" in globalThis ? ofNode(globalThis.Buffer) : portable
