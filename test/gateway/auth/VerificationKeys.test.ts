import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { generateKeyPairSync } from "node:crypto"
import * as VerificationKeys from "../../../src/gateway/auth/VerificationKeys.ts"
import { certificate } from "../../cli/pem.ts"
import { ec, ed25519, jwkOf, jwks, pemOf, privatePemOf, rsa } from "../../support/tokens.ts"

const algorithmsOf = (made: Result.Result<VerificationKeys.VerificationKey, string>) =>
  Result.map(made, ({ algorithms }) => algorithms)

const rsaAlgorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]

describe("a secret", () => {
  it.each([
    [31, undefined, "at least 32 bytes long for HS256 (it has 31)"],
    [47, ["HS256", "HS384"], "at least 48 bytes long for HS384 (it has 47)"],
    [63, ["HS512"], "at least 64 bytes long for HS512 (it has 63)"],
    [0, undefined, "at least 32 bytes long for HS256 (it has 0)"],
  ] as const)("of %d bytes is too short for %j", (bytes, allowed, refusal) => {
    assert.deepStrictEqual(algorithmsOf(VerificationKeys.ofSecret(Buffer.alloc(bytes), allowed)), Result.fail(refusal))
  })

  it.each([
    [32, undefined, ["HS256"]],
    [48, undefined, ["HS256", "HS384"]],
    [64, undefined, ["HS256", "HS384", "HS512"]],
    [64, ["HS512"], ["HS512"]],
  ] as const)("of %d bytes with %j allowed serves %j", (bytes, allowed, algorithms) => {
    const made = VerificationKeys.ofSecret(Buffer.alloc(bytes), allowed)
    assert.deepStrictEqual(algorithmsOf(made), Result.succeed([...algorithms]))
  })
})

describe("a PEM key", () => {
  const kinds = [
    ["RSA of 2048 bits", rsa(), rsaAlgorithms],
    ["P-256", ec("P-256"), ["ES256"]],
    ["P-384", ec("P-384"), ["ES384"]],
    ["P-521", ec("P-521"), ["ES512"]],
    ["Ed25519", ed25519(), ["EdDSA", "Ed25519"]],
  ] as const

  it.each(kinds)("of kind %s serves the algorithms of its kind only", (_, pair, algorithms) => {
    assert.deepStrictEqual<unknown>(
      algorithmsOf(VerificationKeys.ofPem(pemOf(pair), undefined)),
      Result.succeed([...algorithms]),
    )
  })

  it("may be a certificate", () => {
    const made = VerificationKeys.ofPem(certificate, ["ES256"])
    assert.deepStrictEqual<unknown>(algorithmsOf(made), Result.succeed(["ES256"]))
  })

  const other = "an RSA key of 2048 bits or more, an EC key on P-256, P-384 or P-521, or an Ed25519 key"
  it.each([
    ["a private key", privatePemOf(ec("P-256")), "a public key: a private one belongs to whoever makes tokens"],
    ["no PEM", "secret", "a public key or certificate in PEM"],
    ["RSA of 1024 bits", pemOf(rsa(1024)), other],
    ["secp256k1", pemOf(ec("secp256k1")), other],
    ["X25519", pemOf(generateKeyPairSync("x25519")), other],
  ])("that is %s is refused", (_, pem, refusal) => {
    assert.deepStrictEqual(algorithmsOf(VerificationKeys.ofPem(pem, undefined)), Result.fail(refusal))
  })

  it("that none of the allowed algorithms fits is refused", () => {
    assert.deepStrictEqual(
      algorithmsOf(VerificationKeys.ofPem(pemOf(ec("P-256")), ["RS256", "ES384"])),
      Result.fail("a key for RS256 or ES384; it is one for ES256"),
    )
  })
})

