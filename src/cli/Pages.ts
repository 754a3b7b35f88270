/**
 * Reads a channel's history as far as it is wanted, answer by answer. Keeps what it reads in memory: wanted is a number.
 */
import * as Effect from "effect/Effect"
import type { Client } from "../client/Client.ts"
import type { ClientError } from "../client/ClientError.ts"
import type { Publication } from "../client/Message.ts"
import type { Position } from "../gateway/protocol/Fields.ts"

/** Publications in one answer at the most (docs/protocol.md, section 4). */
const maxPage = 1000

/** What to read. */
export interface Wanted {
  readonly limit: number
  readonly since?: Position
  /** Newest first. */
  readonly reverse: boolean
}

/** What was read. */
export interface Pages {
  readonly publications: ReadonlyArray<Publication>
  /** Where the channel stood at the first answer. */
  readonly position: Position
  /** Whether there is more beyond the limit. */
  readonly more: boolean
}

/** Reads until the limit, or the end. */
export const read = (
  { history }: Pick<Client["Service"], "history">,
  channel: string,
  { limit, reverse, since: first }: Wanted,
): Effect.Effect<Pages, ClientError> =>
  Effect.gen(function* () {
    const publications: Array<Publication> = []
    for (let since = first, position: Position | undefined; ;) {
      const page = yield* history(channel, {
        limit: Math.min(maxPage, limit - publications.length),
        reverse,
        ...(since !== undefined && { since }),
      })
      publications.push(...page.publications)
      position ??= page.position
      const last = page.publications.at(-1)
      const more = page.more === true
      if (!more || last === undefined || publications.length >= limit) return { publications, position, more }
      since = { offset: last.offset, epoch: last.epoch }
    }
  })
