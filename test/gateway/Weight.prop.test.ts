import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { messageOf } from "../../src/gateway/Channels.ts"
import type { Publication } from "../../src/gateway/engine/Engine.ts"
import * as Data from "../../src/gateway/protocol/Data.ts"
import * as JsonProtocol from "../../src/gateway/protocol/JsonProtocol.ts"
import * as Weight from "../../src/gateway/Weight.ts"

/** Any unit of a string: control characters, lone surrogates, and what takes one byte to four. */
const text = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
  .map((units) => String.fromCharCode(...units))
const number = fc.constantFrom(0, Number.MAX_SAFE_INTEGER)

const publication = fc.record(
  {
    offset: number,
    previous: number,
    time: fc.constant(Date.UTC(2286, 0)),
    data: fc.oneof(fc.jsonValue().map(Data.json), fc.uint8Array().map(Data.binary)),
    from: fc.record({ connection: fc.constant("c".repeat(12)), user: text }, { requiredKeys: ["connection"] }),
    tags: fc.dictionary(text, text),
  },
  { requiredKeys: ["offset", "previous", "time", "data"] },
) as fc.Arbitrary<Publication>

const codec = JsonProtocol.make()

describe("the weight of a publication", () => {
  it("is never less than what it takes in an answer in JSON", () =>
    fc.assert(
      fc.property(text, publication, (channel, each) => {
        const body = Result.getOrThrow(codec.encode(messageOf(channel, "e".repeat(17), each)))
        assert.isAtLeast(Weight.weightOf(channel, each), Buffer.byteLength(`${String(body)},`))
      }),
      { numRuns: 1_000 },
    ))
})
