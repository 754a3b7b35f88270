import { assert, describe, it } from "@effect/vitest"
import { poolBytes, RandomText } from "../../src/gateway/RandomText.ts"

describe("RandomText", () => {
  it("gives as many bytes as asked for, less than a pool or more", () => {
    const random = new RandomText()
    const sizes = [1, 9, 27, poolBytes, poolBytes + 1]
    assert.deepStrictEqual(
      sizes.map((bytes) => Buffer.from(random.take(bytes), "base64url").length),
      sizes,
    )
  })

  it("gives no text twice, across pools too", () => {
    const random = new RandomText()
    const texts = Array.from({ length: 1000 }, () => random.take(27))
    assert.strictEqual(new Set(texts).size, 1000)
  })

  it("uses every byte in every place", () => {
    const random = new RandomText()
    const seen = Array.from({ length: 9 }, () => new Set<number>())
    for (let i = 0; i < 10_000; i++) {
      Buffer.from(random.take(9), "base64url").forEach((byte, place) => seen[place]!.add(byte))
    }
    assert.deepStrictEqual(
      seen.map((bytes) => bytes.size),
      seen.map(() => 256),
    )
  })
})
