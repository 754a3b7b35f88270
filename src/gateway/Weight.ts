/**
 * What a publication takes in an answer that carries several. An estimate, so that an answer's size is known before it is
 * encoded: never too low by more than the escapes of its tags.
 */
import type { Publication } from "./engine/Engine.ts"
import * as Data from "./protocol/Data.ts"

/** Names of fields, offsets, the epoch, the connection and the time, generously. */
const envelopeBytes = 192

/** Bytes of data and tags of a publication. */
export const sizeOf = ({ data, tags }: Publication): number => {
  let bytes = Data.byteLength(data)
  for (const name in tags) bytes += Buffer.byteLength(name) + Buffer.byteLength(tags[name]!)
  return bytes
}

/** Bytes of the whole publication as an answer carries it. Names may have to be escaped. */
export const weightOf = (channel: string, publication: Publication): number =>
  envelopeBytes + 2 * (Buffer.byteLength(channel) + (publication.from?.user?.length ?? 0)) + sizeOf(publication)

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
