/**
 * Publications in memory, bounded in bytes over all channels: over the bound the oldest goes first, whosever it is.
 * Whoever fills the memory shortens everybody's history and never grows it.
 * Reads no clock, and knows a channel's publications by their log only.
 */
import * as DeadlineQueue from "../../connection/DeadlineQueue.ts"
import type { Publication } from "./Engine.ts"
import { Log } from "./MemoryLog.ts"
import * as Publications from "./Publications.ts"

/** Bytes that all publications kept take, 256 MiB. */
export const defaultMaxBytes = 256 * 1024 * 1024

/**
 * What one is counted as beside its data and tags. Measured: 90 to 140 in a long log, 290 in a log of its own; 150 more if
 * it is binary.
 */
export const overheadBytes = 320

/** All publications kept. */
export class MemoryHistory {
  publications = 0
  /** Of data and tags. */
  bytes = 0
  private added = 0
  /** Logs by the number of their oldest: a link from each publication to the next would be more for the collector. */
  private readonly order = DeadlineQueue.make<Log>()
  private readonly maxBytes: number

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** Adds the newest of a log, which keeps at most `size`. */
  add(log: Log, size: number, publication: Publication, at: number): void {
    if (log.length >= size) this.dropOldest(log)
    const bytes = Publications.byteLength(publication)
    log.push({ publication, bytes, at, number: this.added++ })
    if (log.length === 1) this.order.add(log)
    this.publications++
    this.bytes += bytes
    while (this.publications > 0 && this.bytes + this.publications * overheadBytes > this.maxBytes) {
      this.dropOldest(this.order.first()!)
    }
  }

  /** Forgets the oldest of a log that has one. */
  dropOldest(log: Log): void {
    this.publications--
    this.bytes -= log.shift()
    this.order.remove(log)
    if (log.length > 0) this.order.add(log)
  }
}
