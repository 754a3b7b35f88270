/** Tokens made by hand with `node:crypto`, so that no library agrees with itself; and keys of every kind. */
import * as Redacted from "effect/Redacted"
import {
  constants,
  createHmac,
  createSecretKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign as signBytes,
} from "node:crypto"
import * as AuthConfig from "../../src/gateway/auth/AuthConfig.ts"
import type { Algorithm } from "../../src/gateway/auth/Algorithm.ts"

export interface Pair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

/** 64 bytes: long enough for each of the three. */
export const secretText = "0123456789abcdef".repeat(4)
export const secret = createSecretKey(Buffer.from(secretText))

export const rsa = (modulusLength = 2048): Pair => generateKeyPairSync("rsa", { modulusLength })
export const ec = (namedCurve: string): Pair => generateKeyPairSync("ec", { namedCurve })
export const ed25519 = (): Pair => generateKeyPairSync("ed25519")

export const pemOf = (pair: Pair): string => pair.publicKey.export({ type: "spki", format: "pem" }).toString()
export const privatePemOf = (pair: Pair): string => pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString()
export const jwkOf = (pair: Pair, more: object = {}): JsonWebKey => ({
  ...pair.publicKey.export({ format: "jwk" }),
  ...more,
})
export const jwks = (...keys: ReadonlyArray<object>): string => JSON.stringify({ keys })

const part = (value: string | object): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url")

export interface Given {
  readonly alg?: string
  readonly header?: object
  /** Text is taken as it is, JSON or not. */
  readonly claims?: object | string
}

/** A token signed as its algorithm says, with whatever key there is. */
export const token = (key: KeyObject, { alg = "HS256", header = {}, claims = {} }: Given = {}): string => {
  const signed = `${part({ alg, ...header })}.${part(claims)}`
  return `${signed}.${signature(alg, key, Buffer.from(signed)).toString("base64url")}`
}

const signature = (alg: string, key: KeyObject, bytes: Buffer): Buffer => {
  const [, kind, bits] = /^(HS|RS|PS|ES)(256|384|512)$/.exec(alg) ?? [undefined, alg]
  const hash = `sha${bits}`
  switch (kind) {
    case "HS":
      return createHmac(hash, key).update(bytes).digest()
    case "RS":
      return signBytes(hash, bytes, key)
    case "PS":
      return signBytes(hash, bytes, {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      })
    case "ES":
      return signBytes(hash, bytes, { key, dsaEncoding: "ieee-p1363" })
    case "EdDSA":
    case "Ed25519":
      return signBytes(null, bytes, key)
    default:
      return Buffer.alloc(0)
  }
}

const [rsaPair, otherRsa] = [rsa(), rsa()]

/** For each algorithm of key pairs: one of its kind, and another. */
export const signers: ReadonlyArray<readonly [Algorithm, Pair, Pair]> = [
  ...(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const).map((alg) => [alg, rsaPair, otherRsa] as const),
  ["ES256", ec("P-256"), ec("P-256")],
  ["ES384", ec("P-384"), ec("P-384")],
  ["ES512", ec("P-521"), ec("P-521")],
  ["EdDSA", ed25519(), ed25519()],
  ["Ed25519", ed25519(), ed25519()],
]

/** A configuration; without a source of keys, with the secret above. */
export const config = (given: Partial<AuthConfig.AuthConfig> = {}): AuthConfig.AuthConfig => {
  const made = AuthConfig.make(given)
  const hasKeys = AuthConfig.problems(made).every(({ value }) => value !== "")
  return hasKeys ? made : { ...made, secret: Redacted.make(secretText) }
}
