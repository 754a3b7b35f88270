import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { anonymous, type Identity } from "../../../src/gateway/auth/Identity.ts"
import * as Revocations from "../../../src/gateway/auth/Revocations.ts"

const identity = (given: Partial<Identity> = {}): Identity => ({ ...anonymous, user: "ann", issuedAt: 500, ...given })

const tooMany = (max: number) => Result.fail(new Revocations.TooManyRevocations({ max }))

/** Which of a few identities with connections are revoked. */
const revoked = (revocations: Revocations.Revocations["Service"]) => {
  const all: ReadonlyArray<readonly [string, Identity]> = [
    ["ann-old", identity({ issuedAt: 500 })],
    ["ann-new", identity({ issuedAt: 1000, tokenId: "t1" })],
    ["ann-undated", identity({ issuedAt: 0 })],
    ["bob", identity({ user: "bob", issuedAt: 1000 })],
    ["device", identity({ user: undefined, issuedAt: 0 })],
    ["nobody", anonymous],
    ["everybody", { ...anonymous, grants: () => true }],
  ]
  return all.filter(([connection, identity]) => revocations.isRevoked(identity, connection)).map(([name]) => name)
}

describe("revocations", () => {
  it.each([
    [{ user: "ann" }, ["ann-old", "ann-new", "ann-undated"]],
    [{ user: "ann", issuedBefore: 1000 }, ["ann-old", "ann-undated"]],
    [{ user: "ann", issuedBefore: 1001 }, ["ann-old", "ann-new", "ann-undated"]],
    [{ issuedBefore: 1000 }, ["ann-old", "ann-undated", "device"]],
    [{ issuedBefore: 1001 }, ["ann-old", "ann-new", "ann-undated", "bob", "device"]],
    [{ tokenId: "t1" }, ["ann-new"]],
    [{ connection: "nobody" }, ["nobody"]],
    [{ issuedBefore: 0 }, []],
    // A token's id is no user, and no connection is a token.
    [{ tokenId: "ann" }, []],
    [{ connection: "t1" }, []],
  ])("%j concerns %j", (revocation, expected) => {
    const revocations = Revocations.make({ now: () => 0 })
    assert.deepStrictEqual(revoked(revocations), [])
    assert.deepStrictEqual(revocations.revoke(revocation), Result.void)
    assert.deepStrictEqual(revoked(revocations), expected)
  })

  it("that older tokens of a user are revoked takes nothing from the revocation of the user", () => {
    const revocations = Revocations.make({ now: () => 0 })
    revocations.revoke({ user: "ann" })
    revocations.revoke({ user: "ann", issuedBefore: 1 })
    assert.deepStrictEqual(revoked(revocations), ["ann-old", "ann-new", "ann-undated"])
    assert.strictEqual(revocations.size(), 2)
  })

  it.effect("are forgotten when they expire, not a millisecond before", () =>
    Effect.gen(function* () {
      const revocations = yield* Revocations.Revocations
      revocations.revoke({ user: "ann", expiresAt: 1000 })
      yield* TestClock.adjust(999)
      assert.isTrue(revocations.isRevoked(identity(), "c"))
      yield* TestClock.adjust(1)
      assert.isFalse(revocations.isRevoked(identity(), "c"))
      revocations.revoke({ user: "bob" })
      assert.strictEqual(revocations.size(), 1)
    }).pipe(Effect.provide(Revocations.layer())),
  )

  it("a later one about the same takes the place of the earlier, and an expired one lifts it", () => {
    const revocations = Revocations.make({ now: () => 100 })
    revocations.revoke({ user: "ann" })
    revocations.revoke({ user: "ann", expiresAt: 101 })
    assert.strictEqual(revocations.size(), 1)
    assert.isTrue(revocations.isRevoked(identity(), "c"))
    revocations.revoke({ user: "ann", expiresAt: 100 })
    assert.isFalse(revocations.isRevoked(identity(), "c"))
    assert.strictEqual(revocations.size(), 0)
  })

  it("over the bound there is an error and nothing is forgotten; what expires makes room", () => {
    let time = 0
    const revocations = Revocations.make({ now: () => time, max: 2 })
    revocations.revoke({ user: "ann", expiresAt: 10 })
    assert.deepStrictEqual(revocations.revoke({ tokenId: "t" }), Result.void)
    assert.deepStrictEqual(revocations.revoke({ user: "bob" }), tooMany(2))
    assert.isTrue(revocations.isRevoked(identity(), "c"))
    assert.isFalse(revocations.isRevoked(identity({ user: "bob" }), "c"))
    // The place of its predecessor is room enough.
    assert.deepStrictEqual(revocations.revoke({ user: "ann", expiresAt: 11 }), Result.void)
    time = 11
    assert.deepStrictEqual(revocations.revoke({ user: "bob" }), Result.void)
    assert.isTrue(revocations.isRevoked(identity({ user: "bob" }), "c"))
  })
})

describe("the message of a revocation", () => {
  const decode = Schema.decodeUnknownResult(Revocations.Revocation)

  it.each([
    { user: "a" },
    { user: "a", issuedBefore: 1, expiresAt: 2 },
    { connection: "c", expiresAt: 0 },
    { tokenId: "t" },
    { issuedBefore: 0 },
  ])("%j is one", (message) => {
    assert.deepStrictEqual(decode(message), Result.succeed(message))
  })

  it.each([
    {},
    { expiresAt: 1 },
    { user: "" },
    { user: "a".repeat(256) },
    { user: "a", connection: "c" },
    { user: "a", tokenId: "t" },
    { tokenId: "t", issuedBefore: 1 },
    { connection: "c", issuedBefore: 1 },
    { issuedBefore: -1 },
    { issuedBefore: 1.5 },
    { user: 1 },
  ])("%j is none", (message) => {
    assert.isTrue(Result.isFailure(decode(message)))
  })
})
