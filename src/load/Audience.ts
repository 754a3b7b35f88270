/**
 * Who hears: checks for each receiver and each sender that everything comes once and in order.
 * Owns no connection, so that what a receiver has outlives a reconnect.
 */
import * as Effect from "effect/Effect"
import { type Context, record, settle } from "./Context.ts"
import type { Stamp } from "./Stamp.ts"
import { Tracker } from "./Tracker.ts"

/** Receivers of publications. */
export class Audience {
  readonly #context: Context
  readonly #trackers = new Map<number, Map<number, Tracker>>()

  constructor(context: Context) {
    this.#context = context
  }

  /** Takes note of what the receiver with this number has heard. */
  hear(stamp: Stamp, index: number): void {
    const { counts } = this.#context.figures
    switch (this.#tracker(index, stamp.source).see(stamp.sequence)) {
      case "double":
        counts.duplicated++
        return
      case "late":
        counts["out-of-order"]++
    }
    counts.received++
    record(this.#context, "delivery", stamp.at)
  }

  /** Waits for what is missing of so many deliveries, and counts as lost what does not come. */
  conclude(expected: number): Effect.Effect<void> {
    const { counts } = this.#context.figures
    return Effect.andThen(
      settle(this.#context, () => counts.received >= expected),
      Effect.sync(() => {
        counts.expected = expected
        counts.lost = Math.max(0, expected - counts.received)
      }),
    )
  }

  #tracker(receiver: number, sender: number): Tracker {
    let senders = this.#trackers.get(receiver)
    if (senders === undefined) this.#trackers.set(receiver, (senders = new Map()))
    let tracker = senders.get(sender)
    if (tracker === undefined) senders.set(sender, (tracker = new Tracker()))
    return tracker
  }
}
