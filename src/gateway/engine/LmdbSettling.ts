/**
 * Puts all that is in the log in its places, and removes what is too old or too much, within one transaction of the writer's.
 * Places nothing that is not durable already: what it cuts off for it is then read by nobody any more, neither before the
 * transaction is over nor after it has failed.
 */
import type { Head, LmdbHeads } from "./LmdbHeads.ts"
import * as LmdbHistory from "./LmdbHistory.ts"
import type { LmdbKeys } from "./LmdbKeys.ts"
import type { LmdbLog } from "./LmdbLog.ts"
import type { LmdbStore } from "./LmdbStore.ts"
import type { LmdbSweep } from "./LmdbSweep.ts"
import type { LmdbTrim } from "./LmdbTrim.ts"
import * as Records from "./Records.ts"

/** What is settled, and by whom. */
export interface Parts {
  readonly store: LmdbStore
  readonly heads: LmdbHeads
  readonly keys: LmdbKeys
  readonly log: LmdbLog
  readonly sweeper: LmdbSweep
  readonly trim: LmdbTrim
}

/** One settling after the other: each is added to a transaction, and told when that one is over. */
export class LmdbSettling {
  private readonly parts: Parts
  private swept: ReadonlyArray<Head> = []

  constructor(parts: Parts) {
    this.parts = parts
  }

  /** Adds the log to the transaction that is being written. */
  place(age: number): void {
    const { keys, log, store, sweeper } = this.parts
    const oldest = new Map<Head, number>()
    for (const { at, head, offset, time } of log.all) {
      if (!oldest.has(head)) oldest.set(head, at)
      head.written = { offset, time, at }
    }
    for (const { head, key, offset, record } of log.all) {
      LmdbHistory.write(store, head, offset, record)
      if (key !== undefined) keys.write(key)
    }
    log.remove()
    for (const [head, at] of oldest) sweeper.published(head, at)
    keys.expire(age)
    this.say(oldest.keys())
  }

  /** Adds a sweep, behind `place`. Returns how many channels were forgotten, and whether there is more to do. */
  sweep(age: number): { readonly forgotten: number; readonly more: boolean } {
    const { keys, sweeper, trim } = this.parts
    const { forgotten, heads, more } = sweeper.run(age)
    this.swept = [...heads, ...trim.run()]
    // Not to be read again from the store before it says what was written now.
    for (const head of this.swept) head.waiting++
    this.say(this.swept)
    return { forgotten, more: more || trim.isDue || keys.isDue(age) }
  }

  /** The transaction is over. What it placed is still what the log has. */
  settled(): void {
    const { heads, keys, log } = this.parts
    heads.written()
    for (const head of this.swept) head.waiting--
    this.swept = []
    for (const { head, key, offset } of log.all) {
      if (key !== undefined) keys.written(key)
      head.waiting--
      head.stored = offset
      head.logged = []
    }
    log.removed()
  }

  private say(heads: Iterable<Head>): void {
    for (const head of heads) this.parts.store.heads.put(Buffer.from(head.name), Records.head(head))
  }
}
