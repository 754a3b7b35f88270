/**
 * The keys that tokens are verified with: made of a secret, a PEM text or a JSON Web Key Set, and picked for a token.
 * Refuses private keys, weak keys and kinds without an algorithm. Reads no file and fetches nothing.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from "node:crypto"
import * as Shown from "../../codec/Shown.ts"
import * as Algorithm from "./Algorithm.ts"

/** A key, and all that it may be used for. */
export interface VerificationKey {
  /** Undefined: the key verifies a token of any `kid`. */
  readonly kid: string | undefined
  readonly algorithms: ReadonlyArray<Algorithm.Algorithm>
  readonly material: KeyObject
}

/** What of a token's header picks its key. Not yet authenticated. */
export interface Header {
  readonly alg: string
  readonly kid: string | undefined
}

/** Keys in one set. */
export const maxKeys = 100

/** Keys that a token without a `kid` is tried with, so that one garbage token costs few verifications. */
export const maxCandidates = 4

/** Which algorithms the operator allows; undefined allows all that fit a key. */
export type Allowed = ReadonlyArray<Algorithm.Algorithm> | undefined

/** The key of a secret; fails with what it must be instead. */
export const ofSecret = (secret: Uint8Array, allowed: Allowed): Result.Result<VerificationKey, string> => {
  const wanted = (allowed ?? ["HS256"]).filter((algorithm) => algorithm in Algorithm.minSecretBytes)
  const key = createSecretKey(secret)
  const able = Algorithm.ofKey(key)
  // Nothing is left out silently: each algorithm that is allowed by name has to be possible.
  const missing = wanted.find((algorithm) => !able.includes(algorithm)) as
    | keyof typeof Algorithm.minSecretBytes
    | undefined
  return missing === undefined
    ? Result.succeed({
        kid: undefined,
        algorithms: able.filter((algorithm) => isAllowed(algorithm, allowed)),
        material: key,
      })
    : Result.fail(
        `at least ${Algorithm.minSecretBytes[missing]} bytes long for ${missing} (it has ${secret.byteLength})`,
      )
}

/** The key of a PEM public key or certificate; fails with what it must be instead. */
export const ofPem = (text: string, allowed: Allowed): Result.Result<VerificationKey, string> => {
  if (text.includes("PRIVATE KEY")) return Result.fail("a public key: a private one belongs to whoever makes tokens")
  const material = Result.try(() => createPublicKey(text))
  if (Result.isFailure(material)) return Result.fail("a public key or certificate in PEM")
  const able = Algorithm.ofKey(material.success)
  if (able.length === 0) return Result.fail(Algorithm.asymmetricKeys)
  const algorithms = able.filter((algorithm) => isAllowed(algorithm, allowed))
  return algorithms.length === 0
    ? Result.fail(`a key for ${allowed?.join(" or ")}; it is one for ${able.join(", ")}`)
    : Result.succeed({ kid: undefined, algorithms, material: material.success })
}

/** The usable keys of a set, and why others were passed over (RFC 7517, section 5). */
export interface KeySet {
  readonly keys: ReadonlyArray<VerificationKey>
  readonly skipped: ReadonlyArray<string>
}

/**
 * The keys of a JSON Web Key Set, which may have none; fails with what it must be instead. Secrets are keys only where they
 * stay secret.
 */
export const ofJwks = (
  text: string,
  options: { readonly allowed: Allowed; readonly secrets: boolean },
): Result.Result<KeySet, string> => {
  const parsed = decodeJwks(text)
  if (Result.isFailure(parsed)) return Result.fail(`a JSON Web Key Set of at most ${maxKeys} keys`)
  const keys: Array<VerificationKey> = []
  const skipped: Array<string> = []
  for (const [index, member] of parsed.success.keys.entries()) {
    const jwk = Result.getOrUndefined(decodeJwk(member))
    const key = jwk === undefined ? Result.fail("it is malformed") : ofJwk(jwk, options)
    if (Result.isSuccess(key)) keys.push(key.success)
    else skipped.push(`key ${jwk?.kid === undefined ? index : Shown.value(jwk.kid)}: ${key.failure}`)
  }
  return Result.succeed({ keys, skipped })
}

/** A set that has keys; fails with what it must be instead. */
export const someOf = (set: KeySet): Result.Result<KeySet, string> =>
  set.keys.length > 0
    ? Result.succeed(set)
    : Result.fail(["a JSON Web Key Set with a key that can be used", ...set.skipped].join("; "))

/**
 * The keys that may have signed a token, at most {@link maxCandidates}. A `kid` leaves those of that name and those
 * without any; none at all if the token has no `kid` and more keys than that could be meant.
 */
export const select = (keys: ReadonlyArray<VerificationKey>, { alg, kid }: Header): ReadonlyArray<VerificationKey> => {
  const able = keys.filter((key) => key.algorithms.some((algorithm) => algorithm === alg))
  const meant = able.filter((key) => kid === undefined || key.kid === undefined || key.kid === kid)
  return meant.length <= maxCandidates ? meant : []
}

/** What of a JSON Web Key is looked at here; `node:crypto` looks at the rest. */
const Jwk = Schema.StructWithRest(
  Schema.Struct({
    kty: Schema.String,
    kid: Schema.optionalKey(Schema.String),
    use: Schema.optionalKey(Schema.String),
    alg: Schema.optionalKey(Schema.String),
    key_ops: Schema.optionalKey(Schema.Array(Schema.String)),
    k: Schema.optionalKey(Schema.String),
    d: Schema.optionalKey(Schema.Unknown),
  }),
  [Schema.Record(Schema.String, Schema.Unknown)],
)
type Jwk = typeof Jwk.Type

const decodeJwk = Schema.decodeUnknownResult(Jwk)

const decodeJwks = Schema.decodeUnknownResult(
  Schema.fromJsonString(Schema.Struct({ keys: Schema.Array(Schema.Unknown).check(Schema.isMaxLength(maxKeys)) })),
)

const ofJwk = (
  jwk: Jwk,
  { allowed, secrets }: { readonly allowed: Allowed; readonly secrets: boolean },
): Result.Result<VerificationKey, string> => {
  if (jwk.use !== undefined && jwk.use !== "sig") return Result.fail("it is not for signatures")
  if (jwk.key_ops !== undefined && !jwk.key_ops.includes("verify")) return Result.fail("it is not for verifying")
  if (jwk.d !== undefined) return Result.fail("it is a private key")
  if (jwk.kty === "oct" && !secrets) return Result.fail("it is a secret that everybody can read")
  const material = Result.try(() =>
    jwk.kty === "oct"
      ? createSecretKey(Buffer.from(jwk.k ?? "", "base64url"))
      : createPublicKey({ key: jwk as JsonWebKey, format: "jwk" }),
  )
  if (Result.isFailure(material)) return Result.fail("it is malformed, or of a kind that is not known")
  const able = Algorithm.ofKey(material.success)
  if (able.length === 0) return Result.fail("it is too weak, or of a kind without an algorithm")
  const algorithms = able.filter(
    (algorithm) => isAllowed(algorithm, allowed) && (jwk.alg === undefined || jwk.alg === algorithm),
  )
  return algorithms.length === 0
    ? Result.fail("its algorithm is not allowed")
    : Result.succeed({ kid: jwk.kid, algorithms, material: material.success })
}

const isAllowed = (algorithm: Algorithm.Algorithm, allowed: Allowed): boolean =>
  allowed === undefined || allowed.includes(algorithm)
