/**
 * What has a deadline, earliest first: a binary heap that knows where each entry stands, so that one which is done is
 * removed at once and leaves nothing behind. Reads no clock and arms no timer.
 */

/** Something with a deadline. `slot` belongs to the queue. */
export interface Entry {
  readonly deadline: number
  slot: number
}

/** The slot of an entry that is in no queue. */
export const noSlot = -1

/** Entries by deadline; adding and removing cost O(log n), and O(1) for the usual entry that is due after all others. */
export interface DeadlineQueue<E extends Entry> {
  readonly add: (entry: E) => void
  /** Nothing happens if the entry is not in the queue. */
  readonly remove: (entry: E) => void
  /** The entry that is due first. */
  readonly first: () => E | undefined
  readonly size: () => number
}

/** Starts empty. */
export const make = <E extends Entry>(): DeadlineQueue<E> => {
  const heap: Array<E> = []

  const put = (entry: E, slot: number) => {
    heap[slot] = entry
    entry.slot = slot
  }

  const rise = (entry: E, from: number) => {
    let slot = from
    while (slot > 0) {
      const above = (slot - 1) >> 1
      const parent = heap[above]!
      if (parent.deadline <= entry.deadline) break
      put(parent, slot)
      slot = above
    }
    put(entry, slot)
  }

  const sink = (entry: E, from: number) => {
    let slot = from
    for (let below = 2 * slot + 1; below < heap.length; below = 2 * slot + 1) {
      if (below + 1 < heap.length && heap[below + 1]!.deadline < heap[below]!.deadline) below++
      const child = heap[below]!
      if (child.deadline >= entry.deadline) break
      put(child, slot)
      slot = below
    }
    put(entry, slot)
  }

  return {
    add: (entry) => rise(entry, heap.length),
    remove: (entry) => {
      const { slot } = entry
      if (slot === noSlot) return
      entry.slot = noSlot
      const last = heap.pop()!
      if (last === entry) return
      // The last one takes the place, where it may be too early or too late.
      if (slot > 0 && heap[(slot - 1) >> 1]!.deadline > last.deadline) rise(last, slot)
      else sink(last, slot)
    },
    first: () => heap[0],
    size: () => heap.length,
  }
}
