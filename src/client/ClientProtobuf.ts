/**
 * The gateway's protocol in Protobuf as a client reads and writes it (docs/protocol.md, section 2).
 * Fails for what is no `Envelope`, and judges nothing else. Names no platform.
 */
import * as Result from "effect/Result"
import type { Codec, CodecError } from "../codec/Codec.ts"
import * as JsonCodec from "../codec/JsonCodec.ts"
import type * as Carried from "../gateway/protocol/Data.ts"
import * as EnvelopeBytes from "../gateway/protocol/EnvelopeBytes.ts"
import * as Hearing from "./Hearing.ts"
import type { Inbound, Outbound } from "./Message.ts"

/** Protobuf, with frames without a body as messages. Made when it is wanted: its tables take a millisecond. */
export const make = (): Codec<Inbound, Outbound> => {
  const envelope = EnvelopeBytes.make()
  return {
    name: "protobuf",
    decode: (body) =>
      body.length === 0
        ? Result.succeed({ type: "heartbeat" })
        : Result.flatMap(envelope.read(body), (plain) => Hearing.hear(named(plain), toValue)),
    encode: (message) => (message.type === "heartbeat" ? Result.succeed(noBytes) : envelope.write(message)),
  }
}

const noBytes = new Uint8Array(0)

/** Answers have another name than what they answer, what stands in a list has none, and an empty list is as good as none. */
const named = (object: Hearing.WireObject): Hearing.WireObject => {
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
