/**
 * The channels of one client: joined, joined again after every reconnect, and left. As many as fit ride along in
 * `connect`. Keeps no publication beyond what waits for its reader.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type * as Client from "../gateway/protocol/ClientMessage.ts"
import { maxEntries } from "../gateway/protocol/ClientMessage.ts"
import type { Position } from "../gateway/protocol/Fields.ts"
import type { Asking, Link } from "./Asking.ts"
import * as ClientError from "./ClientError.ts"
import type { Connected, Inbound } from "./Message.ts"
import type { Line } from "./Line.ts"
import { type Item, type Options, type Owner as SubscriptionOwner, Subscription } from "./Subscription.ts"

/** How long to wait before a channel is asked for again, where the gateway does not say. */
export const retryMs = 1_000

/** What the channels are given. */
export interface Owner {
  readonly asking: Asking
  readonly line: Line
  /** Called when a reader has taken what waited. */
  readonly onTaken: () => void
  /** Runs something later, for as long as the client lives. */
  readonly later: (ms: number, run: () => void) => void
}

/** All channels that have a reader. */
export class Subscriptions implements SubscriptionOwner {
  readonly #owner: Owner
  readonly #channels = new Map<string, Subscription>()
  /** Those whose reader has more than enough. */
  readonly #full = new Set<Subscription>()

  constructor(owner: Owner) {
    this.#owner = owner
  }

