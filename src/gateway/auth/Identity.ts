/**
 * Who a client is and what it was granted. Verifies nothing: an `Authenticator` makes identities of tokens.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** What can be done with a channel, or (serve, request) with a service. */
export type Action = "subscribe" | "publish" | "history" | "presence" | "serve" | "request"

/** A client as its token has it. */
export interface Identity {
  /** Undefined: anonymous. */
  readonly user: string | undefined
  /** Milliseconds since the epoch, the tolerance for clocks included; undefined: the identity does not expire. */
  readonly expiresAt: number | undefined
  /** Milliseconds since the epoch, 0 for a token that does not say; undefined: there is no token. */
  readonly issuedAt: number | undefined
  /** The token's own id, for its revocation. */
  readonly tokenId: string | undefined
  /** Whether the token itself grants this, whatever the namespace allows to all. */
  readonly grants: (action: Action, name: string) => boolean
}

/** Nobody in particular, without any grant. */
export const anonymous: Identity = {
  user: undefined,
  expiresAt: undefined,
  issuedAt: undefined,
  tokenId: undefined,
  grants: () => false,
}

/** A token that is not accepted. */
export class AuthenticationError extends Data.TaggedError("AuthenticationError")<{
  /** `Unavailable`: the keys cannot be had at the moment, try again. */
  readonly reason:
    | "Malformed"
    | "BadSignature"
    | "UnknownKey"
    | "Expired"
    | "NotYetValid"
    | "WrongIssuer"
    | "WrongAudience"
    | "Unavailable"
  /** One sentence for a person; holds nothing of the token that is secret. */
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** Makes identities of tokens. */
export class Authenticator extends Context.Service<
  Authenticator,
  {
    /** False: there is no authentication, and everybody may do everything. */
    readonly enabled: boolean
    readonly authenticate: (token: string) => Effect.Effect<Identity, AuthenticationError>
  }
>()("longline/gateway/auth/Authenticator") {}

/** No authentication: a token is as good as none. For loopback, and for those who say `--insecure`. */
export const layerNone: Layer.Layer<Authenticator> = Layer.succeed(Authenticator, {
  enabled: false,
  authenticate: () => Effect.succeed(anonymous),
})
