/**
 * Messages whose schemas end in bytes: a format of one's own, or bytes with checks.
 * Parses nothing itself. Where there is nothing to check either, `Codec.bytes` is the codec.
 */
import * as Result from "effect/Result"
import { CodecError, type Body, type CodecFactory } from "./Codec.ts"
import * as SchemaStep from "./SchemaStep.ts"
import * as Shown from "./Shown.ts"

/**
 * Codecs for schemas whose encoded side is a `Uint8Array`; the outbound one may end in a string too, which stands for
 * its UTF-8. What such a schema makes of the bytes is its own affair. If it leaves them as they are, a message is a
 * view into the bytes read: copy it to keep it.
 *
 * ```ts
 * const Datagram = Schema.Uint8Array.check(Schema.makeFilter((body) => body.length >= 4 || "a header of 4 bytes"))
 * const codec = BytesCodec.make()({ inbound: Datagram, outbound: Datagram })
 * ```
 */
export const make =
  (): CodecFactory =>
  ({ inbound, outbound }) => {
    const encode = SchemaStep.encoder(outbound)
    return {
      name: "bytes",
      decode: SchemaStep.decoder(inbound),
      encode: (message) => {
        const body = encode(message)
        return Result.isSuccess(body) ? checked(body.success) : Result.fail(body.failure)
      },
    }
  }

const checked = (body: unknown): Result.Result<Body, CodecError> =>
  typeof body === "string" || body instanceof Uint8Array
    ? Result.succeed(body)
    : Result.fail(
        new CodecError({
          direction: "encode",
          path: "",
          expected: "a schema that encodes to bytes",
          actual: Shown.value(body),
        }),
      )
