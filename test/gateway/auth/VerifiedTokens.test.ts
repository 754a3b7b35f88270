import { assert, describe, it } from "@effect/vitest"
import { anonymous, type Identity } from "../../../src/gateway/auth/Identity.ts"
import * as VerifiedTokens from "../../../src/gateway/auth/VerifiedTokens.ts"

const identity = (user: string, expiresAt?: number): Identity => ({ ...anonymous, user, expiresAt })
const at = (now: number, generation = 0) => ({ now, generation })

describe("verified tokens", () => {
  it("are remembered until they expire, not a millisecond longer", () => {
    const verified = VerifiedTokens.make()
    const [ann, bob] = [identity("ann", 100), identity("bob")]
    verified.add("a", ann, 0)
    verified.add("b", bob, 0)
    assert.strictEqual(verified.find("a", at(99)), ann)
    assert.isUndefined(verified.find("a", at(100)))
    assert.strictEqual(verified.find("b", at(Number.MAX_SAFE_INTEGER)), bob)
    assert.strictEqual(verified.size(), 1)
  })

  it("are forgotten when the keys change", () => {
    const verified = VerifiedTokens.make()
    verified.add("a", identity("ann"), 0)
    assert.isUndefined(verified.find("a", at(0, 1)))
    assert.isUndefined(verified.find("a", at(0, 1)))
    assert.strictEqual(verified.size(), 0)
  })

  it("are not remembered when the keys changed while one was being verified", () => {
    const verified = VerifiedTokens.make()
    verified.add("b", identity("bob"), 1)
    verified.add("a", identity("ann"), 0)
    assert.isUndefined(verified.find("a", at(0, 1)))
    assert.strictEqual(verified.find("b", at(0, 1))?.user, "bob")
    verified.add("a", identity("ann"), 2)
    assert.strictEqual(verified.find("a", at(0, 2))?.user, "ann")
  })

  it("over the bound the oldest is forgotten", () => {
    const verified = VerifiedTokens.make(2)
    for (const user of ["a", "b", "c"]) verified.add(user, identity(user), 0)
    assert.deepStrictEqual(
      ["a", "b", "c"].map((hash) => verified.find(hash, at(0))?.user),
      [undefined, "b", "c"],
    )
    verified.add("c", identity("c"), 0)
    assert.strictEqual(verified.size(), 2)
    assert.strictEqual(verified.find("b", at(0))?.user, "b")
  })

  it("are known by a hash of all that they are", () => {
    const hashes = new Set(["a.b.c", "a.b.d", "a.b.c ", "a.b.C"].map(VerifiedTokens.hashOf))
    assert.strictEqual(hashes.size, 4)
  })
})
