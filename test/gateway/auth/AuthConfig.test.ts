import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import * as AuthConfig from "../../../src/gateway/auth/AuthConfig.ts"

const problems = (given: Partial<AuthConfig.AuthConfig>) =>
  AuthConfig.problems(AuthConfig.make(given)).map(({ message }) => message)

describe("the settings of authentication", () => {
  it("have defaults", () => {
    assert.deepStrictEqual(AuthConfig.make({ jwksFile: "keys.json" }), {
      jwksFile: "keys.json",
      claim: "longline",
      clockTolerance: Duration.seconds(5),
      requireExpiry: true,
      maxTokenBytes: 8192,
    })
  })

  it("a secret is told to nobody", () => {
    const secret = Redacted.make("hunter2")
    assert.deepStrictEqual(problems({ secretFile: "s", secret }), [
      `secretFile is "s"; it must be left out when secret is given: the keys have one source`,
    ])
    const refused = AuthConfig.refuse(AuthConfig.make({ secret }), "secret", "longer")
    assert.strictEqual(refused.message, `secret is "<redacted>"; it must be longer`)
  })
})

describe("contradictions between the settings", () => {
  it.each([
    [{}, [`secretFile is ""; it must be given, or one of secret, publicKeyFile, jwksFile, jwksUrl`]],
    [
      { secretFile: "s", jwksFile: "k", jwksUrl: "https://a" },
      [
        `jwksFile is "k"; it must be left out when secretFile is given: the keys have one source`,
        `jwksUrl is "https://a"; it must be left out when secretFile is given: the keys have one source`,
      ],
    ],
    [
      { secretFile: "s", algorithms: ["HS256", "RS256"] },
      [`algorithms is "HS256, RS256"; it must be HS algorithms only, because secretFile is given: RS256 cannot be`],
    ],
    [
      { publicKeyFile: "p", algorithms: ["HS256", "ES256"] },
      [
        `algorithms is "HS256, ES256"; it must be RS, PS, ES and EdDSA only, because publicKeyFile is given: HS256 cannot be`,
      ],
    ],
    [
      { jwksFile: "k", claim: "exp" },
      [`claim is "exp"; it must be none that has a meaning of its own: iss, sub, aud, exp, nbf, iat, jti`],
    ],
    [
      { jwksUrl: "ftp://a", algorithms: ["HS512"] },
      [
        `jwksUrl is "ftp://a"; it must be an https URL without user and password, or an http one on loopback`,
        `algorithms is "HS512"; it must be RS, PS, ES and EdDSA only, because jwksUrl is given: HS512 cannot be`,
      ],
    ],
  ] as ReadonlyArray<[Partial<AuthConfig.AuthConfig>, ReadonlyArray<string>]>)(
    "%j is told in full",
    (given, messages) => {
      assert.deepStrictEqual(problems(given), messages)
    },
  )

  it.each([
    "https://issuer.example/keys",
    "http://127.0.0.1:8080/keys",
    "http://127.9.9.9/",
    "http://localhost/",
    "http://[::1]:80/",
  ])("the key set may be at %s", (jwksUrl) => {
    assert.deepStrictEqual(problems({ jwksUrl }), [])
  })

  it.each([
    "http://issuer.example/keys",
    "http://127.0.0.1.example/",
    "http://localhost.example/",
    "http://[::2]/",
    "https://user:password@issuer.example/",
    "https://user@issuer.example/",
    "file:///etc/keys.json",
    "keys.json",
    "",
  ])("the key set may not be at %j", (jwksUrl) => {
    assert.strictEqual(problems({ jwksUrl }).length, 1)
  })

  it("a key set in a file may serve every algorithm", () => {
    assert.deepStrictEqual(problems({ jwksFile: "k", algorithms: ["HS256", "ES256"] }), [])
  })
})

describe("the algorithms that a token may use", () => {
  const asymmetric = [
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
  ]
  const symmetric = ["HS256", "HS384", "HS512"]

  it.each([
    [{ secretFile: "s" }, symmetric],
    [{ secret: Redacted.make("s") }, symmetric],
    [{ publicKeyFile: "p" }, asymmetric],
    [{ jwksUrl: "https://a" }, asymmetric],
    [{ jwksFile: "k" }, [...symmetric, ...asymmetric]],
    [{ jwksFile: "k", algorithms: ["ES256"] }, ["ES256"]],
  ] as ReadonlyArray<[Partial<AuthConfig.AuthConfig>, ReadonlyArray<string>]>)(
    "with %j are %j",
    (given, algorithms) => {
      assert.deepStrictEqual<ReadonlyArray<string>>(AuthConfig.algorithms(AuthConfig.make(given)), algorithms)
    },
  )
})
