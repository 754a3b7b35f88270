/**
 * The settings of authentication: whose keys verify tokens, and how strictly tokens are read.
 * Decides nothing about them: `auth/` does, and says what is wrong with keys.
 */
import { isArrayNonEmpty } from "effect/Array"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Algorithm from "../auth/Algorithm.ts"
import * as AuthConfig from "../auth/AuthConfig.ts"
import * as Keys from "../auth/Keys.ts"
import type { ConfigError, Mistakes } from "./ConfigError.ts"
import * as Reading from "./Reading.ts"
import * as Setting from "./Setting.ts"

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
    allowed: `some of ${Algorithm.all.join(", ")}`,
    isAllowed: (text): text is Algorithm.Algorithm => Algorithm.all.some((algorithm) => algorithm === text),
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
    fallback: AuthConfig.defaultClaim,
    isAllowed: isText,
  }),
  clockTolerance: Setting.duration({
    key: "auth.clockTolerance",
    purpose: "how far the issuer's clock may be apart from this one",
    minMs: 0,
    maxMs: AuthConfig.maxClockToleranceMs,
    fallbackMs: AuthConfig.defaultClockToleranceMs,
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
    max: AuthConfig.largestMaxTokenBytes,
    fallback: AuthConfig.defaultMaxTokenBytes,
  }),
} as const

type AuthReadings = Reading.Readings<typeof auth>

/**
 * What the readings say, once the keys in its files have been looked at; undefined if they name no keys, which is to say:
 * no authentication. Nothing is fetched: an issuer need not be there yet.
 */
export const load = (
  readings: AuthReadings,
): Effect.Effect<AuthConfig.AuthConfig | undefined, Mistakes, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (!AuthConfig.keySources.some((key) => Reading.isWritten(readings[key]))) {
      const sources = AuthConfig.keySources.map((key) => auth[key].key).join(", ")
      const idle = Object.values(readings).filter(Reading.isWritten)
      const mistakes = idle.map((reading) =>
        Reading.refuse(reading, `left out unless there are keys, from one of ${sources}`),
      )
      return isArrayNonEmpty(mistakes) ? yield* Effect.fail(mistakes) : undefined
    }
    const config = configOf(readings)
    const problems = AuthConfig.problems(config, (setting) => readings[setting].where).map(placed(readings))
    if (isArrayNonEmpty(problems)) return yield* Effect.fail(problems)
    if (config.jwksUrl === undefined) {
      yield* Effect.mapError(Effect.scoped(Keys.ring(config)), (problem): Mistakes => [placed(readings)(problem)])
    }
    return config
  })

/** The complaint about a setting of authentication, where it was written. */
const placed =
  (readings: AuthReadings) =>
  ({ setting, allowed }: AuthConfig.AuthConfigError): ConfigError =>
    Reading.refuse(readings[setting], allowed)

const configOf = (readings: AuthReadings): AuthConfig.AuthConfig => ({
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
