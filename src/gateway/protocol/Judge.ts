/**
 * Judges an object that a codec has read by the schema of its `type`, so that malformed means the same in every encoding.
 * Never fails: what fits no schema is a `Malformed` value, which the session answers. Knows no encoding.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { CodecError } from "../../codec/Codec.ts"
import * as SchemaStep from "../../codec/SchemaStep.ts"
import * as Shown from "../../codec/Shown.ts"
import * as ClientMessage from "./ClientMessage.ts"
import * as Fields from "./Fields.ts"

/** A message as a codec has read it, its `data` in the form of `Data.ts`. */
export type WireObject = { readonly [key: string]: unknown }

/** What is wrong with a message, as a codec's error has it. */
export type Failure = Pick<CodecError, "path" | "expected" | "actual">

type WireMessage = (typeof ClientMessage.schemas)[keyof typeof ClientMessage.schemas]["Type"]

const decoders = new Map<unknown, (value: unknown) => Result.Result<WireMessage, CodecError>>(
  Object.entries(ClientMessage.schemas).map(([type, schema]) => [
    type,
    SchemaStep.decoder<WireMessage, unknown>(schema),
  ]),
)

const decodeSubscription = SchemaStep.decoder(ClientMessage.Subscription)

/** The message that the object is, or what is wrong with it. */
export const judge = (object: WireObject): ClientMessage.ClientFrame => {
  const decoder = decoders.get(object["type"])
  if (decoder === undefined) return malformed(object, unknownType(object["type"]))
  const decoded = decoder(object)
  if (Result.isFailure(decoded)) return malformed(object, decoded.failure)
  const message = decoded.success
  return message.type === "connect" ? connectOf(message) : message
}

/** The frame for a message of which a codec itself knows what is wrong. */
export const malformed = (object: WireObject, failure: Failure): ClientMessage.Malformed => {
  const { id, type } = object
  // The id of an answer is of the other direction: an error with it would seem to concern a request of the client's.
  return isId(id) && type !== "response" && type !== "error" ? { ...describe(failure), id } : describe(failure)
}

const connectOf = (message: typeof ClientMessage.Connect.Type): ClientMessage.Connect => {
  if (message.subscriptions !== undefined) {
    return { ...message, subscriptions: message.subscriptions.map(judgeSubscription) }
  }
  const { subscriptions: _, ...connect } = message
  return connect
}

const judgeSubscription = (
  entry: typeof ClientMessage.SubscriptionEntry.Type,
): Result.Result<ClientMessage.Subscription, ClientMessage.MalformedSubscription> =>
  Result.mapError(decodeSubscription(entry), (error) => ({ ...describe(error), channel: entry.channel }))

const isId = Schema.is(Fields.Id)

const describe = ({ actual, expected, path }: Failure): ClientMessage.Malformed => ({
  type: "malformed",
  path,
  message: `expected ${expected}${path === "" ? "" : ` at ${path}`}, got ${actual}`,
})

const oneOfTheTypes = `one of ${Object.keys(ClientMessage.schemas).join(", ")}`

const unknownType = (type: unknown): Failure => ({
  path: "type",
  expected: oneOfTheTypes,
  actual: type === undefined ? "nothing" : Shown.value(type),
})
