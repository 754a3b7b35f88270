/**
 * The signature algorithms that a token may use, each bound to one kind of key (RFC 7518, section 3; RFC 8037).
 * There is no `none`, and no key serves algorithms of two kinds: a public key is never taken for a secret.
 */
import type { KeyObject } from "node:crypto"

/** Every algorithm that a configuration may allow. `Ed25519` is the newer name of `EdDSA` (RFC 9864). */
export const all = [
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

/** The name of an algorithm, as `alg` in a token's header has it. */
export type Algorithm = (typeof all)[number]

/** The shortest secret of each algorithm in bytes: that of its hash (RFC 7518, section 3.2). */
export const minSecretBytes = { HS256: 32, HS384: 48, HS512: 64 } as const

/** The smallest RSA key in bits (RFC 7518, section 3.3). */
export const minRsaBits = 2048

const rsa: ReadonlyArray<Algorithm> = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]

/** By OpenSSL's names of the curves P-256, P-384 and P-521. */
const curves = new Map<string, ReadonlyArray<Algorithm>>([
  ["prime256v1", ["ES256"]],
  ["secp384r1", ["ES384"]],
  ["secp521r1", ["ES512"]],
])

/** What {@link ofKey} has an algorithm for, to complete the sentence "it must be …". */
export const asymmetricKeys = `an RSA key of ${minRsaBits} bits or more, an EC key on P-256, P-384 or P-521, or an Ed25519 key`

/** The algorithms that a key can serve; none for a key that is too weak or of another kind. */
export const ofKey = (key: KeyObject): ReadonlyArray<Algorithm> => {
  if (key.type === "secret") return ofSecret(key.symmetricKeySize ?? 0)
  switch (key.asymmetricKeyType) {
    case "rsa":
      return (key.asymmetricKeyDetails?.modulusLength ?? 0) >= minRsaBits ? rsa : []
    case "ec":
      return curves.get(key.asymmetricKeyDetails?.namedCurve ?? "") ?? []
    case "ed25519":
      return ["EdDSA", "Ed25519"]
    default:
      return []
  }
}

const ofSecret = (bytes: number): ReadonlyArray<Algorithm> =>
  (["HS256", "HS384", "HS512"] as const).filter((algorithm) => bytes >= minSecretBytes[algorithm])
