/** What a report says, and what may be asserted of it. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Assertion from "../../src/load/Assertion.ts"
import { Figures } from "../../src/load/Figures.ts"
import * as Report from "../../src/load/Report.ts"
import * as Shown from "../../src/load/Shown.ts"
import { plan } from "./support.ts"

/** One worker's share: deliveries of these microseconds, and so many lost. */
const outcome = (micros: ReadonlyArray<number>, lost = 0, busy = 0.25) => {
  const figures = new Figures()
  figures.counts.received = micros.length
  figures.counts.lost = lost
  for (const one of micros) figures.record("delivery", one)
  figures.record("slip", 900)
  if (lost > 0) figures.complain("the server hung up without a bye", lost)
  return { figures: figures.encoded(), busy }
}

const report = Report.make(plan({ token: "secret" }), [outcome([1000, 2000]), outcome([3000, 40_000], 2, 0.5)])

describe("Report", () => {
  it("adds up what the workers have, and takes the busiest for how busy they were", () => {
    const { latencies, main, problems, rate, generator, counts } = report
    assert.deepStrictEqual(
      { latencies, main, problems, rate, generator, received: counts.received, lost: counts.lost },
      {
        latencies: [
          ["delivery", { count: 4, p50: 2, p99: 40, p999: 40, max: 40 }],
          ["slip", { count: 2, p50: 0.9, p99: 0.9, p999: 0.9, max: 0.9 }],
        ],
        main: "delivery",
        problems: [{ message: "the server hung up without a bye", times: 2 }],
        rate: 10,
        generator: { busy: 0.5, lateMs: 0.9, bottleneck: false },
        received: 4,
        lost: 2,
      },
    )
  })

  it("keeps no token", () => {
    assert.notInclude(Shown.json(report, []), "secret")
  })

  it("says that the generator was the bottleneck where it was too busy or too late, and not just below", () => {
    const { maxBusy, maxLateMs } = Report
    const verdict = (busy: number, lateMs: number) => Report.isBottleneck({ busy, lateMs })
    assert.deepStrictEqual(
      [verdict(maxBusy, maxLateMs), verdict(maxBusy + 0.01, 0), verdict(0, maxLateMs + 0.01)],
      [false, true, true],
    )
    const busy = Report.make(plan({}), [outcome([1000]), outcome([1000], 0, 0.95)])
    assert.include(Shown.table(busy), Report.bottleneckLine)
    assert.notInclude(Shown.table(report), Report.bottleneckLine)
  })

  it("finds nothing in how busy a generator is that spins", () => {
    const spinning = Report.make(plan({ spin: true }), [outcome([1000], 0, 1)])
    assert.deepStrictEqual(spinning.generator, { busy: 1, lateMs: 0.9, bottleneck: false })
  })
})

