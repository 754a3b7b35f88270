import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { createSecretKey } from "node:crypto"
import type { AuthConfig } from "../../../src/gateway/auth/AuthConfig.ts"
import * as Grants from "../../../src/gateway/auth/Grants.ts"
import { AuthenticationError, type Identity } from "../../../src/gateway/auth/Identity.ts"
import * as JwtAuthenticator from "../../../src/gateway/auth/JwtAuthenticator.ts"
import * as KeyRing from "../../../src/gateway/auth/KeyRing.ts"
import * as VerificationKeys from "../../../src/gateway/auth/VerificationKeys.ts"
import { config, ec, type Given, pemOf, rsa, secret, secretText, signers, token } from "../../support/tokens.ts"

const pemConfig = config({ publicKeyFile: "key.pem" })
const ringOf = (...keys: ReadonlyArray<Result.Result<VerificationKeys.VerificationKey, string>>) =>
  KeyRing.fixed(keys.map((key) => Result.getOrThrow(key)))
const secretRing = ringOf(VerificationKeys.ofSecret(Buffer.from(secretText), ["HS256", "HS384", "HS512"]))

/** Authenticates with the secret, or with the ring. */
const authenticate = (token: string, given: AuthConfig = config(), ring: KeyRing.KeyRing = secretRing) =>
  JwtAuthenticator.ofRing(given, ring).authenticate(token)

/** Why the token is refused: reason and detail. */
const refusal = (...given: Parameters<typeof authenticate>) =>
  Effect.map(Effect.flip(authenticate(...given)), ({ reason, detail }) => [reason, detail])

const shown = ({ grants, ...identity }: Identity, names: ReadonlyArray<string> = []) => ({
  ...identity,
  grants: Grants.actions.flatMap((action) =>
    names.filter((name) => grants(action, name)).map((name) => `${action} ${name}`),
  ),
})

/** A token that the secret has signed, valid for an hour of the test clock. */
const signed = (claims: object = {}, given: Given = {}) =>
  token(secret, { ...given, claims: { sub: "ann", exp: 3600, ...claims } })

const wrongSignature = ["BadSignature", "the signature of the token is wrong"]

describe("an identity", () => {
  it.effect("is made of sub, exp, iat, jti and the grants", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("100 seconds")
      const claims = { iat: 99.5, jti: "t-1", longline: { subscribe: ["news:*"], publish: ["chat:{user}"] } }
      const identity = yield* authenticate(signed(claims))
      assert.deepStrictEqual(shown(identity, ["news:a", "chat:ann", "chat:bob"]), {
        user: "ann",
        expiresAt: 3_605_000,
        issuedAt: 99_500,
        tokenId: "t-1",
        grants: ["subscribe news:a", "publish chat:ann"],
      })
    }),
  )

  it.effect("needs nothing but the signature where no expiry is required", () =>
    Effect.gen(function* () {
      const identity = yield* authenticate(token(secret), config({ requireExpiry: false }))
      const [user, expiresAt, tokenId] = [undefined, undefined, undefined]
      assert.deepStrictEqual(shown(identity, ["a"]), { user, expiresAt, issuedAt: 0, tokenId, grants: [] })
    }),
  )

  it.effect("has its grants from the claim that is configured", () =>
    Effect.gen(function* () {
      const mine = signed({ "https://me/rights": { serve: ["sum"] }, longline: { serve: ["other"] } })
      const identity = yield* authenticate(mine, config({ claim: "https://me/rights" }))
      assert.deepStrictEqual(shown(identity, ["sum", "other"]).grants, ["serve sum"])
    }),
  )
})

