/**
 * The gateway's protocol in Protobuf as a client reads and writes it (docs/protocol.md, section 2).
 * Fails for what is no `Envelope`, and judges nothing else. Names no platform.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf"
import * as Result from "effect/Result"
import { CodecError, type Codec } from "../codec/Codec.ts"
import * as JsonCodec from "../codec/JsonCodec.ts"
import * as Shown from "../codec/Shown.ts"
import type * as Carried from "../gateway/protocol/Data.ts"
import { type Envelope, EnvelopeSchema } from "../gateway/protocol/gen/longline_pb.ts"
import * as PlainMessage from "../gateway/protocol/PlainMessage.ts"
import * as Hearing from "./Hearing.ts"
import type { Inbound, Outbound } from "./Message.ts"

/** Protobuf, with frames without a body as messages. Made when it is wanted: its tables take a millisecond. */
export const make = (): Codec<Inbound, Outbound> => {
  const { fromPlain, toPlain } = PlainMessage.converter(EnvelopeSchema)
  return {
    name: "protobuf",
    decode: (body) =>
      body.length === 0
        ? Result.succeed({ type: "heartbeat" })
        : Result.flatMap(read(body), (envelope) => Hearing.hear(named(toPlain(envelope)), toValue)),
    encode: (message) =>
      message.type === "heartbeat" ? Result.succeed(noBytes) : write(message, () => fromPlain(message) as Envelope),
  }
}

const noBytes = new Uint8Array(0)

const read = (body: Uint8Array): Result.Result<Envelope, CodecError> => {
  try {
    return Result.succeed(fromBinary(EnvelopeSchema, body, { readUnknownFields: false }))
  } catch (cause) {
    const actual = `${body.length} bytes that are none`
    const expected = "an Envelope of longline.proto"
    return Result.fail(new CodecError({ direction: "decode", path: "", expected, actual, cause }))
  }
}

const write = (message: Outbound, envelope: () => Envelope): Result.Result<Uint8Array, CodecError> => {
  try {
    return Result.succeed(toBinary(EnvelopeSchema, envelope()))
  } catch (cause) {
    // A number that the application gave and that fits no field: a limit below zero, for one.
    const expected = `a ${message.type} that Protobuf can hold`
    return Result.fail(new CodecError({ direction: "encode", path: "", expected, actual: Shown.value(message), cause }))
  }
}

/** Answers have another name than what they answer, what stands in a list has none, and an empty list is as good as none. */
const named = (plain: unknown): Hearing.WireObject => {
  const object = plain as Hearing.WireObject
  switch (object["type"]) {
    case "subscribed":
      return { ...object, publications: publicationsOf(object) }
    case "historyAnswer":
      return { ...object, type: "history", publications: publicationsOf(object) }
    case "presenceAnswer":
      return { members: [], ...object, type: "presence" }
    case "presenceChanged":
      return { joined: [], left: [], ...object }
    case "connected": {
      const subscriptions = Object.entries(object["subscriptions"] ?? {})
      if (subscriptions.length === 0) return object
      return {
        ...object,
        subscriptions: Object.fromEntries(subscriptions.map(([name, answer]) => [name, named(answer)])),
      }
    }
    default:
      return object
  }
}

const publicationsOf = ({ publications = [] }: Hearing.WireObject) =>
  (publications as ReadonlyArray<Hearing.WireObject>).map((publication) => ({ ...publication, type: "publication" }))

/** Puts the value in the place of its text or its bytes. */
const toValue = (object: Hearing.WireObject): CodecError | undefined => {
  const data = object["data"] as Carried.Data | undefined
  if (data?.type === "binary") object["data"] = data.bytes
  if (data?.type !== "json") return undefined
  const value = JsonCodec.parseText(data.text, JsonCodec.defaultMaxDepth)
  if (Result.isFailure(value)) return value.failure
  object["data"] = value.success
  return undefined
}
