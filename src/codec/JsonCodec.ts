/**
 * Messages as JSON: one value a body, strict UTF-8, bounded nesting, both ways.
 * Refuses a byte order mark, an empty body, trailing text, and any depth a peer with the same limit would refuse.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Limit from "../limit/Limit.ts"
import { CodecError, type CodecFactory } from "./Codec.ts"
import * as JsonDepth from "./JsonDepth.ts"
import * as SchemaStep from "./SchemaStep.ts"
import * as Shown from "./Shown.ts"
import * as Utf8 from "./Utf8.ts"

/** How many arrays and objects may stand in each other, where nothing else is said. */
export const defaultMaxDepth = 64

/** What a JSON codec can be told. */
export interface Options {
  /** How many arrays and objects may stand in each other: `[]` is 1 deep. Default: `defaultMaxDepth`. */
  readonly maxDepth?: number | undefined
}

/**
 * Codecs for JSON. Any schema will do: what JSON cannot hold (dates, bytes, `Option`, `NaN`) takes the form that
 * `Schema.toCodecJson` gives it. Where speed counts, `Schema.Finite` spares `Schema.Number` the search for `"NaN"`
 * (0.1 µs), and `Schema.Any` passes data through that `Schema.Unknown` and `Schema.Json` would walk (0.5 µs for a
 * dozen nodes).
 *
 * ```ts
 * const codec = JsonCodec.make({ maxDepth: 8 })({ inbound: Say, outbound: Say })
 * ```
 */
export const make = (options?: Options): CodecFactory => {
  const { maxDepth } = Limit.checkedUnsafe({ maxDepth: options?.maxDepth ?? defaultMaxDepth })
  return ({ inbound, outbound }) => {
    // For a schema that is JSON already this costs nothing that can be measured (0.01 µs).
    const decode = SchemaStep.decoder(Schema.toCodecJson(inbound))
    const encode = SchemaStep.encoder(Schema.toCodecJson(outbound))
    return {
      name: "json",
      decode: (body) => {
        const value = parse(body, maxDepth)
        return Result.isSuccess(value) ? decode(value.success) : Result.fail(value.failure)
      },
      encode: (message) => {
        const value = encode(message)
        return Result.isSuccess(value) ? stringify(value.success, maxDepth) : Result.fail(value.failure)
      },
    }
  }
}

/** The value of a body that is one JSON text of at most `maxDepth` levels. The rung below schemas. */
export const parse = (body: Uint8Array, maxDepth: number): Result.Result<unknown, CodecError> => {
  const text = Utf8.decode(body)
  if (text === undefined) {
    const at = Utf8.malformedAt(body) ?? 0
    return fail("decode", "UTF-8", `byte 0x${(body[at] ?? 0).toString(16)} at offset ${at}`)
  }
  return parseText(text, maxDepth)
}

/** The same of a text, where a body holds JSON beside other things. */
export const parseText = (text: string, maxDepth: number): Result.Result<unknown, CodecError> => {
  if (JsonDepth.exceeds(text, maxDepth)) return fail("decode", levels(maxDepth), "more")
  try {
    return Result.succeed(JSON.parse(text))
  } catch (cause) {
    return fail("decode", "one JSON value", malformed(text), cause)
  }
}

/** The JSON text of a value, of at most `maxDepth` levels; lone surrogates are escaped. The rung below schemas. */
export const stringify = (value: unknown, maxDepth: number): Result.Result<string, CodecError> => {
  try {
    // The type of JSON.stringify leaves out what it gives for a function, a symbol and undefined.
    const text = JSON.stringify(value) as string | undefined
    if (text === undefined) return fail("encode", "a JSON value", Shown.value(value))
    return JsonDepth.exceeds(text, maxDepth) ? fail("encode", levels(maxDepth), "more") : Result.succeed(text)
  } catch (cause) {
    // A bigint, a cycle, or nesting beyond the stack.
    return fail("encode", "a JSON value", Shown.value(value), cause)
  }
}

const levels = (maxDepth: number): string => `at most ${maxDepth} levels of arrays and objects`

const malformed = (text: string): string => {
  if (text === "") return "an empty body"
  return text.startsWith("\ufeff") ? "a byte order mark" : Shown.value(text)
}

const fail = (
  direction: "decode" | "encode",
  expected: string,
  actual: string,
  cause?: unknown,
): Result.Result<never, CodecError> =>
  Result.fail(new CodecError({ direction, path: "", expected, actual, ...(cause === undefined ? {} : { cause }) }))
