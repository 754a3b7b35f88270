/**
 * Sessions: what of a client outlives its connections. Each has an id that others know the client by, and a key that
 * proves that it is one's own. Closes no connection (whoever holds a session is told) and arms no timer: `expire` is
 * called from outside.
 */
import { timingSafeEqual } from "node:crypto"
import * as DeadlineQueue from "../connection/DeadlineQueue.ts"
import type { RandomText } from "./RandomText.ts"

/** How long a session is kept after its connection was lost, in milliseconds. */
export const defaultTtlMs = 60_000

/** Sessions kept without a connection. Over it the oldest goes. About 300 bytes each. */
export const defaultMaxKeptSessions = 100_000

/** Whoever has a session at the moment: one connection. */
export interface Holder {
  /** Another connection has proved that the session is its own. Must return at once; `release` has no effect after it. */
  readonly takenOver: () => void
}

/** How a client proves that a session is its own. */
export interface Claim {
  /** What other clients know this one by. */
  readonly id: string
  /** 144 bits that nobody can guess. */
  readonly key: string
}

/** A session as its client is told. */
export interface Opened extends Claim {
  /** False: it is a new one, whatever was claimed. */
  readonly resumed: boolean
}

/** What is kept in memory, for metrics and limits. */
export interface Counts {
  /** With a connection. */
  readonly held: number
  /** Without one. */
  readonly kept: number
}

/** All sessions of a gateway. */
export interface Sessions<H extends Holder> {
  /**
   * The session that the claim proves, if the user is the same, or a new one. Whoever holds it is told first. An unknown
   * or expired session, a wrong key and another user's are all the same to the claimant.
   */
  readonly open: (holder: H, user: string | undefined, claim?: Claim) => Opened
  /** The connection was lost. Nothing happens if the session is no longer this holder's. */
  readonly release: (id: string, holder: H) => void
  /** Forgets what has expired. */
  readonly expire: () => void
  /** Visits everybody who holds a session. The visitor may end them. */
  readonly each: (visit: (holder: H) => void) => void
  readonly counts: () => Counts
}

/** What `make` takes. */
export interface Options {
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
  readonly random: RandomText
  /** Default: `defaultTtlMs`. 0 keeps none. */
  readonly ttlMs?: number | undefined
  /** Default: `defaultMaxKeptSessions`. */
  readonly maxKept?: number | undefined
}

/** In the queue exactly while nobody holds it. */
interface Session<H> extends Claim, DeadlineQueue.Entry {
  readonly user: string | undefined
  deadline: number
  holder: H | undefined
}

/** Starts with no session. */
export const make = <H extends Holder>(options: Options): Sessions<H> => {
  const { maxKept = defaultMaxKeptSessions, now, random, ttlMs = defaultTtlMs } = options
  const sessions = new Map<string, Session<H>>()
  const kept = DeadlineQueue.make<Session<H>>()

  const forget = (session: Session<H>) => {
    kept.remove(session)
    sessions.delete(session.id)
  }

  const expire = () => {
    const time = now()
    for (let first = kept.first(); first !== undefined && first.deadline <= time; first = kept.first()) forget(first)
  }

  const proved = ({ id, key }: Claim, user: string | undefined): Session<H> | undefined => {
    const session = sessions.get(id)
    if (session === undefined || session.user !== user || !isSameKey(session.key, key)) return undefined
    return session.holder === undefined && session.deadline <= now() ? undefined : session
  }

  return {
    open: (holder, user, claim) => {
      const session = claim && proved(claim, user)
      if (session !== undefined) {
        const before = session.holder
        session.holder = holder
        kept.remove(session)
        before?.takenOver()
        return { id: session.id, key: session.key, resumed: true }
      }
      const [id, key] = [random.take(9), random.take(18)]
      sessions.set(id, { id, key, user, holder, deadline: Infinity, slot: DeadlineQueue.noSlot })
      return { id, key, resumed: false }
    },

    release: (id, holder) => {
      const session = sessions.get(id)
      if (session?.holder !== holder) return
      session.holder = undefined
      session.deadline = now() + ttlMs
      kept.add(session)
      expire()
      while (kept.size() > maxKept) forget(kept.first()!)
    },

    expire,

    each: (visit) => {
      for (const { holder } of sessions.values()) if (holder !== undefined) visit(holder)
    },

    counts: () => ({ held: sessions.size - kept.size(), kept: kept.size() }),
  }
}

/** Takes as long for a key that is wrong in its first byte as for one that is wrong in its last. */
const isSameKey = (key: string, claimed: string): boolean => {
  const [expected, actual] = [Buffer.from(key), Buffer.from(claimed)]
  return expected.length === actual.length && timingSafeEqual(expected, actual)
}
