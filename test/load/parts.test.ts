/** The small parts of a load: stamps, trackers, chance, meetings. */
import { assert, describe, it } from "@effect/vitest"
import * as Chance from "../../src/load/Chance.ts"
import * as Crew from "../../src/load/Crew.ts"
import * as Stamp from "../../src/load/Stamp.ts"
import { Tracker } from "../../src/load/Tracker.ts"

const bodyOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))

describe("Stamp", () => {
  const stamps = Stamp.make("a1")
  const stamp = { source: 12, sequence: 345, at: 1_234_567_890_123 }

  it("what is written is found again, wherever it stands", () => {
    const data = stamps.write(stamp, 100)
    assert.deepStrictEqual(stamps.find(bodyOf(`{"type":"publication","data":${data},"time":1}`)), stamp)
  })

  it("has as many bytes as are asked for, and is a JSON string", () => {
    for (const bytes of [64, 65, 128, 60_000]) {
      const text = stamps.write(stamp, bytes)
      assert.strictEqual(text.length, bytes)
      assert.strictEqual(JSON.stringify(JSON.parse(text)), text)
    }
  })

  it("has room for the longest numbers in the least bytes, and never fewer", () => {
    const longest = { source: 500_000, sequence: 100_000_000, at: Number.MAX_SAFE_INTEGER }
    const text = Stamp.make("12345678").write(longest, 1)
    assert.strictEqual(text.length, Stamp.leastBytes)
    assert.deepStrictEqual(Stamp.make("12345678").find(bodyOf(text)), longest)
  })

  it("of another run, or none, is not found", () => {
    assert.isUndefined(stamps.find(bodyOf(Stamp.make("a12").write(stamp, 64))))
    assert.isUndefined(stamps.find(bodyOf(`{"data":"~a1"}`)))
  })

  it("is found in a body that is a part of a buffer", () => {
    const whole = bodyOf(`${stamps.write({ ...stamp, source: 1 }, 64)}${stamps.write(stamp, 64)}`)
    assert.deepStrictEqual(stamps.find(whole.subarray(64)), stamp)
  })
})

describe("Tracker", () => {
  it("tells what is new, what was overtaken, and what came before", () => {
    const tracker = new Tracker()
    assert.deepStrictEqual(
      [0, 1, 1, 4, 2, 2, 4, 0, 3, 5].map((sequence) => tracker.see(sequence)),
      ["new", "new", "double", "new", "late", "double", "double", "double", "late", "new"],
    )
  })
})

describe("Chance", () => {
  it("is the same for the same seed, subject and number, and another for any other", () => {
    const at = Chance.at(1, "slot", 1)
    assert.strictEqual(Chance.at(1, "slot", 1), at)
    assert.notInclude([Chance.at(2, "slot", 1), Chance.at(1, "room", 1), Chance.at(1, "slot", 2)], at)
  })

  it("spreads evenly, from 0 up to the count and not further", () => {
    const hits = [0, 0, 0, 0]
    for (let n = 0; n < 10_000; n++) hits[Chance.below(4, 7, "room", n)]!++
    assert.strictEqual(hits.length, 4)
    for (const hit of hits) assert.closeTo(hit, 2500, 200)
  })
})

describe("a meeting", () => {
  it("is over when all have come, with the sums of what they brought; then the next one begins", () => {
    const meeting = Crew.makeMeeting(3)
    assert.deepStrictEqual([meeting([1, 2]), meeting([]), meeting([10, 20, 30])], [undefined, undefined, [11, 22, 30]])
    assert.deepStrictEqual([meeting([1]), meeting([1]), meeting([1])], [undefined, undefined, [3]])
  })
})
