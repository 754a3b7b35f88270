/**
 * Who a client is, by the token it has shown or not shown, and what it is told if the token is not accepted.
 * Verifies nothing itself: the `Authenticator` does.
 */
import * as Effect from "effect/Effect"
import * as Access from "./Access.ts"
import { anonymous, AuthenticationError, type Authenticator, type Identity } from "./auth/Identity.ts"
import * as ByeCode from "./protocol/ByeCode.ts"

/** How long it may take to verify a token, in milliseconds. Keys may have to be fetched. */
export const authenticationTimeoutMs = 5_000

/** Who the client is. Without authentication everybody is the same, and without a token nobody in particular. */
export const identify = (
  authenticator: Authenticator["Service"],
  token: string | undefined,
): Identity | Effect.Effect<Identity, AuthenticationError> => {
  if (!authenticator.enabled) return Access.unrestricted
  if (token === undefined) return anonymous
  return Effect.timeoutOrElse(authenticator.authenticate(token), {
    duration: authenticationTimeoutMs,
    orElse: () =>
      Effect.fail(
        new AuthenticationError({
          reason: "Unavailable",
          detail: `the token could not be verified within ${authenticationTimeoutMs} ms`,
        }),
      ),
  })
}

/** How a client is sent away whose token is not accepted. */
export const byeOf = ({ detail, reason }: AuthenticationError): ByeCode.ByeFacts => {
  switch (reason) {
    case "Expired":
      return ByeCode.make("expired", { message: detail })
    case "Unavailable":
      return ByeCode.make("overloaded", { message: detail })
    default:
      return ByeCode.make("badToken", { message: detail })
  }
}
