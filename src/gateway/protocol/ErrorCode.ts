/**
 * The closed table of error codes: why one message was refused, and whether trying again may help (docs/protocol.md,
 * section 8). An error never ends a connection: `ByeCode` does.
 */
import type { EngineError } from "../engine/Engine.ts"

/** What an `error` message says, without its `type` and `id`. */
export interface ErrorFacts {
  readonly code: number
  /** One sentence for a person. */
  readonly message: string
  /** Whether the same message may succeed later. */
  readonly retry: boolean
  /** How long to wait before that, in milliseconds. */
  readonly waitMs?: number
}

/** Every error of the gateway with its default message and advice; 200 to 999 are the application's own. */
export const table = {
  internal: { code: 100, message: "internal error", retry: true },
  notAllowed: { code: 103, message: "not allowed", retry: false },
  alreadySubscribed: { code: 105, message: "already subscribed", retry: false },
  limitReached: { code: 106, message: "limit reached", retry: false },
  malformed: { code: 107, message: "malformed message", retry: false },
  notEnabled: { code: 108, message: "not enabled", retry: false },
  tokenExpired: { code: 109, message: "the token has expired", retry: false },
  dataMismatch: { code: 110, message: "the data does not match the channel's schema", retry: false },
  tooManyCommands: { code: 111, message: "too many commands", retry: true },
  positionLost: { code: 112, message: "the position is of another epoch", retry: false },
  busy: { code: 113, message: "busy", retry: true },
  noResponder: { code: 114, message: "nobody serves this", retry: true },
  outcomeUnknown: { code: 115, message: "timed out or the responder vanished: the outcome is unknown", retry: false },
  tooLarge: { code: 116, message: "key, tags or data too large", retry: false },
  engineUnavailable: { code: 117, message: "the engine is unavailable", retry: true },
  keyReused: { code: 118, message: "the key was used before with other data", retry: false },
  cancelled: { code: 119, message: "cancelled", retry: false },
} as const satisfies Record<string, ErrorFacts>

/** The name of an error of the gateway. */
export type ErrorName = keyof typeof table

/**
 * The facts of an error, to be sent as `{ type: "error", id, ...facts }`; `message` should name the value seen and the
 * limit.
 *
 * ```ts
 * ErrorCode.make("limitReached", { message: "1001 subscriptions, allowed are 1000" })
 * ```
 */
export const make = (
  name: ErrorName,
  details?: { readonly message?: string; readonly waitMs?: number },
): ErrorFacts => ({ ...table[name], ...details })

/** What to tell a client whose message the engine did not take. */
export const ofEngine = ({ detail, reason }: EngineError): ErrorFacts => {
  switch (reason) {
    case "Unavailable":
      return make("engineUnavailable")
    case "KeyReused":
      return make("keyReused")
    case "ChannelLimit":
      return make("limitReached", { message: detail })
    case "TooLarge":
      return make("tooLarge", { message: detail })
  }
}
