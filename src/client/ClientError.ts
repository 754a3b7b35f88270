/**
 * What a client tells its caller of a message that came to nothing, or of which it does not know what became.
 * Says nothing of connections that are lost and found again: those are events.
 */
import * as Data from "effect/Data"
import { type ErrorFacts, table } from "../gateway/protocol/ErrorCode.ts"

/** The gateway, or a responder behind it, said no: nothing was done. Codes from 200 on are the application's own. */
export class Refused extends Data.TaggedError("Refused")<ErrorFacts> {}

/**
 * The message was sent and no answer came: it may have been carried out or not. `lost`: the connection ended;
 * `deadline`: the time was up; `responder`: the gateway waited for a responder in vain; `engine`: the gateway does not
 * know whether its engine has taken a publication.
 */
export class OutcomeUnknown extends Data.TaggedError("OutcomeUnknown")<{
  readonly cause: "lost" | "deadline" | "responder" | "engine"
}> {
  override get message(): string {
    return `the outcome is unknown: ${causes[this.cause]}`
  }
}

const causes = {
  lost: "the connection was lost before the answer came",
  deadline: "no answer came in time",
  responder: "the responder did not answer",
  engine: "the gateway's engine did not say whether it was taken",
} as const

/** There is no connection, and no room to wait for one: nothing was sent. */
export class Offline extends Data.TaggedError("Offline")<{ readonly maxWaiting: number }> {
  override get message(): string {
    return this.maxWaiting === 0
      ? "not connected (and offlineQueue is 0)"
      : `not connected, and ${this.maxWaiting} already wait for a connection`
  }
}

/** All connections of a pool have as much to do as they may, or there is none: nothing was sent. */
export class Busy extends Data.TaggedError("Busy")<{ readonly cause: "full" | "deadline" }> {
  override get message(): string {
    return this.cause === "full"
      ? "as many calls as may wait for a connection of the pool (maxWaiting)"
      : "no connection of the pool was free in time"
  }
}

/**
 * The client is over: it was closed, the gateway said that it should not come again (`code` is its bye's), its first
 * connection failed as often as it may (`firstAttempts`), or the code of its encoding could not be loaded.
 */
export class Ended extends Data.TaggedError("Ended")<{
  readonly code: number | undefined
  readonly message: string
}> {}

/** Data that JSON cannot hold, or a message that no frame can: nothing was sent. */
export class Unsendable extends Data.TaggedError("Unsendable")<{ readonly message: string }> {}

/** An answer that fits not the schema that it was asked with: it was carried out, and what it came to cannot be read. */
export class Unreadable extends Data.TaggedError("Unreadable")<{ readonly message: string }> {}

/** A second Stream of one channel, or a second handler of one service, in one client: share the first. */
export class AlreadyInUse extends Data.TaggedError("AlreadyInUse")<{ readonly name: string }> {
  override get message(): string {
    return `this client subscribes to ${this.name}, or serves it, already`
  }
}

/** Everything that a client's methods fail with, by reason. */
export class ClientError extends Data.TaggedError("ClientError")<{
  readonly reason: Refused | OutcomeUnknown | Offline | Busy | Ended | Unsendable | Unreadable | AlreadyInUse
}> {
  override get message(): string {
    return this.reason.message
  }
}

/** The error for one reason. */
export const of = (reason: ClientError["reason"]): ClientError => new ClientError({ reason })

/** Nobody knows what became of it. */
export const outcomeUnknown = (cause: OutcomeUnknown["cause"]): ClientError => of(new OutcomeUnknown({ cause }))

/** What an `error` message means to who is told: 115 is no refusal. */
export const ofMessage = ({ code, message, retry, waitMs }: ErrorFacts): ClientError =>
  code === table.outcomeUnknown.code
    ? outcomeUnknown("responder")
    : of(new Refused({ code, message, retry, ...(waitMs !== undefined && { waitMs }) }))