describe("Shown", () => {
  it("the table has what was measured, what was counted, and what went wrong", () => {
    assert.strictEqual(
      Shown.table(report),
      [
        "fan-out: 4 connections, 100 a second, 64 bytes, 0.4 s after 0.1 s, 1 worker, seed 1",
        "",
        "ms           count    p50     p99   p99.9     max",
        "delivery *       4   2.00   40.00   40.00   40.00",
        "slip             2   0.90    0.90    0.90    0.90",
        "",
        "connections 0 · received 4 · lost 2 · duplicated 0 · out-of-order 0 · errors 0 · closed 0",
        "10.0 a second of delivery, in the counted time",
        "generator: 50 % busy, 99 % at most 0.90 ms late",
        "2 × the server hung up without a bye",
      ].join("\n"),
    )
  })

  it("JSON has the conditions that did not hold, and no rate where there is none", () => {
    const failed = Assertion.failed(Result.getOrThrow(Assertion.parse("lost=0,goodbye.p99<1s,received=4")), report)
    const shown = JSON.parse(Shown.json(report, failed)) as Record<string, unknown>
    assert.deepStrictEqual(shown["failed"], [
      { assertion: "lost=0", observed: 2 },
      { assertion: "goodbye.p99<1s", observed: null },
    ])
    const idle = Report.make(plan({ scenario: "idle", rate: 0 }), [outcome([])])
    assert.notProperty(JSON.parse(Shown.json(idle, [])), "rate")
  })

  it("CSV has the same columns for every scenario", () => {
    const idle = Report.make(plan({ scenario: "idle", rate: 0 }), [outcome([])])
    const [names, values] = Shown.csv(report)
      .split("\n")
      .map((line) => line.split(","))
    assert.strictEqual(names!.length, values!.length)
    assert.deepStrictEqual(Shown.csv(idle).split("\n")[0]!.split(","), names)
    assert.strictEqual(values![names!.indexOf("delivery.max")], "40")
    assert.strictEqual(values![names!.indexOf("goodbye.max")], "")
  })

  it("the bar is full when everything was sent", () => {
    const progress = (sent: number) => Shown.progress(plan({}), { connections: 5, sent, received: 2 * sent }, 2)
    assert.strictEqual(
      progress(25),
      `fan-out ${"█".repeat(12)}${"░".repeat(12)} 5 connected · 25 sent · 50 received · 25 a second`,
    )
    assert.include(progress(50), "█".repeat(24))
  })
})

describe("Assertion", () => {
  const holds = (text: string) => Assertion.failed(Result.getOrThrow(Assertion.parse(text)), report).length === 0

  it("compares with the bound, both sides of it", () => {
    for (const text of [
      "lost<3",
      "lost<=2",
      "lost=2",
      "lost>=2",
      "lost>1",
      "rate=10",
      "bottleneck=0",
      "p50<2.001ms",
      "p50 >= 2",
    ]) {
      assert.isTrue(holds(text), text)
    }
    for (const text of [
      "lost<2",
      "lost<=1",
      "lost=1",
      "lost>=3",
      "lost>2",
      "rate=11",
      "bottleneck=1",
      "p50<2ms",
      "p50<2",
    ]) {
      assert.isFalse(holds(text), text)
    }
  })

  it("knows times in us, ms and s, of the scenario's own measure and of others", () => {
    assert.isTrue(holds("p50=2000us, p50=2000µs, p50=2ms, max<0.041s, p99.9>=40ms, slip.max=900us, delivery.p50=2"))
  })

  it("does not hold of what was not measured", () => {
    const [failed] = Assertion.failed(Result.getOrThrow(Assertion.parse("goodbye.p99<1s")), report)
    assert.strictEqual(Assertion.describe(failed!), "goodbye.p99<1s does not hold: goodbye.p99 was not measured")
  })

  it("says what was observed", () => {
    const failed = Assertion.failed(Result.getOrThrow(Assertion.parse("lost=0,p99<40ms")), report)
    assert.deepStrictEqual(failed.map(Assertion.describe), [
      "lost=0 does not hold: lost is 2",
      "p99<40ms does not hold: p99 is 40ms",
    ])
  })

  it("refuses what is no condition, an unknown name, and a unit that does not fit", () => {
    const why = (text: string) => Result.getOrThrow(Result.flip(Assertion.parse(text)))
    assert.strictEqual(why("lost"), `"lost" is no condition; one is a name, <, <=, =, >= or >, and a number`)
    assert.strictEqual(why("lost=0,"), `"" is no condition; one is a name, <, <=, =, >= or >, and a number`)
    assert.match(
      why("p98<5"),
      /^"p98" is nothing that is measured; known are p50, p99, p99.9, max, connections, .*slip have/,
    )
    assert.match(why("toString=1"), /nothing that is measured|no condition/)
    assert.strictEqual(
      why("p99<5min"),
      `"p99<5min" has the unit "min"; its unit is us, ms or s, and ms if there is none`,
    )
    assert.strictEqual(why("lost=0ms"), `"lost=0ms" has the unit "ms"; it is a number without a unit`)
  })
})
