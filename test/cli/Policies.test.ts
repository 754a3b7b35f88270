/** What a configuration file says about channels and services, and what follows from authentication. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Policies from "../../src/gateway/config/Policies.ts"
import { policy as settings } from "../../src/gateway/config/PolicySettings.ts"
import { open, type Policy } from "../../src/gateway/Policy.ts"
import * as Data from "../../src/gateway/protocol/Data.ts"
import { allowing, policy } from "./defaults.ts"
import { type Given, longline, refused } from "./harness.ts"

const policiesOf = (text: string, given: Given = {}) =>
  Effect.gen(function* () {
    const files = { ...given.files, "l.yaml": text }
    const { config, stderr } = yield* longline({ ...given, args: ["--config", "l.yaml", ...(given.args ?? [])], files })
    assert.strictEqual(stderr, "")
    return config!.policies
  })

const secret = { env: { LONGLINE_AUTH_SECRET: "0123456789abcdef0123456789abcdef" } }

/** What is written below `policy` or a namespace, and what it changes. */
const accepted: ReadonlyArray<readonly [string, Partial<Policy>]> = [
  ["history: { size: 0 }", { history: { size: 0, ageMs: 600_000 }, recovery: false }],
  ["history: { size: 10000000 }", { history: { size: 10_000_000, ageMs: 600_000 } }],
  ["history: { age: 1s }", { history: { size: 1000, ageMs: 1000 } }],
  ["history: { age: 720h }", { history: { size: 1000, ageMs: 2_592_000_000 } }],
  ["recovery: false", { recovery: false }],
  ["presence: false", { presence: false }],
  ["presenceGrace: 0s", { presenceGraceMs: 0 }],
  ["presenceGrace: 10m", { presenceGraceMs: 600_000 }],
  ["maxPresenceMembers: 0", { maxPresenceMembers: 0 }],
  ["maxPresenceMembers: 100000", { maxPresenceMembers: 100_000 }],
  ["slowConsumer: close", {}],
  ["slowConsumer: dropOldest", { slowConsumer: "dropOldest" }],
  ["slowConsumer: latest", { slowConsumer: "latest" }],
  ["maxDataBytes: 1", { maxDataBytes: 1 }],
  ["maxDataBytes: 64KiB", {}],
  ["publishesPerSecond: 1", { publishesPerSecond: 1 }],
  ["publishesPerSecond: 1000000", {}],
  ["maxSubscribers: 1", { maxSubscribers: 1 }],
  ["maxSubscribers: 1000000", {}],
  ["allow: { subscribe: nobody }", { allow: { ...policy.allow, subscribe: "nobody" } }],
  ["allow: { publish: granted }", { allow: { ...policy.allow, publish: "granted" } }],
  ["allow: { history: users }", { allow: { ...policy.allow, history: "users" } }],
  ["allow: { presence: anyone }", {}],
  ["allow: { serve: nobody }", { allow: { ...policy.allow, serve: "nobody" } }],
  ["allow: { request: users }", { allow: { ...policy.allow, request: "users" } }],
  ["schema: true", {}],
]

/** What is written, and the complaint without its place. */
const rejected: ReadonlyArray<readonly [string, string]> = [
  ["history: { size: 10000001 }", "history.size is 10000001; it must be a whole number from 0 to 10000000"],
  [
    "history: { age: 999ms }",
    `history.age is "999ms"; it must be a duration from 1s to 720h, written like 500ms, 25s, 2m or 1h`,
  ],
  [
    "history: { age: 721h }",
    `history.age is "721h"; it must be a duration from 1s to 720h, written like 500ms, 25s, 2m or 1h`,
  ],
  ["recovery: 1", "recovery is 1; it must be one of true, false"],
  [
    "{ recovery: true, history: { size: 0 } }",
    "recovery is true; it must be false when history.size is 0: recovery reads the history",
  ],
  ["presence: often", `presence is "often"; it must be one of true, false`],
  [
    "presenceGrace: 601s",
    `presenceGrace is "601s"; it must be a duration from 0ms to 10m, written like 500ms, 25s, 2m or 1h`,
  ],
  ["maxPresenceMembers: 100001", "maxPresenceMembers is 100001; it must be a whole number from 0 to 100000"],
  ["slowConsumer: wait", `slowConsumer is "wait"; it must be one of close, dropOldest, latest`],
  ["maxDataBytes: 0", "maxDataBytes is 0; it must be a size from 1 to 64KiB, written like 65536, 64KiB or 1MiB"],
  [
    "maxDataBytes: 65537",
    "maxDataBytes is 65537; it must be a size from 1 to 64KiB, written like 65536, 64KiB or 1MiB",
  ],
  ["publishesPerSecond: 1000001", "publishesPerSecond is 1000001; it must be a whole number from 1 to 1000000"],
  ["publishesPerSecond: 0", "publishesPerSecond is 0; it must be a whole number from 1 to 1000000"],
  ["maxSubscribers: 1000001", "maxSubscribers is 1000001; it must be a whole number from 1 to 1000000"],
  ["allow: { subscribe: all }", `allow.subscribe is "all"; it must be one of nobody, granted, users, anyone`],
  ["schema: false", "schema is false; it must be a JSON Schema, the path of a file with one, or true for none"],
  ["schema: {}\n  presence: 1", "presence is 1; it must be one of true, false"],
  [
    "schema: { type: text }",
    "schema is object with keys type; it must be a JSON Schema (schema is invalid: data/type must be equal to one of the allowed values, data/type must be array, data/type must match a schema in anyOf)",
  ],
]

