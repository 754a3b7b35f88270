import { assert, describe, it } from "@effect/vitest"
import { anonymous, type Identity } from "../../../src/gateway/auth/Identity.ts"
import * as VerifiedTokens from "../../../src/gateway/auth/VerifiedTokens.ts"

const identity = (user: string, expiresAt?: number): Identity => ({ ...anonymous, user, expiresAt })
const verified = (user: string, expiresAt?: number) => ({ identity: identity(user, expiresAt), patterns: 1 })
const at = (now: number, generation = 0) => ({ now, generation })

describe("verified tokens", () => {
  it("are remembered until they expire, not a millisecond longer", () => {
    const tokens = VerifiedTokens.make()
    const [ann, bob] = [verified("ann", 100), verified("bob")]
    tokens.add("a", ann, at(0))
    tokens.add("b", bob, at(0))
    assert.strictEqual(tokens.find("a", at(99)), ann.identity)
    assert.isUndefined(tokens.find("a", at(100)))
    assert.strictEqual(tokens.find("b", at(Number.MAX_SAFE_INTEGER)), bob.identity)
  })

  it("that have expired are forgotten when the next one is verified, though nobody shows them again", () => {
    const tokens = VerifiedTokens.make()
    tokens.add("a", verified("ann", 100), at(0))
    tokens.add("b", verified("bob", 50), at(0))
    tokens.add("c", verified("cid"), at(49))
    assert.strictEqual(tokens.size(), 3)
    tokens.add("d", verified("dan", 200), at(50))
    assert.strictEqual(tokens.size(), 3)
    tokens.add("e", verified("eve", 200), at(100))
    assert.deepStrictEqual(
      ["a", "b", "c", "d", "e"].map((hash) => tokens.find(hash, at(100))?.user),
      [undefined, undefined, "cid", "dan", "eve"],
    )
    assert.strictEqual(tokens.size(), 3)
  })

  it("are forgotten when the keys change", () => {
    const tokens = VerifiedTokens.make()
    tokens.add("a", verified("ann", 100), at(0))
    assert.isUndefined(tokens.find("a", at(0, 1)))
    assert.isUndefined(tokens.find("a", at(0, 1)))
    assert.strictEqual(tokens.size(), 0)
    tokens.add("b", verified("bob"), at(100, 1))
    assert.strictEqual(tokens.size(), 1)
  })

  it("are not remembered when the keys changed while one was being verified", () => {
    const tokens = VerifiedTokens.make()
    tokens.add("b", verified("bob"), at(0, 1))
    tokens.add("a", verified("ann"), at(0))
    assert.isUndefined(tokens.find("a", at(0, 1)))
    assert.strictEqual(tokens.find("b", at(0, 1))?.user, "bob")
    tokens.add("a", verified("ann"), at(0, 2))
    assert.strictEqual(tokens.find("a", at(0, 2))?.user, "ann")
  })

  it("over the bound the oldest is forgotten", () => {
    const tokens = VerifiedTokens.make({ maxTokens: 2 })
    for (const user of ["a", "b", "c"]) tokens.add(user, verified(user), at(0))
    assert.deepStrictEqual(
      ["a", "b", "c"].map((hash) => tokens.find(hash, at(0))?.user),
      [undefined, "b", "c"],
    )
    tokens.add("c", verified("c"), at(0))
    assert.strictEqual(tokens.size(), 2)
    assert.strictEqual(tokens.find("b", at(0))?.user, "b")
  })

  it("with more patterns than there is room for push out the oldest, as many as it takes", () => {
    const tokens = VerifiedTokens.make({ maxPatterns: 5 })
    const add = (user: string, patterns: number) => tokens.add(user, { ...verified(user), patterns }, at(0))
    const known = () => ["a", "b", "c", "d"].filter((hash) => tokens.find(hash, at(0)) !== undefined)
    add("a", 2)
    add("b", 1)
    add("c", 2)
    assert.deepStrictEqual(known(), ["a", "b", "c"])
    add("c", 2)
    assert.deepStrictEqual(known(), ["a", "b", "c"])
    add("c", 3)
    assert.deepStrictEqual(known(), ["b", "c"])
    add("d", 5)
    assert.deepStrictEqual(known(), ["d"])
  })

  it("are known by a hash of all that they are", () => {
    const hashes = new Set(["a.b.c", "a.b.d", "a.b.c ", "a.b.C"].map(VerifiedTokens.hashOf))
    assert.strictEqual(hashes.size, 4)
  })
})
