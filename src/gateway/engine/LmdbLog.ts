/**
 * What was published last, as one record for each transaction. A tree of a million publications has every channel's in
 * another page, so that a transaction of fifty channels writes a hundred pages in a hundred places; this one writes three.
 * Puts nothing in its place: `LmdbSettling` does, with many transactions at once, which are removed here by the same one.
 */
import { crc32 } from "node:zlib"
import type { Publication } from "./Engine.ts"
import type { Head, LmdbHeads } from "./LmdbHeads.ts"
import type { AddedKey } from "./LmdbKeys.ts"
import type { LmdbStore } from "./LmdbStore.ts"
import * as Publications from "./Publications.ts"
import { In, Out, RecordError } from "./RecordBytes.ts"
import * as Records from "./Records.ts"

/** Publications in the log that are put in their places by the next transaction: some milliseconds of this thread. */
export const defaultMaxLogged = 1000

/** Bytes in the log for the same, 1 MiB. The transaction before it may have brought more, as much as waited. */
const maxLoggedBytes = 1024 * 1024

/** Bytes of a publication beside its data, mostly. A guess that is too small costs a copy. */
const usualBytes = 192

/** Where a record has the sum of the bytes behind it: one that was cut off between two publications would look whole. */
const [sumAt, sumEnd] = [1, 9]

/** A publication that has its offset. */
export interface Placed {
  readonly head: Head
  readonly publication: Publication
  /** When it was published, on the clock of ages. */
  readonly at: number
  readonly key: AddedKey | undefined
}

/** One as it is written. */
export interface Logged {
  readonly head: Head
  readonly offset: number
  readonly time: number
  readonly at: number
  readonly key: AddedKey | undefined
  readonly record: Buffer
}

/** The publications of one transaction, each a part of one record. */
export interface Entry {
  readonly bytes: Buffer
  readonly all: ReadonlyArray<Logged>
}

/** What is in the log. */
export class LmdbLog {
  /** In the order of publishing. */
  all: Array<Logged> = []
  private batches: Array<number> = []
  private bytes = 0
  private readonly store: LmdbStore
  private readonly maxLogged: number

  constructor(store: LmdbStore, maxLogged = defaultMaxLogged) {
    this.store = store
    this.maxLogged = maxLogged
  }

  /** What the transactions before this run left here is at hand again, as if it had just been published. */
  restore(heads: LmdbHeads): void {
    for (const { key, value } of this.store.log.entries({})) {
      this.added(Records.readSorted(key, 0), { bytes: value, all: decode(value, heads) })
    }
  }

  /** Whether it is to be put in its places before it becomes longer. */
  get isFull(): boolean {
    return this.all.length >= this.maxLogged || this.bytes >= maxLoggedBytes
  }

  /** Adds to the transaction that is being written. */
  write(batch: number, { bytes }: Entry): void {
    this.store.log.put(Records.sorted(batch), bytes)
  }

  /** What was written is durable. */
  added(batch: number, { all, bytes }: Entry): void {
    for (const each of all) {
      each.head.logged.push(each.record)
      this.all.push(each)
    }
    this.batches.push(batch)
    this.bytes += bytes.length
  }

  /** Removes all in the transaction that is being written. */
  remove(): void {
    for (const batch of this.batches) this.store.log.remove(Records.sorted(batch))
  }

  /** All was put in its place. */
  removed(): void {
    this.all = []
    this.batches = []
    this.bytes = 0
  }
}

/** The record of a transaction. */
export const encode = (placed: ReadonlyArray<Placed>): Entry => {
  const size = placed.reduce((sum, { publication }) => sum + usualBytes + Publications.byteLength(publication), sumEnd)
  const out = new Out(size).number(0)
  const starts: Array<readonly [start: number, end: number]> = []
  for (const { at, head, key, publication } of placed) {
    out.text(head.name).number(head.id).text(head.epoch).number(publication.offset)
    starts.push(out.nested(() => Records.writePublication(out, publication, at)))
    out.byte(key === undefined ? 0 : 1)
    if (key !== undefined) out.text(key.id).nested(() => Records.writeKeyUse(out, key.use))
  }
  const bytes = out.done()
  bytes.writeDoubleBE(crc32(bytes.subarray(sumEnd)), sumAt)
  const all = placed.map(({ at, head, key, publication: { offset, time } }, index): Logged => {
    const [start, end] = starts[index]!
    return { head, offset, time, at, key, record: bytes.subarray(start, end) }
  })
  return { bytes, all }
}

/** The publications of a record again, and their channels: each goes on where it ends, or the record is not of this store. */
const decode = (bytes: Buffer, heads: LmdbHeads): ReadonlyArray<Logged> => {
  const reader = new In(bytes)
  const all: Array<Logged> = []
  if (reader.number() !== crc32(reader.rest())) {
    throw new RecordError(`a record of ${bytes.length} bytes is not as it was written`)
  }
  while (!reader.isAtEnd) {
    const [name, id, epoch, offset] = [reader.text(), reader.number(), reader.text(), reader.number()]
    const record = reader.nested()
    const key = reader.byte() === 0 ? undefined : { id: reader.text(), use: Records.readKeyUse(reader.nested()) }
    const head = heads.find(name) ?? heads.add(name, id, epoch)
    if (offset !== head.offset + 1 || id !== head.id || epoch !== head.epoch) {
      const last = `${head.offset} of epoch ${head.epoch}`
      throw new RecordError(`publication ${offset} of channel ${name}, epoch ${epoch}, is in the log behind ${last}`)
    }
    const { time } = Records.readPublication(record, offset).publication
    const at = Records.publishedAt(record)
    head.offset = head.committed = offset
    head.time = time
    head.at = at
    head.waiting++
    all.push({ head, offset, time, at, key, record })
  }
  return all
}