describe("the default policy and that of a namespace", () => {
  it.effect.each(accepted)("take %s", ([text, change]) =>
    Effect.gen(function* () {
      const changed = { ...policy, ...change }
      assert.deepStrictEqual(yield* policiesOf(`policy:\n  ${text}`), {
        fallback: changed,
        namespaces: new Map(),
      })
      assert.deepStrictEqual(yield* policiesOf(`namespaces:\n  chat: { ${text} }`), {
        fallback: policy,
        namespaces: new Map([["chat", changed]]),
      })
    }),
  )

  it.effect(
    "are, unless a file says otherwise, the open one: nothing bounds publications and subscribers but the gateway",
    () =>
      Effect.gen(function* () {
        const { fallback } = yield* policiesOf("")
        assert.deepStrictEqual({ ...fallback, publishesPerSecond: Infinity, maxSubscribers: Infinity }, open)
      }),
  )

  it.effect.each(rejected)("refuse %s", ([text, complaint]) =>
    Effect.gen(function* () {
      const inDefault = yield* longline({ args: ["--config", "l.yaml"], files: { "l.yaml": `policy:\n  ${text}` } })
      assert.match(inDefault.stderr, /^longline: l\.yaml:[23]: policy\./)
      assert.strictEqual(inDefault.stderr.replace(/^longline: l\.yaml:[23]: policy\./, ""), complaint)
    }),
  )

  it("every key has something that is taken; each that is judged by limits or words has something that is refused", () => {
    const keys = (texts: ReadonlyArray<string>) => new Set(texts.map((text) => text.match(/\w+/)![0]))
    const all = new Set(Object.values(settings).map(({ key }) => key.split(".")[0]!))
    assert.deepStrictEqual(keys(accepted.map(([text]) => text)), all)
    assert.deepStrictEqual(keys(rejected.map(([text]) => text)), all)
  })
})

