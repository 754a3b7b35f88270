/**
 * Looks once at every channel of a store that was opened, and cuts off what its policy keeps no more: it may keep less than
 * the one before, and nobody need ever publish to the channel again. Looks at so many channels in a turn, and removes so
 * many publications in a transaction. Judges nothing by age: it has `LmdbSweep` do so in time.
 */
import type { Retention } from "./Engine.ts"
import type { Head, LmdbHeads } from "./LmdbHeads.ts"
import * as LmdbHistory from "./LmdbHistory.ts"
import type { LmdbStore } from "./LmdbStore.ts"
import type { LmdbSweep } from "./LmdbSweep.ts"
import * as Records from "./Records.ts"

/** Channels looked at in a turn, each with its oldest publication: some milliseconds of this thread. */
export const channelBatch = 500

/** Publications removed in one transaction. */
export const removalBatch = 1000

/** What works together here. */
export interface Parts {
  readonly store: LmdbStore
  readonly heads: LmdbHeads
  readonly sweeper: LmdbSweep
  readonly retention: (channel: string) => Retention
}

/** Looks and cuts, until all channels were looked at. */
export class LmdbTrim {
  private readonly parts: Parts
  /** Where to go on looking; undefined when all were looked at. */
  private next: { readonly start?: Buffer } | undefined = {}
  /** Channels that keep what they should not. */
  private found: Array<string> = []

  constructor(parts: Parts) {
    this.parts = parts
  }

  /** Looks at the next channels, unless something is to be done for those before. */
  look(): void {
    if (this.next === undefined || this.isDue) return
    const entries = [...this.parts.store.heads.entries({ ...this.next, limit: channelBatch })]
    const last = entries.length < channelBatch ? undefined : entries.at(-1)
    this.next = last && { start: Buffer.concat([last.key, Buffer.of(0)]) }
    this.found = entries.flatMap(({ key, value }) => {
      const name = key.toString()
      return this.keepsTooMuch(name, Records.readHead(value)) ? [name] : []
    })
  }

  /** Whether something is to be cut off. */
  get isDue(): boolean {
    return this.found.length > 0
  }

  /** Cuts off in the transaction that is being written, behind what it places; returns the channels that it changed. */
  run(): ReadonlyArray<Head> {
    const { heads, store, sweeper } = this.parts
    const changed: Array<Head> = []
    for (let room = removalBatch; room > 0 && this.isDue;) {
      const head = heads.find(this.found.at(-1)!)
      const removed = head === undefined ? 0 : LmdbHistory.cut(store, head, room)
      room -= removed
      // There may be more of it.
      if (room > 0) this.found.pop()
      if (head === undefined) continue
      changed.push(head)
      const at = this.oldestAt(head)
      if (at !== undefined) sweeper.published(head, at)
    }
    return changed
  }

  private keepsTooMuch(name: string, head: Pick<Head, "id" | "first" | "offset" | "deadline">): boolean {
    const { ageMs, size } = this.parts.retention(name)
    if (head.offset - head.first + 1 > LmdbHistory.mostOf(size)) return true
    const at = this.oldestAt(head)
    return at !== undefined && Math.ceil(at + ageMs) < head.deadline
  }

  private oldestAt({ first, id }: Pick<Head, "id" | "first">): number | undefined {
    const record = this.parts.store.publications.get(Records.sorted(id, first))
    return record && Records.publishedAt(record)
  }
}
