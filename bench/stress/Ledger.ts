/**
 * What was acknowledged and what was seen, and every contradiction between the two.
 * Talks to nobody: publishers and subscribers report to it, and the end of a run asks it.
 */

/** A publication's name in the stress: who published it, and their how many-th it was. */
export type Name = string

interface Channel {
  readonly names: Map<number, Name>
  /** The highest offset that a publisher was told or a subscriber saw. */
  top: number
}

/** One run's truth. */
export class Ledger {
  /** What went wrong, one sentence each. More than the first few say nothing new. */
  readonly faults: Array<string> = []
  readonly counts = { acknowledged: 0, duplicates: 0, delivered: 0, recovered: 0, reconnects: 0, byes: 0, resumed: 0 }
  readonly #channels = new Map<string, Channel>()
  readonly #places = new Map<Name, string>()

  fault(sentence: string): void {
    if (this.faults.length < 50) this.faults.push(sentence)
  }

  /** A publisher was told that its publication stands at this offset. */
  acknowledge(channel: string, offset: number, name: Name): void {
    this.counts.acknowledged++
    this.#stand(channel, offset, name, "was acknowledged")
  }

  /** A subscriber, or a reader of the history, got it at this offset. */
  see(channel: string, offset: number, name: Name): void {
    this.counts.delivered++
    this.#stand(channel, offset, name, "was delivered")
  }

  /** The highest offset known of a channel. */
  top(channel: string): number {
    return this.#channels.get(channel)?.top ?? 0
  }

  /** Every offset known after `from`, in order. */
  offsetsAfter(channel: string, from: number): ReadonlyArray<number> {
    const names = this.#channels.get(channel)?.names ?? new Map<number, Name>()
    return [...names.keys()].filter((offset) => offset > from).toSorted((a, b) => a - b)
  }

  #stand(name: string, offset: number, publication: Name, what: string): void {
    let channel = this.#channels.get(name)
    if (channel === undefined) this.#channels.set(name, (channel = { names: new Map(), top: 0 }))
    const known = channel.names.get(offset)
    if (known !== undefined && known !== publication) {
      this.fault(`${name}/${offset} ${what} as ${publication}, and it is ${known}`)
    }
    const place = `${name}/${offset}`
    const other = this.#places.get(publication)
    if (other !== undefined && other !== place) this.fault(`${publication} ${what} at ${place}, and it is at ${other}`)
    channel.names.set(offset, publication)
    channel.top = Math.max(channel.top, offset)
    this.#places.set(publication, place)
  }
}