describe("a namespace", () => {
  it.effect("inherits from the default policy what it does not say", () =>
    Effect.gen(function* () {
      const { namespaces } = yield* policiesOf(`
policy:
  history: { size: 5, age: 1m }
  presence: false
  allow: { publish: users, serve: nobody }
namespaces:
  chat:
    history: { size: 7 }
    allow: { publish: granted }
  news:
`)
      const basis = {
        ...policy,
        presence: false,
        allow: { ...policy.allow, publish: "users" as const, serve: "nobody" as const },
      }
      assert.deepStrictEqual(namespaces.get("chat"), {
        ...basis,
        history: { size: 7, ageMs: 60_000 },
        allow: { ...basis.allow, publish: "granted" },
      })
      assert.deepStrictEqual(namespaces.get("news"), { ...basis, history: { size: 5, ageMs: 60_000 } })
    }),
  )

  it.effect("loses recovery with its history, though it was said for all", () =>
    Effect.gen(function* () {
      const { fallback, namespaces } = yield* policiesOf(
        "policy: { recovery: true }\nnamespaces: { live: { history: { size: 0 } } }",
      )
      assert.deepStrictEqual([fallback.recovery, namespaces.get("live")?.recovery], [true, false])
    }),
  )

  it.effect.each(["a:b", "$sys", "$other", "", "a\u0000b", "x".repeat(256)])("may not be called %j", (name) =>
    Effect.gen(function* () {
      const text = JSON.stringify({ namespaces: { [name]: {} } })
      const { stderr } = yield* longline({ args: ["--config", "l.json"], files: { "l.json": text } })
      assert.match(stderr, /^longline: l\.json:1: a name in namespaces is ".*; it must be what stands before the colon/)
    }),
  )

  it.effect.each(["__proto__", "constructor", "a b", "7", "x".repeat(255)])("may be called %j", (name) =>
    Effect.gen(function* () {
      const { namespaces } = yield* policiesOf(`{ "namespaces": { ${JSON.stringify(name)}: { "presence": false } } }`)
      assert.deepStrictEqual(namespaces.get(name), { ...policy, presence: false })
    }),
  )
})

describe("with authentication", () => {
  it.effect("what the file does not allow has to be granted", () =>
    Effect.gen(function* () {
      const { fallback, namespaces } = yield* policiesOf(
        "policy: { allow: { subscribe: anyone } }\nnamespaces: { lobby: { allow: { publish: users } } }",
        secret,
      )
      const granted = { ...policy, allow: { ...allowing("granted"), subscribe: "anyone" } }
      assert.deepStrictEqual(fallback, granted)
      assert.deepStrictEqual(namespaces.get("lobby"), { ...granted, allow: { ...granted.allow, publish: "users" } })
    }),
  )

  it.effect("the gateway may listen beyond loopback", () =>
    Effect.gen(function* () {
      const { config } = yield* longline({ ...secret, args: ["--host", "0.0.0.0"] })
      assert.deepStrictEqual(config?.listen, { _tag: "Tcp", host: "0.0.0.0", port: 7557 })
    }),
  )
})

describe("a name", () => {
  it.effect.each([
    ["news", "default"],
    ["", "default"],
    [":x", "default"],
    ["chat:1", "chat"],
    ["chat:1:2", "chat"],
    ["chat", "default"],
    ["chatter:1", "default"],
    ["other:1", "default"],
    ["toString:1", "default"],
  ] as const)("%j has the policy of its namespace: %s", ([name, whose]) =>
    Effect.gen(function* () {
      const table = yield* policiesOf("namespaces: { chat: { presence: false } }")
      const expected = { default: policy, chat: { ...policy, presence: false } }[whose]
      assert.deepStrictEqual(Policies.serviceOf(table).of(name), expected)
    }),
  )
})

describe("the schema of a policy", () => {
  const mismatch = { path: "", message: "must be string; it is 1" }
  const judged = (policy: Policy | undefined) => policy?.validate?.(Data.json(1))

  it.effect("is inherited, replaced, or left out with true", () =>
    Effect.gen(function* () {
      const { fallback, namespaces } = yield* policiesOf(`
policy: { schema: { type: string } }
namespaces:
  same: { presence: false }
  other: { schema: { type: boolean } }
  none: { schema: true }
`)
      assert.deepStrictEqual([judged(fallback), judged(namespaces.get("same"))], [mismatch, mismatch])
      assert.deepStrictEqual(judged(namespaces.get("other")), { path: "", message: "must be boolean; it is 1" })
      assert.isUndefined(namespaces.get("none")?.validate)
    }),
  )

  it.effect.each([
    ["s.json", `{ "type": "string" }`],
    ["s.yaml", "type: string"],
    ["s.toml", `type = "string"`],
  ] as const)("may stand in a file: %s", ([name, text]) =>
    Effect.gen(function* () {
      const { fallback } = yield* policiesOf(`policy: { schema: ${name} }`, { files: { [name]: text } })
      assert.deepStrictEqual(judged(fallback), mismatch)
    }),
  )

  it.effect.each([
    ["no.json", `must be a file that can be read (ENOENT: no such file or directory)`],
    ["email.json", `must be a JSON Schema (unknown format "email" ignored in schema at path "#")`],
    ["list.json", "must be a JSON Schema (schema is invalid: data must be object,boolean)"],
  ] as const)("in the file %s is refused where it is named", ([name, complaint]) =>
    Effect.gen(function* () {
      const files = {
        "l.yaml": `namespaces: { chat: { schema: ${name} } }`,
        "email.json": `{ "type": "string", "format": "email" }`,
        "list.json": "[]",
      }
      assert.deepStrictEqual(
        yield* longline({ args: ["--config", "l.yaml"], files }),
        refused(`l.yaml:1: namespaces.chat.schema is "${name}"; it ${complaint}`),
      )
    }),
  )

  it.effect("in a file that cannot be parsed is told with the place there", () =>
    Effect.gen(function* () {
      const files = { "l.yaml": "policy: { schema: s.json }", "s.json": "{" }
      const { stderr } = yield* longline({ args: ["--config", "l.yaml"], files })
      assert.match(stderr, /^longline: s\.json:1:2: .*JSON/)
    }),
  )
})
