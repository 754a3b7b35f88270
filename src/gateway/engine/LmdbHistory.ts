/**
 * The publications of a store: written behind each other, cut off at the front, and read in pages.
 * Offsets have no holes here: one that was not written was given to nobody. Decides when nothing happens.
 */
import type { Page, Range } from "./Engine.ts"
import type { Head } from "./LmdbHeads.ts"
import type * as LmdbStore from "./LmdbStore.ts"
import * as Publications from "./Publications.ts"
import * as Records from "./Records.ts"

/** Times as many as come are cut off, so that a channel that may keep less from now on shrinks. */
const cutFactor = 16

/**
 * Publications that are cut off together, at most: those of one page cost little more than one. Fifty clients whose
 * channels keep a thousand publish 4 to 7 % more in a second than if each were cut off by the one that is too many.
 */
const maxCut = 64

const cutOf = (size: number): number => Math.max(1, Math.min(maxCut, Math.floor(size / 16)))

/** So many are too much before they are cut off, a sixteenth at most: a short history is cut each time. */
export const mostOf = (size: number): number => size + cutOf(size) - 1

/** Adds to the transaction that is being written. */
export const write = (store: LmdbStore.LmdbStore, head: Head, offset: number, record: Buffer): void => {
  const { size } = head.retention
  const cut = cutOf(size)
  const most = mostOf(size)
  // Of a burst longer than the history only its end is written, unless older ones are still there: there must be no hole
  // behind them, or it would be read over if more is to be kept from some day on.
  if (offset > head.written.offset - most || head.first < offset - most) {
    store.publications.put(Records.sorted(head.id, offset), record)
  } else if (head.first === offset) head.first++
  if (offset % cut !== 0) return
  for (let n = 0; n < cutFactor * cut && head.first <= offset - size; n++) {
    store.publications.remove(Records.sorted(head.id, head.first++))
  }
}

/** Cuts off what is more than is kept, at most so many; returns how many. Nobody reads it any more. */
export const cut = (store: LmdbStore.LmdbStore, head: Head, atMost: number): number => {
  const end = Math.min(head.written.offset - head.retention.size, head.first + atMost - 1)
  const from = head.first
  while (head.first <= end) store.publications.remove(Records.sorted(head.id, head.first++))
  return head.first - from
}

/** Cuts off what is too old, at most so many; returns how many, and when the next is too old. */
export const prune = (
  store: LmdbStore.LmdbStore,
  head: Head,
  age: number,
  atMost: number,
): { readonly removed: number; readonly next: number | undefined } => {
  let removed = 0
  const range = { start: Records.sorted(head.id, head.first), end: Records.sorted(head.id, head.stored + 1) }
  for (const { key, value } of store.publications.entries(range)) {
    const tooOld = Records.publishedAt(value) + head.retention.ageMs
    if (tooOld > age || removed === atMost) return { removed, next: tooOld }
    store.publications.remove(key)
    head.first = Records.readSorted(key, 1) + 1
    removed++
  }
  const isNewer = head.written.offset > head.stored && head.retention.size > 0
  return { removed, next: isNewer ? head.written.at + head.retention.ageMs : undefined }
}

/** Reads what is durable and kept. */
export const read = (store: LmdbStore.LmdbStore, head: Head, epoch: string, range: Range, age: number): Page => {
  const { ageMs, size } = head.retention
  const top = head.committed
  const position = { offset: top, epoch }
  const isTooOld = (offset: number) => {
    const bytes =
      offset > head.stored
        ? head.logged[offset - head.stored - 1]
        : store.publications.get(Records.sorted(head.id, offset))
    return bytes === undefined || Records.publishedAt(bytes) + ageMs <= age
  }
  // What the next transactions remove may still be there: the first that is not too old is found by halves.
  let low = Math.max(head.first, top - size + 1)
  for (let high = low <= top && isTooOld(low) ? top + 1 : low; low < high;) {
    const middle = Math.floor((low + high) / 2)
    if (isTooOld(middle)) low = middle + 1
    else high = middle
  }
  const isReverse = range.reverse === true
  const from = isReverse ? low : Math.max((range.since ?? 0) + 1, low)
  const to = isReverse ? Math.min((range.since ?? Infinity) - 1, top) : top
  const page = new Publications.PageBuilder(range)
  for (const [offset, record] of records(store, head, from, to, isReverse)) {
    const each = Records.readPublication(record, offset)
    if (!page.take(each.publication, each.bytes)) break
  }
  return { publications: page.publications, position, prunedTo: low - 1, more: page.more }
}

/** Those from one offset to another: the older in their place, the newer in the log. */
function* records(store: LmdbStore.LmdbStore, head: Head, from: number, to: number, isReverse: boolean) {
  const { logged, stored } = head
  const newer = Array.from(
    { length: Math.max(0, to - Math.max(from, stored + 1) + 1) },
    (_, index): readonly [number, Buffer] => {
      const offset = isReverse ? to - index : Math.max(from, stored + 1) + index
      return [offset, logged[offset - stored - 1]!]
    },
  )
  if (isReverse) yield* newer
  const end = Math.min(to, stored)
  if (from <= end) {
    const span = isReverse
      ? { start: Records.sorted(head.id, end), end: Records.sorted(head.id, from - 1), reverse: true }
      : { start: Records.sorted(head.id, from), end: Records.sorted(head.id, end + 1) }
    for (const { key, value } of store.publications.entries(span)) yield [Records.readSorted(key, 1), value] as const
  }
  if (!isReverse) yield* newer
}
