/**
 * What a publication takes in an answer that carries several, known before the answer is encoded: never too little in
 * JSON, the longer encoding. Too little would be an answer that fits into no frame, again each time it is asked for.
 */
import type { Publication } from "./engine/Engine.ts"
import * as Data from "./protocol/Data.ts"

/** Names of fields, offsets, the epoch, the connection and the time at their longest. */
const envelopeBytes = 216

/** Bytes of the whole publication as an answer carries it. */
export const weightOf = (channel: string, { data, from, tags }: Pick<Publication, "data" | "from" | "tags">): number =>
  envelopeBytes + textBytes(channel) + textBytes(from?.user) + dataBytes(data) + textBytes(tags)

/** A control character takes six bytes where it is escaped. */
const textBytes = (value: object | string | undefined): number =>
  value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value))

/** Bytes stand in base64, four characters for three of them. */
const dataBytes = (data: Data.Data): number =>
  data.type === "json" ? Data.byteLength(data) : 4 * Math.ceil(data.bytes.length / 3)

/** How many publications, from the first on, weigh at most so much together, and what they weigh. */
export const fitting = (
  channel: string,
  publications: ReadonlyArray<Publication>,
  maxBytes: number,
): { readonly count: number; readonly bytes: number } => {
  let bytes = 0
  let count = 0
  for (; count < publications.length; count++) {
    const weight = weightOf(channel, publications[count]!)
    if (bytes + weight > maxBytes) break
    bytes += weight
  }
  return { count, bytes }
}
