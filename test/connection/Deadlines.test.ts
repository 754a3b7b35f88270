import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import * as Deadlines from "../../src/connection/Deadlines.ts"
import { now, open, pass, texts } from "../support/connections.ts"
import { frame } from "../support/frames.ts"

const protocol = { ...texts, heartbeat: "empty" as const }
// No probe comes in between.
const settings = {
  heartbeat: { interval: Duration.infinity, timeout: Duration.seconds(10) },
  deadlines: { ...Deadlines.toMillis(Deadlines.defaults), firstFrame: 10_000 },
}
const reading = (connection: Connection<string, string>) => Stream.runDrain(connection.messages)
const late = CloseReason.FirstFrameLate({ limitMs: 10_000 })

const opened = (handler: (connection: Connection<string, string>) => Effect.Effect<unknown, unknown> = reading) =>
  open({ protocol, settings }, handler)

/** Whether the connection has not ended. */
const isOpen = (connection: Connection<string, string>) => connection.sendUnsafe("still here") === undefined

describe("The first frame", () => {
  for (const body of ["hello", ""]) {
    it.effect(`may take as long as its deadline${body === "" ? ", a heartbeat being one" : ""}`, () =>
      Effect.gen(function* () {
        const { connection, peer } = yield* opened()
        yield* pass(9999)
        peer.say(body)
        yield* pass("1 hour")
        assert.isTrue(isOpen(connection))
      }),
    )
  }

  it.effect("is late when its deadline has passed", () =>
    Effect.gen(function* () {
      const { connection } = yield* opened()
      yield* pass(9999)
      assert.isTrue(isOpen(connection))
      yield* pass(1)
      assert.deepStrictEqual(yield* connection.closed, late)
    }),
  )

  it.effect("is late also when it has begun, and would be in time for a later frame", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened()
      yield* pass("5 seconds")
      peer.write(frame("hello").subarray(0, 8))
      yield* pass(4999)
      assert.isTrue(isOpen(connection))
      yield* pass(1)
      assert.deepStrictEqual(yield* connection.closed, late)
    }),
  )

  it.effect("is not late while nobody reads, and is after that", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened((connection) =>
        Effect.andThen(Effect.sleep("1 minute"), reading(connection)),
      )
      peer.say("hello")
      yield* pass("1 hour")
      assert.isTrue(isOpen(connection))
      const silent = yield* opened((connection) => Effect.andThen(Effect.sleep("1 minute"), reading(connection)))
      yield* pass("1 minute")
      yield* pass(9_999)
      assert.isTrue(isOpen(silent.connection))
      yield* pass(1)
      assert.deepStrictEqual(yield* silent.connection.closed, late)
    }),
  )
})

describe("The first message", () => {
  const messages = { ...settings, deadlines: { ...settings.deadlines, firstMessage: 20_000 } }
  const lateMessage = CloseReason.FirstMessageLate({ limitMs: 20_000 })

  it.effect("may take as long as its deadline", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* open({ protocol, settings: messages }, reading)
      peer.say("")
      yield* pass(19_999)
      peer.say("hello")
      yield* pass("1 hour")
      assert.isTrue(isOpen(connection))
    }),
  )

  it.effect("is late after that, however many heartbeats came", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* open({ protocol, settings: messages }, reading)
      for (let at = 0; at < 19; at++) {
        peer.say("")
        yield* pass("1 second")
      }
      peer.say("")
      yield* pass(999)
      assert.isTrue(isOpen(connection))
      yield* pass(1)
      assert.deepStrictEqual(yield* connection.closed, lateMessage)
    }),
  )

  it.effect("does not give the first frame more time than it has", () =>
    Effect.gen(function* () {
      const { connection } = yield* open({ protocol, settings: messages }, reading)
      yield* pass("10 seconds")
      assert.deepStrictEqual(yield* connection.closed, late)
    }),
  )
})

