/**
 * The lifecycle journal: who connected and who has gone, and why, as publications of a channel like any other, so that a
 * backend which was away misses none. Off unless asked for; reads nothing.
 */
import { type Address, formatAddress } from "../transport/Transport.ts"
import type { Engine } from "./engine/Engine.ts"
import type { ByeFacts } from "./protocol/ByeCode.ts"
import type { Connect } from "./protocol/ClientMessage.ts"
import * as Data from "./protocol/Data.ts"

/** The channel of the journal. */
export const channel = "$sys:connections"

/** Whose connection it is. */
export interface Client {
  /** The client's id, which stays the same as long as its session. */
  readonly id: string
  readonly user: string | undefined
}

/** Writes the journal. */
export interface Journal {
  /** `peer` is the address that it came from. */
  readonly opened: (client: Client, peer: Address, software: Connect["client"]) => void
  /** `facts`: of the bye that it was told, or would have been told. */
  readonly closed: (client: Client, facts: ByeFacts, openForMs: number) => void
}

/** A journal in this engine. `onLost` is called for each entry that the engine did not take. */
export const make = (engine: Engine["Service"], onLost: (reason: string) => void): Journal => {
  const write = (entry: object) =>
    engine.publishUnsafe({ channel, data: Data.json(entry) }, (accepted) => {
      if (accepted._tag === "Failure") onLost(accepted.failure.message)
    })
  return {
    opened: ({ id, user }, peer, software) =>
      write({ event: "opened", connection: id, user, peer: formatAddress(peer), client: software }),
    closed: ({ id, user }, { code, message }, openForMs) =>
      write({ event: "closed", connection: id, user, code, reason: message, openForMs: Math.round(openForMs) }),
  }
}
