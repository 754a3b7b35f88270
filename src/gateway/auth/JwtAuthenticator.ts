/**
 * Makes identities of JSON Web Tokens (RFC 7519): one of the configured keys has signed them, for this gateway, for now.
 * Refuses whatever it does not understand in full. Says nothing of a token whose signature is wrong.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from "jose"
import * as Shown from "../../codec/Shown.ts"
import * as Fields from "../protocol/Fields.ts"
import * as AuthConfig from "./AuthConfig.ts"
import * as Grants from "./Grants.ts"
import { AuthenticationError, Authenticator, type Identity } from "./Identity.ts"
import type * as KeyRing from "./KeyRing.ts"
import * as Keys from "./Keys.ts"
import type { Header, VerificationKey } from "./VerificationKeys.ts"
import * as VerifiedTokens from "./VerifiedTokens.ts"

/** Bytes of a token's own id. */
export const maxTokenIdBytes = 255

/** The latest time that a `Date` can hold, in seconds: what a claim of time is bounded by. */
const maxSeconds = 8_640_000_000_000

/** Verifies with the keys that the configuration names; it has to be free of problems. */
export const make = (
  config: AuthConfig.AuthConfig,
): Effect.Effect<Authenticator["Service"], AuthConfig.AuthConfigError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.map(Keys.ring(config), (ring) => ofRing(config, ring))

/** {@link make} as a layer. */
export const layer = (
  config: AuthConfig.AuthConfig,
): Layer.Layer<Authenticator, AuthConfig.AuthConfigError, FileSystem.FileSystem> =>
  Layer.effect(Authenticator, make(config))

/** Verifies with the keys of a ring. */
export const ofRing = (config: AuthConfig.AuthConfig, ring: KeyRing.KeyRing): Authenticator["Service"] => {
  const allowed: ReadonlyArray<string> = AuthConfig.algorithms(config)
  const verified = VerifiedTokens.make()

  const headerOf = (token: string): Result.Result<Header, AuthenticationError> => {
    const decoded = Result.try(() => decodeProtectedHeader(token))
    if (Result.isFailure(decoded)) return Result.fail(malformed("it is not a signed JSON Web Token"))
    const { alg, crit, kid } = decoded.success
    if (crit !== undefined) return Result.fail(malformed("its header has crit, and no extension is known here"))
    if (kid !== undefined && typeof kid !== "string") return Result.fail(malformed("its kid is not text"))
    if (alg !== undefined && allowed.includes(alg)) return Result.succeed({ alg, kid })
    const detail = `the algorithm of the token is ${Shown.value(alg)}; allowed are ${allowed.join(", ")}`
    return Result.fail(new AuthenticationError({ reason: "UnknownKey", detail }))
  }

  const authenticate = Effect.fnUntraced(function* (token: string) {
    if (token.length > config.maxTokenBytes) {
      return yield* malformed(`it has ${token.length} bytes, allowed are ${config.maxTokenBytes}`)
    }
    const now = yield* Clock.currentTimeMillis
    const hash = VerifiedTokens.hashOf(token)
    const known = verified.find(hash, { now, generation: ring.generation() })
    if (known !== undefined) return known

    const header = yield* Effect.fromResult(headerOf(token))
    const keys = yield* ring.find(header)
    const generation = ring.generation()
    const claims = yield* verify(token, keys, optionsOf(config, header, now))
    const identity = yield* Effect.fromResult(identityOf(claims, config, now))
    verified.add(hash, { identity, patterns: Grants.count(claims[config.claim]) }, { now, generation })
    return identity
  })

  return { enabled: true, authenticate }
}

const optionsOf = (config: AuthConfig.AuthConfig, { alg }: Header, now: number): JWTVerifyOptions => ({
  algorithms: [alg],
  currentDate: new Date(now),
  clockTolerance: Duration.toSeconds(config.clockTolerance),
  requiredClaims: config.requireExpiry ? ["exp"] : [],
  ...(config.issuer === undefined ? {} : { issuer: [...config.issuer] }),
  ...(config.audience === undefined ? {} : { audience: [...config.audience] }),
})

