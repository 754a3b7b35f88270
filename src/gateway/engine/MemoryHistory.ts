/**
 * Publications in memory, bounded in bytes over all channels: over the bound the oldest goes first, whosever it is, so
 * that adding costs O(1) however many there are. Whoever fills the memory shortens everybody's history and never grows it.
 * Reads no clock, and knows a channel's publications by their log only.
 */
import type { Publication } from "./Engine.ts"
import * as Publications from "./Publications.ts"

/** Bytes that all publications kept take, 256 MiB. */
export const defaultMaxBytes = 256 * 1024 * 1024

/** What one takes beside its data and tags: objects, numbers and links, as `bench:micro` shows it. */
export const overheadBytes = 320

/** A publication kept. */
export interface Kept {
  readonly publication: Publication
  /** Of data and tags. */
  readonly bytes: number
  /** When it was added, as the caller's clock of ages had it. */
  readonly at: number
  readonly log: Log
  older: Kept | undefined
  newer: Kept | undefined
}

/** The publications of one channel in order: an array that is read from `head`. */
export class Log {
  private kept: Array<Kept | undefined> = []
  private head = 0

  get length(): number {
    return this.kept.length - this.head
  }

  /** By its place, 0 for the oldest. */
  at(index: number): Kept | undefined {
    return this.kept[this.head + index]
  }

  push(kept: Kept): void {
    this.kept.push(kept)
  }

  shift(): Kept | undefined {
    const first = this.kept[this.head]
    this.kept[this.head++] = undefined
    // Half of the array is moved after as many were taken: O(1) for each.
    if (this.head > 16 && this.head * 2 > this.kept.length) {
      this.kept = this.kept.slice(this.head)
      this.head = 0
    }
    return first
  }
}

/** All publications kept. */
export class MemoryHistory {
  publications = 0
  /** Of data and tags. */
  bytes = 0
  private oldest: Kept | undefined
  private newest: Kept | undefined
  private readonly maxBytes: number

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** Adds the newest of a log, which keeps at most `size`. */
  add(log: Log, size: number, publication: Publication, at: number): void {
    if (log.length >= size) this.dropOldest(log)
    const bytes = Publications.byteLength(publication)
    const kept: Kept = { publication, bytes, at, log, older: this.newest, newer: undefined }
    if (this.newest === undefined) this.oldest = kept
    else this.newest.newer = kept
    this.newest = kept
    log.push(kept)
    this.publications++
    this.bytes += bytes
    while (this.oldest !== undefined && this.bytes + this.publications * overheadBytes > this.maxBytes) {
      // The oldest of all is the oldest of its log.
      this.dropOldest(this.oldest.log)
    }
  }

  /** Forgets the oldest of a log that has one. */
  dropOldest(log: Log): void {
    const { bytes, newer, older } = log.shift()!
    if (older === undefined) this.oldest = newer
    else older.newer = newer
    if (newer === undefined) this.newest = older
    else newer.older = older
    this.publications--
    this.bytes -= bytes
  }
}
