import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { decodeJwt, decodeProtectedHeader } from "jose"
import { listen } from "../support/http.ts"
import {
  ec,
  ed25519,
  jwkOf,
  jwks,
  pemOf,
  privatePemOf,
  rsa,
  secret,
  secretText,
  signers,
  token,
} from "../support/tokens.ts"
import { longline, refused } from "./harness.ts"

const [p256, rsa2048] = [ec("P-256"), rsa()]
const files = {
  secret: `${secretText}\n`,
  short: "short",
  public: pemOf(p256),
  private: privatePemOf(p256),
  keys: jwks(jwkOf(p256, { kid: "one" })),
}
const run = (
  args: ReadonlyArray<string>,
  given: { readonly stdin?: string; readonly env?: Record<string, string> } = {},
) => longline({ args: ["token", ...args], files, ...given })

/** Claims as `make` gives them, for a user who may do something. */
const claims = { sub: "ann", jti: "t-1", iat: 0, exp: 3600, longline: { subscribe: ["news:*"], publish: ["a", "b"] } }

const rejected = (line: string) => ({ ...refused(line), exitCode: 1 })

describe("token make", () => {
  const all = ["--user", "ann", "--expires", "90s", "--token-id", "t-1", "--issuer", "me"]
  const audiences = ["--audience", "x", "--audience", "y"]
  const patterns = ["--subscribe", "news:*", "--subscribe", "a", "--publish", "{user}", "--serve", "sum"]

  it.effect("prints a token with all that was asked for, and nothing else", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_500)
      const args = ["make", ...all, ...audiences, ...patterns, "--secret-file", "secret", "--kid", "k"]
      const { stdout, ...rest } = yield* run(args)
      assert.deepStrictEqual(rest, { config: undefined, stderr: "", exitCode: 0, reported: false })
      assert.deepStrictEqual(decodeProtectedHeader(stdout), { alg: "HS256", kid: "k" })
      assert.deepStrictEqual(decodeJwt(stdout), {
        iss: "me",
        sub: "ann",
        aud: ["x", "y"],
        jti: "t-1",
        iat: 1000,
        exp: 1090,
        longline: { subscribe: ["news:*", "a"], publish: ["{user}"], serve: ["sum"] },
      })
    }),
  )

  it.effect("is good for an hour, has an id of its own, and grants nothing unless told", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run(["make", "--secret-file", "secret"])
      const { jti, ...rest } = decodeJwt(stdout)
      assert.deepStrictEqual(rest, { iat: 0, exp: 3600, longline: {} })
      const other = decodeJwt((yield* run(["make", "--secret-file", "secret"])).stdout)
      assert.match(`${jti}`, /^[0-9a-f-]{36}$/)
      assert.notStrictEqual(jti, other.jti)
    }),
  )

  it.effect("with --json prints the token and what is in it", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run(["make", "--secret-file", "secret", "--user", "ann", "--json"])
      const { token, header, claims } = JSON.parse(stdout)
      assert.deepStrictEqual([header, claims], [decodeProtectedHeader(token), decodeJwt(token)])
    }),
  )

  it.effect.each(signers)("signs with %s", ([algorithm, pair]) =>
    Effect.gen(function* () {
      const keys = { private: privatePemOf(pair), public: pemOf(pair) }
      const make = ["token", "make", "--private-key-file", "private", "--algorithm", algorithm]
      const made = yield* longline({ args: make, files: keys })
      assert.strictEqual(decodeProtectedHeader(made.stdout).alg, algorithm)
      const check = ["token", "check", "--auth-public-key-file", "public"]
      const checked = yield* longline({ args: check, files: keys, stdin: made.stdout })
      assert.deepStrictEqual([checked.exitCode, checked.stderr], [0, ""])
    }),
  )

  it.effect("picks the algorithm that fits the key", () =>
    Effect.gen(function* () {
      for (const [pair, algorithm] of [
        [rsa2048, "RS256"],
        [ec("P-384"), "ES384"],
        [ed25519(), "EdDSA"],
      ] as const) {
        const args = ["token", "make", "--private-key-file", "key"]
        const { stdout } = yield* longline({ args, files: { key: privatePemOf(pair) } })
        assert.strictEqual(decodeProtectedHeader(stdout).alg, algorithm)
      }
    }),
  )

  it.effect("takes the secret from the gateway's environment, unless a flag says otherwise", () =>
    Effect.gen(function* () {
      for (const env of [{ LONGLINE_AUTH_SECRET: secretText }, { LONGLINE_AUTH_SECRET_FILE: "secret" }]) {
        const made = yield* run(["make", "--user", "ann"], { env })
        assert.strictEqual((yield* run(["check"], { env, stdin: made.stdout })).exitCode, 0)
        const flagged = yield* run(["make", "--private-key-file", "private"], { env })
        assert.strictEqual(decodeProtectedHeader(flagged.stdout).alg, "ES256")
      }
    }),
  )

  it.effect.each([
    [[], "--secret-file or --private-key-file must be given: there is no key to sign with"],
    [["--secret-file", "short"], "the secret has 5 bytes; 32 are the least"],
    [
      ["--secret-file", "gone"],
      `--secret-file is "gone"; it must be a file that can be read (ENOENT: no such file or directory)`,
    ],
    [
      ["--secret-file", "secret", "--private-key-file", "private"],
      "--secret-file must be left out when --private-key-file is given",
    ],
    [["--private-key-file", "public"], "--private-key-file must name a PEM private key without a passphrase"],
    [["--private-key-file", "private", "--algorithm", "RS256"], "--algorithm must be one that the key fits: ES256"],
    [
      ["--secret-file", "secret", "--expires", "1"],
      `--expires is "1"; it must be 1s or more, written like 90s, 15m or 1h`,
    ],
    [
      ["--secret-file", "secret", "--expires", "999ms"],
      `--expires is "999ms"; it must be 1s or more, written like 90s, 15m or 1h`,
    ],
    [
      ["--secret-file", "secret", "--user", "a\nb"],
      "the token is refused: its sub is not 1 to 255 bytes of text without control characters",
    ],
    [
      ["--secret-file", "secret", "--serve", "a*"],
      `the token is refused: longline.serve[0] in the token has "a*"; it must be one whose *, ** and {user} stand alone between colons`,
    ],
    [
      ["--secret-file", "secret", "--publish", "{user}"],
      `the token is refused: longline.publish[0] in the token has "{user}"; it must be one without {user}: the token has no sub`,
    ],
    [["--secret-file", "secret", "--claim", "exp"], "the token is refused: its exp is not a number"],
  ] as const)("%j is refused, and no token is printed", ([args, line]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run(["make", ...args]), refused(line))
    }),
  )

  it.effect("a key that is too weak is refused", () =>
    Effect.gen(function* () {
      const args = ["token", "make", "--private-key-file", "weak"]
      const line =
        "the key must be an RSA key of 2048 bits or more, an EC key on P-256, P-384 or P-521, or an Ed25519 key"
      assert.deepStrictEqual(yield* longline({ args, files: { weak: privatePemOf(rsa(1024)) } }), refused(line))
    }),
  )
})

