/**
 * Makes messages of the objects that a codec has read: holds the gateway to its schemas, and passes over what a later
 * version may say. Knows no encoding.
 */
import * as Result from "effect/Result"
import { CodecError } from "../codec/Codec.ts"
import * as SchemaStep from "../codec/SchemaStep.ts"
import * as Shown from "../codec/Shown.ts"
import { ServerMessage } from "../gateway/protocol/ServerMessage.ts"
import type { Inbound } from "./Message.ts"

/** What a codec has just read, and nobody else's: its data may be replaced. */
export type WireObject = { [key: string]: unknown }

/** Puts the value in the place of the data that was read; what is wrong with it otherwise. */
export type ToValue = (object: WireObject) => CodecError | undefined

const decoders = new Map<unknown, (value: unknown) => Result.Result<unknown, CodecError>>(
  ServerMessage.members.map((schema) => [
    schema.fields.type.schema.literal,
    SchemaStep.decoder<unknown, unknown>(schema),
  ]),
)

/** The message that a value is. `toValue` is called for each object in it that has data. */
export const hear = (value: unknown, toValue: ToValue): Result.Result<Inbound, CodecError> => {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return Result.fail(unreadable("one object", value))
  const object = value as WireObject
  const decode = decoders.get(object["type"])
  if (decode === undefined) return Result.succeed({ type: "unknown" })
  const bad = toValues(object, toValue)
  // The schemas take any data, so that what has become of it here passes them by.
  return bad === undefined ? (decode(object) as Result.Result<Inbound, CodecError>) : Result.fail(bad)
}

/** What was expected, and what was read instead. */
export const unreadable = (expected: string, value: unknown): CodecError =>
  new CodecError({ direction: "decode", path: "", expected, actual: Shown.value(value) })

const toValues = (object: WireObject, toValue: ToValue): CodecError | undefined => {
  switch (object["type"]) {
    case "publication":
    case "request":
    case "response":
      return toValue(object)
    case "history":
    case "subscribed":
      return eachOf(object["publications"], toValue)
    case "connected":
      return eachOf(Object.values(object["subscriptions"] ?? {}), (answer) => toValues(answer, toValue))
  }
  return undefined
}

const eachOf = (list: unknown, change: ToValue): CodecError | undefined => {
  if (!Array.isArray(list)) return undefined
  for (const item of list) {
    const bad = typeof item === "object" && item !== null ? change(item as WireObject) : undefined
    if (bad !== undefined) return bad
  }
  return undefined
}
