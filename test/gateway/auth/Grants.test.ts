import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Grants from "../../../src/gateway/auth/Grants.ts"

const parse = (claim: unknown, user: string | undefined = "ann") => Grants.parse(claim, { claim: "longline", user })

/** Every right that the claim grants on the name. */
const rightsOn = (claim: unknown, name: string) => {
  const grants = Result.getOrThrow(parse(claim))
  return Grants.actions.filter((action) => grants(action, name))
}

describe("grants", () => {
  it("no right grants another", () => {
    for (const action of Grants.actions) assert.deepStrictEqual(rightsOn({ [action]: ["**"] }, "news:a"), [action])
  })

  it("any of a right's patterns is enough", () => {
    const claim = { subscribe: ["a", "news:*", "chat:{user}"], publish: ["chat:{user}"] }
    assert.deepStrictEqual(rightsOn(claim, "a"), ["subscribe"])
    assert.deepStrictEqual(rightsOn(claim, "news:b"), ["subscribe"])
    assert.deepStrictEqual(rightsOn(claim, "chat:ann"), ["subscribe", "publish"])
    assert.deepStrictEqual(rightsOn(claim, "chat:bob"), [])
  })

  it("without the claim there are none, and an empty one grants nothing", () => {
    for (const claim of [undefined, {}, { subscribe: [] }]) assert.deepStrictEqual(rightsOn(claim, "a"), [])
  })

  it("names of an object's prototype are no rights", () => {
    const claim: unknown = JSON.parse(`{"__proto__": {"subscribe": ["**"]}}`)
    assert.isTrue(Result.isFailure(parse(claim)))
  })

  it.each([
    [null, "longline in the token has null; it must be an object of patterns by right"],
    [["a"], "longline in the token has array of 1; it must be an object of patterns by right"],
    [
      { subscibe: ["a"] },
      `longline in the token has "subscibe"; it must be rights among subscribe, publish, history, presence, serve, request`,
    ],
    [{ publish: "a" }, `longline.publish in the token has "a"; it must be an array of patterns`],
    [{ publish: ["a", 1] }, "longline.publish[1] in the token has 1; it must be a pattern"],
    [
      { serve: ["a*"] },
      `longline.serve[0] in the token has "a*"; it must be one whose *, ** and {user} stand alone between colons`,
    ],
  ])("%j refuses the token as a whole", (claim, sentence) => {
    assert.deepStrictEqual(parse(claim), Result.fail(sentence))
  })

  it("patterns are counted over all rights", () => {
    assert.deepStrictEqual(
      [undefined, {}, { subscribe: [], publish: ["a"] }, { subscribe: ["a", "b:*"], serve: ["a"] }].map(Grants.count),
      [0, 0, 1, 3],
    )
  })

  it(`a token has at most ${Grants.maxPatterns} patterns over all rights`, () => {
    const half = Array.from({ length: Grants.maxPatterns / 2 }, (_, index) => `a:${index}`)
    assert.deepStrictEqual(rightsOn({ subscribe: half, publish: half }, "a:49"), ["subscribe", "publish"])
    assert.deepStrictEqual(
      parse({ subscribe: half, publish: half, serve: ["a"] }),
      Result.fail("the token has more than 100 patterns, which is the most"),
    )
  })
})
