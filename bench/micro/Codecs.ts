/**
 * Samples of the codecs, next to `JSON.parse` and `JSON.stringify` alone, which is what validation is to be compared with.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { BinaryCodec, type Codec, JsonCodec } from "longline"
import type { Sample } from "./Sample.ts"

const Line = Schema.Struct({
  id: Schema.Int,
  user: Schema.Struct({ name: Schema.NonEmptyString, admin: Schema.Boolean }),
  text: Schema.String,
  tags: Schema.Array(Schema.String),
})

const Page = Schema.Struct({ type: Schema.tag("page"), lines: Schema.Array(Line) })
type Page = typeof Page.Type

const line = { id: 1_000_000, user: { name: "Grace Hopper", admin: false }, text: "Zürich, 東京", tags: ["a", "b"] }
const page = (lines: number): Page => ({ type: "page", lines: Array.from({ length: lines }, () => line) })

const schemas = { inbound: Page, outbound: Page }
const json = JsonCodec.make()(schemas)
const binary = BinaryCodec.make()(schemas)

const bytesOf = (codec: Codec.Codec<Page, Page>, message: Page): Buffer => {
  const body = Result.getOrThrow(codec.encode(message))
  return typeof body === "string" ? Buffer.from(body) : Buffer.from(body)
}

const ofCodec = (codec: Codec.Codec<Page, Page>, lines: number): ReadonlyArray<Sample> => {
  const message = page(lines)
  const body = bytesOf(codec, message)
  const size = `${body.length} B`
  return [
    { name: `${codec.name} decode`, size, count: 1, run: () => Result.getOrThrow(codec.decode(body)).lines.length },
    { name: `${codec.name} encode`, size, count: 1, run: () => Result.getOrThrow(codec.encode(message)).length },
  ]
}

const bare = (lines: number): ReadonlyArray<Sample> => {
  const message = page(lines)
  const body = bytesOf(json, message)
  const size = `${body.length} B`
  return [
    { name: "JSON.parse", size, count: 1, run: () => (JSON.parse(body.toString()) as Page).lines.length },
    { name: "JSON.stringify", size, count: 1, run: () => JSON.stringify(message).length },
  ]
}

/** All of them. */
export const samples: ReadonlyArray<Sample> = [1, 10, 100].flatMap((lines) => [
  ...bare(lines),
  ...ofCodec(json, lines),
  ...ofCodec(binary, lines),
])
