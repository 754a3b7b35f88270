/**
 * What turns a frame's body into a message and back. Knows no frame header and no socket.
 * This file holds the contract and the codec for raw bytes; each codec with schemas has a file of its own.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"

/**
 * A body that is no message, or a message that is no body. `path` is where in the message (`data.items[3].price`, empty
 * for the whole), `expected` what should stand there, `actual` what was seen: each at most 200 characters, so that no
 * more than that of a payload comes into logs. `cause` is the parser's own error, or what a transformation threw.
 */
export class CodecError extends Data.TaggedError("CodecError")<{
  readonly direction: "decode" | "encode"
  readonly path: string
  readonly expected: string
  readonly actual: string
  readonly cause?: unknown
}> {
  override get message(): string {
    const at = this.path === "" ? "" : ` at ${this.path}`
    return `cannot ${this.direction} message: expected ${this.expected}${at}, got ${this.actual}`
  }
}

/**
 * A body as an encoder gives it. A string stands for its UTF-8 bytes, so that the outbox can write them where they
 * belong without a buffer in between. Bytes are never written to again, but may be a view into a larger buffer.
 */
export type Body = Uint8Array | string

/** Both directions, synchronous, stateless and total: a failure is a value. */
export interface Codec<out In, in Out> {
  /** For events and logs: `json`, `binary`, `bytes`. */
  readonly name: string
  /** Does not keep `body`, unless the message is the body. */
  readonly decode: (body: Uint8Array) => Result.Result<In, CodecError>
  readonly encode: (message: Out) => Result.Result<Body, CodecError>
}

/** Makes a codec of the schemas of a protocol's two directions, each as the side that holds the codec sees it. */
export interface CodecFactory {
  <In, Out>(schemas: {
    readonly inbound: Schema.Codec<In, unknown>
    readonly outbound: Schema.Codec<Out, unknown>
  }): Codec<In, Out>
}

/** Bodies as they are. A decoded body is a view into the bytes read: copy it to keep it. */
export const bytes: Codec<Uint8Array, Body> = {
  name: "bytes",
  decode: Result.succeed,
  encode: Result.succeed,
}
