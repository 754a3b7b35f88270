/**
 * The channels that somebody subscribes to: each is attached to the engine once, its publications are encoded once and
 * handed to all its subscribers, and what several want to read at a time is read once.
 * Keeps no publication, and knows neither permission nor socket. Channels that nobody subscribes to leave memory.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { type Deliver, Engine, type EngineError, type Page, type Publication, type Range } from "./engine/Engine.ts"
import * as EngineAnswer from "./EngineAnswer.ts"
import * as Publications from "./engine/Publications.ts"
import * as ErrorCode from "./protocol/ErrorCode.ts"
import type { Position } from "./protocol/Fields.ts"
import type * as Server from "./protocol/ServerMessage.ts"
import type { Policy } from "./Policy.ts"

/** Channels with subscribers. Over it, subscribing to a further one is error 106. */
export const defaultMaxChannels = 1_000_000

/** Reads under way. Over it, a subscriber who has to read is told error 113. */
export const defaultMaxReads = 1_000

/** How long the engine may take to attach a channel or to read, in milliseconds. Over it: error 117. */
export const defaultEngineTimeoutMs = 5_000

/** Gets what is published, in the order of the channel. */
export interface Subscriber<in Encoded> {
  /** Whose own publications may be withheld from it. */
  readonly connection: string
  /** Must return at once and not throw. May leave; must neither publish nor join. */
  readonly deliver: (encoded: Encoded, publication: Server.Publication) => void
}

/** A channel with subscribers. */
export class Channel<Encoded> {
  readonly name: string
  readonly policy: Policy
  /** Where it stands: everything up to here has been delivered. Undefined until the engine has attached it. */
  top: Position | undefined
  readonly subscribers = new Set<Subscriber<Encoded>>()
  /** Succeeds when there is a `top`, or fails with the error to answer with. */
  readonly attached = Deferred.makeUnsafe<void, ErrorCode.ErrorFacts>()
  /** Reads under way, by what they are of. */
  reads: Map<number, Read<Encoded>> | undefined

  constructor(name: string, policy: Policy) {
    this.name = name
    this.policy = policy
  }
}

/** What one read gave to everybody who waited for it. */
export interface Shared<Encoded> {
  readonly page: Page
  /** Of the data and tags in it. */
  readonly bytes: number
  /** One publication of the page, encoded once for all. */
  readonly encoded: (index: number) => Encoded
}

type Read<Encoded> = Deferred.Deferred<Shared<Encoded>, ErrorCode.ErrorFacts>

/** What is kept in memory, for metrics and limits. */
export interface Counts {
  /** Those with subscribers, and those that are about to leave memory. */
  readonly channels: number
  readonly subscriptions: number
  readonly reads: number
}

/** All channels that somebody subscribes to. */
export interface Channels<Encoded> {
  /**
   * From now on what is published is delivered; where that begins is told by `top`, once `attached` has succeeded.
   * Error 106: the channel has as many subscribers as it may have, or there are too many channels.
   */
  readonly join: (
    name: string,
    subscriber: Subscriber<Encoded>,
  ) => Result.Result<Channel<Encoded>, ErrorCode.ErrorFacts>
  /** No more of this channel. */
  readonly leave: (channel: Channel<Encoded>, subscriber: Subscriber<Encoded>) => void
  /**
   * Reads a joined channel up to `least` at least, which is the position that its subscriber was attached at: the page
   * may come of a read that somebody else began. Fails with 113 or 117.
   */
  readonly read: (
    channel: Channel<Encoded>,
    range: Range,
    least: Position,
  ) => Effect.Effect<Shared<Encoded>, ErrorCode.ErrorFacts>
  /** Detaches the channels that were left by everybody, one with each step. To be run every second or so. */
  readonly tick: () => Iterable<number>
  readonly counts: () => Counts
}

/** What `make` takes. */
export interface Options<Encoded> {
  readonly policyOf: (name: string) => Policy
  /** Called once for each publication that somebody hears, however many they are. */
  readonly encode: (publication: Server.Publication) => Encoded
  /** Default: `defaultMaxChannels`. */
  readonly maxChannels?: number | undefined
  /** Default: `defaultMaxReads`. */
  readonly maxReads?: number | undefined
  /** Default: `defaultEngineTimeoutMs`. */
  readonly engineTimeoutMs?: number | undefined
}

