import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import { Inbox } from "../../src/connection/Inbox.ts"
import { Turn } from "../../src/connection/Turn.ts"
import * as RateLimit from "../../src/connection/RateLimit.ts"
import { FrameError, FrameTooLarge } from "../../src/frame/FrameError.ts"
import { TransportError, WireLost } from "../../src/transport/Transport.ts"
import { now, open, pass, texts } from "../support/connections.ts"
import { frames } from "../support/frames.ts"
import { settled } from "../support/wires.ts"

describe("TokenBucket", () => {
  it("holds a second of tokens, and not one more", () => {
    const bucket = new RateLimit.TokenBucket(3, 1000)
    const taken = [1000, 1000, 1000, 1000].map((at) => bucket.take(1, at))
    assert.deepStrictEqual(taken, [true, true, true, false])
    assert.deepStrictEqual([bucket.take(3, 100_000), bucket.take(1, 100_000)], [true, false])
  })

  // Eighths of seconds and of tokens are exact in binary.
  it("refills evenly, and says how long to wait for it", () => {
    const bucket = new RateLimit.TokenBucket(8, 0)
    bucket.take(8, 0)
    assert.deepStrictEqual([bucket.waitMs(1, 0), bucket.take(1, 62.5), bucket.waitMs(1, 62.5)], [125, false, 62.5])
    assert.deepStrictEqual([bucket.take(1, 125), bucket.waitMs(2, 125)], [true, 250])
  })

  it("takes nothing when it refuses", () => {
    const bucket = new RateLimit.TokenBucket(4, 0)
    assert.deepStrictEqual([bucket.take(3, 0), bucket.take(2, 0), bucket.take(1, 0)], [true, false, true])
  })

  it("meets a demand larger than itself when it is full, and then owes", () => {
    const bucket = new RateLimit.TokenBucket(128, 0)
    assert.deepStrictEqual([bucket.take(1, 0), bucket.take(300, 0), bucket.waitMs(300, 0)], [true, false, 7.8125])
    assert.isTrue(bucket.take(300, 7.8125))
    assert.deepStrictEqual([bucket.waitMs(0, 7.8125), bucket.waitMs(1, 7.8125)], [1343.75, 1351.5625])
  })

  it("of nothing meets nothing, ever", () => {
    const bucket = new RateLimit.TokenBucket(0, 0)
    assert.deepStrictEqual([bucket.take(0, 0), bucket.take(1, 0), bucket.take(1, 1e9)], [true, false, false])
    assert.deepStrictEqual([bucket.waitMs(0, 1e9), bucket.waitMs(1, 1e9)], [0, Infinity])
  })

  it("that is infinite meets everything", () => {
    const bucket = new RateLimit.TokenBucket(Infinity, 0)
    assert.deepStrictEqual([bucket.take(1e15, 0), bucket.take(1e15, 0), bucket.waitMs(1e15, 0)], [true, true, 0])
  })

  const maxCount = 15
  const rates = fc.integer({ min: 1, max: 20 })
  const demands = fc.array(fc.record({ afterMs: fc.nat({ max: 400 }), count: fc.integer({ min: 1, max: maxCount }) }), {
    maxLength: 50,
  })

  it("never gives more than a second of tokens and its rate times the time, but for the debt of a large demand", () => {
    fc.assert(
      fc.property(rates, demands, (perSecond, demands) => {
        const bucket = new RateLimit.TokenBucket(perSecond, 0)
        let at = 0
        let given = 0
        for (const { afterMs, count } of demands) {
          at += afterMs
          if (bucket.take(count, at)) given += count
          assert.isAtMost(given, perSecond * (1 + at / 1000) + Math.max(0, maxCount - perSecond) + 1e-9)
        }
      }),
    )
  })

  it("refuses exactly when it asks to wait, and meets the demand after that", () => {
    fc.assert(
      fc.property(rates, demands, (perSecond, demands) => {
        const bucket = new RateLimit.TokenBucket(perSecond, 0)
        let at = 0
        for (const { afterMs, count } of demands) {
          at += afterMs
          const waitMs = bucket.waitMs(count, at)
          assert.strictEqual(bucket.take(count, at), waitMs === 0)
          if (waitMs === 0) continue
          at += waitMs + 1e-6
          assert.isTrue(bucket.take(count, at))
        }
      }),
    )
  })
})

