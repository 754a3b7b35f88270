/**
 * One channel as its reader follows it: the position that was reached, and what became of it over connections. Passes on
 * each publication once and in order, and says so where it cannot. Sends nothing: it asks its owner to.
 */
import type * as Client from "../gateway/protocol/ClientMessage.ts"
import type { Position } from "../gateway/protocol/Fields.ts"
import type { Gap, PresenceChanged } from "../gateway/protocol/ServerMessage.ts"
import * as Limit from "../limit/Limit.ts"
import type { ClientError } from "./ClientError.ts"
import * as Feed from "./Feed.ts"
import type { Publication, SubscriptionAnswer } from "./Message.ts"

/**
 * The channel is heard from `position` on: the first item of every Stream, and one more after each reconnect.
 * `recovered`: `yes`, nothing is missing; `none`, nothing was asked for; `no`, publications between the position that was
 * asked for and this one are lost to this reader.
 */
export interface Joined {
  readonly type: "subscribed"
  readonly channel: string
  readonly recovered: "yes" | "none" | "no"
  readonly position: Position
}

/** What a channel's Stream gives: nothing that is missing is missing silently. */
export type Item = Joined | Publication | Gap | PresenceChanged

/** What is wanted of a channel. */
export interface Options {
  /** Where to go on from, such as one that was stored. Default: from now on. */
  readonly position?: Position | undefined
  /**
   * `stream` (default): every publication. `latest`: the last one, and then each. `live`: from now on, and again so after
   * a reconnect, whatever was missed.
   */
  readonly mode?: "stream" | "latest" | "live" | undefined
  /** Whether to be listed as present, and told of others (`presenceChanged`). Default: false. */
  readonly presence?: boolean | undefined
  /** Items that may wait for the reader before the connection stops reading. Default: `defaultBuffer`. */
  readonly buffer?: number | undefined
}

/** Items that may wait for a reader. */
export const defaultBuffer = 256

/** Who holds subscriptions, and has their connection. */
export interface Owner {
  /** Its reader has taken what waited. */
  relieve(subscription: Subscription): void
  /** It has to be asked for again, from where its reader stands. */
  rejoin(subscription: Subscription): void
}

/** One channel's way to its reader. There may be many, so that what is rarely needed is made when it is. */
export class Subscription implements Feed.Owner {
  readonly channel: string
  readonly feed: Feed.Feed<Item, ClientError>
  /** `joining` from the question to its answer: nothing of the channel counts in between. */
  state: "out" | "joining" | "in" = "out"

  readonly #options: Options
  readonly #owner: Owner
  #position: Position | undefined
  /** Offsets told in `published` that are not heard here, and lie beyond others that will be. */
  #unheard: Set<number> | undefined

  constructor(channel: string, options: Options, owner: Owner) {
    this.channel = channel
    this.feed = new Feed.Feed(Limit.checkedUnsafe({ buffer: options.buffer ?? defaultBuffer }).buffer, this)
    this.#options = options
    this.#owner = owner
    this.#position = options.position
  }

  /** Whether it is to be listed as present. */
  get isPresent(): boolean {
    return this.#options.presence === true
  }

  taken(): void {
    this.#owner.relieve(this)
  }

  /** What to ask for, from where the reader stands. */
  get entry(): Client.Subscription {
    const { mode, presence } = this.#options
    return {
      channel: this.channel,
      ...(this.#position !== undefined && { position: this.#position }),
      ...(mode !== undefined && { mode }),
      ...(presence !== undefined && { presence }),
    }
  }

  /** The answer to that. */
  joined(answer: Extract<SubscriptionAnswer, { type: "subscribed" }>): void {
    const { channel, more, position, publications, recovered } = answer
    this.state = "in"
    this.#unheard = undefined
    // With `more` the rest comes behind, and is recognized by what it follows.
    this.#position = more === true && this.#position !== undefined ? this.#position : position
    this.feed.offer({ type: "subscribed", channel, recovered, position })
    for (const publication of publications) {
      this.feed.offer(publication)
      if (more === true) this.#position = positionOf(publication)
    }
  }

  /** A live publication, or one that did not fit into the answer. */
  published(publication: Publication): void {
    if (this.state !== "in") return
    const { epoch, offset, previous } = publication
    const { epoch: known, offset: last } = this.#position!
    if (epoch === known && offset <= last) return
    // Something between is missing: it is asked for, and comes before this one does.
    if (epoch !== known || (previous > last && this.#unheard?.has(previous) !== true)) return this.#owner.rejoin(this)
    this.#reach(positionOf(publication))
    this.feed.offer(publication)
  }

  /** A position that this connection was told in `published`, and will not hear of (`echo: false`): it counts as heard. */
  toldUnheard({ epoch, offset }: Position): void {
    if (this.state !== "in" || epoch !== this.#position!.epoch || offset <= this.#position!.offset) return
    ;(this.#unheard ??= new Set()).add(offset)
    this.#reach(this.#position!)
  }

  /** The gateway has dropped publications for want of speed. */
  dropped(gap: Gap): void {
    if (this.state !== "in") return
    const { epoch, offset } = this.#position!
    this.#reach({ epoch, offset: Math.max(offset, gap.to) })
    this.feed.offer(gap)
  }

  /** Who came and went. */
  presenceChanged(change: PresenceChanged): void {
    if (this.state === "in") this.feed.offer(change)
  }

  /** Moves to a position, and over what follows it at once and is not heard: who publishes alone leaves nothing behind. */
  #reach(position: Position): void {
    this.#position = position
    if (this.#unheard === undefined) return
    let { offset } = position
    while (this.#unheard.has(offset + 1)) offset++
    for (const unheard of this.#unheard) if (unheard <= offset) this.#unheard.delete(unheard)
    if (this.#unheard.size === 0) this.#unheard = undefined
    this.#position = { offset, epoch: position.epoch }
  }
}

const positionOf = ({ epoch, offset }: Publication): Position => ({ offset, epoch })
