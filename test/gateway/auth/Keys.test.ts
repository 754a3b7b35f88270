/** Whose keys count: each source as it is configured, with files in memory and issuers on loopback. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { AuthConfigError } from "../../../src/gateway/auth/AuthConfig.ts"
import { Authenticator, layerNone } from "../../../src/gateway/auth/Identity.ts"
import * as JwtAuthenticator from "../../../src/gateway/auth/JwtAuthenticator.ts"
import * as Keys from "../../../src/gateway/auth/Keys.ts"
import { filesOf } from "../../support/files.ts"
import { listen } from "../../support/http.ts"
import {
  config,
  ec,
  ed25519,
  jwkOf,
  jwks,
  pemOf,
  privatePemOf,
  secret,
  secretText,
  token,
} from "../../support/tokens.ts"

type Files = Record<string, string | Uint8Array>
type Setting = Parameters<typeof config>[0]

const claims = { sub: "ann", exp: 4_000_000_000 }
const [p256, ed] = [ec("P-256"), ed25519()]
const byP256 = token(p256.privateKey, { alg: "ES256", header: { kid: "one" }, claims })
const byEd = token(ed.privateKey, { alg: "EdDSA", header: { kid: "two" }, claims })
const bySecret = token(secret, { claims })

/** The user of the token, or why there is none, with the keys of a setting. */
const withKeys = (setting: Setting, files: Files = {}) =>
  Effect.map(
    Layer.build(Layer.provide(JwtAuthenticator.layer(config(setting)), filesOf(files))),
    (context) => (token: string) =>
      Effect.match(Authenticator.use((a) => a.authenticate(token)).pipe(Effect.provide(context)), {
        onSuccess: ({ user }) => user,
        onFailure: ({ reason }) => reason,
      }),
  )

describe("keys from", () => {
  it.effect.each([
    [{ secret: Redacted.make(secretText) }, {}, bySecret],
    [{ secretFile: "s" }, { s: secretText }, bySecret],
    [{ secretFile: "s" }, { s: `${secretText}\n` }, bySecret],
    [{ secretFile: "s" }, { s: `${secretText}\r\n` }, bySecret],
    [{ publicKeyFile: "p" }, { p: pemOf(p256) }, byP256],
    [{ jwksFile: "k" }, { k: jwks(jwkOf(p256)) }, byP256],
    [{ jwksFile: "k" }, { k: jwks({ kty: "oct", k: Buffer.from(secretText).toString("base64url") }) }, bySecret],
  ] as ReadonlyArray<[Setting, Files, string]>)("%j verify the tokens of their keys only", ([setting, files, good]) =>
    Effect.gen(function* () {
      const userOf = yield* withKeys(setting, files)
      assert.strictEqual(yield* userOf(good), "ann")
      yield* TestClock.adjust(Keys.jwksFileCooldownMs)
      assert.strictEqual(yield* userOf(byEd), "UnknownKey")
    }),
  )

  it("a secret's file is taken as its bytes are, but for one line break at its end", () => {
    const bytes = Uint8Array.of(0xff, 0x0a, 0x00)
    assert.deepStrictEqual(Keys.secretOf(bytes), bytes)
    assert.deepStrictEqual(Keys.secretOf(Uint8Array.of(...bytes, 0x0a, 0x0a)), Uint8Array.of(...bytes, 0x0a))
    assert.deepStrictEqual(Keys.secretOf(Uint8Array.of()), Uint8Array.of())
  })

  it.effect.each([
    [
      { secret: Redacted.make("short") },
      `secret is "<redacted>"; it must be at least 32 bytes long for HS256 (it has 5)`,
    ],
    [{ secretFile: "short" }, `secretFile is "short"; it must be at least 32 bytes long for HS256 (it has 5)`],
    [
      { secretFile: "gone" },
      `secretFile is "gone"; it must be a file that can be read (ENOENT: no such file or directory)`,
    ],
    [
      { publicKeyFile: "private" },
      `publicKeyFile is "private"; it must be a public key: a private one belongs to whoever makes tokens`,
    ],
    [{ jwksFile: "short" }, `jwksFile is "short"; it must be a JSON Web Key Set of at most 100 keys`],
    [
      { jwksFile: "none" },
      `jwksFile is "none"; it must be a JSON Web Key Set with a key that can be used; key 0: it is malformed, or of a kind that is not known`,
    ],
    [
      { jwksFile: "short", secretFile: "s" },
      `jwksFile is "short"; it must be left out when secretFile is given: the keys have one source`,
    ],
  ] as const)("%j are refused at the start", ([setting, message]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        withKeys(setting, { short: "short", private: privatePemOf(p256), none: jwks({ kty: "new" }) }),
      )
      assert.instanceOf(error, AuthConfigError)
      assert.strictEqual(error.message, message)
    }),
  )

  it.effect("a file change when the file does", () =>
    Effect.gen(function* () {
      const files: Files = { k: jwks(jwkOf(p256, { kid: "one" })) }
      const userOf = yield* withKeys({ jwksFile: "k" }, files)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([yield* userOf(byP256), yield* userOf(byEd)], ["ann", "UnknownKey"])
      files["k"] = jwks(jwkOf(ed, { kid: "two" }))
      // A token that was verified with a key is no good any more when the key is gone.
      yield* TestClock.adjust(Keys.jwksFileIntervalMs)
      assert.deepStrictEqual([yield* userOf(byEd), yield* userOf(byP256)], ["ann", "UnknownKey"])
      // A file that is being written is not one yet, and one that is gone takes no key with it.
      files["k"] = `{"keys":`
      yield* TestClock.adjust("1 minute")
      delete files["k"]
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* userOf(byEd), "ann")
      // An empty set is one: whoever takes the last key out wants nothing verified with it.
      files["k"] = jwks()
      yield* TestClock.adjust(Keys.jwksFileIntervalMs)
      assert.strictEqual(yield* userOf(byEd), "Unavailable")
    }),
  )
})

