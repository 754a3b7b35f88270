/**
 * What one receiver has of one sender: what is new, what came twice, what was overtaken. Counts sequences from 0.
 * Keeps the numbers that are missing, and nothing of those that came in order.
 */

/** What an arrival is: the next or one further on, one that others have overtaken, one that was there before. */
export type Arrival = "new" | "late" | "double"

/** One receiver's view of one sender. */
export class Tracker {
  #next = 0
  #missing: Set<number> | undefined = undefined

  /** Takes note of an arrival. */
  see(sequence: number): Arrival {
    if (sequence >= this.#next) {
      for (; this.#next < sequence; this.#next++) (this.#missing ??= new Set()).add(this.#next)
      this.#next = sequence + 1
      return "new"
    }
    return this.#missing?.delete(sequence) === true ? "late" : "double"
  }
}
