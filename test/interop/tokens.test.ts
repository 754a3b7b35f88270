/** Tokens that others make, by the programs in docs/authentication.md as they stand there. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { onTestFinished } from "vitest"
import * as JwtAuthenticator from "../../src/gateway/auth/JwtAuthenticator.ts"
import * as KeyRing from "../../src/gateway/auth/KeyRing.ts"
import * as VerificationKeys from "../../src/gateway/auth/VerificationKeys.ts"
import * as Snippets from "../examples/snippets.ts"
import { config, ed25519, pemOf, privatePemOf, rsa, secretText } from "../support/tokens.ts"

/** Runs a program in a folder with the files, and gives what it prints. */
const run = (program: ReadonlyArray<string>, files: Readonly<Record<string, string>>): string => {
  const folder = mkdtempSync(join(tmpdir(), "longline-tokens-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const [command, ...args] = program
  return execFileSync(command!, args, { cwd: folder, encoding: "utf8", timeout: 30_000 }).trim()
}

const program = (language: string): string => {
  const [only, ...others] = Snippets.blocks("docs/authentication.md", language)
  assert.deepStrictEqual(others, [])
  return only!
}

/** The user of the token, and what it may do with two names. */
const accepted = (token: string, key: Result.Result<VerificationKeys.VerificationKey, string>) => {
  const ring = KeyRing.fixed([Result.getOrThrow(key)])
  const settings = config({ jwksFile: "keys.json" })
  return Effect.map(JwtAuthenticator.ofRing(settings, ring).authenticate(token), ({ grants, user }) => [
    user,
    grants("subscribe", "news:a"),
    grants("publish", "chat:ann"),
  ])
}

describe("a token is accepted that was made by", () => {
  it.live("Python's standard library", () =>
    Effect.gen(function* () {
      const token = run(["python3", "-c", program("python")], { secret: `${secretText}\n` })
      const key = VerificationKeys.ofSecret(Buffer.from(secretText), ["HS256"])
      assert.deepStrictEqual(yield* accepted(token, key), ["ann", true, true])
    }),
  )

  it.live("a shell with openssl dgst, RS256", () =>
    Effect.gen(function* () {
      const pair = rsa()
      const token = run(["sh", "-ec", program("sh")], { "key.pem": privatePemOf(pair) })
      const key = VerificationKeys.ofPem(pemOf(pair), undefined)
      assert.deepStrictEqual(yield* accepted(token, key), ["ann", true, false])
    }),
  )

  it.live("a shell with openssl pkeyutl, EdDSA", () =>
    Effect.gen(function* () {
      const pair = ed25519()
      // Ed25519 signs the message itself, which this command takes from a file.
      const sign = "sign() { cat > signed; openssl pkeyutl -sign -rawin -inkey key.pem -in signed; }"
      const script = program("sh")
        .replace("RS256", "EdDSA")
        .replace(/^sign\(\).*$/m, sign)
      const token = run(["sh", "-ec", script], { "key.pem": privatePemOf(pair) })
      const key = VerificationKeys.ofPem(pemOf(pair), undefined)
      assert.deepStrictEqual(yield* accepted(token, key), ["ann", true, false])
    }),
  )
})