describe("keys from an issuer", () => {
  it.effect("rotate: a new kid is fetched once, an old one goes with the next fetch", () =>
    Effect.gen(function* () {
      let fetches = 0
      let published = jwks(jwkOf(p256, { kid: "one" }))
      const { url } = yield* listen((_, response) => {
        fetches++
        response.end(published)
      })
      const userOf = yield* withKeys({ jwksUrl: url })
      assert.strictEqual(yield* userOf(byP256), "ann")
      published = jwks(jwkOf(ed, { kid: "two" }))
      // However many come with keys that nobody knows: the issuer is not asked for each.
      yield* TestClock.adjust(Keys.jwksUrlCooldownMs - 1)
      assert.deepStrictEqual(
        yield* Effect.all(Array.from({ length: 100 }, () => userOf(byEd))),
        Array(100).fill("Unavailable"),
      )
      assert.deepStrictEqual([fetches, yield* userOf(byP256)], [1, "ann"])
      yield* TestClock.adjust(1)
      const storm = Array.from({ length: 100 }, () => userOf(byEd))
      assert.deepStrictEqual(yield* Effect.all(storm, { concurrency: "unbounded" }), Array(100).fill("ann"))
      assert.deepStrictEqual([fetches, yield* userOf(byP256)], [2, "Unavailable"])
    }),
  )

  it.effect("who is down at the start is waited for; known keys outlive an outage", () =>
    Effect.gen(function* () {
      let isDown = true
      const { url } = yield* listen((_, response) => {
        if (isDown) response.writeHead(503).end()
        else response.end(jwks(jwkOf(p256, { kid: "one" })))
      })
      const userOf = yield* withKeys({ jwksUrl: url })
      assert.strictEqual(yield* userOf(byP256), "Unavailable")
      isDown = false
      yield* TestClock.adjust(Keys.jwksUrlCooldownMs)
      assert.strictEqual(yield* userOf(byP256), "ann")
      isDown = true
      yield* TestClock.adjust(Keys.jwksUrlCooldownMs)
      assert.strictEqual(yield* userOf(byEd), "Unavailable")
      assert.strictEqual(yield* userOf(byP256), "ann")
    }),
  )

  it.effect("an algorithm that no key of an issuer can have is not asked for", () =>
    Effect.gen(function* () {
      let fetches = 0
      const { url } = yield* listen((_, response) => {
        fetches++
        response.end(jwks(jwkOf(p256)))
      })
      const userOf = yield* withKeys({ jwksUrl: url })
      assert.strictEqual(yield* userOf(byP256), "ann")
      yield* TestClock.adjust(Keys.jwksUrlCooldownMs)
      assert.strictEqual(yield* userOf(bySecret), "UnknownKey")
      assert.strictEqual(fetches, 1)
    }),
  )
})

describe("no authentication", () => {
  it.effect("makes everybody anonymous, whatever token there is", () =>
    Effect.gen(function* () {
      const { enabled, authenticate } = yield* Authenticator
      assert.isFalse(enabled)
      assert.isUndefined((yield* authenticate(byP256)).user)
    }).pipe(Effect.provide(layerNone)),
  )
})
