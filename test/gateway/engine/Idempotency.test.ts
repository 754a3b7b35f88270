import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Idempotency from "../../../src/gateway/engine/Idempotency.ts"
import * as Data from "../../../src/gateway/protocol/Data.ts"

const key = (text: string, user?: string, channel = "a"): Idempotency.Key => ({ channel, user, key: text })
const use = (offset: number): Idempotency.FirstUse => ({ fingerprint: "f", offset })

describe("Idempotency", () => {
  it("a key is remembered until its window is over", () => {
    const keys = Idempotency.make({ windowMs: 10 })
    keys.remember(key("k"), use(1), 100)
    keys.expire(109)
    assert.strictEqual(keys.find(key("k"))?.offset, 1)
    keys.expire(110)
    assert.deepStrictEqual([keys.find(key("k")), keys.size()], [undefined, 0])
  })

  it("the window is five minutes where nothing else is said", () => {
    const keys = Idempotency.make()
    keys.remember(key("k"), use(1), 0)
    keys.expire(299_999)
    assert.strictEqual(keys.size(), 1)
    keys.expire(300_000)
    assert.strictEqual(keys.size(), 0)
  })

  it("the same key of another user or channel is another key", () => {
    const keys = Idempotency.make()
    const different = [key("k"), key("k", "u"), key("k", ""), key("k", "null"), key("k", "u", "b"), key('u","k')]
    different.forEach((each, index) => keys.remember(each, use(index), 0))
    assert.deepStrictEqual(
      different.map((each) => keys.find(each)?.offset),
      [0, 1, 2, 3, 4, 5],
    )
  })

  it("over the limit the oldest is forgotten, up to it none", () => {
    const keys = Idempotency.make({ maxKeys: 2 })
    const found = () => ["k1", "k2", "k3"].map((each) => keys.find(key(each)) !== undefined)
    keys.remember(key("k1"), use(1), 0)
    keys.remember(key("k2"), use(2), 0)
    assert.deepStrictEqual(found(), [true, true, false])
    keys.remember(key("k3"), use(3), 0)
    assert.deepStrictEqual(found(), [false, true, true])
  })

  it("holds exactly the newest keys that have not expired, whatever comes and goes", () => {
    const step = fc.record({ wait: fc.nat({ max: 6 }), remember: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), fc.integer({ min: 1, max: 5 }), (steps, maxKeys) => {
        const keys = Idempotency.make({ windowMs: 10, maxKeys })
        let model: Array<{ readonly name: string; readonly expiresAt: number }> = []
        let now = 0
        steps.forEach(({ wait, remember }, index) => {
          now += wait
          keys.expire(now)
          model = model.filter(({ expiresAt }) => expiresAt > now)
          if (remember) {
            keys.remember(key(`${index}`), use(index), now)
            model = [...model, { name: `${index}`, expiresAt: now + 10 }].slice(-maxKeys)
          }
          assert.strictEqual(keys.size(), model.length)
          for (const { name } of model) assert.strictEqual(keys.find(key(name))?.offset, Number(name))
        })
      }),
    )
  })
})

describe("fingerprint", () => {
  type Tags = Record<string, string>
  const ofJson = (value: unknown, tags?: Tags) => Idempotency.fingerprint(Data.json(value), tags)
  const ofBytes = (bytes: ReadonlyArray<number>, tags?: Tags) =>
    Idempotency.fingerprint(Data.binary(Uint8Array.from(bytes)), tags)

  it("the order of members does not count, at any depth", () => {
    assert.strictEqual(ofJson({ a: 1, b: [{ c: 2, d: 3 }] }), ofJson({ b: [{ d: 3, c: 2 }], a: 1 }))
    assert.strictEqual(ofJson(1, { x: "1", y: "2" }), ofJson(1, { y: "2", x: "1" }))
    assert.strictEqual(ofBytes([1], { x: "1", y: "2" }), ofBytes([1], { y: "2", x: "1" }))
  })

  it("no tags are the same as empty tags", () => {
    assert.strictEqual(ofJson(1), ofJson(1, {}))
    assert.strictEqual(ofBytes([1]), ofBytes([1], {}))
  })

  it("other data, other tags, data in place of tags, and bytes in place of JSON are different", () => {
    const all = [
      ofJson(1),
      ofJson("1"),
      ofJson([1]),
      ofJson(null),
      ofJson({}),
      ofJson({ a: "b" }),
      ofJson({}, { a: "b" }),
      ofJson({ a: "b" }, { a: "b" }),
      ofJson([1, 2]),
      ofJson([2, 1]),
      ofJson(JSON.parse('{"__proto__":1}')),
      ofJson(JSON.parse('{"__proto__":2}')),
      ofJson("MQ=="),
      ofJson(["MQ==", {}, "binary"]),
      ofBytes([0x31]),
      ofBytes([0x31], { a: "b" }),
      ofBytes([0x31, 0x31]),
      ofBytes([]),
    ]
    assert.strictEqual(new Set(all).size, all.length)
  })
})
