/**
 * What an operator says about tokens: whose keys verify them, for whom they must be, how strictly they are read.
 * Refuses settings that contradict each other. Reads no file: `Keys` does.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import { isLoopback } from "../config/Host.ts"
import * as Algorithm from "./Algorithm.ts"

/** The claim that holds a token's grants. */
export const defaultClaim = "longline"

/** How far the clocks of the issuer and of the gateway may be apart, in milliseconds. */
export const defaultClockToleranceMs = 5000

/** The most that clocks may be said to be apart, in milliseconds: ten minutes. */
export const maxClockToleranceMs = 600_000

/** Bytes of a token. */
export const defaultMaxTokenBytes = 8192

/** The longest token that may be allowed: a `connect` message has to fit into 16 KiB, and a token in it. */
export const largestMaxTokenBytes = 16_000

/** The settings of authentication. Exactly one of the five sources of keys is given. */
export interface AuthConfig {
  /** The secret of HS256, HS384 or HS512 as text. */
  readonly secret?: Redacted.Redacted<string> | undefined
  /** A file with that secret; one line break at its end does not count. */
  readonly secretFile?: string | undefined
  /** A file with a public key or certificate, PEM. */
  readonly publicKeyFile?: string | undefined
  /** A file with a JSON Web Key Set; read again when it changes. */
  readonly jwksFile?: string | undefined
  /** Where the issuer publishes its JSON Web Key Set: https, or http on loopback. */
  readonly jwksUrl?: string | undefined
  /** The algorithms allowed; undefined: all that fit the keys. */
  readonly algorithms?: ReadonlyArray<Algorithm.Algorithm> | undefined
  /** What `iss` must be one of. */
  readonly issuer?: ReadonlyArray<string> | undefined
  /** What `aud` must name one of. */
  readonly audience?: ReadonlyArray<string> | undefined
  readonly claim: string
  readonly clockTolerance: Duration.Duration
  /** Whether a token without `exp` is refused. */
  readonly requireExpiry: boolean
  readonly maxTokenBytes: number
}

/** The settings given, and the defaults for the others. */
export const make = (given: Partial<AuthConfig>): AuthConfig => ({
  claim: defaultClaim,
  clockTolerance: Duration.millis(defaultClockToleranceMs),
  requireExpiry: true,
  maxTokenBytes: defaultMaxTokenBytes,
  ...given,
})

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

/** What RFC 7519 has given a meaning (section 4.1). */
const registeredClaims: ReadonlyArray<string> = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"]

/** The settings that say where keys are. */
export const keySources = ["secret", "secretFile", "publicKeyFile", "jwksFile", "jwksUrl"] as const

/**
 * Everything that is wrong between the settings; empty if there is nothing. What files hold is not looked at. Settings are
 * named by `nameOf`, so that who wrote them finds them.
 */
export const problems = (
  config: AuthConfig,
  nameOf: (setting: keyof AuthConfig) => string = (setting) => setting,
): ReadonlyArray<AuthConfigError> => {
  const [source, ...rivals] = keySources.filter((key) => config[key] !== undefined)
  if (source === undefined) {
    const allowed = `given, or one of ${keySources
      .filter((key) => key !== "secretFile")
      .map(nameOf)
      .join(", ")}`
    return [new AuthConfigError({ setting: "secretFile", value: "", allowed })]
  }
  const found = rivals.map((rival) =>
    refuse(config, rival, `left out when ${nameOf(source)} is given: the keys have one source`),
  )
  if (config.jwksUrl !== undefined && !isTrustworthy(config.jwksUrl)) {
    found.push(refuse(config, "jwksUrl", "an https URL without user and password, or an http one on loopback"))
  }
  if (registeredClaims.includes(config.claim)) {
    found.push(refuse(config, "claim", `none that has a meaning of its own: ${registeredClaims.join(", ")}`))
  }
  const misfits = (config.algorithms ?? []).filter((algorithm) => !isServedBy(source, algorithm))
  if (misfits.length > 0) {
    const kind = source.startsWith("secret") ? "HS algorithms" : "RS, PS, ES and EdDSA"
    found.push(
      refuse(config, "algorithms", `${kind} only, because ${nameOf(source)} is given: ${misfits.join(", ")} cannot be`),
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