describe("signatures", () => {
  const claims = { sub: "ann", exp: 3600 }

  it.effect.each(["HS256", "HS384", "HS512"] as const)("%s is accepted of its secret, and of no other", (alg) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* authenticate(token(secret, { alg, claims }))).user, "ann")
      const other = createSecretKey(Buffer.from(secretText.replace("0", "1")))
      assert.deepStrictEqual(yield* refusal(token(other, { alg, claims })), wrongSignature)
    }),
  )

  it.effect.each(signers)("%s is accepted of its key, and of no other", ([alg, pair, other]) =>
    Effect.gen(function* () {
      const good = token(pair.privateKey, { alg, claims })
      const ring = ringOf(VerificationKeys.ofPem(pemOf(pair), undefined))
      assert.strictEqual((yield* authenticate(good, pemConfig, ring)).user, "ann")
      const bad = token(other.privateKey, { alg, claims })
      assert.deepStrictEqual(yield* refusal(bad, pemConfig, ring), wrongSignature)
    }),
  )

  it.effect("a changed claim, a changed header and a cut signature are refused", () =>
    Effect.gen(function* () {
      const [header, , signature] = signed().split(".") as [string, string, string]
      const [otherHeader, claims] = signed({ sub: "bob" }, { header: { typ: "JWT" } }).split(".") as [string, string]
      for (const forged of [
        `${header}.${claims}.${signature}`,
        `${otherHeader}.${claims}.${signature}`,
        `${header}.${claims}.${signature.slice(0, -4)}`,
        `${header}.${claims}.`,
      ]) {
        assert.deepStrictEqual(yield* refusal(forged), wrongSignature)
      }
    }),
  )

  it.effect("a token without a kid is tried with each key of its algorithm", () =>
    Effect.gen(function* () {
      const pairs = [ec("P-256"), ec("P-256"), ec("P-256")] as const
      const ring = ringOf(...pairs.map((pair) => VerificationKeys.ofPem(pemOf(pair), undefined)))
      const last = token(pairs[2].privateKey, { alg: "ES256", claims })
      assert.strictEqual((yield* authenticate(last, pemConfig, ring)).user, "ann")
      const stranger = token(ec("P-256").privateKey, { alg: "ES256", claims })
      assert.deepStrictEqual(yield* refusal(stranger, pemConfig, ring), wrongSignature)
    }),
  )
})

describe("algorithms", () => {
  const pair = rsa()
  const ring = ringOf(VerificationKeys.ofPem(pemOf(pair), undefined))
  const claims = { sub: "ann", exp: 3600 }
  const notAllowed = (alg: string, allowed: string) => [
    "UnknownKey",
    `the algorithm of the token is ${alg}; allowed are ${allowed}`,
  ]

  it.effect("a public key is no secret: HS256 signed with its text is refused", () =>
    Effect.gen(function* () {
      const forged = token(createSecretKey(Buffer.from(pemOf(pair))), { alg: "HS256", claims })
      const [reason] = yield* refusal(forged, pemConfig, ring)
      assert.strictEqual(reason, "UnknownKey")
    }),
  )

  it.effect("nor is it one where HS256 is allowed beside it", () =>
    Effect.gen(function* () {
      const both = config({ jwksFile: "keys.json" })
      const forged = token(createSecretKey(Buffer.from(pemOf(pair))), { alg: "HS256", claims })
      const detail =
        `no single key is known for a token with algorithm "HS256" and no kid; ` +
        "accepted are RS256, RS384, RS512, PS256, PS384, PS512"
      assert.deepStrictEqual(yield* refusal(forged, both, ring), ["UnknownKey", detail])
    }),
  )

  it.effect.each(["none", "None", "NONE", "", "HS257", "hs256"])("%j is none that is allowed", (alg) =>
    Effect.gen(function* () {
      for (const unsigned of [token(secret, { alg, claims }), token(secret, { alg, claims }).replace(/[^.]*$/, "")]) {
        assert.deepStrictEqual(yield* refusal(unsigned), notAllowed(JSON.stringify(alg), "HS256, HS384, HS512"))
      }
    }),
  )

  it.effect("one that is not on the list is refused, though the key fits", () =>
    Effect.gen(function* () {
      const strict = config({ publicKeyFile: "key.pem", algorithms: ["PS256"] })
      const rs256 = token(pair.privateKey, { alg: "RS256", claims })
      assert.deepStrictEqual(yield* refusal(rs256, strict, ring), notAllowed(`"RS256"`, "PS256"))
      const ps256 = token(pair.privateKey, { alg: "PS256", claims })
      assert.strictEqual((yield* authenticate(ps256, strict, ring)).user, "ann")
    }),
  )

  it.effect("a curve other than the algorithm's is refused", () =>
    Effect.gen(function* () {
      const p384 = ec("P-384")
      const wrong = token(p384.privateKey, { alg: "ES256", claims })
      const [reason] = yield* refusal(wrong, pemConfig, ringOf(VerificationKeys.ofPem(pemOf(p384), undefined)))
      assert.strictEqual(reason, "UnknownKey")
    }),
  )
})

