/**
 * How long a transaction that follows another waits for company: those who were just answered are about to publish again.
 * Without it fifty clients become two halves that wait for each other, and a sync serves 25 of them. Counts drafts only.
 */

/** Milliseconds that nobody is waited for longer, but for the turn. */
const maxGatherMs = 5

/** No timer is shorter. */
const minGatherMs = 1

/**
 * Milliseconds that a timer ends early: it counts from the beginning of its turn of the event loop, in which fifty were
 * answered meanwhile. Without these, half of all waits ended after 0.1 to 0.6 ms, with half of the company, and fifty
 * clients had 10 to 20 % fewer publications.
 */
const turnMs = 1

/** Waits for as many drafts as the transaction before answered and found waiting, for about the time that it took. */
export class Gathering {
  private enough = 0
  private ms = 0
  private end: (() => void) | undefined

  /** Whether there may be company to wait for. */
  get isDue(): boolean {
    return this.enough > 1
  }

  /** A transaction is over. */
  finished(drafts: number, tookMs: number): void {
    this.enough = drafts
    this.ms = Math.max(minGatherMs, Math.min(maxGatherMs, tookMs)) + turnMs
  }

  /** Completes when so many wait, or the time is over. */
  wait(waiting: number): Promise<void> | undefined {
    if (!this.isDue || waiting >= this.enough) return undefined
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.end = undefined
        resolve()
      }
      const timer = setTimeout(end, this.ms)
      this.end = end
    })
  }

  /** So many wait now. */
  have(waiting: number): void {
    if (waiting >= this.enough) this.end?.()
  }

  /** Waits no longer. */
  stop(): void {
    this.end?.()
  }
}
