/** Patterns against a model that shares no code with them: segments as arrays, compared recursively. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Pattern from "../../../src/gateway/auth/Pattern.ts"

// Few letters and many colons, so that random names and patterns often meet.
const word = fc.constantFrom("", "a", "b", "ab", "$a", "%", "%3A", "*", "{user}")
const name = fc.array(word, { minLength: 1, maxLength: 5 }).map((words) => words.join(":"))
const user = fc.oneof(name, fc.string({ minLength: 1, maxLength: 4 }))
const segment = fc.constantFrom("", "a", "b", "ab", "$a", "*", "**", "{user}", "%3A")
const pattern = fc.array(segment, { minLength: 1, maxLength: 5 }).map((segments) => segments.join(":"))

const isMatch = (pattern: ReadonlyArray<string>, name: ReadonlyArray<string>, user: string): boolean => {
  const [first, ...others] = pattern
  if (first === undefined) return name.length === 0
  if (first === "**") return name.join(":").length > 0
  const [head, ...tail] = name
  if (head === undefined) return false
  const meets =
    first === "*"
      ? head !== ""
      : first === "{user}"
        ? decodeURIComponent(safe(head)) === user && isEscaped(head)
        : first === head
  return meets && isMatch(others, tail, user)
}

// Only %25 and %3A are escapes, and neither character may stand for itself.
const isEscaped = (text: string) => /^(?:[^%:]|%25|%3A)*$/.test(text)
const safe = (text: string) => (isEscaped(text) ? text : "")

describe("any pattern", () => {
  it("matches exactly what the model matches", () => {
    let matched = 0
    fc.assert(
      fc.property(pattern, name, user, (pattern, name, user) => {
        const parsed = Pattern.parse(pattern, user)
        if (Result.isFailure(parsed)) return
        const reserved = name.startsWith("$") && !pattern.startsWith("$")
        const expected = !reserved && isMatch(pattern.split(":"), name.split(":"), user)
        if (expected) matched++
        assert.strictEqual(parsed.success.matches(name), expected)
      }),
      { numRuns: 5000 },
    )
    assert.isAbove(matched, 100)
  })

  it("says of a literal that it matches it, and of nothing else that it does", () => {
    fc.assert(
      fc.property(pattern, name, user, (pattern, name, user) => {
        const parsed = Pattern.parse(pattern, user)
        if (Result.isFailure(parsed) || parsed.success.literal === undefined) return
        assert.strictEqual(parsed.success.matches(name), name === parsed.success.literal)
        assert.isTrue(parsed.success.matches(parsed.success.literal))
      }),
      { numRuns: 2000 },
    )
  })

  it("writes no two users alike, and each as one segment", () => {
    const user = fc.array(fc.constantFrom("%", ":", "%3A", "%25", "a"), { maxLength: 3 }).map((parts) => parts.join(""))
    fc.assert(
      fc.property(user, user, (one, other) => {
        assert.strictEqual(Pattern.segmentOfUser(one) === Pattern.segmentOfUser(other), one === other)
        assert.notInclude(Pattern.segmentOfUser(one), ":")
      }),
    )
  })
})
