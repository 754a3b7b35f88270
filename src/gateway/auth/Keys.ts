/**
 * Brings the keys that a configuration names: reads its file, or asks its issuer, now and again.
 * Refuses to start with a file that is not what its setting says; an issuer that cannot be reached is waited for.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as AuthConfig from "./AuthConfig.ts"
import * as JwksUrl from "./JwksUrl.ts"
import * as KeyRing from "./KeyRing.ts"
import * as VerificationKeys from "./VerificationKeys.ts"

/** How often a key set is fetched; its issuer publishes new keys well before they are used. */
export const jwksUrlIntervalMs = 300_000

/** How often a key set may be fetched for the sake of unknown keys. */
export const jwksUrlCooldownMs = 10_000

/** How often a key set is read from its file, which is small. */
export const jwksFileIntervalMs = 5000

/** How often a key set may be read from its file for the sake of unknown keys. */
export const jwksFileCooldownMs = 1000

/** The keys of a configuration; it is looked at for problems first. */
export const ring: (
  config: AuthConfig.AuthConfig,
) => Effect.Effect<KeyRing.KeyRing, AuthConfig.AuthConfigError, FileSystem.FileSystem | Scope.Scope> =
  Effect.fnUntraced(function* (config: AuthConfig.AuthConfig) {
    const [problem] = AuthConfig.problems(config)
    if (problem !== undefined) return yield* problem
    const { algorithms: allowed, jwksFile, jwksUrl, publicKeyFile, secret, secretFile } = config
    const accept = <A>(setting: keyof AuthConfig.AuthConfig, made: Result.Result<A, string>) =>
      Effect.fromResult(Result.mapError(made, (must) => AuthConfig.refuse(config, setting, must)))

    if (jwksUrl !== undefined) {
      return yield* KeyRing.refreshed({
        name: jwksUrl,
        load: JwksUrl.fetchText(jwksUrl),
        parse: (text) => VerificationKeys.ofJwks(text, { allowed, secrets: false }),
        every: jwksUrlIntervalMs,
        cooldown: jwksUrlCooldownMs,
      })
    }
    const fs = yield* FileSystem.FileSystem
    const text = (path: string, setting: keyof AuthConfig.AuthConfig) =>
      Effect.mapError(fs.readFileString(path), unreadable(config, setting))

    if (jwksFile !== undefined) {
      const parse = (text: string) => VerificationKeys.ofJwks(text, { allowed, secrets: true })
      yield* accept("jwksFile", Result.flatMap(parse(yield* text(jwksFile, "jwksFile")), VerificationKeys.someOf))
      return yield* KeyRing.refreshed({
        name: jwksFile,
        load: fs.readFileString(jwksFile),
        parse,
        every: jwksFileIntervalMs,
        cooldown: jwksFileCooldownMs,
      })
    }
    if (publicKeyFile !== undefined) {
      const pem = yield* text(publicKeyFile, "publicKeyFile")
      return KeyRing.fixed([yield* accept("publicKeyFile", VerificationKeys.ofPem(pem, allowed))])
    }
    if (secretFile !== undefined) {
      const bytes = yield* Effect.mapError(fs.readFile(secretFile), unreadable(config, "secretFile"))
      return KeyRing.fixed([yield* accept("secretFile", VerificationKeys.ofSecret(secretOf(bytes), allowed))])
    }
    const bytes = Buffer.from(secret === undefined ? "" : Redacted.value(secret))
    return KeyRing.fixed([yield* accept("secret", VerificationKeys.ofSecret(bytes, allowed))])
  })

/** A secret as its file has it, in any bytes: editors and `echo` end a line that is not part of it. */
export const secretOf = (file: Uint8Array): Uint8Array => {
  const end = file.at(-1) === lineFeed ? (file.at(-2) === carriageReturn ? -2 : -1) : file.length
  return file.subarray(0, end)
}

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** A setting whose file cannot be read, in the system's own words ("ENOENT: no such file"): they say more than a tag. */
const unreadable =
  (config: AuthConfig.AuthConfig, setting: keyof AuthConfig.AuthConfig) =>
  ({ reason }: PlatformError): AuthConfig.AuthConfigError => {
    const why = reason.cause instanceof Error ? reason.cause.message : reason.message
    return AuthConfig.refuse(config, setting, `a file that can be read (${why})`)
  }
