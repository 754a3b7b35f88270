/**
 * Bodies in Protobuf as a client writes and reads them, by the generated code. Refuses nothing: what is wrong in a message
 * is written as far as Protobuf can say it.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf"
import { type Envelope, EnvelopeSchema } from "../../src/gateway/protocol/gen/longline_pb.ts"
import * as PlainMessage from "../../src/gateway/protocol/PlainMessage.ts"

const { fromPlain, toPlain } = PlainMessage.converter(EnvelopeSchema)

/** The body of a message as the schemas have it. */
export const write = (message: object): Uint8Array => toBinary(EnvelopeSchema, fromPlain(message) as Envelope)

/** The message of a body, without what is empty. */
export const read = (body: Uint8Array): unknown => {
  const message = toPlain(fromBinary(EnvelopeSchema, body)) as { readonly type?: string }
  return message.type === undefined ? message : { ...message, type: message.type.replace(/Answer$/, "") }
}
