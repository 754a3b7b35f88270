/**
 * Channels in memory: who subscribes to what, the order of publications, and handing them out.
 * Keeps no publication, encodes none, and knows no socket: a subscriber is whatever takes what `encode` made.
 */
import * as Result from "effect/Result"
import * as Idempotency from "./engine/Idempotency.ts"
import type { Data } from "./protocol/Data.ts"
import * as ErrorCode from "./protocol/ErrorCode.ts"
import type { Position, Sender, Tags } from "./protocol/Fields.ts"
import type { Publication } from "./protocol/ServerMessage.ts"

/** Channels whose position is kept. Over it, publishing to a channel for the first time is error 106. */
export const defaultMaxChannels = 1_000_000

/** Subscriptions of one subscriber. */
export const defaultMaxSubscriptions = 1000

/** Bytes of UTF-8 in an idempotency key. */
export const maxKeyBytes = 64

/** Tags of one publication. */
export const maxTags = 16

/** Bytes of UTF-8 in the names and values of a publication's tags together. */
export const maxTagBytes = 1024

/** Gets what is published, in the order of the channel. */
export interface Subscriber<in Encoded> {
  /** Must return at once and not throw. May call `unsubscribe` and `leave`; must neither publish nor subscribe. */
  readonly deliver: (publication: Encoded) => void
}

/** What somebody asks to be published. */
export interface Publish<S> {
  readonly channel: string
  readonly data: Data
  readonly key?: string
  readonly tags?: Tags
  readonly from?: Sender
  /** The subscriber who shall not hear it, though subscribed. */
  readonly except?: S
}

/** What became of it: `duplicate` if the key was used before, and then the offset is that of the first. */
export interface Published extends Position {
  readonly duplicate?: true
}

/** What is kept in memory, for metrics and limits. */
export interface Counts {
  /** Channels with a position or a subscriber. */
  readonly channels: number
  /** Channels that were published to. */
  readonly positions: number
  readonly subscribers: number
  readonly subscriptions: number
  readonly keys: number
}

/** All channels of one engine. Every method is synchronous; errors are the facts to answer with. */
export interface Channels<S> {
  /** Live from now on; the position is the offset after which it continues. Error 105 if subscribed, 106 over the limit. */
  readonly subscribe: (channel: string, subscriber: S) => Result.Result<Position, ErrorCode.ErrorFacts>
  /** No more of this channel. Nothing happens without a subscription. */
  readonly unsubscribe: (channel: string, subscriber: S) => void
  /** Ends every subscription of a subscriber, at the cost of those alone. */
  readonly leave: (subscriber: S) => void
  /**
   * Gives the publication the next offset and hands it to every subscriber before returning, so that all see one order.
   * Errors: 106 no room for another channel, 116 key or tags too large, 118 key reused with other data.
   */
  readonly publish: (publish: Publish<S>) => Result.Result<Published, ErrorCode.ErrorFacts>
  /** Where a channel stands: offset 0 if it was never published to. */
  readonly position: (channel: string) => Position
  /** Forgets expired keys. Publishing does it too: this is for the time when nobody publishes. */
  readonly expireKeys: () => void
  readonly counts: () => Counts
}

/** What `make` takes. */
export interface Options<Encoded> {
  /** Random, made when the engine starts: tells a client that its position is of another life. */
  readonly epoch: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Called once for each publication that somebody hears, however many they are. */
  readonly encode: (publication: Publication) => Encoded
  /** Default: `defaultMaxChannels`. */
  readonly maxChannels?: number
  /** Default: `defaultMaxSubscriptions`. */
  readonly maxSubscriptions?: number
  /** Limits of the keys remembered. */
  readonly keys?: Parameters<typeof Idempotency.make>[0]
}

interface Channel<S> {
  readonly name: string
  offset: number
  /** Absent while there are none, which is what most of a million channels have. */
  subscribers: Set<S> | undefined
}

