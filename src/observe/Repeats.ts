/**
 * Holds back what outsiders can make happen thousands of times a second: of each kind of warning about single
 * connections the first is let through, later ones are counted. Knows no clock and writes nothing: its owner takes the
 * counts from time to time.
 */
import type { ServerEvent } from "../server/ServerEvents.ts"

/** The last event of a kind that was held back, and how many more like it there were. */
export interface Repeat {
  readonly event: ServerEvent
  readonly more: number
}

/** What happened again and again. There are as many kinds as limits and foreign protocols, whoever connects. */
export class Repeats {
  private readonly kinds = new Map<string, { count: number; last: ServerEvent }>()

  /** Whether this is the first of its kind since a time without any; else it is counted. */
  isFirst(event: ServerEvent): boolean {
    const kind = kindOf(event)
    if (kind === undefined) return true
    const seen = this.kinds.get(kind)
    if (seen === undefined) {
      this.kinds.set(kind, { count: 0, last: event })
      return true
    }
    seen.count++
    seen.last = event
    return false
  }

  /** What was held back since the last time. A kind of which nothing was begins anew. */
  take(): ReadonlyArray<Repeat> {
    const repeats: Array<Repeat> = []
    for (const [kind, seen] of this.kinds) {
      if (seen.count === 0) {
        this.kinds.delete(kind)
        continue
      }
      repeats.push({ event: seen.last, more: seen.count - 1 })
      seen.count = 0
    }
    return repeats
  }
}

const kindOf = (event: ServerEvent): string | undefined => {
  if (event._tag !== "ConnectionRefused" && event._tag !== "ConnectionClosed") return undefined
  const { reason } = event
  if (reason._tag === "WrongProtocol") return reason.stranger.name
  return reason._tag === "Refused" ? reason.limit : undefined
}
