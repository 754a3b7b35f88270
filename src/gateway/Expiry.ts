/**
 * When identities expire: their holders are warned some time before, and told when it has come.
 * Closes nothing itself, and arms no timer: `tick` is to be called once a second.
 */
import * as DeadlineQueue from "../connection/DeadlineQueue.ts"

/** How long before the end a client is warned, in milliseconds. */
export const noticeMs = 30_000

/** Somebody whose identity expires. */
export interface Holder {
  /** It will, in so many milliseconds. Told once, and at once if there is less than `noticeMs` left. */
  readonly expiresIn: (waitMs: number) => void
  /** It has. Told once. */
  readonly expired: () => void
}

/** Identities by the time of their end. */
export interface Expiry {
  /** Replaces what was watched of this holder before. Undefined: its identity does not expire. */
  readonly watch: (holder: Holder, expiresAt: number | undefined) => void
  /** The holder has gone. */
  readonly forget: (holder: Holder) => void
  /** Warns and tells whose time it is. */
  readonly tick: () => void
  readonly size: () => number
}

interface Lease extends DeadlineQueue.Entry {
  readonly holder: Holder
  readonly expiresAt: number
  deadline: number
}

/** Starts with nobody; `now` is in milliseconds since the epoch. */
export const make = (now: () => number): Expiry => {
  const leases = new Map<Holder, Lease>()
  const queue = DeadlineQueue.make<Lease>()

  const forget = (holder: Holder) => {
    const lease = leases.get(holder)
    if (lease === undefined) return
    leases.delete(holder)
    queue.remove(lease)
  }

  return {
    watch: (holder, expiresAt) => {
      forget(holder)
      if (expiresAt === undefined) return
      const lease = { holder, expiresAt, deadline: expiresAt - noticeMs, slot: DeadlineQueue.noSlot }
      leases.set(holder, lease)
      queue.add(lease)
    },

    forget,

    tick: () => {
      const time = now()
      for (let first = queue.first(); first !== undefined && first.deadline <= time; first = queue.first()) {
        const { expiresAt, holder } = first
        if (expiresAt <= time) {
          forget(holder)
          holder.expired()
        } else {
          queue.remove(first)
          first.deadline = expiresAt
          queue.add(first)
          holder.expiresIn(expiresAt - time)
        }
      }
    },

    size: () => leases.size,
  }
}
