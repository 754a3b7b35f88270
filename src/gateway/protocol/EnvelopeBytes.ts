/**
 * An `Envelope` of `longline.proto` as the body of a frame, from either side. Throws nothing, and knows no message: what
 * is in it is the codecs' affair.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf"
import * as Result from "effect/Result"
import { CodecError } from "../../codec/Codec.ts"
import * as Shown from "../../codec/Shown.ts"
import { type Envelope, EnvelopeSchema } from "./gen/longline_pb.ts"
import * as PlainMessage from "./PlainMessage.ts"

/** Both ways between plain messages and bodies. */
export interface EnvelopeBytes {
  readonly read: (body: Uint8Array) => Result.Result<PlainMessage.Fields, CodecError>
  /** `plain` is the message under its name in an `Envelope`. */
  readonly write: (plain: { readonly type: string }) => Result.Result<Uint8Array, CodecError>
}

/** Made when it is wanted: its tables take a millisecond. */
export const make = (): EnvelopeBytes => {
  const { fromPlain, toPlain } = PlainMessage.converter(EnvelopeSchema)
  return {
    read: (body) => {
      try {
        // Unknown fields are ignored: kept, they would be memory that the peer chooses.
        const envelope = fromBinary(EnvelopeSchema, body, { readUnknownFields: false })
        return Result.succeed(toPlain(envelope) as PlainMessage.Fields)
      } catch (cause) {
        const [expected, actual] = ["an Envelope of longline.proto", `${body.length} bytes that are none`]
        return Result.fail(new CodecError({ direction: "decode", path: "", expected, actual, cause }))
      }
    },
    write: (plain) => {
      try {
        return Result.succeed(toBinary(EnvelopeSchema, fromPlain(plain) as Envelope))
      } catch (cause) {
        // A number that fits no field: a limit below zero, a code or an id out of range.
        const [expected, actual] = [`a ${plain.type} that Protobuf can hold`, Shown.value(plain)]
        return Result.fail(new CodecError({ direction: "encode", path: "", expected, actual, cause }))
      }
    },
  }
}
