/**
 * The protocol in JSON: one body is one object (docs/protocol.md, section 2).
 * Fails for what is not one JSON object only; a message that fits no schema is a `Malformed` value, which the session
 * answers.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { CodecError, type Codec } from "../../codec/Codec.ts"
import * as JsonCodec from "../../codec/JsonCodec.ts"
import * as SchemaStep from "../../codec/SchemaStep.ts"
import * as Shown from "../../codec/Shown.ts"
import * as ClientMessage from "./ClientMessage.ts"
import * as Fields from "./Fields.ts"
import type { ServerMessage } from "./ServerMessage.ts"

/** The gateway's codec for JSON: what a client sends, and what it is sent. */
export const make = (options?: {
  /** How deep arrays and objects may nest. Default: `JsonCodec.defaultMaxDepth`. */
  readonly maxDepth?: number
}): Codec<ClientMessage.ClientFrame, ServerMessage> => {
  const maxDepth = options?.maxDepth ?? JsonCodec.defaultMaxDepth
  return {
    name: "json",
    decode: (body) => {
      // Nothing may come before the object, so its first byte tells it from every other JSON value.
      if (body[0] !== leftBrace) return Result.fail(notAnObject(body))
      return Result.map(JsonCodec.parse(body, maxDepth), (object) => frameOf(object as JsonObject))
    },
    // Messages are of our own making and their data came out of JSON: there is nothing left to validate.
    encode: (message) => Result.succeed(JSON.stringify(message)),
  }
}

const leftBrace = 0x7b

const notAnObject = (body: Uint8Array): CodecError =>
  new CodecError({
    direction: "decode",
    path: "",
    expected: "one JSON object",
    actual: body[0] === undefined ? "an empty body" : `a body that begins with byte 0x${body[0].toString(16)}`,
  })

type JsonObject = { readonly [key: string]: unknown }

type WireMessage = (typeof ClientMessage.schemas)[keyof typeof ClientMessage.schemas]["Type"]

const decoders = new Map<unknown, (value: unknown) => Result.Result<WireMessage, CodecError>>(
  Object.entries(ClientMessage.schemas).map(([type, schema]) => [
    type,
    SchemaStep.decoder<WireMessage, unknown>(schema),
  ]),
)

const decodeSubscription = SchemaStep.decoder(ClientMessage.Subscription)

const frameOf = (object: JsonObject): ClientMessage.ClientFrame => {
  const decoder = decoders.get(object["type"])
  if (decoder === undefined) return malformed(object, unknownType(object["type"]))
  const decoded = decoder(object)
  if (Result.isFailure(decoded)) return malformed(object, decoded.failure)
  const message = decoded.success
  return message.type === "connect" ? connectOf(message) : message
}

const connectOf = ({ subscriptions, ...connect }: typeof ClientMessage.Connect.Type): ClientMessage.Connect =>
  subscriptions === undefined ? connect : { ...connect, subscriptions: subscriptions.map(judge) }

const judge = (
  entry: typeof ClientMessage.SubscriptionEntry.Type,
): Result.Result<ClientMessage.Subscription, ClientMessage.MalformedSubscription> =>
  Result.mapError(decodeSubscription(entry), (error) => ({ ...describe(error), channel: entry.channel }))

/** What is wrong with a message, as a codec's error has it. */
type Failure = Pick<CodecError, "path" | "expected" | "actual">

const malformed = (object: JsonObject, failure: Failure): ClientMessage.Malformed => {
  const { id, type } = object
  // The id of an answer is of the other direction: an error with it would seem to concern a request of the client's.
  return isId(id) && type !== "response" && type !== "error" ? { ...describe(failure), id } : describe(failure)
}

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
