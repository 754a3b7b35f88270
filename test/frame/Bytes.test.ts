/** Bytes and texts, as every platform has them and as Node has: the one is as good as the other. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Bytes from "../../src/frame/Bytes.ts"

const both = [Bytes.portable, Bytes.ofNode(Buffer)]

describe("bytes", () => {
  it("of a text are the same, of the same length, and written the same, with and without Node", () => {
    const anyText = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constant("\ud800 and \udc00\ud83d\ude00"))
    fc.assert(
      fc.property(anyText, fc.nat(4), (text, at) => {
        const [here, node] = both.map(({ lengthOf, of, own, write }) => {
          const target = own(at + lengthOf(text)).fill(7)
          write(target, at, text)
          return { length: lengthOf(text), bytes: Array.from(of(text)), written: Array.from(target) }
        })
        assert.deepStrictEqual(here, node)
        assert.deepStrictEqual(node?.written, [...Array<number>(at).fill(7), ...node!.bytes])
      }),
    )
  })

  it("have the room that was asked for, and of their own where that was asked for", () => {
    for (const { own, pooled } of both) {
      assert.deepStrictEqual([own(10).length, pooled(10).length], [10, 10])
      assert.strictEqual(own(10).buffer.byteLength, 10)
    }
  })

  it("are Node's where Node runs", () => {
    assert.isTrue(Buffer.isBuffer(Bytes.here.own(1)))
  })
})