  /** A channel as a Stream, which leaves it when it ends. One at a time for each channel. */
  subscribe(channel: string, options: Options): Stream.Stream<Item, ClientError.ClientError> {
    const join = Effect.suspend(() => {
      const { line } = this.#owner
      if (line.ended !== undefined) return Effect.fail(line.ended)
      if (this.#channels.has(channel)) {
        return Effect.fail(ClientError.of(new ClientError.AlreadyInUse({ name: channel })))
      }
      const subscription = new Subscription(channel, options, this)
      this.#channels.set(channel, subscription)
      if (line.link !== undefined) this.#join(line.link, subscription)
      return Effect.succeed(subscription)
    })
    const joined = Effect.acquireRelease(join, (subscription) => Effect.sync(() => this.#leave(subscription)))
    return Stream.scoped(Stream.fromPull(Effect.map(joined, ({ feed }) => feed.pull)))
  }

  /** Whether more waits for some reader than it should be given. */
  get isFull(): boolean {
    return this.#full.size > 0
  }

  /** Whether so much waits for some reader that nobody's answer is worth more of it. */
  get isBrimming(): boolean {
    for (const { feed } of this.#full) if (feed.isBrimming) return true
    return false
  }

  /** What may ride along in `connect`, of at most so many bytes of JSON. */
  riding(bytes: number): ReadonlyArray<Client.Subscription> {
    const entries: Array<Client.Subscription> = []
    let left = bytes
    for (const subscription of this.#channels.values()) {
      const { entry } = subscription
      left -= utf8.encode(JSON.stringify(entry)).length + 1
      if (left < 0 || entries.length === maxEntries) break
      subscription.state = "joining"
      entries.push(entry)
    }
    return entries
  }

  /** The answers to those that rode along; the others follow now. */
  connected(link: Link, answers: NonNullable<Connected["subscriptions"]>): void {
    for (const [channel, answer] of Object.entries(answers)) {
      const subscription = this.#channels.get(channel)
      if (subscription?.state !== "joining") continue
      if (answer.type === "subscribed") this.#joined(subscription, answer)
      else this.#refused(subscription, ClientError.ofMessage(answer))
    }
    for (const subscription of this.#channels.values()) if (subscription.state === "out") this.#join(link, subscription)
  }

  /** The connection has ended: all stay where they are until the next one. */
  lost(): void {
    for (const subscription of this.#channels.values()) subscription.state = "out"
  }

  /** Who is listed as present says goodbye: a connection that just ends is listed for the grace time of one that was lost. */
  leave(link: Link): void {
    for (const { channel, isPresent, state } of this.#channels.values()) {
      if (isPresent && state !== "out") this.#unsubscribe(link, channel)
    }
  }

  /** There will be no other connection. */
  end(error: ClientError.ClientError): void {
    for (const subscription of this.#channels.values()) subscription.feed.end(Exit.fail(error))
  }

  /** A message about a channel. */
  received(message: Extract<Inbound, { type: "publication" | "gap" | "presenceChanged" | "unsubscribed" }>): void {
    const subscription = this.#channels.get(message.channel)
    if (subscription === undefined) return
    switch (message.type) {
      case "publication":
        subscription.published(message)
        return this.#fill(subscription)
      case "gap":
        return subscription.dropped(message)
      case "presenceChanged":
        subscription.presenceChanged(message)
        return this.#fill(subscription)
      case "unsubscribed": {
        // Without an id it is the gateway's own decision.
        if (message.id !== undefined) return
        const { code = 0, message: text = "the gateway has ended the subscription" } = message
        return this.#over(subscription, ClientError.ofMessage({ code, message: text, retry: false }))
      }
    }
  }

  /** A position told in `published` that will not be heard here. */
  toldUnheard(channel: string, position: Position): void {
    this.#channels.get(channel)?.toldUnheard(position)
  }

  #join(link: Link, subscription: Subscription): void {
    subscription.state = "joining"
    const { asking } = this.#owner
    asking.askUnsafe(
      link,
      (id) => ({ type: "subscribe", id, ...subscription.entry }),
      (exit) => {
        if (subscription.state !== "joining" || !this.#isCurrent(subscription)) return
        if (Exit.isFailure(exit))
          return this.#refused(subscription, Cause.squash(exit.cause) as ClientError.ClientError)
        if (exit.value.type === "subscribed") this.#joined(subscription, exit.value)
      },
    )
  }

  /** Leaves the channel and joins it again from where its reader stands, in one write. */
  rejoin(subscription: Subscription): void {
    const { line } = this.#owner
    if (line.link === undefined) return
    this.#unsubscribe(line.link, subscription.channel)
    this.#join(line.link, subscription)
  }

  #refused(subscription: Subscription, error: ClientError.ClientError): void {
    const { reason } = error
    subscription.state = "out"
    // The next connection joins it again.
    if (reason._tag === "OutcomeUnknown") return
    if (reason._tag !== "Refused" || !reason.retry) return this.#over(subscription, error)
    this.#owner.later(reason.waitMs ?? retryMs, () => {
      const { link } = this.#owner.line
      if (link !== undefined && subscription.state === "out" && this.#isCurrent(subscription)) {
        this.#join(link, subscription)
      }
    })
  }

  #over(subscription: Subscription, error: ClientError.ClientError): void {
    this.#channels.delete(subscription.channel)
    // Nothing comes to it any more: what its reader leaves unread must hold up nobody.
    this.relieve(subscription)
    subscription.feed.end(Exit.fail(error))
  }

  #leave(subscription: Subscription): void {
    if (!this.#isCurrent(subscription)) return
    this.#channels.delete(subscription.channel)
    this.relieve(subscription)
    const { link } = this.#owner.line
    if (link !== undefined && subscription.state !== "out") this.#unsubscribe(link, subscription.channel)
  }

  #unsubscribe(link: Link, channel: string): void {
    this.#owner.asking.askUnsafe(link, (id) => ({ type: "unsubscribe", id, channel }), noAnswer)
  }

  #joined(subscription: Subscription, answer: Parameters<Subscription["joined"]>[0]): void {
    subscription.joined(answer)
    this.#fill(subscription)
  }

  #fill(subscription: Subscription): void {
    if (subscription.feed.isFull) this.#full.add(subscription)
  }

  relieve(subscription: Subscription): void {
    if (this.#full.delete(subscription)) this.#owner.onTaken()
  }

  #isCurrent(subscription: Subscription): boolean {
    return this.#channels.get(subscription.channel) === subscription
  }
}

const utf8 = new TextEncoder()

const noAnswer = (): void => {}
