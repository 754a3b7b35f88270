/**
 * One client's place in one channel: holds back what is published until the answer has been sent, fills in what the
 * answer had no room for, and then passes on live, each publication once and in order.
 * Decides nothing about recovery or permission, and reads nothing.
 */
import * as Effect from "effect/Effect"
import type { Channel, Shared, Subscriber } from "./Channels.ts"
import type { Encoded } from "./Encoded.ts"
import type * as Lagging from "./Lagging.ts"
import type * as Presence from "./Presence.ts"
import type { Publication } from "./protocol/ServerMessage.ts"

/** Bytes of a recovery that are sent before the client is waited for. */
export const recoveryStepBytes = 64 * 1024

/** What a subscription needs of its client. */
export interface Client {
  readonly id: string
  readonly user: string | undefined
  /** Bytes of publications that may be held back. */
  readonly maxHeldBytes: number
  /** Sends what was encoded for many. */
  readonly deliver: (message: Encoded) => void
  /** The same, if the client keeps up; otherwise publications of this channel may be dropped, and it is told of the gap. */
  readonly deliverOrDrop: (publication: Lagging.Droppable) => void
  readonly sizeOf: (message: Encoded) => number
  /** Completes while the client keeps up. */
  readonly room: Effect.Effect<void>
  /** It did not read what it has missed while more was published than may be held back. */
  readonly tooSlow: (heldBytes: number) => void
}

/** What the answer had no room for: the publications of a page from this one on. */
export interface Rest {
  readonly shared: Shared<Encoded>
  readonly from: number
}

/** A place in a channel. */
export class Subscription implements Subscriber<Encoded>, Presence.Watcher<Encoded> {
  readonly channel: string
  /** Where it was attached. Set by whoever attaches it. */
  at: Channel<Encoded> | undefined

  readonly #client: Client
  /** Present until it is live: what was published since it was attached. */
  #held: Array<{ readonly encoded: Encoded; readonly publication: Publication }> | undefined = []
  #heldBytes = 0
  #isAnswered = false
  /** The client has, or was told that it has lost, everything up to here. */
  #after = 0

  constructor(channel: string, client: Client) {
    this.channel = channel
    this.#client = client
  }

  get connection(): string {
    return this.#client.id
  }

  get user(): string | undefined {
    return this.#client.user
  }

  deliver(encoded: Encoded, publication: Publication): void {
    if (this.#held !== undefined) this.#hold(encoded, publication)
    // The engine may tell what a read has shown already.
    else if (publication.offset > this.#after) this.#pass(encoded, publication.offset)
  }

  tell(message: Encoded): void {
    this.#client.deliver(message)
  }

  /** Whether more was published than may be held back. What was held is forgotten: recovery has failed. */
  get hasOverflown(): boolean {
    return this.#heldBytes > this.#client.maxHeldBytes
  }

  /**
   * The answer has been sent, with everything up to `after` but the rest: goes live, at once or when the rest is sent.
   * That takes as long as the client takes to read it, which is not slow consumption.
   */
  start(after: number, rest: Rest | undefined): Effect.Effect<void> | undefined {
    this.#isAnswered = true
    this.#after = after
    if (this.hasOverflown) this.#heldBytes = 0
    if (rest === undefined) return this.#goLive()
    // Each step begins when the one before has been read, so that none of it grows old in the outbox.
    return Effect.andThen(this.#client.room, this.#catchUp(rest.shared, rest.from))
  }

  #pass(encoded: Encoded, offset: number): void {
    const slowConsumer = this.at!.policy.slowConsumer
    if (slowConsumer === "close") this.#client.deliver(encoded)
    else this.#client.deliverOrDrop({ channel: this.channel, encoded, offset, isOnlyLatest: slowConsumer === "latest" })
  }

  #hold(encoded: Encoded, publication: Publication): void {
    if (this.hasOverflown) return
    this.#held!.push({ encoded, publication })
    this.#heldBytes += this.#client.sizeOf(encoded)
    if (!this.hasOverflown) return
    this.#held = []
    if (this.#isAnswered) this.#client.tooSlow(this.#heldBytes)
  }

  #catchUp(shared: Shared<Encoded>, from: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const count = shared.page.publications.length
      let next = from
      for (let bytes = 0; next < count && bytes < recoveryStepBytes; next++) {
        const publication = shared.encoded(next)
        bytes += this.#client.sizeOf(publication)
        this.#client.deliver(publication)
      }
      if (next < count) return Effect.flatMap(this.#client.room, () => this.#catchUp(shared, next))
      return this.#goLive() ?? Effect.void
    })
  }

  #goLive(): undefined {
    const held = this.#held ?? []
    this.#held = undefined
    for (const { encoded, publication } of held) this.deliver(encoded, publication)
  }
}
