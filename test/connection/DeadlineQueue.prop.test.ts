import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as DeadlineQueue from "../../src/connection/DeadlineQueue.ts"

type Step =
  | { readonly do: "add"; readonly deadline: number }
  | { readonly do: "remove"; readonly at: number }
  | { readonly do: "take" }

// Deadlines from a small range are often equal; enough entries for three levels and for both ways out of a removal.
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("add" as const), deadline: fc.nat({ max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), at: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("take" as const) }) },
)

describe("DeadlineQueue", () => {
  it("the first is always one that is due first, whatever was added and removed", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100, size: "max" }), (steps) => {
        const queue = DeadlineQueue.make<DeadlineQueue.Entry>()
        const model = new Set<DeadlineQueue.Entry>()
        const check = () => {
          const earliest = Math.min(...[...model].map((entry) => entry.deadline))
          assert.strictEqual(queue.first()?.deadline ?? Infinity, earliest)
          assert.strictEqual(queue.size(), model.size)
        }
        const remove = (entry: DeadlineQueue.Entry | undefined) => {
          if (entry === undefined) return
          model.delete(entry)
          queue.remove(entry)
          queue.remove(entry)
        }
        for (const each of steps) {
          if (each.do === "add") {
            const entry = { deadline: each.deadline, slot: DeadlineQueue.noSlot }
            model.add(entry)
            queue.add(entry)
          } else {
            remove(each.do === "take" ? queue.first() : [...model][each.at % Math.max(model.size, 1)])
          }
          check()
        }
        while (model.size > 0) {
          remove(queue.first())
          check()
        }
      }),
      { numRuns: 300 },
    )
  })
})
