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
  // Beside the entries, so that looking for a place reads one run of numbers and not an entry a step: of thousands that
  // nobody has looked at for seconds, each is far away in memory (bench, heartbeats).
  const deadlines: Array<number> = []

  const put = (entry: E, deadline: number, slot: number) => {
    heap[slot] = entry
    deadlines[slot] = deadline
    entry.slot = slot
  }

  const rise = (entry: E, deadline: number, from: number) => {
    let slot = from
    while (slot > 0) {
      const above = (slot - 1) >> 1
      if (deadlines[above]! <= deadline) break
      put(heap[above]!, deadlines[above]!, slot)
      slot = above
    }
    put(entry, deadline, slot)
  }

  const sink = (entry: E, deadline: number, from: number) => {
    let slot = from
    for (let below = 2 * slot + 1; below < heap.length; below = 2 * slot + 1) {
      if (below + 1 < heap.length && deadlines[below + 1]! < deadlines[below]!) below++
      if (deadlines[below]! >= deadline) break
      put(heap[below]!, deadlines[below]!, slot)
      slot = below
    }
    put(entry, deadline, slot)
  }

  return {
    add: (entry) => rise(entry, entry.deadline, heap.length),
    remove: (entry) => {
      const { slot } = entry
      if (slot === noSlot) return
      entry.slot = noSlot
      const last = heap.pop()!
      const deadline = deadlines.pop()!
      if (last === entry) return
      // The last one takes the place, where it may be too early or too late.
      if (slot > 0 && deadlines[(slot - 1) >> 1]! > deadline) rise(last, deadline, slot)
      else sink(last, deadline, slot)
    },
    first: () => heap[0],
    size: () => heap.length,
  }
}
