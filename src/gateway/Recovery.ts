/**
 * What a subscriber has missed: the table of docs/protocol.md, section 5, as two pure steps around one read.
 * Reads nothing itself and sends nothing.
 */
import type { Page, Publication, Range } from "./engine/Engine.ts"
import type { Subscription } from "./protocol/ClientMessage.ts"
import type { Position } from "./protocol/Fields.ts"

/** A client that is further behind, in publications, has lost its position. */
export const maxRecoveredPublications = 1000

/** A client that is further behind, in bytes of data and tags, has lost its position. */
export const maxRecoveredBytes = 1024 * 1024

/** What a subscriber asks for. */
export type Wanted = Pick<Subscription, "mode" | "position">

/** How the subscription goes on: `position` is the offset after which live continues. */
export interface Recovered {
  readonly recovered: "yes" | "none" | "no"
  readonly position: Position
  /** Everything between the client's position and that one, if `yes`; the last one, if it asked for that. */
  readonly publications: ReadonlyArray<Publication>
}

/** Either the answer, or what has to be read for it. */
export type Plan = { readonly answer: Recovered } | { readonly read: Range }

/** What can be said knowing only where the channel stands. `isKept`: its namespace has history and recovery. */
export const plan = ({ mode = "stream", position }: Wanted, top: Position, isKept: boolean): Plan => {
  const answer = (recovered: Recovered["recovered"]): Plan => ({
    answer: { recovered, position: top, publications: [] },
  })
  if (mode === "live") return answer("none")
  const isAtTop = position !== undefined && position.epoch === top.epoch && position.offset === top.offset
  if (mode === "latest") return isAtTop || top.offset === 0 || !isKept ? answer("none") : { read: latest }
  if (position === undefined) return answer("none")
  if (isAtTop) return answer("yes")
  if (position.epoch !== top.epoch || position.offset > top.offset || !isKept) return answer("no")
  return { read: { since: position.offset, limit: maxRecoveredPublications, maxBytes: maxRecoveredBytes } }
}

const latest: Range = { limit: 1, maxBytes: maxRecoveredBytes, reverse: true }

/** What a page that was read as planned means for the subscriber. */
export const judge = ({ mode, position }: Wanted, page: Page): Recovered => {
  if (mode === "latest") {
    const publications = page.publications.filter(
      ({ offset }) => position?.epoch !== page.position.epoch || offset > position.offset,
    )
    return { recovered: "none", position: page.position, publications }
  }
  const isWhole =
    position !== undefined &&
    position.epoch === page.position.epoch &&
    position.offset <= page.position.offset &&
    page.prunedTo <= position.offset &&
    !page.more
  return isWhole
    ? { recovered: "yes", position: page.position, publications: page.publications }
    : { recovered: "no", position: page.position, publications: [] }
}

/** The answer if more was published meanwhile than could be held back. Who asked for nothing has lost nothing. */
export const lost = ({ mode = "stream", position }: Wanted, top: Position): Recovered => {
  const asksNothing = mode === "live" || (mode === "stream" && position === undefined)
  return { recovered: asksNothing ? "none" : "no", position: top, publications: [] }
}
