import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Publication } from "../../../src/gateway/engine/Engine.ts"
import { RecordError } from "../../../src/gateway/engine/RecordBytes.ts"
import * as Records from "../../../src/gateway/engine/Records.ts"

const count = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const text = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ minLength: 200, maxLength: 300 }))
const data = fc.oneof(
  fc.json().map((json) => ({ type: "json" as const, text: json })),
  fc.uint8Array({ maxLength: 600 }).map((bytes) => ({ type: "binary" as const, bytes })),
)
const publication = fc.record(
  {
    offset: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    previous: count,
    time: count,
    data,
    from: fc.record({ connection: text, user: text }, { requiredKeys: ["connection"] }),
    tags: fc.dictionary(text, text),
  },
  { requiredKeys: ["offset", "previous", "time", "data"] },
)

describe("Records", () => {
  it("gives back every publication", () => {
    fc.assert(
      fc.property(publication, fc.double({ min: 0, noNaN: true }), (each, at) => {
        // Without the prototypes of the generator.
        const plain: Publication = {
          ...each,
          ...(each.tags && { tags: { ...each.tags } }),
          ...(each.from && { from: { ...each.from } }),
        }
        const bytes = Records.publication(plain, at)
        assert.strictEqual(Records.publishedAt(bytes), at)
        const read = Records.readPublication(bytes, each.offset)
        assert.deepStrictEqual(read.publication, plain)
      }),
    )
  })

  it("keeps a tag called __proto__ a tag", () => {
    const tags = JSON.parse('{"__proto__":"x"}')
    const each: Publication = { offset: 1, previous: 0, time: 0, data: { type: "json", text: "1" }, tags }
    const read = Records.readPublication(Records.publication(each, 0), 1)
    assert.deepStrictEqual(Object.entries(read.publication.tags!), [["__proto__", "x"]])
    assert.strictEqual(read.bytes, 11)
  })

  it("sorts numbers as bytes as they sort as numbers", () => {
    fc.assert(
      fc.property(fc.tuple(count, count), fc.tuple(count, count), (a, b) => {
        const order = a[0] - b[0] || a[1] - b[1]
        assert.strictEqual(Math.sign(Buffer.compare(Records.sorted(...a), Records.sorted(...b))), Math.sign(order))
        assert.deepStrictEqual(
          [Records.readSorted(Records.sorted(...a), 0), Records.readSorted(Records.sorted(...a), 1)],
          a,
        )
      }),
    )
  })

  it("refuses a record of another version, and one that is cut off", () => {
    const head = Records.head({ id: 1, epoch: "e", first: 1, deadline: 5, written: { offset: 1, time: 2, at: 3 } })
    assert.deepStrictEqual(Records.readHead(head), {
      id: 1,
      epoch: "e",
      first: 1,
      deadline: 5,
      offset: 1,
      time: 2,
      at: 3,
    })
    assert.throws(() => Records.readHead(head.subarray(0, 30)), RecordError, "a record of 30 bytes is cut off")
    head[0] = 2
    assert.throws(() => Records.readHead(head), RecordError, "a record of version 2, known is 1")
  })
})