/** Starts with no channel. The scope ends what the engine was asked for. */
export const make = Effect.fnUntraced(function* <Encoded>(
  options: Options<Encoded>,
): Effect.fn.Return<Channels<Encoded>, never, Engine | Scope.Scope> {
  const { encode, policyOf } = options
  const maxChannels = options.maxChannels ?? defaultMaxChannels
  const maxReads = options.maxReads ?? defaultMaxReads
  const engineTimeoutMs = options.engineTimeoutMs ?? defaultEngineTimeoutMs
  const engine = yield* Engine
  const fork = yield* FiberSet.makeRuntime()
  const channels = new Map<string, Channel<Encoded>>()
  const idle = new Set<Channel<Encoded>>()
  const detaching = new Map<string, Deferred.Deferred<void>>()
  let subscriptions = 0
  let reads = 0

  /** Runs what many may wait for, and in which none of them must be alone: who began it may be gone before the end. */
  const settle = <A>(
    deferred: Deferred.Deferred<A, ErrorCode.ErrorFacts>,
    effect: Effect.Effect<A, EngineError>,
  ): Effect.Effect<void> =>
    Effect.map(
      Effect.exit(EngineAnswer.within(effect, engineTimeoutMs)),
      (exit) => void Deferred.doneUnsafe(deferred, exit),
    )

  const deliver =
    (channel: Channel<Encoded>): Deliver =>
    (publication, epoch, withheldFrom) => {
      const { name, subscribers } = channel
      channel.top = { offset: publication.offset, epoch }
      if (subscribers.size === 0) return
      const message = messageOf(name, epoch, publication)
      const encoded = encode(message)
      for (const subscriber of subscribers) {
        if (withheldFrom === undefined || subscriber.connection !== withheldFrom) subscriber.deliver(encoded, message)
      }
    }

  const detach = (name: string): void => {
    const done = Deferred.makeUnsafe<void>()
    detaching.set(name, done)
    const over = Effect.sync(() => {
      detaching.delete(name)
      Deferred.doneUnsafe(done, Exit.void)
    })
    fork(Effect.ensuring(engine.detach(name), over))
  }

  const attach = (channel: Channel<Encoded>): void => {
    const { name } = channel
    const before = detaching.get(name)
    const attaching = Effect.map(engine.attach(name, deliver(channel)), (position) => {
      // What was delivered meanwhile is newer.
      channel.top ??= position
    })
    fork(
      settle(
        channel.attached,
        (before === undefined ? attaching : Effect.andThen(Deferred.await(before), attaching)).pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              if (Exit.isSuccess(exit)) return
              channels.delete(name)
              idle.delete(channel)
              detach(name)
            }),
          ),
        ),
      ),
    )
  }

  const join: Channels<Encoded>["join"] = (name, subscriber) => {
    const known = channels.get(name)
    const policy = known?.policy ?? policyOf(name)
    if ((known?.subscribers.size ?? 0) >= policy.maxSubscribers) {
      return limitReached(`${policy.maxSubscribers} subscribers, the channel may not have more`)
    }
    if (known === undefined && channels.size >= maxChannels) {
      return limitReached(`${maxChannels} channels have subscribers, there is no room for another`)
    }
    const channel = known ?? new Channel<Encoded>(name, policy)
    channel.subscribers.add(subscriber)
    subscriptions++
    if (known === undefined) {
      channels.set(name, channel)
      attach(channel)
    } else idle.delete(channel)
    return Result.succeed(channel)
  }

  const leave: Channels<Encoded>["leave"] = (channel, subscriber) => {
    if (!channel.subscribers.delete(subscriber)) return
    subscriptions--
    if (channel.subscribers.size === 0 && channels.get(channel.name) === channel) idle.add(channel)
  }

  const begin = (channel: Channel<Encoded>, range: Range, key: number): Read<Encoded> => {
    const read: Read<Encoded> = Deferred.makeUnsafe()
    ;(channel.reads ??= new Map()).set(key, read)
    reads++
    const over = Effect.sync(() => {
      reads--
      channel.reads?.delete(key)
      if (channel.reads?.size === 0) channel.reads = undefined
    })
    const page = Effect.map(engine.read(channel.name, range), (found) => shared(channel.name, found, encode))
    // Not before the end of the turn: all who come within it share the read, also if the engine answers at once.
    fork(Effect.andThen(Effect.yieldNow, settle(read, Effect.ensuring(page, over))))
    return read
  }

  const read: Channels<Encoded>["read"] = (channel, range, least) =>
    Effect.suspend(() => {
      const key = range.since ?? newest
      const joined = channel.reads?.get(key)
      if (joined === undefined && reads >= maxReads) {
        return Effect.fail(ErrorCode.make("busy", { message: `${maxReads} reads are under way` }))
      }
      return Effect.flatMap(Deferred.await(joined ?? begin(channel, range, key)), (found) => {
        // A read that began before its subscriber was attached may miss what was published in between.
        const { epoch, offset } = found.page.position
        const isOld = joined !== undefined && epoch === least.epoch && offset < least.offset
        return isOld ? read(channel, range, least) : Effect.succeed(found)
      })
    })

  return {
    join,
    leave,
    read,
    *tick() {
      for (const channel of Array.from(idle)) {
        // Somebody may have come since. One that is still being attached is left to the next time.
        if (channel.top === undefined || !idle.delete(channel)) continue
        channels.delete(channel.name)
        detach(channel.name)
        yield 1
      }
    },
    counts: () => ({ channels: channels.size, subscriptions, reads }),
  }
})

/** The key of the read that has no beginning. */
const newest = -1

const shared = <Encoded>(
  name: string,
  page: Page,
  encode: (publication: Server.Publication) => Encoded,
): Shared<Encoded> => {
  const made: Array<Encoded | undefined> = []
  return {
    page,
    bytes: page.publications.reduce((sum, publication) => sum + Publications.byteLength(publication), 0),
    encoded: (index) => (made[index] ??= encode(messageOf(name, page.position.epoch, page.publications[index]!))),
  }
}

/** A publication as subscribers are told it. */
export const messageOf = (channel: string, epoch: string, publication: Publication): Server.Publication => {
  const { data, from, offset, previous, tags, time } = publication
  // Not spread, which costs as much as everything else about a publication.
  const message: Server.Publication =
    from === undefined
      ? { type: "publication", channel, offset, previous, epoch, data, time }
      : { type: "publication", channel, offset, previous, epoch, data, from, time }
  return tags === undefined ? message : { ...message, tags }
}

const limitReached = (message: string) => Result.fail(ErrorCode.make("limitReached", { message }))