/** The claims, by the first key whose signature it is. Keys without a `kid` leave several to try. */
const verify = Effect.fnUntraced(function* (
  token: string,
  keys: ReadonlyArray<VerificationKey>,
  options: JWTVerifyOptions,
) {
  for (const [index, key] of keys.entries()) {
    const outcome = yield* Effect.result(
      Effect.tryPromise({ try: () => jwtVerify(token, key.material, options), catch: refusal }),
    )
    if (Result.isSuccess(outcome)) return outcome.success.payload
    if (outcome.failure.reason !== "BadSignature" || index === keys.length - 1) return yield* outcome.failure
  }
  return yield* Effect.die("BUG: a ring that finds no key says so")
})

/** The library's error in our words. Its claims were signed by one of the keys, and may be told. */
const refusal = (error: unknown): AuthenticationError => {
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return new AuthenticationError({ reason: "BadSignature", detail: "the signature of the token is wrong" })
  }
  if (error instanceof errors.JWTExpired) {
    return new AuthenticationError({ reason: "Expired", detail: `the token expired at ${timeOf(error.payload.exp)}` })
  }
  if (!(error instanceof errors.JWTClaimValidationFailed)) return malformed(`it cannot be read (${wordsOf(error)})`)
  const { claim, payload, reason } = error
  if (reason === "missing") return claimRefusal(claim, `the token has no ${claim}, and it is required here`)
  if (reason === "invalid") return malformed(`its ${claim} is not a number`)
  if (claim === "nbf") return claimRefusal(claim, `the token is not valid before ${timeOf(payload.nbf)}`)
  return claimRefusal(
    claim,
    `the ${claim} of the token is ${Shown.value(payload[claim])}, which is not the one expected`,
  )
}

const claimRefusal = (claim: string, detail: string): AuthenticationError =>
  new AuthenticationError({ reason: reasons.get(claim) ?? "Malformed", detail })

const reasons = new Map<string, AuthenticationError["reason"]>([
  ["iss", "WrongIssuer"],
  ["aud", "WrongAudience"],
  ["nbf", "NotYetValid"],
  ["iat", "NotYetValid"],
])

/** Who the claims of a verified token say that it is. */
const identityOf = (
  claims: JWTPayload,
  config: AuthConfig.AuthConfig,
  now: number,
): Result.Result<Identity, AuthenticationError> => {
  const { exp, iat, jti, sub: user } = claims
  const toleranceMs = Duration.toMillis(config.clockTolerance)
  if (user !== undefined && (typeof user !== "string" || !Fields.isName(user))) {
    return Result.fail(malformed(`its sub is not 1 to ${Fields.maxNameBytes} bytes of text without control characters`))
  }
  if (jti !== undefined && (typeof jti !== "string" || Buffer.byteLength(jti) > maxTokenIdBytes)) {
    return Result.fail(malformed(`its jti is not text of at most ${maxTokenIdBytes} bytes`))
  }
  if (!isTime(exp) || !isTime(iat)) return Result.fail(malformed("its exp or iat is not a time in seconds"))
  // A token that does not say when it was issued may be as old as any.
  const issuedAt = Math.floor((iat ?? 0) * 1000)
  // A token from the future would outlive "everything issued before now".
  if (issuedAt > now + toleranceMs) {
    return Result.fail(claimRefusal("iat", `the token was issued in the future, at ${timeOf(iat)}`))
  }
  const grants = Grants.parse(claims[config.claim], { claim: config.claim, user })
  if (Result.isFailure(grants)) return Result.fail(malformed(grants.failure))
  return Result.succeed({
    user,
    expiresAt: exp === undefined ? undefined : Math.floor(exp * 1000) + toleranceMs,
    issuedAt,
    tokenId: jti,
    grants: grants.success,
  })
}

const isTime = (seconds: unknown): seconds is number | undefined =>
  seconds === undefined || (typeof seconds === "number" && seconds >= 0 && seconds <= maxSeconds)

const timeOf = (seconds: unknown): string =>
  isTime(seconds) && seconds !== undefined ? new Date(seconds * 1000).toISOString() : Shown.value(seconds)

const wordsOf = (error: unknown): string => Shown.text(error instanceof Error ? error.message : String(error))

const malformed = (what: string): AuthenticationError =>
  new AuthenticationError({ reason: "Malformed", detail: `the token is refused: ${what}` })
