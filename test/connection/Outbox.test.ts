import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import * as Outbox from "../../src/connection/Outbox.ts"
import { arenaBytes, Turn } from "../../src/connection/Turn.ts"
import { pass } from "../support/connections.ts"
import { frame } from "../support/frames.ts"
import { readAll, settled } from "../support/wires.ts"
import * as Outboxes from "../support/outboxes.ts"

const body = (length: number, byte = 1) => new Uint8Array(length).fill(byte)
const sizes = (writes: ReadonlyArray<ReadonlyArray<Uint8Array>>) =>
  writes.map((write) => write.map((chunk) => chunk.length))

describe("An outbox", () => {
  it.effect("writes what was sent in a turn in one write at its end, small frames in one chunk", () =>
    Effect.gen(function* () {
      const { outbox, peer, wire } = yield* Outboxes.make()
      const shared = new Outbox.SharedFrame(frame("shared"))
      outbox.offer("text")
      outbox.offer(body(100))
      outbox.offerShared(shared)
      outbox.offer("")
      assert.deepStrictEqual(wire.writes, [])
      yield* settled
      assert.deepStrictEqual(sizes(wire.writes), [[8 + 104 + 10 + 4]])
      outbox.offer("more")
      yield* settled
      outbox.offer("and more")
      yield* settled
      assert.deepStrictEqual(sizes(wire.writes).slice(1), [[8], [12]])
      wire.endUnsafe()
      const expected = [frame("text"), frame(body(100)), shared.bytes, frame(""), frame("more"), frame("and more")]
      assert.deepStrictEqual(yield* readAll(peer), Buffer.concat(expected))
    }),
  )

  it.effect("writes at once when 64 KiB are collected, and not a byte earlier", () =>
    Effect.gen(function* () {
      const { outbox, wire } = yield* Outboxes.make({ writeHighWaterBytes: 1024 * 1024 })
      outbox.offer(body(65_535 - 4))
      assert.deepStrictEqual(wire.writes, [])
      outbox.offer("")
      assert.deepStrictEqual(sizes(wire.writes), [[4, 65_531, 4]])
      outbox.offer(body(65_536 - 4))
      assert.deepStrictEqual(sizes(wire.writes).slice(1), [[4, 65_532]])
      yield* settled
      assert.strictEqual(wire.writes.length, 2)
    }),
  )

  it.effect("references bodies from 8 KiB on, and copies smaller ones and strings of any size", () =>
    Effect.gen(function* () {
      const { outbox, wire } = yield* Outboxes.make()
      const [small, large] = [body(8191), body(8192)]
      const [smallShared, largeShared] = [new Outbox.SharedFrame(body(8191)), new Outbox.SharedFrame(body(8192))]
      outbox.offer(small)
      outbox.offer(large)
      outbox.offerShared(largeShared)
      outbox.offerShared(smallShared)
      outbox.offer("x".repeat(8192))
      yield* settled
      const [write] = wire.writes
      assert.deepStrictEqual(sizes(wire.writes), [[4 + 8191 + 4, 8192, 8192, 8191, 4 + 8192]])
      assert.deepStrictEqual(
        [write![1] === large, write![2] === largeShared.bytes, write![3] === smallShared.bytes],
        [true, true, true],
      )
    }),
  )

  it.effect("writes a shared frame that is alone as it is, whatever its size", () =>
    Effect.gen(function* () {
      const { outbox, wire } = yield* Outboxes.make()
      const shared = new Outbox.SharedFrame(frame("shared"))
      outbox.offerShared(shared)
      yield* settled
      assert.strictEqual(wire.writes[0]![0], shared.bytes)
    }),
  )

  it.effect("shares one buffer with the other outboxes of its turn, and never a byte of it", () =>
    Effect.gen(function* () {
      const turn = new Turn(() => 0)
      const [a, b] = [yield* Outboxes.make({ turn }), yield* Outboxes.make({ turn })]
      a.outbox.offer("a")
      b.outbox.offer("b")
      a.outbox.offer("c")
      yield* settled
      const [chunkA, chunkB] = [a.wire.writes[0]![0]!, b.wire.writes[0]![0]!]
      assert.strictEqual(chunkA.buffer, chunkB.buffer)
      assert.deepStrictEqual(
        [Buffer.from(chunkA), Buffer.from(chunkB)],
        [Buffer.concat([frame("a"), frame("c")]), frame("b")],
      )
    }),
  )

  it.effect("copies what it keeps for a slow peer, so that its sender may write over it", () =>
    Effect.gen(function* () {
      const { outbox, peer, wire } = yield* Outboxes.make({ writeHighWaterBytes: 1 })
      peer.stallUnsafe()
      outbox.offer("first")
      yield* settled
      const bytes = [body(10), Buffer.from(body(10)), body(10_000), Buffer.from(body(10_000))]
      for (const each of bytes) outbox.offer(each)
      for (const each of bytes) each.fill(2)
      peer.unstallUnsafe()
      yield* settled
      wire.endUnsafe()
      const kept = [10, 10, 10_000, 10_000].map((length) => frame(body(length)))
      assert.deepStrictEqual(yield* readAll(peer), Buffer.concat([frame("first"), ...kept]))
    }),
  )

  it.effect("writes what has waited in chunks of no more than 64 KiB", () =>
    Effect.gen(function* () {
      const { outbox, peer, wire } = yield* Outboxes.make({ writeHighWaterBytes: 1 })
      peer.stallUnsafe()
      outbox.offer("first")
      yield* settled
      for (let i = 0; i < 20; i++) outbox.offer(body(4092))
      peer.unstallUnsafe()
      yield* settled
      assert.deepStrictEqual(sizes(wire.writes), [[9], [65_536, 16_384]])
      wire.endUnsafe()
      const expected = [frame("first"), ...Array.from({ length: 20 }, () => frame(body(4092)))]
      assert.deepStrictEqual(yield* readAll(peer), Buffer.concat(expected))
    }),
  )

  it.effect(
    "may hold as many bytes as it is allowed for a slow peer, those on the wire counted, and not one more",
    () =>
      Effect.gen(function* () {
        const { outbox, overflows, peer } = yield* Outboxes.make({ maxBytes: 300, writeHighWaterBytes: 100 })
        peer.stallUnsafe()
        outbox.offer(body(96))
        yield* settled
        outbox.offer(body(96))
        outbox.offerShared(new Outbox.SharedFrame(body(100)))
        assert.deepStrictEqual([outbox.queuedBytes, overflows], [200, []])
        outbox.offerShared(new Outbox.SharedFrame(body(1)))
        const reason = CloseReason.SlowConsumer({ limit: "bytes", allowed: 300, observed: 301 })
        assert.deepStrictEqual([outbox.queuedBytes, overflows], [200, [reason]])
      }),
  )

  it.effect("may hold a frame as long as it is allowed, counted from when the frame came", () =>
    Effect.gen(function* () {
      const { outbox, overflows, peer, wire } = yield* Outboxes.make({ maxAgeMs: 3000, writeHighWaterBytes: 100 })
      peer.stallUnsafe()
      outbox.offer(body(96))
      yield* settled
      outbox.offer(body(96))
      yield* pass(1000)
      outbox.offer(body(96))
      yield* pass(1000)
      Outboxes.takeUnsafe(wire, peer, 100)
      // The two that waited are on the wire now, the older of them since 0.
      yield* pass(999)
      assert.deepStrictEqual(overflows, [])
      yield* pass(1)
      assert.deepStrictEqual(overflows, [CloseReason.SlowConsumer({ limit: "age", allowed: 3000, observed: 3000 })])
    }),
  )

  it.effect("forgets a frame's age when it was taken", () =>
    Effect.gen(function* () {
      const { outbox, overflows, peer } = yield* Outboxes.make({ maxAgeMs: 3000, writeHighWaterBytes: 100 })
      peer.stallUnsafe()
      outbox.offer(body(96))
      yield* settled
      outbox.offer(body(96))
      peer.unstallUnsafe()
      yield* pass(2000)
      peer.stallUnsafe()
      outbox.offer(body(96))
      yield* pass(2999)
      assert.deepStrictEqual(overflows, [])
      yield* pass(1)
      assert.deepStrictEqual(overflows, [CloseReason.SlowConsumer({ limit: "age", allowed: 3000, observed: 3000 })])
    }),
  )

  it.effect("calls a write stalled when none of it was taken in time", () =>
    Effect.gen(function* () {
      const { outbox, overflows, peer } = yield* Outboxes.make({ writeStallMs: 10_000, writeHighWaterBytes: 100 })
      peer.stallUnsafe()
      outbox.offer(body(96))
      yield* pass(9999)
      assert.deepStrictEqual(overflows, [])
      yield* pass(1)
      assert.deepStrictEqual(overflows, [CloseReason.WriteStalled({ limitMs: 10_000, unsentBytes: 100 })])
    }),
  )

  it.effect("does not call it stalled while a byte is taken now and then, but too old in the end", () =>
    Effect.gen(function* () {
      const { outbox, overflows, peer, wire } = yield* Outboxes.make({
        writeStallMs: 10_000,
        maxAgeMs: 60_000,
        writeHighWaterBytes: 100,
      })
      peer.stallUnsafe()
      outbox.offer(body(96))
      for (let i = 0; i < 6; i++) {
        assert.deepStrictEqual(overflows, [])
        yield* pass(5000)
        Outboxes.takeUnsafe(wire, peer, 1)
        yield* pass(4000)
      }
      yield* pass(6000)
      assert.deepStrictEqual(overflows, [CloseReason.SlowConsumer({ limit: "age", allowed: 60_000, observed: 60_000 })])
    }),
  )

  it.effect("copies what is a small part of an arena if it has to wait with the wire, and only then", () =>
    Effect.gen(function* () {
      const { outbox, peer, wire } = yield* Outboxes.make()
      const kept = () => wire.writes.map(([chunk]) => chunk!.buffer.byteLength)
      const say = (length: number) => {
        outbox.offer(body(length))
        return settled
      }
      yield* say(96)
      peer.stallUnsafe()
      yield* say(96)
      assert.deepStrictEqual(kept(), [arenaBytes, arenaBytes])
      yield* say(96)
      assert.deepStrictEqual(kept().slice(2), [100])
      peer.unstallUnsafe()
      yield* settled
      yield* say(96)
      assert.deepStrictEqual(kept().slice(3), [arenaBytes])
      wire.endUnsafe()
      const expected = Array.from({ length: 4 }, () => frame(body(96)))
      assert.deepStrictEqual(yield* readAll(peer), Buffer.concat(expected))
    }),
  )

  it.effect("watches also what is too little to call the peer slow", () =>
    Effect.gen(function* () {
      const { outbox, overflows, peer, wire } = yield* Outboxes.make({ writeStallMs: 10_000 })
      peer.stallUnsafe()
      outbox.offer(body(96))
      yield* pass(5000)
      Outboxes.takeUnsafe(wire, peer, 1)
      yield* pass(14_999)
      assert.deepStrictEqual(overflows, [])
      yield* pass(1)
      assert.deepStrictEqual(overflows, [CloseReason.WriteStalled({ limitMs: 10_000, unsentBytes: 99 })])
    }),
  )

  it.effect("that is sealed takes its last frame and none after it", () =>
    Effect.gen(function* () {
      const { outbox, peer, wire } = yield* Outboxes.make()
      outbox.offer("a")
      outbox.seal({ discard: false, last: "last" })
      assert.strictEqual(outbox.offer("b"), undefined)
      outbox.offerShared(new Outbox.SharedFrame(frame("b")))
      outbox.seal({ discard: false, last: "again" })
      yield* outbox.flushed
      wire.endUnsafe()
      assert.deepStrictEqual(yield* readAll(peer), Buffer.concat([frame("a"), frame("last")]))
    }),
  )

  it.effect("that is sealed with a discard keeps the last frame only", () =>
    Effect.gen(function* () {
      const { outbox, peer, wire } = yield* Outboxes.make({ maxBytes: 105, writeHighWaterBytes: 100 })
      peer.stallUnsafe()
      outbox.offer(body(96))
      yield* settled
      outbox.offer("b")
      outbox.seal({ discard: true, last: "last" })
      assert.strictEqual(outbox.queuedBytes, 8)
      peer.unstallUnsafe()
      yield* outbox.flushed
      wire.endUnsafe()
      assert.deepStrictEqual(yield* readAll(peer), Buffer.concat([frame(body(96)), frame("last")]))
    }),
  )

  it.effect("is flushed when all is taken, and at once when the wire is lost", () =>
    Effect.gen(function* () {
      const { outbox, peer, wire } = yield* Outboxes.make({ writeHighWaterBytes: 100 })
      peer.stallUnsafe()
      outbox.offer(body(96))
      yield* settled
      outbox.offer(body(96))
      const flushing = yield* Effect.forkChild(outbox.flushed)
      yield* settled
      assert.isUndefined(flushing.pollUnsafe())
      // Now the first is taken and the second is on the wire.
      Outboxes.takeUnsafe(wire, peer, 100)
      yield* settled
      assert.deepStrictEqual([wire.unsentUnsafe(), flushing.pollUnsafe()], [100, undefined])
      peer.unstallUnsafe()
      yield* Fiber.join(flushing)
      peer.stallUnsafe()
      outbox.offer(body(96))
      const lost = yield* Effect.forkChild(outbox.flushed)
      yield* settled
      peer.abortUnsafe()
      yield* Fiber.join(lost)
    }),
  )
})

describe("Outbox.layer", () => {
  it.effect("keeps the default of what is not given", () =>
    Effect.gen(function* () {
      const read = (options: Parameters<typeof Outbox.layer>[0]) =>
        Effect.provide(Effect.service(Outbox.OutboxLimits), Outbox.layer(options))
      assert.deepStrictEqual(
        [yield* Outbox.OutboxLimits, yield* read({ maxBytes: 5 }), yield* read({ maxAge: "1 second" })],
        [
          { maxBytes: 1_048_576, maxAge: Duration.seconds(10) },
          { maxBytes: 5, maxAge: Duration.seconds(10) },
          { maxBytes: 1_048_576, maxAge: Duration.seconds(1) },
        ],
      )
    }),
  )
})
