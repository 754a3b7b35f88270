/**
 * A small protocol for the codecs' tests, with the two ways to read a result.
 * Holds no assertion.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { CodecError } from "../../src/codec/Codec.ts"

export const Say = Schema.Struct({
  type: Schema.tag("say"),
  text: Schema.String.check(Schema.isMaxLength(300)),
  nick: Schema.optionalKey(Schema.String),
  data: Schema.Struct({ items: Schema.Array(Schema.Struct({ price: Schema.Finite })) }),
})
export const Leave = Schema.Struct({ type: Schema.tag("leave"), at: Schema.Date })
export const Chat = Schema.Union([Say, Leave])
export type Chat = typeof Chat.Type

/** A schema as deep as the peer likes. */
export interface Tree {
  readonly children: ReadonlyArray<Tree>
}
export const Tree = Schema.Struct({ children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree)) })

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
export const hex = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits.replaceAll(" ", ""), "hex"))

/** The facts of a failure, or the success where none was expected. */
export const failureOf = (result: Result.Result<unknown, CodecError>): unknown => {
  if (Result.isSuccess(result)) return { success: result.success }
  const { direction, path, expected, actual } = result.failure
  return { direction, path, expected, actual }
}