describe("time", () => {
  const at = (seconds: number) => TestClock.setTime(seconds * 1000)

  it.effect("a token is good until its exp and the tolerance, and not a second longer", () =>
    Effect.gen(function* () {
      const late = signed({ exp: 100 })
      yield* TestClock.setTime(104_999)
      assert.strictEqual((yield* authenticate(late)).expiresAt, 105_000)
      yield* at(105)
      assert.deepStrictEqual(yield* refusal(late), ["Expired", "the token expired at 1970-01-01T00:01:40.000Z"])
      assert.strictEqual(
        (yield* refusal(signed({ exp: 105 }), config({ clockTolerance: Duration.zero })))[0],
        "Expired",
      )
    }),
  )

  it.effect("a token is good from its nbf less the tolerance", () =>
    Effect.gen(function* () {
      const early = signed({ nbf: 100 })
      yield* TestClock.setTime(94_999)
      assert.deepStrictEqual(yield* refusal(early), [
        "NotYetValid",
        "the token is not valid before 1970-01-01T00:01:40.000Z",
      ])
      yield* at(95)
      assert.strictEqual((yield* authenticate(early)).user, "ann")
    }),
  )

  it.effect("a token from the future would outlive its revocation, and is refused", () =>
    Effect.gen(function* () {
      const future = signed({ iat: 100 })
      yield* TestClock.setTime(94_999)
      assert.deepStrictEqual(yield* refusal(future), [
        "NotYetValid",
        "the token was issued in the future, at 1970-01-01T00:01:40.000Z",
      ])
      yield* at(95)
      assert.strictEqual((yield* authenticate(future)).issuedAt, 100_000)
    }),
  )

  it.effect("a token that was good is not remembered beyond its end", () =>
    Effect.gen(function* () {
      const { authenticate } = JwtAuthenticator.ofRing(config(), secretRing)
      const once = signed({ exp: 100 })
      const identity = yield* authenticate(once)
      assert.strictEqual(yield* authenticate(once), identity)
      yield* at(105)
      assert.strictEqual((yield* Effect.flip(authenticate(once))).reason, "Expired")
    }),
  )
})

