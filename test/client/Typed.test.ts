/** Data with a schema, both ways. In memory. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Typed from "../../src/client/Typed.ts"
import { settled } from "../support/wires.ts"
import { hear, network } from "./support.ts"

const Reading = Schema.Struct({ sensor: Schema.String, at: Schema.Date })

describe("a channel with a schema", () => {
  it.effect("decodes what fits, and gives what does not as it came", () =>
    Effect.gen(function* () {
      const { client } = yield* network()
      const ann = yield* client()
      const readings = Typed.channel(ann, "readings", Reading)
      const heard = yield* hear(readings.subscribe())
      const reading = { sensor: "roof", at: new Date(5) }
      yield* ann.publish("readings", { sensor: 1 })
      yield* readings.publish(reading)
      yield* settled
      const told = heard.items.map((item) => {
        if (item.type === "publication") return item.data
        return item.type === "unreadable" ? [item.publication.data, item.error.path] : item.type
      })
      assert.deepStrictEqual(told, ["subscribed", [{ sensor: 1 }, "sensor"], reading])
    }),
  )

  it.effect("sends nothing that does not fit", () =>
    Effect.gen(function* () {
      const { client } = yield* network()
      const ann = yield* client()
      const even = Typed.channel(ann, "even", Schema.Finite.check(Schema.isMultipleOf(2)))
      const { reason } = yield* Effect.flip(even.publish(3))
      assert.strictEqual(reason._tag, "Unsendable")
      assert.deepInclude(yield* even.publish(2), { offset: 1 })
    }),
  )
})

describe("a service with schemas", () => {
  it.effect("is asked and answers in its types, and hears of nothing else", () =>
    Effect.gen(function* () {
      const { client } = yield* network()
      const ann = yield* client()
      const schemas = { request: Reading, response: Schema.Date }
      const latest = Typed.service(ann, "latest", schemas)
      const asked: Array<string> = []
      yield* latest.serve(({ at, sensor }) => {
        asked.push(sensor)
        return Effect.succeed(at)
      })
      assert.deepStrictEqual(yield* latest.request({ sensor: "roof", at: new Date(5) }), new Date(5))
      const refused = yield* Effect.flip(ann.request("latest", { sensor: 1 }))
      assert.deepInclude(refused.reason, { _tag: "Refused", code: 107 })
      const other = Typed.service(ann, "latest", { ...schemas, response: Schema.Finite })
      const unreadable = yield* Effect.flip(other.request({ sensor: "cellar", at: new Date(6) }))
      assert.strictEqual(unreadable.reason._tag, "Unreadable")
      assert.deepStrictEqual(asked, ["roof", "cellar"])
    }),
  )
})
