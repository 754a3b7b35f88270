import { assert, describe, it } from "@effect/vitest"
import { Latencies } from "../../src/load/Latencies.ts"

const of = (...micros: ReadonlyArray<number>): Latencies => {
  const latencies = new Latencies()
  for (const one of micros) latencies.record(one)
  return latencies
}

describe("Latencies", () => {
  it("microseconds in are milliseconds out, at each percentile", () => {
    const micros = Array.from({ length: 1000 }, (_, n) => n + 1)
    assert.deepStrictEqual(of(...micros).summary(), { count: 1000, p50: 0.5, p99: 0.99, p999: 0.999, max: 1 })
  })

  it("of no latency at all, all are 0", () => {
    assert.deepStrictEqual(of().summary(), { count: 0, p50: 0, p99: 0, p999: 0, max: 0 })
  })

  it("three digits are kept of any length", () => {
    for (const micros of [1, 999, 123_456, 98_765_432, 3_600_000_000]) {
      assert.closeTo(of(micros).summary().p50, micros / 1000, micros / 1e6)
    }
  })

  it("below a microsecond is 0, and above an hour is an hour", () => {
    assert.deepStrictEqual(of(-5, 0.4).summary(), { count: 2, p50: 0, p99: 0, p999: 0, max: 0 })
    assert.deepStrictEqual(of(3_600_000_001, Infinity).summary(), of(3_600_000_000, 3_600_000_000).summary())
  })

  it("those of two workers together are those of one that had them all", () => {
    const [odd, even, all] = [of(), of(), of()]
    for (let n = 1; n <= 10_000; n++) {
      all.record(n * n)
      ;(n % 2 === 0 ? even : odd).record(n * n)
    }
    const merged = of()
    merged.add(even.encoded())
    merged.add(odd.encoded())
    assert.deepStrictEqual(merged.summary(), all.summary())
    assert.notDeepEqual(odd.summary(), all.summary())
  })
})
