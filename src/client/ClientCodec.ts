/**
 * The gateway's protocol in JSON as a client reads and writes it (docs/protocol.md, section 2).
 * Holds the gateway to its schemas, and passes over what a later version may say. Names no platform.
 */
import * as Result from "effect/Result"
import { CodecError, type Codec } from "../codec/Codec.ts"
import * as JsonCodec from "../codec/JsonCodec.ts"
import * as SchemaStep from "../codec/SchemaStep.ts"
import * as Shown from "../codec/Shown.ts"
import * as Protocol from "../connection/Protocol.ts"
import * as FrameLayout from "../frame/FrameLayout.ts"
import type * as Carried from "../gateway/protocol/Data.ts"
import { ServerMessage } from "../gateway/protocol/ServerMessage.ts"
import type { Inbound, Outbound } from "./Message.ts"

/** Body bytes of a frame from the gateway (section 1). */
export const maxServerFrameBytes = 1024 * 1024

/** Body bytes of a frame to the gateway, once it has answered `connect` (section 1). */
export const maxClientFrameBytes = 64 * 1024

/** Data of the deepest kind that the gateway takes, four levels down in `connected`. */
const maxDepth = JsonCodec.defaultMaxDepth + 4

/** Frames without a body are messages here, for the gateway wants each of its heartbeats answered. */
export const codec: Codec<Inbound, Outbound> = {
  name: "json",
  decode: (body) =>
    body.length === 0
      ? Result.succeed({ type: "heartbeat" })
      : Result.flatMap(JsonCodec.parse(body, maxDepth), (value) => read(value)),
  encode: (message) => Result.succeed(message.type === "heartbeat" ? "" : textOf(message)),
}

/** The connection's protocol, from the client's side. */
export const protocol: Protocol.Protocol<Inbound, Outbound> = Protocol.fromCodec({
  name: "longline",
  codec,
  layout: FrameLayout.makeUnsafe({ maxFrameBytes: maxServerFrameBytes }),
  maxOutboundFrameBytes: maxClientFrameBytes,
  heartbeat: "none",
})

// --- reading

type JsonObject = { [key: string]: unknown }

const decoders = new Map<unknown, (value: unknown) => Result.Result<unknown, CodecError>>(
  ServerMessage.members.map((schema) => [
    schema.fields.type.schema.literal,
    SchemaStep.decoder<unknown, unknown>(schema),
  ]),
)

const read = (value: unknown): Result.Result<Inbound, CodecError> => {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return Result.fail(unreadable("one JSON object", value))
  const object = value as JsonObject
  const decode = decoders.get(object["type"])
  if (decode === undefined) return Result.succeed({ type: "unknown" })
  const bad = toValues(object)
  // The schemas take any data, so that what has become of it here passes them by.
  return bad === undefined ? (decode(object) as Result.Result<Inbound, CodecError>) : Result.fail(bad)
}

/** Puts bytes in the place of base64, wherever a message has data. Just parsed: nobody else's. */
const toValues = (object: JsonObject): CodecError | undefined => {
  switch (object["type"]) {
    case "publication":
    case "request":
    case "response":
      return toValue(object)
    case "history":
    case "subscribed":
      return eachOf(object["publications"], toValue)
    case "connected":
      return eachOf(Object.values(object["subscriptions"] ?? {}), toValues)
  }
  return undefined
}

const eachOf = (list: unknown, change: (object: JsonObject) => CodecError | undefined): CodecError | undefined => {
  if (!Array.isArray(list)) return undefined
  for (const item of list) {
    const bad = typeof item === "object" && item !== null ? change(item as JsonObject) : undefined
    if (bad !== undefined) return bad
  }
  return undefined
}

const toValue = (object: JsonObject): CodecError | undefined => {
  if (object["binary"] !== true) return undefined
  try {
    object["data"] = Uint8Array.from(atob(object["data"] as string), (character) => character.charCodeAt(0))
    return undefined
  } catch {
    return unreadable("base64", object["data"])
  }
}

const unreadable = (expected: string, value: unknown): CodecError =>
  new CodecError({ direction: "decode", path: "", expected, actual: Shown.value(value) })

// --- writing

/** Data is text already: it is stringified once, however often it is sent. */
const textOf = (message: Exclude<Outbound, { type: "heartbeat" }>): string => {
  switch (message.type) {
    case "publish":
    case "request":
    case "response": {
      const { data, ...rest } = message
      return `${JSON.stringify(rest).slice(0, -1)},${dataMembers(data)}}`
    }
    default:
      return JSON.stringify(message)
  }
}

const dataMembers = (data: Carried.Data): string =>
  data.type === "json" ? `"data":${data.text}` : `"binary":true,"data":"${base64Of(data.bytes)}"`

const base64Of = (bytes: Uint8Array): string => {
  let characters = ""
  for (const byte of bytes) characters += String.fromCharCode(byte)
  return btoa(characters)
}
