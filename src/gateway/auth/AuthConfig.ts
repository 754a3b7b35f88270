/**
 * What an operator says about tokens: whose keys verify them, for whom they must be, how strictly they are read.
 * Refuses settings that contradict each other. Reads no file: `VerificationKeys` and `KeyRing` do.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as DurationText from "../config/DurationText.ts"
import { isLoopback } from "../config/Host.ts"
import * as Algorithm from "./Algorithm.ts"

/** The claim that holds a token's grants. */
export const defaultClaim = "longline"

/** How far the clocks of the issuer and of the gateway may be apart, in milliseconds. */
export const defaultClockToleranceMs = 5000

/** The most that clocks may be said to differ: ten minutes. */
export const maxClockToleranceMs = 600_000

/** Characters of a token. */
export const defaultMaxTokenBytes = 8192

/** The longest token that may be allowed: a `connect` message has to fit into 16 KiB, and a token in it. */
export const largestMaxTokenBytes = 16_000

const toleranceAllowed = `a duration from 0ms to ${DurationText.format(Duration.millis(maxClockToleranceMs))}, written like 500ms, 25s, 2m or 1h`

const ClockTolerance = Schema.String.annotate({ expected: toleranceAllowed }).pipe(
  Schema.decodeTo(
    Schema.Duration,
    SchemaTransformation.transformEffect({
      decode: (text, options) =>
        DurationText.parse(text).pipe(
          Option.filter((duration) => Duration.toMillis(duration) <= maxClockToleranceMs),
          Option.match({
            onNone: () => Effect.fail(new SchemaIssue.InvalidValue({ message: toleranceAllowed }, text, options)),
            onSome: Effect.succeed,
          }),
        ),
      encode: (duration) => Effect.succeed(DurationText.format(duration)),
    }),
  ),
)

const File = Schema.NonEmptyString.annotate({ expected: "the path of a file" })

const OneOrMore = Schema.Union([Schema.NonEmptyString, Schema.NonEmptyArray(Schema.NonEmptyString)])

/** The settings of authentication as a configuration file has them. Exactly one of the five sources of keys is given. */
export const AuthConfig = Schema.Struct({
  secret: Schema.optionalKey(
    Schema.RedactedFromValue(Schema.String, { label: "secret", disallowEncode: true }),
  ).annotateKey({ description: "the secret of HS256, HS384 or HS512 as text; better in a file" }),
  secretFile: Schema.optionalKey(File).annotateKey({
    description: "a file with the secret; one line break at its end does not count",
  }),
  publicKeyFile: Schema.optionalKey(File).annotateKey({ description: "a public key or certificate, PEM" }),
  jwksFile: Schema.optionalKey(File).annotateKey({
    description: "a JSON Web Key Set; read again when it changes",
  }),
  jwksUrl: Schema.optionalKey(Schema.String).annotateKey({
    description: "where the issuer publishes its JSON Web Key Set: https, or http on loopback",
  }),
  algorithms: Schema.optionalKey(Schema.NonEmptyArray(Schema.Literals(Algorithm.all))).annotateKey({
    description: "the signature algorithms allowed; default: all that fit the keys",
  }),
  issuer: Schema.optionalKey(OneOrMore).annotateKey({ description: "what `iss` must be, or one of them" }),
  audience: Schema.optionalKey(OneOrMore).annotateKey({ description: "what `aud` must name, or one of them" }),
  claim: Schema.NonEmptyString.pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(defaultClaim)),
    Schema.annotateKey({ description: "the claim that holds the grants" }),
  ),
  clockTolerance: ClockTolerance.pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(DurationText.format(Duration.millis(defaultClockToleranceMs)))),
    Schema.annotateKey({ description: "how far the issuer's clock may be apart from this one" }),
  ),
  requireExpiry: Schema.Boolean.pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(true)),
    Schema.annotateKey({ description: "whether a token without `exp` is refused" }),
  ),
  maxTokenBytes: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: largestMaxTokenBytes })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(defaultMaxTokenBytes)),
    Schema.annotateKey({ description: "the longest token that is looked at" }),
  ),
})
export type AuthConfig = typeof AuthConfig.Type

/** A setting of authentication that cannot be used as it is. A secret's value is never in it. */
export class AuthConfigError extends Data.TaggedError("AuthConfigError")<{
  readonly setting: keyof AuthConfig
  readonly value: string
  /** Completes the sentence "it must be …". */
  readonly allowed: string
}> {
  override get message(): string {
    return `${this.setting} is ${JSON.stringify(this.value)}; it must be ${this.allowed}`
  }
}

/** The error for a setting; a secret stays one. */
export const refuse = (config: AuthConfig, setting: keyof AuthConfig, allowed: string): AuthConfigError => {
  const value = config[setting]
  const shown = Redacted.isRedacted(value) ? "<redacted>" : Array.isArray(value) ? value.join(", ") : String(value)
  return new AuthConfigError({ setting, value: shown, allowed })
}

const keySources = ["secret", "secretFile", "publicKeyFile", "jwksFile", "jwksUrl"] as const

/** Everything that is wrong between the settings; empty if there is nothing. What files hold is not looked at. */
export const problems = (config: AuthConfig): ReadonlyArray<AuthConfigError> => {
  const [source, ...rivals] = keySources.filter((key) => config[key] !== undefined)
  if (source === undefined) {
    const allowed = `given, or one of ${keySources.filter((key) => key !== "secretFile").join(", ")}`
    return [new AuthConfigError({ setting: "secretFile", value: "", allowed })]
  }
  const found = rivals.map((rival) =>
    refuse(config, rival, `left out when ${source} is given: the keys have one source`),
  )
  if (config.jwksUrl !== undefined && !isTrustworthy(config.jwksUrl)) {
    found.push(refuse(config, "jwksUrl", "an https URL without user and password, or an http one on loopback"))
  }
  const misfits = (config.algorithms ?? []).filter((algorithm) => !isServedBy(source, algorithm))
  if (misfits.length > 0) {
    const kind = source === "jwksFile" ? "" : source.startsWith("secret") ? "HS algorithms" : "RS, PS, ES and EdDSA"
    found.push(
      refuse(config, "algorithms", `${kind} only, because ${source} is given: ${misfits.join(", ")} cannot be`),
    )
  }
  return found
}

/** The algorithms that a token may use: those allowed by name, or all that the source of the keys can serve. */
export const algorithms = (config: AuthConfig): ReadonlyArray<Algorithm.Algorithm> => {
  const source = keySources.find((key) => config[key] !== undefined)
  return config.algorithms ?? Algorithm.all.filter((algorithm) => source !== undefined && isServedBy(source, algorithm))
}

/** A secret in a file may stand in a key set too, so that it can be rotated. Whoever reads a URL knows no secret. */
const isServedBy = (source: (typeof keySources)[number], algorithm: Algorithm.Algorithm): boolean =>
  source === "jwksFile" || source.startsWith("secret") === algorithm.startsWith("HS")

const isTrustworthy = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (username !== "" || password !== "") return false
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname.replace(/^\[(.*)\]$/, "$1")))
}
