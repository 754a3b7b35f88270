/**
 * What engines do alike with publications: make them of drafts, weigh them, and fill pages.
 * Keeps none.
 */
import * as Data from "../protocol/Data.ts"
import type { Tags } from "../protocol/Fields.ts"
import { maxServerFrameBytes } from "../protocol/FrameLimits.ts"
import * as Weight from "../Weight.ts"
import { type Draft, EngineError, type Publication, type Range } from "./Engine.ts"

/** The most that a publication may weigh: what fits into a frame of the gateway's, with what an answer says beside it. */
export const maxWeight = maxServerFrameBytes - 4 * 1024

/** Characters or bytes of data that never weigh too much, three and four thirds bytes each, so that few are weighed. */
const surelyFits = maxWeight / 4

/** The draft in its place. */
export const make = ({ data, from, tags }: Draft, offset: number, previous: number, time: number): Publication => {
  // Not spread: nearly all have a sender and no tags.
  const publication = from === undefined ? { offset, previous, time, data } : { offset, previous, time, data, from }
  return tags === undefined ? publication : { ...publication, tags }
}

/** Why a draft is not taken, if it is too large for any client. Clients cannot send one: it is for who publishes in here. */
export const refusalOf = (draft: Draft): EngineError | undefined => {
  const { data, tags } = draft
  const length = data.type === "json" ? data.text.length : data.bytes.length
  if (tags === undefined && length <= surelyFits) return undefined
  const weight = Weight.weightOf(draft.channel, draft)
  return weight > maxWeight ? EngineError.tooLarge(weight, maxWeight) : undefined
}

/** Bytes of data and tags. */
export const byteLength = ({ data, tags }: { readonly data: Data.Data; readonly tags?: Tags }): number =>
  Data.byteLength(data) + (tags === undefined ? 0 : tagBytes(tags))

/** Bytes of the names and values. */
export const tagBytes = (tags: Tags): number => {
  let bytes = 0
  for (const name in tags) bytes += Buffer.byteLength(name) + Buffer.byteLength(tags[name]!)
  return bytes
}

/** Publications as they are read, up to the limits of a range. */
export class PageBuilder {
  readonly publications: Array<Publication> = []
  /** Whether one did not fit. */
  more = false
  private bytes = 0
  private readonly range: Range

  constructor(range: Range) {
    this.range = range
  }

  /** Whether there may be room for another: reading it can be spared if not. */
  hasRoom(): boolean {
    return this.publications.length < this.range.limit
  }

  /** Takes it if it fits. The first one fits whatever its size. */
  take(publication: Publication, bytes: number): boolean {
    const fits = this.hasRoom() && (this.bytes + bytes <= this.range.maxBytes || this.publications.length === 0)
    if (!fits) this.more = true
    else {
      this.bytes += bytes
      this.publications.push(publication)
    }
    return fits
  }
}
