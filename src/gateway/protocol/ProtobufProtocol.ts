/**
 * The protocol in Protobuf: one body is one `Envelope` of `longline.proto` (docs/protocol.md, section 2).
 * Fails for what is no `Envelope` only. What a message must be is said by the schemas that judge JSON too.
 */
import * as Result from "effect/Result"
import type { Codec, CodecError } from "../../codec/Codec.ts"
import * as JsonCodec from "../../codec/JsonCodec.ts"
import type * as ClientMessage from "./ClientMessage.ts"
import * as Carried from "./Data.ts"
import * as EnvelopeBytes from "./EnvelopeBytes.ts"
import * as Judge from "./Judge.ts"
import type { Fields } from "./PlainMessage.ts"
import type { ServerMessage } from "./ServerMessage.ts"

/** The gateway's codec for Protobuf: what a client sends, and what it is sent. */
export const make = (options?: {
  /** How deep arrays and objects may nest in a message with JSON data. Default: `JsonCodec.defaultMaxDepth`. */
  readonly maxDepth?: number | undefined
}): Codec<ClientMessage.ClientFrame, ServerMessage> => {
  const maxDepth = options?.maxDepth ?? JsonCodec.defaultMaxDepth
  const envelope = EnvelopeBytes.make()

  const frameOf = (object: Fields): ClientMessage.ClientFrame => {
    const data = object["data"] as Carried.Data | undefined
    if (data?.type === "json") {
      // The same depth as in JSON, where the message itself is one level.
      const value = JsonCodec.parseText(data.text, maxDepth - 1)
      if (Result.isFailure(value)) return Judge.malformed(object, { ...facts(value.failure), path: "data" })
      object["data"] = Carried.json(value.success)
    }
    return Judge.judge(object)
  }

  return {
    name: "protobuf",
    decode: (body) => Result.map(envelope.read(body), frameOf),
    encode: (message) => envelope.write(named(message)),
  }
}

const facts = ({ actual, expected }: CodecError) => ({ actual, expected })

/** Two messages have the name of what they answer: in an `Envelope` both directions stand side by side. */
const named = (message: ServerMessage): { readonly type: string } => {
  const isNamesake = message.type === "history" || message.type === "presence"
  return isNamesake ? { ...message, type: `${message.type}Answer` } : message
}