describe("claims", () => {
  it.effect("issuer and audience are checked when configured", () =>
    Effect.gen(function* () {
      const strict = config({ issuer: ["me", "myself"], audience: ["gateway"] })
      const ours = { iss: "myself", aud: ["other", "gateway"] }
      assert.strictEqual((yield* authenticate(signed(ours), strict)).user, "ann")
      assert.strictEqual((yield* authenticate(signed({ iss: "x", aud: "y" }))).user, "ann")
      const unexpected = "which is not the one expected"
      const cases = [
        [{ iss: "you" }, "WrongIssuer", `the iss of the token is "you", ${unexpected}`],
        [{ iss: undefined }, "WrongIssuer", "the token has no iss, and it is required here"],
        [{ aud: "gate" }, "WrongAudience", `the aud of the token is "gate", ${unexpected}`],
        [{ aud: [] }, "WrongAudience", `the aud of the token is array of 0, ${unexpected}`],
        [{ aud: undefined }, "WrongAudience", "the token has no aud, and it is required here"],
      ] as const
      for (const [claims, ...why] of cases) {
        assert.deepStrictEqual(yield* refusal(signed({ ...ours, ...claims }), strict), why)
      }
    }),
  )

  const malformed = (what: string) => ["Malformed", `the token is refused: ${what}`]
  const notTime = malformed("its exp or iat is not a time in seconds")
  const notName = malformed("its sub is not 1 to 255 bytes of text without control characters")

  it.effect.each([
    [{ exp: undefined }, ["Malformed", "the token has no exp, and it is required here"]],
    [{ exp: "3600" }, malformed("its exp is not a number")],
    [{ exp: 1e300 }, notTime],
    [{ iat: "1" }, malformed("its iat is not a number")],
    [{ iat: -1 }, notTime],
    [{ sub: "" }, notName],
    [{ sub: 1 }, notName],
    [{ sub: "a\n" }, notName],
    [{ sub: "a".repeat(256) }, notName],
    [{ jti: 1 }, malformed("its jti is not text of at most 255 bytes")],
    [{ jti: "é".repeat(128) }, malformed("its jti is not text of at most 255 bytes")],
    [{ longline: [] }, malformed("longline in the token has array of 0; it must be an object of patterns by right")],
    [
      { sub: undefined, longline: { publish: ["{user}"] } },
      malformed(`longline.publish[0] in the token has "{user}"; it must be one without {user}: the token has no sub`),
    ],
  ] as const)("%j refuses the token", ([claims, why]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refusal(signed(claims)), why)
    }),
  )

  it.effect("a user may have as many bytes as a name, and a jti", () =>
    Effect.gen(function* () {
      const identity = yield* authenticate(signed({ sub: "a".repeat(255), jti: "b".repeat(255) }))
      assert.deepStrictEqual([identity.user?.length, identity.tokenId?.length], [255, 255])
    }),
  )
})

describe("what is no token", () => {
  it.effect.each(["", "a", "a.b", "a.b.c", "....", "e30.e30.", "bnVsbA.e30.e30", `${"é".repeat(10)}.e30.e30`])(
    "%j is refused",
    (text) =>
      Effect.gen(function* () {
        const [reason] = yield* refusal(text)
        assert.include(["Malformed", "UnknownKey"], reason)
      }),
  )

  it.effect("claims that are no JSON object are refused", () =>
    Effect.gen(function* () {
      for (const claims of ["", "[]", "null", "1", "{", "\ufeff{}"]) {
        const [reason] = yield* refusal(token(secret, { claims }))
        assert.strictEqual(reason, "Malformed")
      }
    }),
  )

  it.effect("a header with crit, an unknown kid's type and a fourth part are refused", () =>
    Effect.gen(function* () {
      const refusals = [
        yield* refusal(signed({}, { header: { crit: ["exp"] } })),
        yield* refusal(signed({}, { header: { crit: ["b64"], b64: false } })),
        yield* refusal(signed({}, { header: { kid: 1 } })),
        yield* refusal(`${signed()}.e30`),
      ]
      assert.deepStrictEqual(refusals, [
        ["Malformed", "the token is refused: its header has crit, and no extension is known here"],
        ["Malformed", "the token is refused: its header has crit, and no extension is known here"],
        ["Malformed", "the token is refused: its kid is not text"],
        ["Malformed", "the token is refused: it is not a signed JSON Web Token"],
      ])
    }),
  )

  it.effect("a token over the limit is not looked at", () =>
    Effect.gen(function* () {
      const good = signed()
      const exact = config({ maxTokenBytes: good.length })
      assert.strictEqual((yield* authenticate(good, exact)).user, "ann")
      const short = config({ maxTokenBytes: good.length - 1 })
      const detail = `the token is refused: it has ${good.length} bytes, allowed are ${good.length - 1}`
      assert.deepStrictEqual(yield* refusal(good, short), ["Malformed", detail])
    }),
  )

  it.effect("nothing of a token that is not authentic is told but its algorithm and kid, cut", () =>
    Effect.gen(function* () {
      const other = createSecretKey(Buffer.alloc(64))
      const [, detail] = yield* refusal(token(other, { claims: { sub: "leak", exp: "leak" } }))
      assert.notInclude(detail, "leak")
      const error = yield* Effect.flip(authenticate(token(secret, { alg: "x".repeat(4000) })))
      assert.isBelow(error.detail.length, 400)
      assert.instanceOf(error, AuthenticationError)
    }),
  )
})
