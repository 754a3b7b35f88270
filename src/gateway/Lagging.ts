/**
 * What waits for a client that reads too slowly, of channels whose policy rather drops publications than ends the
 * connection: bounded in bytes over all of them, the oldest go first, and the client is told of each gap.
 * Drops nothing but publications, and knows no clock: who does not read at all is ended by the outbox's age limit.
 */
import * as Effect from "effect/Effect"
import type { Encoded } from "./Encoded.ts"
import type { Gap } from "./protocol/ServerMessage.ts"

/** Bytes that are sent before the client is waited for again. */
export const stepBytes = 64 * 1024

/** A publication that may be dropped. */
export interface Droppable {
  readonly channel: string
  readonly encoded: Encoded
  readonly offset: number
  /** Whether the one before it in its channel is worth nothing any more. */
  readonly isOnlyLatest: boolean
}

/** Whom it waits for. */
export interface Client {
  readonly isOpen: boolean
  /** Bytes of publications that may wait. */
  readonly maxHeldBytes: number
  readonly deliver: (message: Encoded) => void
  readonly send: (gap: Gap) => void
  readonly sizeOf: (message: Encoded) => number
  readonly room: Effect.Effect<void>
}

/** The publications that wait for one client. */
export class Lagging {
  readonly #client: Client
  /** In the order of publishing, over all channels. */
  readonly #waiting = new Map<number, Droppable>()
  /** What is newest in its channel, of those with `isOnlyLatest`. */
  readonly #latest = new Map<string, number>()
  readonly #gaps = new Map<string, Gap>()
  #bytes = 0
  #count = 0

  constructor(client: Client) {
    this.#client = client
  }

  /** Takes a publication, and drops the oldest for it if there is no room, or the one before it if that is worth nothing. */
  offer(publication: Droppable): void {
    const { channel, encoded, isOnlyLatest } = publication
    if (isOnlyLatest) {
      const before = this.#latest.get(channel)
      if (before !== undefined) this.#drop(before)
      this.#latest.set(channel, this.#count)
    }
    this.#waiting.set(this.#count++, publication)
    this.#bytes += this.#client.sizeOf(encoded)
    for (const oldest of this.#waiting.keys()) {
      if (this.#bytes <= this.#client.maxHeldBytes || this.#waiting.size === 1) return
      this.#drop(oldest)
    }
  }

  /** Nothing of this channel is sent any more, not even that there was a gap. */
  forget(channel: string): void {
    for (const [key, publication] of this.#waiting) if (publication.channel === channel) this.#take(key)
    this.#gaps.delete(channel)
  }

  /** Sends what waits as the client takes it; completes when nothing waits any more. */
  readonly catchUp: Effect.Effect<void> = Effect.suspend(() => Effect.flatMap(this.#client.room, () => this.#step))

  get #step(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.#client.isOpen) return Effect.void
      // What was dropped of a channel is older than all that waits of it.
      for (const gap of this.#gaps.values()) this.#client.send(gap)
      this.#gaps.clear()
      let bytes = 0
      for (const [key, { encoded }] of this.#waiting) {
        this.#take(key)
        this.#client.deliver(encoded)
        bytes += this.#client.sizeOf(encoded)
        if (bytes >= stepBytes) break
      }
      return this.#waiting.size === 0 ? Effect.void : this.catchUp
    })
  }

  #take(key: number): Droppable {
    const taken = this.#waiting.get(key)!
    this.#waiting.delete(key)
    if (this.#latest.get(taken.channel) === key) this.#latest.delete(taken.channel)
    this.#bytes -= this.#client.sizeOf(taken.encoded)
    return taken
  }

  #drop(key: number): void {
    const { channel, offset } = this.#take(key)
    const { count, from } = this.#gaps.get(channel) ?? { count: 0, from: offset }
    this.#gaps.set(channel, { type: "gap", channel, from, to: offset, count: count + 1 })
  }
}
