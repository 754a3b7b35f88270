import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Pattern from "../../../src/gateway/auth/Pattern.ts"

const matching = (pattern: string, names: ReadonlyArray<string>, user?: string) => {
  const parsed = Result.getOrThrow(Pattern.parse(pattern, user))
  return names.filter((name) => parsed.matches(name))
}

const names = ["news", "news:", "news:a", "news:a:", "news:a:b", "news::b", "News:a", "newsy:a", ":news:a", "other:a"]

describe("a pattern", () => {
  it.each([
    ["news:a", ["news:a"]],
    ["news", ["news"]],
    ["news:", ["news:"]],
    ["news:*", ["news:a"]],
    ["news:*:*", ["news:a:b"]],
    ["news:*:b", ["news:a:b"]],
    ["news:**", ["news:a", "news:a:", "news:a:b", "news::b"]],
    ["news:*:**", ["news:a:b"]],
    ["*", ["news"]],
    ["*:a", ["news:a", "News:a", "newsy:a", "other:a"]],
    ["**", names],
  ])("%s matches what it says, and nothing else", (pattern, matched) => {
    assert.deepStrictEqual(matching(pattern, names), matched)
  })

  it.each([
    ["", "1 to 255 bytes of UTF-8 without control characters"],
    ["a\n", "1 to 255 bytes of UTF-8 without control characters"],
    ["é".repeat(128), "1 to 255 bytes of UTF-8 without control characters"],
    ["**:a", "one with ** at its end only"],
    ["a*", "one whose *, ** and {user} stand alone between colons"],
    ["a:***", "one whose *, ** and {user} stand alone between colons"],
    ["chat-{user}", "one whose *, ** and {user} stand alone between colons"],
    ["{name}", "one whose *, ** and {user} stand alone between colons"],
    ["}", "one whose *, ** and {user} stand alone between colons"],
    ["{user}", "one without {user}: the token has no sub"],
  ])("%j is refused", (pattern, allowed) => {
    assert.deepStrictEqual(Pattern.parse(pattern, undefined), Result.fail(allowed))
  })

  it("may be as long as a name", () => {
    const longest = "a".repeat(255)
    assert.deepStrictEqual(matching(longest, [longest, "a"]), [longest])
  })
})

describe("{user}", () => {
  it("is the token's own user, and no wildcard whatever the user is called", () => {
    assert.deepStrictEqual(matching("chat:{user}", ["chat:ann", "chat:bob", "chat:*"], "ann"), ["chat:ann"])
    assert.deepStrictEqual(matching("chat:{user}", ["chat:ann", "chat:*"], "*"), ["chat:*"])
    assert.deepStrictEqual(matching("chat:{user}", ["chat:ann", "chat:**"], "**"), ["chat:**"])
    assert.deepStrictEqual(matching("chat:{user}", ["chat:ann", "chat:{user}"], "{user}"), ["chat:{user}"])
  })

  it("is one segment: a colon in it is written %3A, and a percent sign %25", () => {
    const spoof = ["chat:ann:private", "chat:ann%3Aprivate", "chat:ann%253Aprivate"]
    assert.deepStrictEqual(matching("chat:{user}", spoof, "ann:private"), ["chat:ann%3Aprivate"])
    assert.deepStrictEqual(matching("chat:{user}", spoof, "ann%3Aprivate"), ["chat:ann%253Aprivate"])
    assert.deepStrictEqual(matching("chat:{user}:**", ["chat:ann:private:x"], "ann:private"), [])
  })
})

describe("names that begin with $", () => {
  const reserved = ["$sys", "$sys:revocations"]

  it.each(["*", "**", "*:*", "*:revocations"])("are not matched by %s", (pattern) => {
    assert.deepStrictEqual(matching(pattern, reserved), [])
  })

  it("are not matched by a user of that name", () => {
    assert.deepStrictEqual(matching("{user}", reserved, "$sys"), [])
    assert.deepStrictEqual(matching("{user}:**", reserved, "$sys"), [])
  })

  it("are matched by a pattern that begins with $ itself", () => {
    assert.deepStrictEqual(matching("$sys:*", reserved), ["$sys:revocations"])
    assert.deepStrictEqual(matching("$sys:revocations", reserved), ["$sys:revocations"])
  })
})
