/**
 * The gateway's protocol in JSON as a client reads and writes it (docs/protocol.md, section 2).
 * Judges nothing but JSON and base64. Names no platform.
 */
import * as Result from "effect/Result"
import type { Codec, CodecError } from "../codec/Codec.ts"
import * as JsonCodec from "../codec/JsonCodec.ts"
import type * as Carried from "../gateway/protocol/Data.ts"
import * as Hearing from "./Hearing.ts"
import type { Inbound, Outbound } from "./Message.ts"

/** Data of the deepest kind that the gateway takes, four levels down in `connected`. */
const maxDepth = JsonCodec.defaultMaxDepth + 4

/** JSON, with frames without a body as messages. */
export const codec: Codec<Inbound, Outbound> = {
  name: "json",
  decode: (body) =>
    body.length === 0
      ? Result.succeed({ type: "heartbeat" })
      : Result.flatMap(JsonCodec.parse(body, maxDepth), (value) => Hearing.hear(value, toValue)),
  encode: (message) => Result.succeed(message.type === "heartbeat" ? "" : textOf(message)),
}

/** Puts bytes in the place of base64. */
const toValue = (object: Hearing.WireObject): CodecError | undefined => {
  if (object["binary"] !== true) return undefined
  try {
    object["data"] = Uint8Array.from(atob(object["data"] as string), (character) => character.charCodeAt(0))
    return undefined
  } catch {
    return Hearing.unreadable("base64", object["data"])
  }
}

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