/** Starts with no channel. */
export const make = <Encoded, S extends Subscriber<Encoded>>(options: Options<Encoded>): Channels<S> => {
  const { encode, epoch, now } = options
  const maxChannels = options.maxChannels ?? defaultMaxChannels
  const maxSubscriptions = options.maxSubscriptions ?? defaultMaxSubscriptions
  const keys = Idempotency.make(options.keys)
  const channels = new Map<string, Channel<S>>()
  const subscribers = new Map<S, Set<Channel<S>>>()
  let positions = 0
  let subscriptions = 0

  const obtain = (name: string): Channel<S> => {
    let channel = channels.get(name)
    if (channel === undefined) channels.set(name, (channel = { name, offset: 0, subscribers: undefined }))
    return channel
  }

  const remove = (channel: Channel<S>, subscriber: S) => {
    const heard = channel.subscribers!
    heard.delete(subscriber)
    subscriptions--
    if (heard.size > 0) return
    channel.subscribers = undefined
    // A channel that was never published to leaves nothing behind.
    if (channel.offset === 0) channels.delete(channel.name)
  }

  const broadcast = (channel: Channel<S>, publication: Publication, except: S | undefined) => {
    const heard = channel.subscribers
    if (heard === undefined || (heard.size === 1 && except !== undefined && heard.has(except))) return
    const encoded = encode(publication)
    for (const subscriber of heard) if (subscriber !== except) subscriber.deliver(encoded)
  }

  return {
    subscribe: (name, subscriber) => {
      const own = subscribers.get(subscriber)
      if (channels.get(name)?.subscribers?.has(subscriber)) return fail("alreadySubscribed")
      if (own !== undefined ? own.size >= maxSubscriptions : maxSubscriptions < 1) {
        return fail("limitReached", `${maxSubscriptions} subscriptions, more are not allowed`)
      }
      const channel = obtain(name)
      ;(channel.subscribers ??= new Set()).add(subscriber)
      if (own === undefined) subscribers.set(subscriber, new Set([channel]))
      else own.add(channel)
      subscriptions++
      return Result.succeed({ offset: channel.offset, epoch })
    },

    unsubscribe: (name, subscriber) => {
      const channel = channels.get(name)
      if (channel?.subscribers?.has(subscriber) !== true) return
      remove(channel, subscriber)
      const own = subscribers.get(subscriber)!
      own.delete(channel)
      if (own.size === 0) subscribers.delete(subscriber)
    },

    leave: (subscriber) => {
      const own = subscribers.get(subscriber)
      if (own === undefined) return
      subscribers.delete(subscriber)
      for (const channel of own) remove(channel, subscriber)
    },

    publish: ({ channel: name, data, except, from, key: keyText, tags }) => {
      const time = now()
      keys.expire(time)
      const tooLarge = sizeError(keyText, tags)
      if (tooLarge !== undefined) return fail("tooLarge", tooLarge)

      const key = keyText === undefined ? undefined : { channel: name, user: from?.user, key: keyText }
      const fingerprint = key === undefined ? "" : Idempotency.fingerprint(data, tags)
      const first = key === undefined ? undefined : keys.find(key)
      if (first !== undefined) {
        return first.fingerprint === fingerprint
          ? Result.succeed({ offset: first.offset, epoch, duplicate: true })
          : fail("keyReused")
      }

      if (positions >= maxChannels && (channels.get(name)?.offset ?? 0) === 0) {
        return fail("limitReached", `${maxChannels} channels were published to, there is no room for another`)
      }
      const channel = obtain(name)
      const previous = channel.offset
      const offset = ++channel.offset
      if (offset === 1) positions++
      if (key !== undefined) keys.remember(key, { fingerprint, offset }, time)
      broadcast(
        channel,
        {
          type: "publication",
          channel: name,
          offset,
          previous,
          epoch,
          data,
          ...(from === undefined ? undefined : { from }),
          ...(tags === undefined ? undefined : { tags }),
          time,
        },
        except,
      )
      return Result.succeed({ offset, epoch })
    },

    position: (name) => ({ offset: channels.get(name)?.offset ?? 0, epoch }),

    expireKeys: () => keys.expire(now()),

    counts: () => ({
      channels: channels.size,
      positions,
      subscribers: subscribers.size,
      subscriptions,
      keys: keys.size(),
    }),
  }
}

const fail = (name: ErrorCode.ErrorName, message?: string): Result.Result<never, ErrorCode.ErrorFacts> =>
  Result.fail(ErrorCode.make(name, message === undefined ? undefined : { message }))

const sizeError = (key: string | undefined, tags: Tags | undefined): string | undefined => {
  if (key !== undefined && Buffer.byteLength(key) > maxKeyBytes) {
    return `a key of ${Buffer.byteLength(key)} bytes, allowed are ${maxKeyBytes}`
  }
  if (tags === undefined) return undefined
  const entries = Object.entries(tags)
  if (entries.length > maxTags) return `${entries.length} tags, allowed are ${maxTags}`
  const bytes = entries.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0)
  return bytes > maxTagBytes ? `tags of ${bytes} bytes together, allowed are ${maxTagBytes}` : undefined
}
