/**
 * The protocol in Protobuf: one body is one `Envelope` of `longline.proto` (docs/protocol.md, section 2).
 * Fails for what is no `Envelope` only. What a message must be is said by the schemas that judge JSON too.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf"
import * as Result from "effect/Result"
import { CodecError, type Codec } from "../../codec/Codec.ts"
import * as JsonCodec from "../../codec/JsonCodec.ts"
import * as Shown from "../../codec/Shown.ts"
import type * as ClientMessage from "./ClientMessage.ts"
import * as Carried from "./Data.ts"
import { type Envelope, EnvelopeSchema } from "./gen/longline_pb.ts"
import * as Judge from "./Judge.ts"
import * as PlainMessage from "./PlainMessage.ts"
import type { ServerMessage } from "./ServerMessage.ts"

/** The gateway's codec for Protobuf: what a client sends, and what it is sent. */
export const make = (options?: {
  /** How deep arrays and objects may nest in a message with JSON data. Default: `JsonCodec.defaultMaxDepth`. */
  readonly maxDepth?: number | undefined
}): Codec<ClientMessage.ClientFrame, ServerMessage> => {
  const maxDepth = options?.maxDepth ?? JsonCodec.defaultMaxDepth
  const { fromPlain, toPlain } = PlainMessage.converter(EnvelopeSchema)

  const frameOf = (object: PlainMessage.Fields): ClientMessage.ClientFrame => {
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
    decode: (body) => Result.map(read(body), (envelope) => frameOf(toPlain(envelope) as PlainMessage.Fields)),
    encode: (message) => write(message, () => fromPlain(named(message)) as Envelope),
  }
}

const facts = ({ actual, expected }: CodecError) => ({ actual, expected })

/** Two messages have the name of what they answer: in an `Envelope` both directions stand side by side. */
const named = (message: ServerMessage): object => {
  const isNamesake = message.type === "history" || message.type === "presence"
  return isNamesake ? { ...message, type: `${message.type}Answer` } : message
}

const read = (body: Uint8Array): Result.Result<Envelope, CodecError> => {
  try {
    return Result.succeed(fromBinary(EnvelopeSchema, body, options))
  } catch (cause) {
    const actual = `${body.length} bytes that are none`
    return Result.fail(
      new CodecError({ direction: "decode", path: "", expected: "an Envelope of longline.proto", actual, cause }),
    )
  }
}

// Unknown fields are ignored: kept, they would be memory that the peer chooses.
const options = { readUnknownFields: false }

const write = (message: ServerMessage, envelope: () => Envelope): Result.Result<Uint8Array, CodecError> => {
  try {
    return Result.succeed(toBinary(EnvelopeSchema, envelope()))
  } catch (cause) {
    // A code or an id out of range, which is a mistake of the gateway's own.
    const expected = `a ${message.type} that Protobuf can hold`
    return Result.fail(new CodecError({ direction: "encode", path: "", expected, actual: Shown.value(message), cause }))
  }
}
