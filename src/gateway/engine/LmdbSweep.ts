/**
 * Removes from a store what is too old: publications, and channels that nobody published to for long. Channels stand in
 * the order in which something of them gets too old, so that a sweep costs what it removes.
 */
import * as MemoryEngine from "./MemoryEngine.ts"
import type { Head, LmdbHeads } from "./LmdbHeads.ts"
import * as LmdbHistory from "./LmdbHistory.ts"
import type { LmdbStore } from "./LmdbStore.ts"
import * as Records from "./Records.ts"

/** Channels looked at, and publications removed, in one transaction: a few milliseconds of this thread. */
const channelBatch = 500
const removalBatch = 1000

/** What a sweep did. */
export interface Swept {
  /** Channels that it changed. */
  readonly heads: ReadonlyArray<Head>
  readonly forgotten: number
  /** Whether there was more than one transaction takes. */
  readonly more: boolean
}

/** Schedules and sweeps. */
export class LmdbSweep {
  /** Of channels that begin now. */
  epoch: string
  forgottenRound: number
  private readonly store: LmdbStore
  private readonly heads: LmdbHeads
  private readonly positionTtlMs: number

  constructor(
    store: LmdbStore,
    heads: LmdbHeads,
    positionTtlMs: number,
    state: { readonly epoch: string; readonly forgottenRound: number },
  ) {
    this.store = store
    this.heads = heads
    this.positionTtlMs = positionTtlMs
    this.epoch = state.epoch
    this.forgottenRound = state.forgottenRound
  }

  /** Something was published: the oldest of it at that time. */
  published(head: Head, at: number): void {
    const { ageMs, size } = head.retention
    const forgetAt = this.forgetAt(head)
    const end = size > 0 ? Math.min(at + ageMs, forgetAt) : forgetAt
    if (end < head.deadline) this.schedule(head, end)
  }

  /** Whether something is too old. */
  isDue(age: number): boolean {
    const first = this.store.due.firstKey()
    return first !== undefined && Records.readSorted(first, 0) <= age
  }

  /** Removes in the transaction that is being written. */
  run(age: number): Swept {
    const heads: Array<Head> = []
    let looked = 0
    let forgotten = 0
    let room = removalBatch
    for (const { key, value } of this.store.due.entries({
      end: Records.sorted(Math.floor(age) + 1),
      limit: channelBatch,
    })) {
      if (room === 0) break
      looked++
      const head = this.heads.find(value.toString())
      const isCurrent = head !== undefined && dueKey(head).equals(key)
      if (!isCurrent) {
        this.store.due.remove(key)
        continue
      }
      const { next, removed } = LmdbHistory.prune(this.store, head, age, room)
      room -= removed
      const forgetAt = this.forgetAt(head)
      if (next === undefined && forgetAt <= age && head.deliver === undefined && head.waiting === 0) {
        this.forget(head)
        forgotten++
      } else {
        const later = Math.max(forgetAt, age + this.roundMs)
        this.schedule(head, next === undefined ? later : Math.min(next, later))
        heads.push(head)
      }
    }
    return { heads, forgotten, more: room === 0 || looked === channelBatch }
  }

  private get roundMs(): number {
    return this.positionTtlMs / MemoryEngine.roundsPerTtl
  }

  /** The end of the round in which the position is forgotten. */
  private forgetAt(head: Head): number {
    return Math.ceil((head.written.at + this.positionTtlMs) / this.roundMs) * this.roundMs
  }

  private schedule(head: Head, deadline: number): void {
    if (head.deadline !== Infinity) this.store.due.remove(dueKey(head))
    head.deadline = Math.ceil(deadline)
    this.store.due.put(dueKey(head), Buffer.from(head.name))
  }

  /** With the epoch as `MemoryEngine` does it, and for its reason. */
  private forget(head: Head): void {
    if (head.deadline !== this.forgottenRound) this.epoch = MemoryEngine.newEpoch()
    this.forgottenRound = head.deadline
    this.store.due.remove(dueKey(head))
    this.store.heads.remove(Buffer.from(head.name))
    this.heads.forget(head)
  }
}

const dueKey = (head: Head) => Records.sorted(head.deadline, head.id)
