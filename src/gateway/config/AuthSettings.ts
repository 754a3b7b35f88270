/**
 * The settings of authentication: whose keys verify tokens, and how strictly tokens are read.
 * Verifies nothing and reads no key: `auth/` does.
 */
import { isArrayNonEmpty } from "effect/Array"
import * as Result from "effect/Result"
import type { Mistakes } from "./ConfigError.ts"
import * as Reading from "./Reading.ts"
import * as Setting from "./Setting.ts"

const algorithms = [
  "HS256",
  "HS384",
  "HS512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const

type Algorithm = (typeof algorithms)[number]

const isText = (text: string): text is string => text !== ""

/** The table; its keys are those of `AuthConfig`. */
export const auth = {
  secret: Setting.secret({
    key: "auth.secret",
    purpose: "the secret of HS256, HS384 or HS512, where no file can hold it",
  }),
  secretFile: Setting.path({ key: "auth.secretFile", purpose: "a file with that secret", placeholder: "<file>" }),
  publicKeyFile: Setting.path({
    key: "auth.publicKeyFile",
    purpose: "a public key or certificate, PEM",
    placeholder: "<file>",
  }),
  jwksFile: Setting.path({
    key: "auth.jwksFile",
    purpose: "a JSON Web Key Set; read again when it changes",
    placeholder: "<file>",
  }),
  jwksUrl: Setting.text({
    key: "auth.jwksUrl",
    purpose: "where the issuer publishes its JSON Web Key Set",
    placeholder: "<url>",
    allowed: "an https URL, or an http one on loopback",
    fallback: undefined,
    isAllowed: (text) => URL.canParse(text),
  }),
  algorithms: Setting.list({
    key: "auth.algorithms",
    purpose: "the signature algorithms allowed; otherwise all that fit the keys",
    placeholder: "<names>",
    allowed: `some of ${algorithms.join(", ")}`,
    isAllowed: (text): text is Algorithm => algorithms.some((algorithm) => algorithm === text),
  }),
  issuer: Setting.list({
    key: "auth.issuer",
    purpose: "what `iss` must be, or some that it may be",
    placeholder: "<issuers>",
    allowed: "one or more texts",
    isAllowed: isText,
  }),
  audience: Setting.list({
    key: "auth.audience",
    purpose: "what `aud` must name, or some of which it must name one",
    placeholder: "<audiences>",
    allowed: "one or more texts",
    isAllowed: isText,
  }),
  claim: Setting.text({
    key: "auth.claim",
    purpose: "the claim that holds the grants",
    placeholder: "<name>",
    allowed: "a text that is not empty",
    fallback: "longline",
    isAllowed: isText,
  }),
  clockTolerance: Setting.duration({
    key: "auth.clockTolerance",
    purpose: "how far the issuer's clock may be apart from this one",
    minMs: 0,
    maxMs: 600_000,
    fallbackMs: 5000,
  }),
  requireExpiry: Setting.toggle({
    key: "auth.requireExpiry",
    purpose: "refuse a token that does not say when it expires",
    fallback: true,
  }),
  maxTokenBytes: Setting.integer({
    key: "auth.maxTokenBytes",
    purpose: "the longest token that is looked at",
    min: 1,
    max: 16_000,
    fallback: 8192,
  }),
} as const

/** Authentication as it was configured. Exactly one of the sources of keys is there. */
export type AuthOptions = {
  readonly [K in keyof typeof auth]: (typeof auth)[K] extends Setting.Setting<infer A> ? A : never
}

/** Where keys can come from. */
const sources = ["secret", "secretFile", "publicKeyFile", "jwksFile", "jwksUrl"] as const

/** What the readings say; undefined if they name no keys, which is to say: no authentication. */
export const authOf = (readings: Reading.Readings<typeof auth>): Result.Result<AuthOptions | undefined, Mistakes> => {
  const [source, ...rivals] = sources.map((key) => readings[key]).filter(Reading.isWritten)
  if (source === undefined) {
    const given = sources.map((key) => auth[key].key).join(", ")
    const idle = Object.values(readings).filter(Reading.isWritten)
    const mistakes = idle.map((reading) =>
      Reading.refuse(reading, `left out unless there are keys, from one of ${given}`),
    )
    return isArrayNonEmpty(mistakes) ? Result.fail(mistakes) : Result.succeed(undefined)
  }
  const mistakes = rivals.map((rival) =>
    Reading.refuse(rival, `left out when ${source.where} is given: keys come from one place`),
  )
  if (isArrayNonEmpty(mistakes)) return Result.fail(mistakes)
  return Result.succeed({
    secret: readings.secret.value,
    secretFile: readings.secretFile.value,
    publicKeyFile: readings.publicKeyFile.value,
    jwksFile: readings.jwksFile.value,
    jwksUrl: readings.jwksUrl.value,
    algorithms: readings.algorithms.value,
    issuer: readings.issuer.value,
    audience: readings.audience.value,
    claim: readings.claim.value,
    clockTolerance: readings.clockTolerance.value,
    requireExpiry: readings.requireExpiry.value,
    maxTokenBytes: readings.maxTokenBytes.value,
  })
}
