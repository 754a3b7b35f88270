/**
 * Who is present in which channel, and telling the others of it: changes are collected and told by `tick`, which is to
 * be run once a second. Arms no timer, whatever the number of members, and knows no socket.
 */
import * as Result from "effect/Result"
import * as DeadlineQueue from "../connection/DeadlineQueue.ts"
import * as ErrorCode from "./protocol/ErrorCode.ts"
import type { Member } from "./protocol/Fields.ts"
import type { PresenceChanged } from "./protocol/ServerMessage.ts"

/** Members of all channels together. Over it, subscribing with presence is error 106. About 400 bytes each. */
export const defaultMaxMembers = 1_000_000

/** Members that one answer lists whatever the policy allows, so that it fits into a frame with the longest names. */
export const maxListed = 1_500

/**
 * Who joins beside more than so many others within one batch is told the count alone: each would need a message of its
 * own, without itself, and they would grow with the square of the number.
 */
export const maxToldToJoiner = 64

/** How a channel's presence is kept: a part of its policy. */
export interface Rules {
  readonly presenceGraceMs: number
  readonly maxPresenceMembers: number
}

/** A subscription with presence: listed, and told of the others. */
export interface Watcher<in Encoded> {
  /** The client's id, which stays the same as long as its session. */
  readonly connection: string
  readonly user: string | undefined
  /** Must return at once and not throw. */
  readonly tell: (message: Encoded) => void
}

/** Who is present. Above the limit of the channel only how many. */
export interface Listing {
  readonly members: ReadonlyArray<Member>
  readonly count: number
}

/** What is kept in memory, for metrics and limits. */
export interface Counts {
  readonly channels: number
  readonly members: number
}

/** The presence of all channels. */
export interface Presence<Encoded> {
  /** Lists the watcher. One that is back within the grace time has never been away. Error 106 over the limit. */
  readonly join: (channel: string, watcher: Watcher<Encoded>, rules: Rules) => Result.Result<void, ErrorCode.ErrorFacts>
  /** It has gone by its own wish. Nothing happens if another connection of the same client has taken its place. */
  readonly leave: (channel: string, watcher: Watcher<Encoded>) => void
  /** Its connection was lost: it stays listed for the grace time. */
  readonly lose: (channel: string, watcher: Watcher<Encoded>) => void
  readonly list: (channel: string, rules: Rules) => Listing
  /**
   * Lets go who was lost for too long, and tells everybody of everybody else who came and went since the last time: a
   * channel, or who was lost, with each step, which gives how many members it concerned.
   */
  readonly tick: () => Iterable<number>
  readonly counts: () => Counts
}

/** What `make` takes. */
export interface Options<Encoded> {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds of a clock that never goes back. */
  readonly monotonic: () => number
  readonly encode: (message: PresenceChanged) => Encoded
  /** Default: `defaultMaxMembers`. */
  readonly maxMembers?: number | undefined
}

interface Channel<Encoded> {
  readonly name: string
  rules: Rules
  readonly members: Map<string, Present<Encoded>>
  /** Since the last tick. Who came and went again is in neither, unless somebody was shown the members in between. */
  readonly joined: Map<string, Member>
  readonly left: Map<string, Member>
  /** Whether the members were shown while there was something to tell: then nothing of it cancels out any more. */
  isShown: boolean
}

/** In the queue exactly while it has no watcher. */
interface Present<Encoded> extends DeadlineQueue.Entry {
  readonly channel: Channel<Encoded>
  readonly member: Member
  watcher: Watcher<Encoded> | undefined
  deadline: number
}

