import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Nearest from "../../src/gateway/config/Nearest.ts"

const names = ["heartbeat", "listen", "limits", "log", "drain", "data", "listen.port", "listen.tls.key"]

describe("Nearest", () => {
  it.each([
    ["hartbeat", ["heartbeat"]],
    ["haertbeat", ["heartbeat"]],
    ["heratbaet", ["heartbeat"]],
    ["HeartBeat", ["heartbeat"]],
    ["limit", ["limits"]],
    ["lsten", ["listen"]],
    ["port", ["listen.port"]],
    ["key", ["listen.tls.key"]],
    // One letter of two is no likeness, and neither are three of nine.
    ["lo", []],
    ["lag", ["log"]],
    ["hrtbt", []],
    ["", []],
    ["nonsense", []],
  ])("%j is taken for %j", (text, nearest) => {
    assert.deepStrictEqual(Nearest.of(text, names), nearest)
  })

  it("two names that are equally near are both told", () => {
    assert.deepStrictEqual(Nearest.of("abcx", ["abcd", "abce", "abzz"]), ["abcd", "abce"])
  })

  it("any name with one slip is found", () => {
    const slip = fc.record({ at: fc.nat({ max: 8 }), letter: fc.constantFrom("", "x", "xx") })
    fc.assert(
      fc.property(slip, ({ at, letter }) => {
        const text = "heartbeat".slice(0, at) + letter + "heartbeat".slice(at + 1)
        assert.deepStrictEqual(Nearest.of(text, names), ["heartbeat"])
      }),
    )
  })

  it("a long text costs no more than a short one", () => {
    assert.deepStrictEqual(Nearest.of("heartbeat".repeat(30_000), names), [])
  })
})
