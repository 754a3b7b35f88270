/**
 * The channels of a store, as far as they are at hand: those that are attached or being published to, and some that were
 * lately. All others are read when they are asked for, so that memory does not follow their number.
 * Writes nothing.
 */
import type { Deliver, Retention } from "./Engine.ts"
import type * as LmdbStore from "./LmdbStore.ts"
import * as Records from "./Records.ts"

/** Channels at hand that nobody uses: twice as many at the most. */
const cached = 20_000

/** A channel at hand. */
export interface Head {
  readonly name: string
  readonly id: number
  readonly epoch: string
  readonly retention: Retention
  /** Nothing before it is kept. */
  first: number
  /** Of the newest publication that was accepted, durable or not. */
  offset: number
  time: number
  at: number
  /** Of the newest that is durable. */
  committed: number
  /** Of the newest that is in its place. */
  stored: number
  /** The records of those behind it that are durable: they are in the log. */
  logged: Array<Buffer>
  /** The newest that is in its place, or being put there: what the store says of the channel. */
  written: { readonly offset: number; readonly time: number; readonly at: number }
  deadline: number
  deliver: Deliver | undefined
  /** Changes of it that are not in their place yet. */
  waiting: number
}

/** Finds channels, whether at hand or in the store. */
export class LmdbHeads {
  private readonly store: LmdbStore.LmdbStore
  private readonly retention: (channel: string) => Retention
  private readonly attached = new Map<string, Head>()
  private recent = new Map<string, Head>()
  private older = new Map<string, Head>()
  /** In the store still, but not for long. */
  private readonly forgotten = new Set<string>()

  constructor(store: LmdbStore.LmdbStore, retention: (channel: string) => Retention) {
    this.store = store
    this.retention = retention
  }

  /** The channel, if it was ever published to or is attached. */
  find(name: string): Head | undefined {
    const known = this.attached.get(name) ?? this.recent.get(name) ?? this.older.get(name)
    if (known !== undefined) {
      if (this.older.delete(name)) this.hold(known)
      return known
    }
    const bytes = this.forgotten.has(name) ? undefined : this.store.heads.get(Buffer.from(name))
    if (bytes === undefined) return undefined
    const head = Records.readHead(bytes)
    return this.hold({
      ...head,
      name,
      retention: this.retention(name),
      committed: head.offset,
      stored: head.offset,
      logged: [],
      written: { offset: head.offset, time: head.time, at: head.at },
      deliver: undefined,
      waiting: 0,
    })
  }

  /** A channel that `find` does not find. */
  add(name: string, id: number, epoch: string): Head {
    return this.hold({
      name,
      id,
      epoch,
      retention: this.retention(name),
      first: 1,
      offset: 0,
      committed: 0,
      stored: 0,
      logged: [],
      written: { offset: 0, time: 0, at: 0 },
      time: 0,
      at: 0,
      deadline: Infinity,
      deliver: undefined,
      waiting: 0,
    })
  }

  attach(head: Head, deliver: Deliver): void {
    head.deliver = deliver
    this.attached.set(head.name, head)
    this.recent.delete(head.name)
  }

  detach(name: string): void {
    const head = this.attached.get(name)
    if (head === undefined) return
    head.deliver = undefined
    this.attached.delete(name)
    // A channel that was never published to leaves nothing behind.
    if (head.offset > 0) this.hold(head)
  }

  forget(head: Head): void {
    this.recent.delete(head.name)
    this.older.delete(head.name)
    this.forgotten.add(head.name)
  }

  /** The store says now what was written. */
  written(): void {
    this.forgotten.clear()
  }

  private hold(head: Head): Head {
    if (this.recent.size >= cached) {
      const unused = this.older
      this.older = this.recent
      this.recent = new Map()
      // What is not in its place yet is at hand nowhere else. It is bounded by less than the cache.
      for (const [name, each] of unused) if (each.waiting > 0) this.recent.set(name, each)
    }
    this.recent.set(head.name, head)
    return head
  }
}