/** Starts with nobody. */
export const make = <Encoded>(options: Options<Encoded>): Presence<Encoded> => {
  const { encode, maxMembers = defaultMaxMembers, monotonic, now } = options
  const channels = new Map<string, Channel<Encoded>>()
  const changed = new Set<Channel<Encoded>>()
  const lost = DeadlineQueue.make<Present<Encoded>>()
  let total = 0

  const obtain = (name: string, rules: Rules): Channel<Encoded> => {
    let channel = channels.get(name)
    if (channel === undefined) {
      channels.set(
        name,
        (channel = { name, rules, members: new Map(), joined: new Map(), left: new Map(), isShown: false }),
      )
    }
    channel.rules = rules
    return channel
  }

  const find = (name: string, watcher: Watcher<Encoded>): Present<Encoded> | undefined => {
    const present = channels.get(name)?.members.get(watcher.connection)
    return present?.watcher === watcher ? present : undefined
  }

  const remove = ({ channel, member }: Present<Encoded>) => {
    const { joined, left, members } = channel
    members.delete(member.connection)
    total--
    if (!joined.delete(member.connection) || channel.isShown) left.set(member.connection, member)
    if (members.size > 0) changed.add(channel)
    else {
      // Nobody is left to be told.
      channels.delete(channel.name)
      changed.delete(channel)
    }
  }

  return {
    join: (name, watcher, rules) => {
      const { connection, user } = watcher
      const known = channels.get(name)?.members.get(connection)
      if (known !== undefined) {
        lost.remove(known)
        known.watcher = watcher
        return Result.void
      }
      if (total >= maxMembers) {
        const message = `${maxMembers} members in all channels, more are not allowed`
        return Result.fail(ErrorCode.make("limitReached", { message }))
      }
      const channel = obtain(name, rules)
      // Who left and came back before anybody was told has been there all the time.
      const before = channel.left.get(connection)
      const member = before ?? { connection, ...(user !== undefined && { user }), joinedAt: now() }
      channel.members.set(connection, { channel, member, watcher, deadline: 0, slot: DeadlineQueue.noSlot })
      total++
      if (before === undefined || channel.isShown) channel.joined.set(connection, member)
      channel.left.delete(connection)
      changed.add(channel)
      return Result.void
    },

    leave: (name, watcher) => {
      const present = find(name, watcher)
      if (present !== undefined) remove(present)
    },

    lose: (name, watcher) => {
      const present = find(name, watcher)
      if (present === undefined) return
      const { presenceGraceMs } = present.channel.rules
      if (presenceGraceMs <= 0) return remove(present)
      present.watcher = undefined
      present.deadline = monotonic() + presenceGraceMs
      lost.add(present)
    },

    list: (name, rules) => {
      const channel = channels.get(name)
      if (channel === undefined) return { members: [], count: 0 }
      const { members } = channel
      const count = members.size
      if (count > limitOf(rules)) return { members: [], count }
      if (changed.has(channel)) channel.isShown = true
      return { members: Array.from(members.values(), ({ member }) => member), count }
    },

    *tick() {
      const time = monotonic()
      for (let first = lost.first(); first !== undefined && first.deadline <= time; first = lost.first()) {
        lost.remove(first)
        remove(first)
        yield 1
      }
      // What changes from now on is told the next time, and who has left meanwhile is told nothing.
      for (const channel of Array.from(changed)) {
        if (!changed.delete(channel)) continue
        tell(channel, encode)
        yield channel.members.size
      }
    },

    counts: () => ({ channels: channels.size, members: total }),
  }
}

const limitOf = ({ maxPresenceMembers }: Rules): number => Math.min(maxPresenceMembers, maxListed)

const tell = <Encoded>(channel: Channel<Encoded>, encode: (message: PresenceChanged) => Encoded) => {
  const { joined, left, members, name, rules } = channel
  channel.isShown = false
  const changes = joined.size + left.size
  if (changes === 0) return
  const count = members.size
  const isListed = count <= limitOf(rules) && changes <= limitOf(rules)
  const message = (came: Iterable<Member>, gone: Iterable<Member>): Encoded =>
    encode({ type: "presenceChanged", channel: name, joined: [...came], left: [...gone], count })
  const counted = lazy(() => message([], []))
  const listed = lazy(() => message(joined.values(), left.values()))
  for (const [connection, { watcher }] of members) {
    if (watcher === undefined) continue
    const isNew = joined.has(connection)
    if (isNew && changes === 1) continue
    if (!isListed || (isNew && changes > maxToldToJoiner)) watcher.tell(counted())
    else if (!isNew) watcher.tell(listed())
    else {
      const others = [...joined.values()].filter((member) => member.connection !== connection)
      watcher.tell(message(others, left.values()))
    }
  }
  joined.clear()
  left.clear()
}

const lazy = <A>(make: () => A): (() => A) => {
  let made: { readonly value: A } | undefined
  return () => (made ??= { value: make() }).value
}
