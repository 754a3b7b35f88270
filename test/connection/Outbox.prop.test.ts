import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as fc from "fast-check"
import { arenaBytes } from "../../src/connection/Turn.ts"
import { referenceBytes } from "../../src/connection/Batch.ts"
import { flushBytes, SharedFrame } from "../../src/connection/Outbox.ts"
import { pattern, readAll, settled } from "../support/wires.ts"
import * as Outboxes from "../support/outboxes.ts"

/** Around every threshold, header or no header; small ones often, so that many share one write. */
const lengths = fc.oneof(
  { arbitrary: fc.nat({ max: 200 }), weight: 4 },
  {
    arbitrary: fc
      .tuple(fc.constantFrom(referenceBytes, flushBytes / 2, flushBytes, arenaBytes), fc.integer({ min: -5, max: 5 }))
      .map(([threshold, off]) => threshold + off),
    weight: 2,
  },
  { arbitrary: fc.nat({ max: 150_000 }), weight: 1 },
)

/** Text of one to four bytes a character, and a lone surrogate that becomes three. */
const letters = ["x", "é", "€", "😀", "\ud800"]

const bodies = fc.record({
  length: lengths,
  seed: fc.nat({ max: 255 }),
  kind: fc.constantFrom("bytes", "buffer", "text", "text"),
})

type Step =
  | { readonly _tag: "Send"; readonly body: Uint8Array | string; readonly shared: boolean }
  | { readonly _tag: "Take"; readonly bytes: number }
  | { readonly _tag: "Turn" }
  | { readonly _tag: "Stall" }
  | { readonly _tag: "Unstall" }

const steps: fc.Arbitrary<Array<Step>> = fc.array(
  fc.oneof(
    {
      arbitrary: fc.tuple(bodies, fc.nat({ max: 3 })).map(([{ kind, length, seed }, one]): Step => {
        const bytes = pattern(length, seed)
        const body = kind === "text" ? letters[seed % letters.length]!.repeat(length / 3) : bytes
        return { _tag: "Send", body: kind === "bytes" ? Uint8Array.from(bytes) : body, shared: one === 0 }
      }),
      weight: 6,
    },
    { arbitrary: fc.integer({ min: 500, max: 50_000 }).map((bytes): Step => ({ _tag: "Take", bytes })), weight: 1 },
    { arbitrary: fc.constantFrom<Step>({ _tag: "Turn" }, { _tag: "Stall" }, { _tag: "Unstall" }), weight: 3 },
  ),
  { maxLength: 40, size: "max" },
)

const frameBytesOf = (step: Step): number => (step._tag === "Send" ? 4 + Buffer.byteLength(step.body) : 0)

const highWaters = fc.constantFrom(1, 1000, 64 * 1024, 200_000)

describe("An outbox, for any bodies and any peer,", () => {
  it("delivers every frame, in order, and as it was when it was sent", () =>
    fc.assert(
      fc.asyncProperty(steps, highWaters, (steps, writeHighWaterBytes) =>
        Effect.gen(function* () {
          const { outbox, peer, wire } = yield* Outboxes.make({ writeHighWaterBytes })
          const sent: Array<Buffer> = []
          for (const step of steps) {
            if (step._tag === "Take") Outboxes.takeUnsafe(wire, peer, step.bytes)
            else if (step._tag === "Turn") yield* settled
            else if (step._tag === "Stall") peer.stallUnsafe()
            else if (step._tag === "Unstall") peer.unstallUnsafe()
            else {
              const bytes = Buffer.from(step.body)
              const header = Buffer.alloc(4)
              header.writeUInt32BE(bytes.length)
              const frame = Buffer.concat([header, bytes])
              sent.push(frame)
              if (step.shared) outbox.offerShared(new SharedFrame(Uint8Array.from(frame)))
              else assert.isUndefined(outbox.offer(step.body))
            }
          }
          // A peer that took some has stalled again by then.
          yield* settled
          wire.fragmentUnsafe(Infinity)
          peer.unstallUnsafe()
          const reading = yield* Effect.forkScoped(readAll(peer))
          yield* outbox.flushed
          assert.strictEqual(outbox.queuedBytes, 0)
          wire.endUnsafe()
          const expected = Buffer.concat(sent)
          assert.isTrue((yield* Fiber.join(reading)).equals(expected))
          // A system may read what it was given until it has sent it: none of it was written over.
          assert.isTrue(Buffer.concat(wire.writes.flat()).equals(expected))
        }).pipe(Effect.scoped, Effect.runPromise),
      ),
      { numRuns: 200 },
    ))

  it("holds no more than it is allowed for a peer that is slow, or says so", () =>
    fc.assert(
      fc.asyncProperty(steps, fc.nat({ max: 40 }), fc.integer({ min: -1, max: 1 }), (steps, count, off) =>
        Effect.gen(function* () {
          const writeHighWaterBytes = 1000
          // About where one of the frames ends.
          const maxBytes = steps.slice(0, count).reduce((bytes, step) => bytes + frameBytesOf(step), 1004 + off)
          const { outbox, overflows, peer, wire } = yield* Outboxes.make({ maxBytes, writeHighWaterBytes })
          peer.stallUnsafe()
          outbox.offer("x".repeat(writeHighWaterBytes))
          yield* settled
          const unsent = wire.unsentUnsafe()
          let held = unsent
          for (const step of steps) {
            if (step._tag !== "Send") continue
            const frameBytes = frameBytesOf(step)
            const fits = held + frameBytes <= maxBytes
            const before = overflows.length
            outbox.offer(step.body)
            if (fits) held += frameBytes
            assert.strictEqual(overflows.length, before + (fits ? 0 : 1))
            assert.strictEqual(outbox.queuedBytes, held - unsent)
          }
        }).pipe(Effect.scoped, Effect.runPromise),
      ),
      { numRuns: 100 },
    ))
})
