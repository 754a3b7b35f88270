/**
 * The idempotency keys of a store. They have numbers in the order of their use, which is the order in which they expire:
 * what is remembered is one range of numbers. Decides nothing about publishing.
 */
import { hash } from "node:crypto"
import * as Idempotency from "./Idempotency.ts"
import type * as LmdbStore from "./LmdbStore.ts"
import * as Records from "./Records.ts"

/** Keys forgotten in one transaction. */
const expireBatch = 1000

/** A key and its use. */
export interface AddedKey {
  readonly id: string
  readonly use: Records.KeyUse
}

/** Finds, adds and forgets. */
export class LmdbKeys {
  /** Of the next key. */
  next: number
  private oldest: number
  private readonly store: LmdbStore.LmdbStore
  private readonly windowMs: number
  private readonly maxKeys: number
  /** Uses that are not written yet, or not known to be. */
  private readonly waiting = new Map<string, Records.KeyUse>()

  constructor(store: LmdbStore.LmdbStore, options: Parameters<typeof Idempotency.make>[0]) {
    this.store = store
    this.windowMs = options?.windowMs ?? Idempotency.defaultWindowMs
    this.maxKeys = options?.maxKeys ?? Idempotency.defaultMaxKeys
    this.next = store.state.nextKey
    const first = store.keyOrder.firstKey()
    this.oldest = first === undefined ? this.next : Records.readSorted(first, 0)
  }

  get size(): number {
    return this.next - this.oldest
  }

  /** The first use of a key that is still remembered. */
  find(id: string, age: number): Records.KeyUse | undefined {
    const use = this.waiting.get(id) ?? this.stored(id)
    return use !== undefined && use.number >= this.next - this.maxKeys && use.expiresAt > age ? use : undefined
  }

  /** Remembers one that `find` does not, for `write` to write. */
  add(
    id: string,
    use: { readonly fingerprint: string; readonly offset: number; readonly epoch: string },
    age: number,
  ): AddedKey {
    const added = { id, use: { ...use, number: this.next++, expiresAt: age + this.windowMs } }
    this.waiting.set(id, added.use)
    return added
  }

  /** Remembers again what an earlier run added and did not write. */
  restore({ id, use }: AddedKey): void {
    this.waiting.set(id, use)
    this.oldest = Math.min(this.oldest, use.number)
  }

  /** Writes what was added, in the order in which it was. */
  write({ id, use }: AddedKey): void {
    this.store.keys.put(Buffer.from(id), Records.keyUse(use))
    this.store.keyOrder.put(Records.sorted(use.number), Buffer.from(id))
  }

  /** What was written can be read. */
  written({ id, use }: AddedKey): void {
    if (this.waiting.get(id) === use) this.waiting.delete(id)
  }

  /** Whether some are to be forgotten. */
  isDue(age: number): boolean {
    return this.expired(age) !== undefined
  }

  /** Forgets in the transaction that is being written. */
  expire(age: number): void {
    for (let n = 0, id = this.expired(age); id !== undefined && n < expireBatch; id = this.expired(age), n++) {
      // The same key may have been used again since.
      if (!this.waiting.has(id) && this.stored(id)?.number === this.oldest) this.store.keys.remove(Buffer.from(id))
      this.store.keyOrder.remove(Records.sorted(this.oldest++))
    }
  }

  /** The oldest, if it is to be forgotten. One that is not written yet waits. */
  private expired(age: number): string | undefined {
    if (this.oldest >= this.next) return undefined
    const id = this.store.keyOrder.get(Records.sorted(this.oldest))?.toString() ?? this.skipUnwritten()
    if (id === undefined || this.oldest < this.next - this.maxKeys) return id
    const use = this.waiting.get(id) ?? this.stored(id)
    return use === undefined || use.number !== this.oldest || use.expiresAt <= age ? id : undefined
  }

  /** Passes numbers that were given to what a crash kept from being written: they are written in their order. */
  private skipUnwritten(): string | undefined {
    const [first] = this.store.keyOrder.entries({ start: Records.sorted(this.oldest), limit: 1 })
    if (first === undefined) return undefined
    this.oldest = Records.readSorted(first.key, 0)
    return first.value.toString()
  }

  private stored(id: string): Records.KeyUse | undefined {
    const bytes = this.store.keys.get(Buffer.from(id))
    return bytes === undefined ? undefined : Records.readKeyUse(bytes)
  }
}

/** What a key is stored under. */
export const idOf = (key: Idempotency.Key): string =>
  hash("sha256", JSON.stringify([key.channel, key.user, key.key]), "base64")