describe("A frame", () => {
  // 8 KiB with its header: 10 s and one more.
  const large = frame("x".repeat(8188))
  const slow = (receivedBytes: number) =>
    CloseReason.FrameTooSlow({ limitMs: 11_000, declaredBytes: 8192, receivedBytes })

  it.effect("may take 10 s and a second for each 8 KiB, from its first byte", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened()
      peer.say("hello")
      yield* pass("1 minute")
      peer.write(large.subarray(0, 4))
      yield* pass(10_999)
      peer.write(large.subarray(4))
      yield* pass("1 hour")
      assert.isTrue(isOpen(connection))
      assert.strictEqual(connection.framesReceived, 2)
    }),
  )

  it.effect("is too slow after that, though bytes of it keep coming", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened()
      peer.say("hello")
      yield* pass("1 minute")
      for (let at = 0; at < 11; at++) {
        assert.isTrue(isOpen(connection))
        peer.write(large.subarray(at, at + 1))
        yield* pass("1 second")
      }
      assert.deepStrictEqual(yield* connection.closed, slow(11))
      assert.strictEqual(yield* now, 71_000)
    }),
  )

  for (const frameBytesPerSecond of [8 * 1024, 0]) {
    it.effect(
      `whose header is incomplete may take 10 s, with a second more for each ${frameBytesPerSecond} bytes`,
      () =>
        Effect.gen(function* () {
          const deadlines = { ...settings.deadlines, frameBytesPerSecond }
          const { connection, peer } = yield* open({ protocol, settings: { ...settings, deadlines } }, reading)
          peer.say("hello")
          peer.write(large.subarray(0, 3))
          yield* pass(9999)
          assert.isTrue(isOpen(connection))
          yield* pass(1)
          assert.deepStrictEqual(
            yield* connection.closed,
            CloseReason.FrameTooSlow({ limitMs: 10_000, declaredBytes: 0, receivedBytes: 3 }),
          )
        }),
    )
  }

  it.effect("has a deadline of its own, however long frames have been arriving in pieces", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened()
      peer.write(frame("hello").subarray(0, 6))
      for (let i = 0; i < 10; i++) {
        yield* pass("9 seconds")
        peer.write(Buffer.concat([frame("hello").subarray(6), frame("hello").subarray(0, 6)]))
      }
      yield* pass("10 seconds")
      assert.isTrue(isOpen(connection))
      assert.strictEqual(connection.framesReceived, 10)
      // A second for 8 KiB is a millisecond and a little for 9 bytes.
      yield* pass(2)
      assert.deepStrictEqual((yield* connection.closed)._tag, "FrameTooSlow")
    }),
  )

  it.effect("is not too slow while bytes wait for a busy handler, and has its time again when it reads on", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened((connection) =>
        Effect.gen(function* () {
          yield* connection.receive
          yield* Effect.sleep("15 seconds")
          yield* connection.receive
        }),
      )
      peer.write(Buffer.concat([frame("hello"), large.subarray(0, 5)]))
      yield* pass("5 seconds")
      peer.write(large.subarray(5, 6))
      // It was found late, and excused, at 11 s.
      yield* pass(16_999)
      assert.isTrue(isOpen(connection))
      yield* pass(1)
      assert.deepStrictEqual(yield* connection.closed, slow(6))
    }),
  )

  it.effect("is not too slow while a handler that left its read by interruption is busy", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened((connection) =>
        Effect.gen(function* () {
          yield* connection.receive
          yield* Effect.raceFirst(connection.receive, Effect.sleep("1 second"))
          yield* Effect.sleep("1 minute")
          yield* connection.receive
        }),
      )
      peer.write(Buffer.concat([frame("hello"), large.subarray(0, 5)]))
      yield* pass("2 seconds")
      peer.write(large.subarray(5))
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* connection.closed, CloseReason.Done())
    }),
  )
})

describe("A peer that has sent FIN, and is not probed,", () => {
  const infinite = { heartbeat: { interval: Duration.infinity, timeout: Duration.seconds(10) } }
  const unprobed = {
    "by a protocol without heartbeats": { protocol: { ...texts, heartbeat: "none" as const } },
    "with an infinite interval": { protocol, settings: infinite },
  }
  const waiting = {
    "has read it": (connection: Connection<string, string>) => Effect.andThen(reading(connection), Effect.never),
    "reads nothing": () => Effect.never,
  }
  for (const [how, options] of Object.entries(unprobed)) {
    for (const [which, handler] of Object.entries(waiting)) {
      it.effect(`${how}, is waited for by a handler that ${which} for a minute without a word to it`, () =>
        Effect.gen(function* () {
          const { connection, peer } = yield* open(options, handler)
          peer.wire.endUnsafe()
          yield* pass(30_000)
          assert.isUndefined(connection.sendUnsafe("still here"))
          yield* pass(59_999)
          assert.isTrue(connection.isOpen)
          yield* pass(1)
          assert.deepStrictEqual(yield* connection.closed, CloseReason.PeerClosed())
        }),
      )
    }
  }

  it.effect("is waited for as long as something sent is on its way to it", () =>
    Effect.gen(function* () {
      const deadlines = { ...settings.deadlines, halfClosed: 3000 }
      const { connection, peer } = yield* open(
        { protocol, settings: { ...infinite, deadlines } },
        waiting["has read it"],
      )
      peer.wire.endUnsafe()
      peer.wire.stallUnsafe()
      connection.sendUnsafe("x".repeat(50_000))
      yield* pass(9999)
      assert.isTrue(connection.isOpen)
      peer.wire.unstallUnsafe()
      yield* pass(3000)
      assert.deepStrictEqual(yield* connection.closed, CloseReason.PeerClosed())
    }),
  )

  it.effect("may have left pieces of a frame to a handler that reads them in time", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* open(
        unprobed["by a protocol without heartbeats"],
        (connection: Connection<string, string>) => Effect.andThen(Effect.sleep("59 seconds"), reading(connection)),
      )
      peer.write(frame("hello").subarray(0, 5))
      peer.wire.endUnsafe()
      yield* pass("59 seconds")
      assert.strictEqual((yield* connection.closed)._tag, "Truncated")
    }),
  )
})

describe("Deadlines.layer", () => {
  it.effect("keeps the default of what is not given", () =>
    Effect.gen(function* () {
      const read = (options: Parameters<typeof Deadlines.layer>[0]) =>
        Effect.provide(Effect.service(Deadlines.Deadlines), Deadlines.layer(options))
      const standard = {
        firstFrame: Duration.minutes(1),
        firstMessage: Duration.infinity,
        frame: Duration.seconds(10),
        frameBytesPerSecond: 8192,
        writeStall: Duration.seconds(10),
        halfClosed: Duration.minutes(1),
        goodbye: Duration.seconds(1),
      }
      assert.deepStrictEqual(
        [yield* Deadlines.Deadlines, yield* read({}), yield* read({ frame: "1 minute", frameBytesPerSecond: 1 })],
        [standard, standard, { ...standard, frame: Duration.minutes(1), frameBytesPerSecond: 1 }],
      )
    }),
  )
})
