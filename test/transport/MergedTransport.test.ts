/** What several transports as one add to the contract: all of them are heard, and each closes for itself. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as MemoryTransport from "../../src/transport/MemoryTransport.ts"
import * as MergedTransport from "../../src/transport/MergedTransport.ts"
import { hostOf, type TransportError } from "../../src/transport/Transport.ts"
import { settled } from "../support/wires.ts"

const merged = Effect.gen(function* () {
  const a = yield* MemoryTransport.make({ name: "a" })
  const b = yield* MemoryTransport.make({ name: "b" })
  return { a, b, transport: yield* MergedTransport.make([a.transport, b.transport]) }
})

describe("MergedTransport", () => {
  it.effect("hands out what arrives anywhere, and says where it listens", () =>
    Effect.gen(function* () {
      const { a, b, transport } = yield* merged
      assert.deepStrictEqual(
        [transport.name, transport.address, transport.others],
        ["memory", { _tag: "Memory", name: "a" }, [{ name: "memory", address: { _tag: "Memory", name: "b" } }]],
      )
      for (const [from, { memory }] of [a, b, a].entries()) {
        yield* memory.connectFrom(`client ${from}`)
        const wires = yield* transport.accept
        assert.deepStrictEqual(
          wires.map(({ peer }) => hostOf(peer)),
          [`client ${from}`],
        )
      }
    }),
  )

  it.effect("goes on after an accept that failed, and tells of it", () =>
    Effect.gen(function* () {
      const { b, transport } = yield* merged
      yield* b.memory.failAccept("EMFILE")
      const error = yield* Effect.flip(transport.accept)
      assert.deepInclude((error as TransportError).reason, { _tag: "AcceptFailed", code: "EMFILE" })
      yield* b.memory.connect
      assert.strictEqual((yield* transport.accept).length, 1)
    }),
  )

  it.effect("is done when all are", () =>
    Effect.gen(function* () {
      const { a, b, transport } = yield* merged
      yield* b.transport.close
      yield* settled
      yield* a.memory.connect
      assert.strictEqual((yield* transport.accept).length, 1)
      yield* transport.close
      assert.isTrue(Cause.isDone(yield* Effect.flip(transport.accept)))
      assert.strictEqual((yield* Effect.flip(a.memory.connect)).reason._tag, "DialFailed")
    }),
  )
})
