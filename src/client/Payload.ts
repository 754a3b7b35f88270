/**
 * Makes the data of a message of a value of the application's: bytes as they are, all else as JSON.
 * Refuses what JSON cannot hold, before anything is sent.
 */
import * as Result from "effect/Result"
import * as JsonCodec from "../codec/JsonCodec.ts"
import * as Carried from "../gateway/protocol/Data.ts"
import { Unsendable } from "./ClientError.ts"

/** The message is one level itself. */
const maxDepth = JsonCodec.defaultMaxDepth - 1

/** The data, or why there is none: `undefined`, a cycle, a bigint, too many levels, bytes that are no `Uint8Array`. */
export const make = (value: unknown): Result.Result<Carried.Data, Unsendable> => {
  if (value instanceof Uint8Array) return Result.succeed(Carried.binary(value))
  // JSON would make `{}` of a buffer.
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    return Result.fail(new Unsendable({ message: `bytes are sent as a Uint8Array, got ${value.constructor.name}` }))
  }
  return Result.mapBoth(JsonCodec.stringify(value, maxDepth), {
    onSuccess: (text): Carried.Data => ({ type: "json", text }),
    onFailure: ({ message }) => new Unsendable({ message }),
  })
}
