import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import * as Deadlines from "../../src/connection/Deadlines.ts"
import { Intake } from "../../src/connection/Intake.ts"
import { MemoryBudget, type Member } from "../../src/server/MemoryBudget.ts"
import type { MemoryWire } from "../../src/transport/MemoryWire.ts"
import { frame } from "../support/frames.ts"
import { serve } from "../support/served.ts"
import { settled } from "../support/wires.ts"

/** Counts and never calls. */
class Counting extends Intake {
  counted = 0

  constructor() {
    super(Infinity, () => {})
  }

  override growUnsafe(bytes: number): void {
    this.counted += bytes
  }
}

const lengths = fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 60_000 }))

const steps = fc.array(
  fc.record({
    act: fc.constantFrom(
      "say",
      "say",
      "begin",
      "send",
      "send",
      "broadcast",
      "stall",
      "unstall",
      "hold",
      "free",
      "turn",
      "look",
    ),
    who: fc.nat({ max: 2 }),
    length: lengths,
  }),
  { maxLength: 60, size: "max" },
)

/** Three clients of a server whose handlers are at work on each batch until they are let go. */
const make = Effect.gen(function* () {
  const intake = new Counting()
  const members: Array<Member> = []
  const join = (member: Member) => Effect.sync(() => void members.push(member))
  const budget = Layer.succeed(MemoryBudget, {
    intake,
    join,
    refusalUnsafe: () => undefined,
    heldBytesUnsafe: () => 0,
  })
  const gates = new Map<number, Deferred.Deferred<void>>()
  const server = yield* serve(
    (connection) =>
      Stream.runForEachArray(connection.messages, () => {
        const gate = gates.get(connection.id)
        return gate === undefined ? Effect.void : Deferred.await(gate)
      }),
    { settings: Layer.merge(budget, Deadlines.layer({ writeStall: "1 minute", frame: "1 minute" })) },
  )
  const clients = yield* Effect.forEach([0, 1, 2], () => server.connect())
  yield* settled
  const heldBytes = () => {
    let held = 0
    for (const { holders } of members) for (const holder of holders) held += holder.heldBytes
    return held
  }
  return { clients, gates, heldBytes, intake, server }
})

describe("What connections hold, whatever they and their peers do,", () => {
  it("is at most what they held at a look and what they took in since", () =>
    fc.assert(
      fc.asyncProperty(steps, (steps) =>
        Effect.gen(function* () {
          const { clients, gates, heldBytes, intake, server } = yield* make
          /** Clients that have left out the last byte of a frame. */
          const owing = new Set<number>()
          let heldBefore = heldBytes()
          intake.counted = 0
          for (const { act, who, length } of steps) {
            const { wire } = clients[who]!
            const connection = server.registry.get(who + 1)
            const text = "x".repeat(length)
            if (act === "say" || act === "begin") {
              if (owing.delete(who)) wire.writeUnsafe([Buffer.from("x")])
              if (act === "begin") owing.add(who)
              const bytes = frame(`${text}x`).subarray(0, act === "begin" ? -1 : undefined)
              // Its first eighth alone, so that the rest may find a buffer that is too small for it.
              wire.writeUnsafe([bytes.subarray(0, bytes.length >> 3)])
              yield* settled
              wire.writeUnsafe([bytes.subarray(bytes.length >> 3)])
            } else if (act === "send") connection?.sendUnsafe(text)
            else if (act === "broadcast") server.registry.broadcast(text)
            else if (act === "stall") (wire as MemoryWire).stallUnsafe()
            else if (act === "unstall") (wire as MemoryWire).unstallUnsafe()
            else if (act === "hold") gates.set(who + 1, gates.get(who + 1) ?? Deferred.makeUnsafe())
            else if (act === "free") {
              const gate = gates.get(who + 1)
              gates.delete(who + 1)
              if (gate !== undefined) Deferred.doneUnsafe(gate, Exit.void)
            } else if (act === "turn") yield* settled
            else {
              heldBefore = heldBytes()
              intake.counted = 0
            }
            yield* Effect.promise(() => Promise.resolve())
            assert.isAtMost(heldBytes(), heldBefore + intake.counted, act)
          }
        }).pipe(Effect.scoped, Effect.runPromise),
      ),
      { numRuns: 150 },
    ))
})