describe("token check", () => {
  const good = token(secret, { claims })

  it.effect("says who it is, until when, and every right", () =>
    Effect.gen(function* () {
      const report = [
        "user      ann",
        "token id  t-1",
        "issued    1970-01-01T00:00:00.000Z",
        "expires   1970-01-01T01:00:00.000Z",
        "subscribe news:*",
        "publish   a b",
        "history   nothing",
        "presence  nothing",
        "serve     nothing",
        "request   nothing",
      ]
      const accepted = { ...refused(""), stderr: "", stdout: report.join("\n"), exitCode: 0 }
      assert.deepStrictEqual(yield* run(["check", "--auth-secret-file", "secret"], { stdin: `${good}\n` }), accepted)
    }),
  )

  it.effect("with --json prints the claims", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run(["check", "--auth-secret-file", "secret", "--json"], { stdin: good })
      assert.deepStrictEqual(JSON.parse(stdout), claims)
    }),
  )

  it.effect("has the keys of every source", () =>
    Effect.gen(function* () {
      const { url } = yield* listen((_, response) => response.end(files.keys))
      const signed = token(p256.privateKey, { alg: "ES256", header: { kid: "one" }, claims })
      for (const source of [
        ["--auth-public-key-file", "public"],
        ["--auth-jwks-file", "keys"],
        ["--auth-jwks-url", url],
      ]) {
        assert.strictEqual((yield* run(["check", ...source], { stdin: signed })).stderr, "")
      }
      for (const [name, value] of [
        ["PUBLIC_KEY_FILE", "public"],
        ["JWKS_FILE", "keys"],
        ["JWKS_URL", url],
      ] as const) {
        const env = { [`LONGLINE_AUTH_${name}`]: value }
        assert.strictEqual((yield* run(["check"], { stdin: signed, env })).stderr, "")
      }
    }),
  )

  it.effect.each([
    [[], { ...claims, exp: -10 }, "the token expired at -10"],
    [["--auth-issuer", "me"], claims, "the token has no iss, and it is required here"],
    [["--auth-audience", "x"], { ...claims, aud: "y" }, `the aud of the token is "y", which is not the one expected`],
    [["--auth-algorithms", "HS512"], claims, `the algorithm of the token is "HS256"; allowed are HS512`],
    [
      ["--auth-claim", "rights"],
      { ...claims, rights: 1 },
      "the token is refused: rights in the token has 1; it must be an object of patterns by right",
    ],
  ] as const)("with %j refuses %j with exit code 1, and tells nothing of it but why", ([args, claims, line]) =>
    Effect.gen(function* () {
      const stdin = token(secret, { claims })
      assert.deepStrictEqual(yield* run(["check", "--auth-secret-file", "secret", ...args], { stdin }), rejected(line))
    }),
  )

  it.effect("a token that others signed, none at all and one without an end are refused", () =>
    Effect.gen(function* () {
      const check = ["check", "--auth-secret-file", "secret"]
      const forged = `${good.slice(0, -5)}AAAAA`
      assert.deepStrictEqual(yield* run(check, { stdin: forged }), rejected("the signature of the token is wrong"))
      assert.deepStrictEqual(yield* run(check, { stdin: " \n" }), refused("there is no token on standard input"))
      const endless = yield* run(check, { stdin: "a".repeat(100_000) })
      assert.deepStrictEqual(endless, rejected("the token is refused: it has 100000 bytes, allowed are 8192"))
    }),
  )

  it.effect("without keys, or with keys that are none, the exit code is 2", () =>
    Effect.gen(function* () {
      const none = yield* run(["check"], { stdin: good })
      const line = "there are no keys to check with: --auth-secret-file or another is needed"
      assert.deepStrictEqual(none, refused(line))
      const bad = yield* run(["check", "--auth-jwks-file", "short"], { stdin: good })
      assert.deepStrictEqual(
        bad,
        refused(`--auth-jwks-file is "short"; it must be a JSON Web Key Set of at most 100 keys`),
      )
    }),
  )
})

describe("token", () => {
  it.effect("without make or check is answered with both", () =>
    Effect.gen(function* () {
      const { stdout, exitCode } = yield* run([])
      assert.deepStrictEqual([exitCode, stdout.match(/^ {2}(?:make|check)\b/gm)], [2, ["  make", "  check"]])
      assert.deepStrictEqual(yield* run(["mke"]), refused("unknown command mke; did you mean make?"))
    }),
  )

  it.effect("takes no secret as an argument", () =>
    Effect.gen(function* () {
      for (const verb of ["make", "check"]) {
        const { stderr } = yield* run([verb, "--secret", "hunter2"])
        assert.match(stderr, /^longline: unknown flag --secret; /)
      }
    }),
  )
})
