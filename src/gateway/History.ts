/**
 * Answers `history`: pages of what is kept of a channel, small enough for a frame.
 * Subscribes to nothing and shares no read: everybody asks for another range.
 */
import * as Effect from "effect/Effect"
import type { Identity } from "./auth/Identity.ts"
import { messageOf } from "./Channels.ts"
import type { Engine, Page } from "./engine/Engine.ts"
import * as EngineAnswer from "./EngineAnswer.ts"
import { isAllowed, type Policy } from "./Policy.ts"
import type * as Client from "./protocol/ClientMessage.ts"
import * as ErrorCode from "./protocol/ErrorCode.ts"
import type * as Server from "./protocol/ServerMessage.ts"
import * as Weight from "./Weight.ts"

/** Publications that are read if the client does not say how many. */
export const defaultHistoryLimit = 100

/** Bytes of publications in one answer. A single one is answered whatever its size. */
export const maxHistoryBytes = 512 * 1024

/** What reading takes. */
export interface Shared {
  readonly engine: Engine["Service"]
  readonly policyOf: (name: string) => Policy
  readonly engineTimeoutMs: number
}

/** The answer to `history`, or error 103, 108, 112 or 117. */
export const answer = (
  { engine, engineTimeoutMs, policyOf }: Shared,
  identity: Identity,
  message: Client.History,
): Effect.Effect<Server.History | Server.ErrorMessage> => {
  const { channel, id, limit = defaultHistoryLimit, reverse, since } = message
  const refuse = (facts: ErrorCode.ErrorFacts): Server.ErrorMessage => ({ type: "error", id, ...facts })
  const policy = policyOf(channel)
  if (!isAllowed(policy, "history", channel, identity)) return Effect.succeed(refuse(ErrorCode.make("notAllowed")))
  if (policy.history.size === 0) {
    return Effect.succeed(
      refuse(ErrorCode.make("notEnabled", { message: "history is not enabled for this namespace" })),
    )
  }
  const range = {
    limit,
    maxBytes: maxHistoryBytes,
    ...(since !== undefined && { since: since.offset }),
    ...(reverse !== undefined && { reverse }),
  }
  return Effect.match(EngineAnswer.within(engine.read(channel, range), engineTimeoutMs), {
    onFailure: refuse,
    onSuccess: (page) =>
      since === undefined || since.epoch === page.position.epoch
        ? answered(message, page)
        : refuse(ErrorCode.make("positionLost")),
  })
}

const answered = ({ channel, id }: Client.History, { more, position, publications }: Page): Server.History => {
  const fitting = Math.max(1, Weight.fitting(channel, publications, maxHistoryBytes).count)
  return {
    type: "history",
    id,
    channel,
    publications: publications.slice(0, fitting).map((each) => messageOf(channel, position.epoch, each)),
    position,
    ...((more || fitting < publications.length) && { more: true }),
  }
}