describe("a key set", () => {
  const secretJwk = { kty: "oct", k: Buffer.alloc(32).toString("base64url"), kid: "secret" }
  const parse = (text: string, given: Partial<Parameters<typeof VerificationKeys.ofJwks>[1]> = {}) =>
    Result.map(VerificationKeys.ofJwks(text, { allowed: undefined, secrets: true, ...given }), ({ keys, skipped }) => ({
      keys: keys.map(({ kid, algorithms }) => ({ kid, algorithms })),
      skipped,
    }))

  it("has the keys that can be used, and says why others cannot", () => {
    const [p256, ed] = [ec("P-256"), ed25519()]
    const text = jwks(
      jwkOf(p256, { kid: "a", use: "sig", key_ops: ["verify"] }),
      jwkOf(rsa(), { kid: "b", alg: "RS512" }),
      jwkOf(ed),
      secretJwk,
      jwkOf(p256, { kid: "c", use: "enc" }),
      jwkOf(p256, { kid: "d", key_ops: ["sign"] }),
      jwkOf(rsa(1024), { kid: "e" }),
      jwkOf(p256, { kid: "f", alg: "RS256" }),
      { ...p256.privateKey.export({ format: "jwk" }), kid: "g" },
      { kty: "new" },
      { kty: "oct", k: "c2hvcnQ", kid: "h" },
      { kty: "oct", kid: 1 },
    )
    assert.deepStrictEqual<unknown>(
      parse(text),
      Result.succeed({
        keys: [
          { kid: "a", algorithms: ["ES256"] },
          { kid: "b", algorithms: ["RS512"] },
          { kid: undefined, algorithms: ["EdDSA", "Ed25519"] },
          { kid: "secret", algorithms: ["HS256"] },
        ],
        skipped: [
          `key "c": it is not for signatures`,
          `key "d": it is not for verifying`,
          `key "e": it is too weak, or of a kind without an algorithm`,
          `key "f": its algorithm is not allowed`,
          `key "g": it is a private key`,
          "key 9: it is malformed, or of a kind that is not known",
          `key "h": it is too weak, or of a kind without an algorithm`,
          "key 11: it is malformed",
        ],
      }),
    )
  })

  it("that everybody can read has no secrets", () => {
    assert.deepStrictEqual(
      parse(jwks(secretJwk), { secrets: false }),
      Result.succeed({ keys: [], skipped: [`key "secret": it is a secret that everybody can read`] }),
    )
  })

  it("has no keys of algorithms that are not allowed", () => {
    assert.deepStrictEqual(
      parse(jwks(jwkOf(ec("P-256"), { kid: "a" })), { allowed: ["ES384"] }),
      Result.succeed({ keys: [], skipped: [`key "a": its algorithm is not allowed`] }),
    )
  })

  it.each(["", "{", "[]", "{}", `{"keys":{}}`, jwks(...Array.from({ length: 101 }, () => ({ kty: "x" })))])(
    "is not what is in %s",
    (text) => {
      assert.deepStrictEqual(parse(text), Result.fail("a JSON Web Key Set of at most 100 keys"))
    },
  )

  it("may have a hundred keys", () => {
    const key = jwkOf(ec("P-256"))
    const parsed = Result.getOrThrow(parse(jwks(...Array.from({ length: 100 }, () => key))))
    assert.strictEqual(parsed.keys.length, 100)
  })
})

describe("the keys for a token", () => {
  const key = (kid: string | undefined, alg: "ES256" | "RS256" = "ES256"): VerificationKeys.VerificationKey => ({
    kid,
    algorithms: [alg],
    material: (alg === "ES256" ? p256 : rsa2048).publicKey,
  })
  const [p256, rsa2048] = [ec("P-256"), rsa()]
  const [a, b, unnamed, other] = [key("a"), key("b"), key(undefined), key("a", "RS256")]
  const keys = [a, b, unnamed, other]

  it.each([
    ["of its kid and algorithm, and those without a kid", "ES256", "a", [a, unnamed]],
    ["without a kid if its own is unknown", "ES256", "c", [unnamed]],
    ["of its algorithm if it has no kid", "ES256", undefined, [a, b, unnamed]],
    ["none, if none has its algorithm", "HS256", "a", []],
  ])("are those %s", (_, alg, kid, selected) => {
    assert.deepStrictEqual(VerificationKeys.select(keys, { alg, kid }), selected)
  })

  it(`are at most ${VerificationKeys.maxCandidates}, or none`, () => {
    const header = { alg: "ES256", kid: undefined }
    assert.strictEqual(VerificationKeys.select([a, a, a, a], header).length, 4)
    assert.deepStrictEqual(VerificationKeys.select([a, a, a, a, a], header), [])
  })
})
