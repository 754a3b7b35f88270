/**
 * The bytes of an engine's store: keys that sort as they are meant to be read, records that begin with their version.
 * Reads and writes no file, and decodes nothing of a version that it does not know.
 */
import type { Publication } from "./Engine.ts"
import * as Publications from "./Publications.ts"
import { In, Out } from "./RecordBytes.ts"

/** A channel as it is kept: everything about it but its publications. */
export interface Head {
  /** What its publications are kept under. */
  readonly id: number
  readonly epoch: string
  /** Nothing before this offset is kept. */
  readonly first: number
  /** Of the newest publication. */
  readonly offset: number
  readonly time: number
  /** When the newest was published, on the clock of ages. */
  readonly at: number
  /** Where the channel stands among those to be swept. */
  readonly deadline: number
}

/** A channel as it is written: at what was written last, not at what was accepted. */
export interface WrittenHead extends Pick<Head, "id" | "epoch" | "first" | "deadline"> {
  readonly written: Pick<Head, "offset" | "time" | "at">
}

/** What the store as a whole is at. */
export interface State {
  /** Epoch of channels that begin now. */
  readonly epoch: string
  /** Goes behind every epoch: another one after a crash that took publications with it. */
  readonly life: string
  /** The clock of ages and the wall clock, when this was written. */
  readonly age: number
  readonly wall: number
  readonly nextChannel: number
  readonly nextKey: number
  /** The round in which a channel was forgotten last. */
  readonly forgottenRound: number
  /** Counts the transactions. */
  readonly batch: number
}

/** What an idempotency key was first used for. */
export interface KeyUse {
  readonly number: number
  readonly expiresAt: number
  readonly offset: number
  readonly epoch: string
  readonly fingerprint: string
}

/** Who runs on the store, or did. */
export interface Run {
  /** Of the system, another one after each boot. */
  readonly boot: string
  /** Of the data file in its file system, another one if it was copied. */
  readonly file: string
  readonly sync: string
  readonly clean: boolean
}

const flags = { binary: 1, from: 2, user: 4, tags: 8 } as const

/** A publication; `at` is when it was published, on the clock of ages. */
export const publication = (each: Publication, at: number): Buffer => {
  const out = new Out()
  writePublication(out, each, at)
  return out.done()
}

/** The same, in a record that was begun. */
export const writePublication = (out: Out, each: Publication, at: number): void => {
  const { data, from, tags } = each
  out
    .byte(
      (data.type === "binary" ? flags.binary : 0) |
        (from === undefined ? 0 : flags.from) |
        (from?.user === undefined ? 0 : flags.user) |
        (tags === undefined ? 0 : flags.tags),
    )
    .number(at)
    .number(each.time)
    .number(each.previous)
  if (from !== undefined) out.text(from.connection)
  if (from?.user !== undefined) out.text(from.user)
  if (tags !== undefined) {
    const entries = Object.entries(tags)
    out.number(entries.length)
    for (const [name, value] of entries) out.text(name).text(value)
  }
  out.rest(data.type === "json" ? data.text : data.bytes)
}

/** When a publication was published, without reading the rest of it. */
export const publishedAt = (bytes: Buffer): number => {
  const reader = new In(bytes)
  reader.byte()
  return reader.number()
}

/** The publication at this offset, and its bytes of data and tags. */
export const readPublication = (bytes: Buffer, offset: number): { publication: Publication; bytes: number } => {
  const reader = new In(bytes)
  const set = reader.byte()
  reader.number()
  const time = reader.number()
  const previous = reader.number()
  const connection = set & flags.from ? reader.text() : undefined
  const user = set & flags.user ? reader.text() : undefined
  const from = connection === undefined ? undefined : { connection, ...(user === undefined ? undefined : { user }) }
  const count = set & flags.tags ? reader.number() : 0
  // From entries, so that a tag called `__proto__` is a tag.
  const tags = Object.fromEntries(Array.from({ length: count }, () => [reader.text(), reader.text()]))
  const rest = reader.rest()
  const publication: Publication = {
    offset,
    previous,
    time,
    // Copied, because a view would keep the whole record.
    data:
      set & flags.binary ? { type: "binary", bytes: new Uint8Array(rest) } : { type: "json", text: rest.toString() },
    ...(from === undefined ? undefined : { from }),
    ...(set & flags.tags ? { tags } : undefined),
  }
  return { publication, bytes: rest.length + Publications.tagBytes(tags) }
}

/** A channel. */
export const head = ({ deadline, epoch, first, id, written }: WrittenHead): Buffer =>
  new Out()
    .number(id)
    .number(first)
    .number(written.offset)
    .number(written.time)
    .number(written.at)
    .number(deadline)
    .rest(epoch)
    .done()

/** The channel again. */
export const readHead = (bytes: Buffer): Head => {
  const reader = new In(bytes)
  return {
    id: reader.number(),
    first: reader.number(),
    offset: reader.number(),
    time: reader.number(),
    at: reader.number(),
    deadline: reader.number(),
    epoch: reader.rest().toString(),
  }
}

/** The store's state. */
export const state = (each: State): Buffer =>
  new Out()
    .number(each.age)
    .number(each.wall)
    .number(each.nextChannel)
    .number(each.nextKey)
    .number(each.forgottenRound)
    .number(each.batch)
    .text(each.life)
    .rest(each.epoch)
    .done()

/** The store's state again. */
export const readState = (bytes: Buffer): State => {
  const reader = new In(bytes)
  return {
    age: reader.number(),
    wall: reader.number(),
    nextChannel: reader.number(),
    nextKey: reader.number(),
    forgottenRound: reader.number(),
    batch: reader.number(),
    life: reader.text(),
    epoch: reader.rest().toString(),
  }
}

/** A key's use. */
export const keyUse = (each: KeyUse): Buffer => {
  const out = new Out()
  writeKeyUse(out, each)
  return out.done()
}

/** The same, in a record that was begun. */
export const writeKeyUse = (out: Out, each: KeyUse): void => {
  out.number(each.number).number(each.expiresAt).number(each.offset).text(each.epoch).rest(each.fingerprint)
}

/** A key's use again. */
export const readKeyUse = (bytes: Buffer): KeyUse => {
  const reader = new In(bytes)
  return {
    number: reader.number(),
    expiresAt: reader.number(),
    offset: reader.number(),
    epoch: reader.text(),
    fingerprint: reader.rest().toString(),
  }
}

/** Who runs. */
export const run = (each: Run): Buffer =>
  new Out()
    .byte(each.clean ? 1 : 0)
    .text(each.sync)
    .text(each.file)
    .rest(each.boot)
    .done()

/** Who ran. */
export const readRun = (bytes: Buffer): Run => {
  const reader = new In(bytes)
  return { clean: reader.byte() === 1, sync: reader.text(), file: reader.text(), boot: reader.rest().toString() }
}

const numberBytes = 7

/** Whole numbers from 0 to 2^53 - 1 in seven bytes each, which sort as the numbers do. */
export const sorted = (...numbers: ReadonlyArray<number>): Buffer => {
  const bytes = Buffer.allocUnsafe(numberBytes * numbers.length)
  numbers.forEach((number, index) => {
    const at = index * numberBytes
    bytes[at] = number / 2 ** 48
    bytes.writeUIntBE(number % 2 ** 48, at + 1, numberBytes - 1)
  })
  return bytes
}

/** The number at this place of `sorted`. */
export const readSorted = (bytes: Buffer, index: number): number => {
  const at = index * numberBytes
  return bytes[at]! * 2 ** 48 + bytes.readUIntBE(at + 1, numberBytes - 1)
}
