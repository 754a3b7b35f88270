/** What the three formats have in common, and what hostile or sloppy texts lead to. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as ConfigText from "../../src/gateway/config/ConfigText.ts"

const yaml = `
listen:
  port: 1234
log: { level: warn }
auth:
  audience: [a, b]
namespaces:
  chat: { recovery: false }
`
const json = `{
	"listen": { "port": 1234 },
	"log": { "level": "warn" },
	"auth": { "audience": ["a", "b"] },
	"namespaces": { "chat": { "recovery": false } }
}`
const toml = `
log.level = "warn"
auth.audience = ["a", "b"]
[listen]
port = 1234
[namespaces.chat]
recovery = false
`
const value = {
  listen: { port: 1234 },
  log: { level: "warn" },
  auth: { audience: ["a", "b"] },
  namespaces: { chat: { recovery: false } },
}

const plain = (parsed: unknown): unknown => JSON.parse(JSON.stringify(parsed))
const valueOf = (name: string, text: string) =>
  Result.match(ConfigText.parse(name, text), {
    onFailure: (mistakes) => mistakes.map(({ message }) => message),
    onSuccess: ({ value }) => plain(value),
  })

/** Alias of alias of alias: ten thousand million items if they were made. */
const laughs = [
  "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]",
  ...Array.from(
    { length: 9 },
    (_, i) => `a${i + 1}: &a${i + 1} [${Array.from({ length: 10 }, () => `*a${i}`).join(", ")}]`,
  ),
].join("\n")

describe("ConfigText", () => {
  it.each([
    ["longline.yaml", yaml],
    ["longline.yml", yaml],
    ["longline.YAML", yaml],
    ["longline.json", json],
    ["longline.yaml", json],
    ["longline.toml", toml],
  ])("%s says the same in its own words", (name, text) => {
    assert.deepStrictEqual(valueOf(name, text), value)
  })

  it.each([
    ["a.yaml", "", null],
    ["a.yaml", "# nothing yet\n", null],
    ["a.toml", "# nothing yet\n", {}],
    ["a.yaml", "a: &x { b: 1 }\nc: *x", { a: { b: 1 }, c: { b: 1 } }],
    ["a.yaml", "a: yes\nb: 0o17\nc: 012", { a: "yes", b: 15, c: 12 }],
    ["a.json", `{"__proto__": {"b": 1}}`, JSON.parse(`{"__proto__": {"b": 1}}`)],
  ])("%s: %j is what it says", (name, text, value) => {
    assert.deepStrictEqual(valueOf(name, text), value)
  })

  it.each([
    ["a.yaml", "a: 1\nb: 2\na: 3", "a.yaml:3:1: a is there twice"],
    ["a.yaml", `a:\n  - "b c": 1\n    "b c": 2`, `a.yaml:3:5: a["0"]["b c"] is there twice`],
    ["a.json", `{\n "a": 1, "a": 2}`, "a.json:2:10: a is there twice"],
    ["a.toml", "a = 1\na = 2", "a.toml:2:1: trying to redefine an already defined table or value"],
    ["a.yaml", "a:\n  b: 1\n c: 2", "a.yaml:3:1: All mapping items must start at the same column"],
    ["a.yaml", "a: !!js/function x", "a.yaml:1:4: Unresolved tag: tag:yaml.org,2002:js/function"],
    ["a.yaml", "a: 1\n---\na: 2", "a.yaml:2:1: a second document begins here; a file has one"],
    ["a.yaml", "a: *b", "a.yaml: Unresolved alias (the anchor must be set before the alias): b"],
    ["a.yaml", "? [a]\n: 1", "a.yaml:1:3: With stringKeys, all keys must be strings"],
    ["a.toml", "a", "a.toml:1:1: incomplete key-value: cannot find end of key"],
    ["a.toml", "a = 9007199254740993", "a.toml:1:5: integer value cannot be represented losslessly"],
  ])("%s: %j is refused with its place", (name, text, message) => {
    assert.deepStrictEqual(valueOf(name, text), [message])
  })

  it.each(["{'a': 1}", `{"a": 1,}`, "a: 1", `{"a": 1} // one`, ""])("%j is no JSON, though it may be YAML", (text) => {
    const mistakes = valueOf("a.json", text)
    assert.match(String(mistakes), /^a\.json:1:\d+: .*JSON/)
  })

  it("ten mistakes of one text are told, and no more", () => {
    const keys = Array.from({ length: 30 }, () => "a: 1").join("\n")
    const mistakes = valueOf("a.yaml", keys)
    assert.deepStrictEqual(
      mistakes,
      Array.from({ length: 10 }, (_, i) => `a.yaml:${i + 2}:1: a is there twice`),
    )
  })

  it("aliases that grow are refused before they are made", () => {
    assert.deepStrictEqual(valueOf("a.yaml", laughs), [
      "a.yaml: Excessive alias count indicates a resource exhaustion attack",
    ])
  })

  it.each([
    ["a.yaml", "[".repeat(100_000)],
    ["a.yaml", `${"[".repeat(10_000)}${"]".repeat(10_000)}`],
    ["a.json", `${"[".repeat(10_000)}${"]".repeat(10_000)}`],
    ["a.yaml", "- ".repeat(100_000)],
    ["a.yaml", "? ".repeat(100_000)],
    ["a.yaml", `a: ${"{a: ".repeat(10_000)}`],
  ])("%s: depth is refused before it becomes recursion", (name, text) => {
    const mistakes = valueOf(name, text)
    assert.match(String(mistakes), /^a\.(yaml|json):1:\d+: more than 100 collections in each other$/)
  })

  it("depth is refused in TOML too", () => {
    assert.match(String(valueOf("a.toml", `a = ${"[".repeat(10_000)}`)), /^a\.toml:1:\d+: .*excessively nested/)
  })

  it("many keys cost no more than their number", () => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `key${i}: ${i}`).join("\n")
    assert.isTrue(Result.isSuccess(ConfigText.parse("a.yaml", keys)))
  })

  it("a path is on the line of its key, and one inside an alias on the line where the alias stands", () => {
    const { lineOf } = Result.getOrThrow(ConfigText.parse("a.yaml", "a: &x\n  b:\n    c: 1\nd: *x\n"))
    assert.deepStrictEqual([["a"], ["a", "b"], ["a", "b", "c"], ["d"], ["d", "b", "c"], ["e"], []].map(lineOf), [
      1,
      2,
      3,
      4,
      4,
      undefined,
      undefined,
    ])
  })

  it("TOML tells no lines", () => {
    const { lineOf } = Result.getOrThrow(ConfigText.parse("a.toml", "a = 1"))
    assert.strictEqual(lineOf(["a"]), undefined)
  })
})
