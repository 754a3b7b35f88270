import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as AuthConfig from "../../src/gateway/auth/AuthConfig.ts"
import { generateKeyPairSync } from "node:crypto"
import { longline, refused } from "./harness.ts"

/** As many bytes as HS512 needs. */
const secret = "0123456789abcdef".repeat(4)
const keySet = JSON.stringify({ keys: [{ kty: "oct", kid: "a", k: Buffer.from(secret).toString("base64url") }] })
const { publicKey } = generateKeyPairSync("ed25519")
const files = {
  "keys.json": keySet,
  secret,
  short: "hunter2",
  "public.pem": publicKey.export({ format: "pem", type: "spki" }).toString(),
}

const authOf = (args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  Effect.map(longline({ args, env, files }), ({ config }) => config?.auth)

/** Without what is undefined. */
const written = (config: unknown): unknown => JSON.parse(JSON.stringify(config))

describe("the settings of authentication", () => {
  it.effect.each([
    [["--auth-secret-file", "secret"]],
    [["--auth-public-key-file", "public.pem"]],
    [["--auth-jwks-file", "keys.json"]],
    // Nobody is asked: the issuer need not be there when the gateway starts.
    [["--auth-jwks-url", "https://issuer.invalid/keys"]],
  ] as const)("%j turns it on", ([args]) =>
    Effect.gen(function* () {
      assert.isDefined(yield* authOf(args))
    }),
  )

  it.effect.each([
    [["--auth-secret-file", "no"], "a file that can be read (ENOENT: no such file or directory)"],
    [["--auth-secret-file", "short"], "32 bytes"],
    [["--auth-public-key-file", "secret"], "PEM"],
    [["--auth-jwks-file", "secret"], "JSON Web Key Set"],
  ] as const)("%j names a file that does not hold what it should", ([args, allowed]) =>
    Effect.gen(function* () {
      const { exitCode, stderr } = yield* longline({ args, files })
      assert.strictEqual(exitCode, 2)
      assert.match(stderr, new RegExp(`^longline: ${args[0]} is "${args[1]}"; it must be .*`))
      assert.include(stderr, allowed)
    }),
  )

  it.effect("that are wrong are not held against a host beyond loopback: who fixes them has authentication", () =>
    Effect.gen(function* () {
      const args = ["--host", "0.0.0.0", "--auth-secret-file", "no"]
      assert.deepStrictEqual(
        yield* longline({ args }),
        refused(`--auth-secret-file is "no"; it must be a file that can be read (ENOENT: no such file or directory)`),
      )
    }),
  )

  it.effect("in a file have the names of authentication itself", () =>
    Effect.gen(function* () {
      const auth = {
        jwksFile: "keys.json",
        algorithms: ["HS256"],
        issuer: "me",
        audience: ["a", "b"],
        requireExpiry: false,
      }
      const { config } = yield* longline({
        args: ["--config", "l.json"],
        files: { ...files, "l.json": JSON.stringify({ auth }) },
      })
      assert.deepStrictEqual(
        written(config?.auth),
        written({ ...AuthConfig.make({ ...auth, algorithms: ["HS256"], issuer: ["me"] }) }),
      )
    }),
  )

  it.effect("are none unless they name keys", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* authOf([]))
    }),
  )

  it.effect("have the defaults of authentication itself", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        written(yield* authOf(["--auth-jwks-file", "keys.json"])),
        written(AuthConfig.make({ jwksFile: "keys.json" })),
      )
    }),
  )

  it.effect("become what authentication is given", () =>
    Effect.gen(function* () {
      const flags = ["--auth-algorithms", "HS256,HS512", "--auth-issuer", "me", "--auth-audience", "a,b"]
      const more = ["--auth-claim", "rights", "--auth-clock-tolerance", "0ms", "--auth-max-token-bytes", "1000"]
      const env = { LONGLINE_AUTH_SECRET: secret, LONGLINE_AUTH_REQUIRE_EXPIRY: "false" }
      const config = yield* authOf([...flags, ...more], env)
      assert.strictEqual(Redacted.value(config!.secret!), secret)
      assert.deepStrictEqual(
        { ...config, secret: undefined },
        {
          secret: undefined,
          secretFile: undefined,
          publicKeyFile: undefined,
          jwksFile: undefined,
          jwksUrl: undefined,
          algorithms: ["HS256", "HS512"],
          issuer: ["me"],
          audience: ["a", "b"],
          claim: "rights",
          clockTolerance: Duration.zero,
          requireExpiry: false,
          maxTokenBytes: 1000,
        },
      )
    }),
  )

  it.effect.each([
    [
      ["--auth-jwks-url", "http://issuer.example/keys"],
      `--auth-jwks-url is "http://issuer.example/keys"; it must be an https URL without user and password, or an http one on loopback`,
    ],
    [
      ["--auth-public-key-file", "p", "--auth-algorithms", "HS256"],
      `--auth-algorithms is "HS256"; it must be RS, PS, ES and EdDSA only, because --auth-public-key-file is given: HS256 cannot be`,
    ],
    [
      ["--auth-secret-file", "s", "--auth-jwks-file", "k"],
      `--auth-jwks-file is "k"; it must be left out when --auth-secret-file is given: the keys have one source`,
    ],
    [
      ["--auth-issuer", "me"],
      `--auth-issuer is "me"; it must be left out unless there are keys, from one of auth.secret, auth.secretFile, auth.publicKeyFile, auth.jwksFile, auth.jwksUrl`,
    ],
  ] as const)("%j contradict each other, and are told where they were written", ([args, line]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* longline({ args }), refused(line))
    }),
  )

  it.effect("a secret is not told when it is refused", () =>
    Effect.gen(function* () {
      const env = { LONGLINE_AUTH_SECRET: "hunter2", LONGLINE_AUTH_SECRET_FILE: "s" }
      assert.deepStrictEqual(
        yield* longline({ env }),
        refused(
          `LONGLINE_AUTH_SECRET_FILE is "s"; it must be left out when LONGLINE_AUTH_SECRET is given: the keys have one source`,
        ),
      )
    }),
  )
})