const unlimited = {
  framesPerSecond: Infinity,
  bytesPerSecond: Infinity,
  heartbeatsPerSecond: Infinity,
  onExceeded: "close" as RateLimit.OnExceeded,
}

/** A connection with this limit that keeps what it receives, with the time. */
const limited = (limit: Partial<RateLimit.RateLimit>) =>
  Effect.gen(function* () {
    const received: Array<readonly [ms: number, message: string]> = []
    const settings = {
      rateLimit: { ...unlimited, ...limit },
      heartbeat: { interval: Duration.infinity, timeout: Duration.infinity },
    }
    const served = yield* open({ protocol: texts, settings }, (connection: Connection<string, string>) =>
      Stream.runForEachArray(connection.messages, (batch) =>
        Effect.map(now, (at) => void received.push(...batch.map((message) => [at, message] as const))),
      ),
    )
    return { ...served, received }
  })

describe("A rate limit", () => {
  for (const { limit, within, over, unit } of [
    { limit: { framesPerSecond: 3 }, within: ["a", "", "c"], over: [""], unit: "frames" },
    { limit: { bytesPerSecond: 5 }, within: ["abc", "de"], over: ["f"], unit: "bytes" },
    { limit: { heartbeatsPerSecond: 2 }, within: ["a", "", "b", "", "c"], over: [""], unit: "heartbeats" },
  ] as const) {
    it.effect(`of ${unit} holds inside one read: what is within it is delivered, one more ends the connection`, () =>
      Effect.gen(function* () {
        const { connection, peer, received } = yield* limited(limit)
        peer.say(...within)
        yield* settled
        assert.isUndefined(connection.sendUnsafe("still here"))
        yield* pass(1000)
        peer.say(...within, ...over, "x")
        const perSecond = Object.values(limit)[0]!
        assert.deepStrictEqual(yield* connection.closed, CloseReason.RateLimited({ unit, perSecond }))
        const messages = within.filter((body) => body !== "")
        assert.deepStrictEqual(received, [
          ...messages.map((message) => [0, message] as const),
          ...messages.map((message) => [1000, message] as const),
        ])
      }),
    )
  }

  it.effect("of heartbeats holds for the 16 000 of one chunk", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* limited({ heartbeatsPerSecond: 100 })
      peer.write(new Uint8Array(64_000))
      const reason = CloseReason.RateLimited({ unit: "heartbeats", perSecond: 100 })
      assert.deepStrictEqual(yield* connection.closed, reason)
      assert.strictEqual(connection.framesReceived, 100)
    }),
  )

  it.effect("that pauses delivers later, in order, at its rate", () =>
    Effect.gen(function* () {
      const { connection, peer, received } = yield* limited({ framesPerSecond: 2, onExceeded: "pause" })
      peer.say("a", "b", "c", "d")
      yield* settled
      peer.say("e")
      yield* pass(5000)
      assert.deepStrictEqual(received, [
        [0, "a"],
        [0, "b"],
        [500, "c"],
        [1000, "d"],
        [1500, "e"],
      ])
      assert.isUndefined(connection.sendUnsafe("still here"))
    }),
  )

  it.effect("of bytes that pauses lets a frame larger than a second's bytes pass, and waits for what it owes", () =>
    Effect.gen(function* () {
      const { peer, received } = yield* limited({ bytesPerSecond: 10, onExceeded: "pause" })
      peer.say("x".repeat(25), "a")
      yield* pass(5000)
      // 15 bytes are owed, and one more is wanted.
      assert.deepStrictEqual(received, [
        [0, "x".repeat(25)],
        [1600, "a"],
      ])
    }),
  )

  it.effect("that pauses stops reading, so that the peer has to wait", () =>
    Effect.gen(function* () {
      const { peer, wire } = yield* limited({ framesPerSecond: 1, onExceeded: "pause" })
      peer.say("a", "b")
      yield* settled
      peer.write(Buffer.concat(Array.from({ length: 3 }, () => frames("x".repeat(60_000)))))
      yield* settled
      assert.isTrue(wire.pausedUnsafe())
      assert.isAbove(peer.wire.unsentUnsafe(), 0)
    }),
  )

  it.effect("that pauses charges a heartbeat once, however long it waits", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* limited({ framesPerSecond: 10, heartbeatsPerSecond: 1, onExceeded: "pause" })
      peer.say(...Array.from({ length: 10 }, () => "a"), "")
      yield* pass(5000)
      assert.isUndefined(connection.sendUnsafe("still here"))
      assert.strictEqual(connection.framesReceived, 11)
    }),
  )

  it.effect("that pauses still ends a flood of heartbeats", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* limited({ heartbeatsPerSecond: 2, onExceeded: "pause" })
      peer.say("", "", "")
      const reason = CloseReason.RateLimited({ unit: "heartbeats", perSecond: 2 })
      assert.deepStrictEqual(yield* connection.closed, reason)
    }),
  )

  it("that pauses keeps the order of the chunks of one read", () => {
    let at = 0
    const rateLimit = { ...unlimited, framesPerSecond: 1, onExceeded: "pause" as const }
    const inbox = new Inbox({
      protocol: texts,
      codecOf: () => texts.codec,
      probe: () => {},
      settings: { decoding: {}, rateLimit, now: () => at, turn: new Turn(() => at) },
    })
    const messages = [inbox.take([frames("a"), frames("b"), frames("c")])]
    while (inbox.heldMs > 0) {
      at += inbox.heldMs
      messages.push(inbox.release())
    }
    assert.deepStrictEqual([at, messages], [2000, [["a"], ["b"], ["c"]]])
  })

  it("that pauses costs the same for every chunk that it holds", () => {
    // A copy of what is held for each of 100 000 chunks would be 40 GB.
    const rateLimit = { ...unlimited, framesPerSecond: 1, onExceeded: "pause" as const }
    const inbox = new Inbox({
      protocol: texts,
      codecOf: () => texts.codec,
      probe: () => {},
      settings: { decoding: {}, rateLimit, now: () => 0, turn: new Turn(() => 0) },
    })
    assert.deepStrictEqual(inbox.take(Array.from({ length: 100_000 }, () => frames("a"))), ["a"])
    assert.deepStrictEqual([inbox.frames, inbox.heldMs], [1, 1000])
  }, 3_000)

  it.effect("that pauses does not hide the peer's reset", () =>
    Effect.gen(function* () {
      const { peer, serving } = yield* limited({ framesPerSecond: 1, onExceeded: "pause" })
      peer.say("a", "b", "c")
      yield* settled
      peer.wire.resetUnsafe()
      const error = new TransportError({ reason: new WireLost({ code: "ECONNRESET" }) })
      assert.deepStrictEqual(yield* Fiber.join(serving), CloseReason.WireLost({ error }))
    }),
  )

  it.effect("that pauses delivers what it holds before the failure, or the FIN, behind it", () =>
    Effect.gen(function* () {
      const failing = yield* limited({ framesPerSecond: 1, onExceeded: "pause" })
      failing.peer.write(Buffer.concat([frames("a", "b"), Buffer.from("ffffffff", "hex")]))
      const ending = yield* limited({ framesPerSecond: 1, onExceeded: "pause" })
      ending.peer.say("a", "b")
      ending.peer.wire.endUnsafe()
      yield* pass(5000)
      const error = new FrameError({ reason: new FrameTooLarge({ limit: 65_536, declared: 0xffffffff }) })
      assert.deepStrictEqual(
        [yield* failing.connection.closed, yield* ending.connection.closed],
        [CloseReason.BadFrame({ error }), CloseReason.PeerClosed()],
      )
      for (const { received } of [failing, ending]) {
        assert.deepStrictEqual(received, [
          [0, "a"],
          [1000, "b"],
        ])
      }
    }),
  )
})

describe("RateLimit.layer", () => {
  it.effect("limits nothing that is not given", () =>
    Effect.gen(function* () {
      const read = (options: Parameters<typeof RateLimit.layer>[0]) =>
        Effect.provide(Effect.service(RateLimit.RateLimit), RateLimit.layer(options))
      const limits = [
        yield* RateLimit.RateLimit,
        yield* read({}),
        yield* read({ bytesPerSecond: 5, onExceeded: "pause" }),
      ]
      assert.deepStrictEqual(limits, [unlimited, unlimited, { ...unlimited, bytesPerSecond: 5, onExceeded: "pause" }])
      assert.deepStrictEqual(limits.map(RateLimit.isLimited), [false, false, true])
    }),
  )
})
