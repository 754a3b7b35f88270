/**
 * An authenticator whose tokens are what they say: identities by name, made by a test. Verifies nothing.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type Action,
  anonymous,
  AuthenticationError,
  Authenticator,
  type Identity,
} from "../../src/gateway/auth/Identity.ts"

/** An identity that is granted these names for these actions. */
export const identity = (
  rest: Partial<Omit<Identity, "grants">>,
  grants: Partial<Record<Action, string>> = {},
): Identity => ({
  ...anonymous,
  ...rest,
  grants: (action, name) => grants[action] === name,
})

/** Knows these tokens; every other one is a bad signature. A reason as a token is that error. */
export const authenticator = (tokens: Readonly<Record<string, Identity>>): Layer.Layer<Authenticator> =>
  Layer.succeed(Authenticator, {
    enabled: true,
    authenticate: (token) => {
      const known = tokens[token]
      if (known !== undefined) return Effect.succeed(known)
      if (token === "slow") return Effect.never
      const reason = token === "Expired" || token === "Unavailable" ? token : "BadSignature"
      return Effect.fail(new AuthenticationError({ reason, detail: `this token: ${reason}` }))
    },
  })
