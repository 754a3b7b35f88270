import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as Alarms from "../../src/connection/Alarms.ts"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import * as Heartbeat from "../../src/connection/Heartbeat.ts"
import { now, open, pass, texts } from "../support/connections.ts"
import { frame } from "../support/frames.ts"
import { settled } from "../support/wires.ts"

const protocol = texts
const settings = { heartbeat: { interval: Duration.seconds(25), timeout: Duration.seconds(10) } }
const timedOut = CloseReason.HeartbeatTimeout({ intervalMs: 25_000, timeoutMs: 10_000 })

/** Draws this number, which decides the first interval: 0 is 10 % shorter, 0.5 exact, close to 1 is 10 % longer. */
const drawing = (number: number) =>
  Effect.provideService(Random.Random, { nextDoubleUnsafe: () => number, nextIntUnsafe: () => 0 })

const reading = (connection: Connection<string, string>) => Stream.runDrain(connection.messages)

/** A connection without jitter whose peer listens, after the peer's first frame. */
const opened = (
  handler: (connection: Connection<string, string>) => Effect.Effect<unknown, unknown> = reading,
  timeout: Duration.Duration = settings.heartbeat.timeout,
) =>
  Effect.gen(function* () {
    const served = yield* open({ protocol, settings: { heartbeat: { ...settings.heartbeat, timeout } } }, handler)
    yield* Effect.forkScoped(served.peer.listen)
    served.peer.say("hello")
    yield* pass(0)
    return served
  }).pipe(drawing(0.5))

describe("A heartbeat", () => {
  it("has an interval above 0", () => {
    assert.throws(() => Heartbeat.layer({ interval: 0 }), "interval is 0; Infinity switches heartbeats off")
    for (const interval of [1, Infinity, undefined]) assert.doesNotThrow(() => Heartbeat.layer({ interval }))
  })

  it.effect("is sent when nothing went either way for an interval", () =>
    Effect.gen(function* () {
      const { peer } = yield* opened()
      yield* pass(24_999)
      assert.deepStrictEqual(peer.heard, [])
      yield* pass(1)
      assert.deepStrictEqual(peer.heard, [""])
    }),
  )

  it.effect("is sent when nothing was received for an interval, though something was sent", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened()
      yield* pass("20 seconds")
      yield* connection.send("news")
      yield* pass(4999)
      assert.deepStrictEqual(peer.heard, ["news"])
      yield* pass(1)
      assert.deepStrictEqual(peer.heard, ["news", ""])
    }),
  )

  it.effect("is sent when nothing was sent for an interval, though something was received", () =>
    Effect.gen(function* () {
      const { peer } = yield* opened()
      yield* pass("20 seconds")
      peer.say("news")
      yield* pass(4999)
      assert.deepStrictEqual(peer.heard, [])
      yield* pass(1)
      assert.deepStrictEqual(peer.heard, [""])
    }),
  )

  for (const [quietSinceMs, dueMs] of [
    [250, 25_250],
    [251, 25_500],
    [499, 25_500],
  ] as const) {
    it.effect(
      `is sent at ${dueMs} ms to a peer that was quiet since ${quietSinceMs}: at hundredths of the interval`,
      () =>
        Effect.gen(function* () {
          const { connection, peer } = yield* opened()
          yield* pass(quietSinceMs)
          peer.say("question")
          yield* connection.send("answer")
          yield* pass(dueMs - quietSinceMs - 1)
          assert.deepStrictEqual(peer.heard, ["answer"])
          yield* pass(1)
          assert.deepStrictEqual(peer.heard, ["answer", ""])
        }),
    )
  }

  it.effect("is not sent while messages go both ways", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened()
      for (let i = 0; i < 10; i++) {
        yield* pass("20 seconds")
        peer.say("question")
        yield* connection.send("answer")
      }
      yield* pass("24 seconds")
      assert.deepStrictEqual(
        peer.heard,
        Array.from({ length: 10 }, () => "answer"),
      )
    }),
  )

  for (const [draw, firstMs] of [
    [0, 22_500],
    [0.5, 25_000],
    [0.999999, 27_500],
  ] as const) {
    it.effect(`comes first after ${firstMs} ms when ${draw} is drawn, and after 25 s from then on`, () =>
      Effect.gen(function* () {
        const { peer } = yield* open({ protocol, settings }, reading)
        yield* Effect.forkScoped(peer.listen)
        peer.say("hello")
        yield* pass(firstMs - 1)
        assert.deepStrictEqual(peer.heard, [])
        yield* pass(1)
        assert.deepStrictEqual(peer.heard, [""])
        peer.say("")
        yield* pass(24_999)
        assert.deepStrictEqual(peer.heard, [""])
        yield* pass(1)
        assert.deepStrictEqual(peer.heard, ["", ""])
      }).pipe(drawing(draw)),
    )
  }

  it.effect("that is answered keeps the connection, however late within the timeout", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened()
      yield* pass("25 seconds")
      for (let probes = 1; probes < 4; probes++) {
        assert.strictEqual(peer.heard.length, probes)
        yield* pass(9999)
        peer.say("")
        yield* pass(15_001)
      }
      assert.isUndefined(connection.sendUnsafe("still here"))
    }),
  )

  it.effect("that is not answered ends the connection exactly the timeout later", () =>
    Effect.gen(function* () {
      const { connection, peer, serving } = yield* opened()
      yield* pass("25 seconds")
      yield* pass(9999)
      assert.isUndefined(connection.sendUnsafe("still here"))
      yield* pass(1)
      assert.deepStrictEqual(yield* connection.closed, timedOut)
      peer.wire.endUnsafe()
      assert.deepStrictEqual(yield* Fiber.join(serving), timedOut)
      assert.strictEqual(yield* now, 35_000)
    }),
  )

  for (const timeout of [Duration.minutes(1), Duration.infinity]) {
    it.effect(`comes once an interval to who answers, also where an answer may take ${Duration.format(timeout)}`, () =>
      Effect.gen(function* () {
        const { peer } = yield* opened(reading, timeout)
        for (let probes = 1; probes < 4; probes++) {
          yield* pass(24_999)
          assert.strictEqual(peer.heard.length, probes - 1)
          yield* pass(1)
          assert.strictEqual(peer.heard.length, probes)
          peer.say("")
        }
      }),
    )

    it.effect(`comes again when its answer has come, which may take ${Duration.format(timeout)}`, () =>
      Effect.gen(function* () {
        const { connection, peer } = yield* opened(reading, timeout)
        yield* pass("25 seconds")
        yield* pass(59_999)
        assert.deepStrictEqual(peer.heard, [""])
        assert.isTrue(connection.isOpen)
        peer.say("")
        yield* pass("25 seconds")
        assert.deepStrictEqual(peer.heard, ["", ""])
      }),
    )
  }

  it.effect("that is not answered ends the connection exactly the timeout later, also where that is longer", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened(reading, Duration.minutes(1))
      yield* pass("25 seconds")
      yield* pass(59_999)
      assert.isTrue(connection.isOpen)
      yield* pass(1)
      const reason = CloseReason.HeartbeatTimeout({ intervalMs: 25_000, timeoutMs: 60_000 })
      assert.deepStrictEqual(yield* connection.closed, reason)
      assert.deepStrictEqual(peer.heard[0], "")
      peer.wire.endUnsafe()
    }),
  )

  it.effect("waits for a frame that is arriving within its own deadline", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened()
      yield* pass("24 seconds")
      const large = frame("x".repeat(65_532))
      peer.write(large.subarray(0, 10))
      // 10 s and 8 s more for 64 KiB: until 42 s, which is beyond the 35 s of an unanswered probe.
      yield* pass("17 seconds")
      assert.isUndefined(connection.sendUnsafe("still here"))
      peer.write(large.subarray(10))
      yield* pass("4 seconds")
      assert.isUndefined(connection.sendUnsafe("still here"))
    }),
  )

  it.effect("does not hold a handler's being busy against a peer that sends", () =>
    Effect.gen(function* () {
      const busy = yield* Deferred.make<void>()
      const { connection, peer } = yield* opened(() => Deferred.await(busy))
      for (let i = 0; i < 20; i++) {
        yield* pass("9 seconds")
        peer.say("x")
      }
      assert.isUndefined(connection.sendUnsafe("still here"))
    }),
  )

  it.effect("does not hold it against a peer either that this side has stopped reading", () =>
    Effect.gen(function* () {
      const busy = yield* Deferred.make<void>()
      const { connection, peer, wire } = yield* opened(() => Deferred.await(busy))
      peer.write(Buffer.concat(Array.from({ length: 20 }, () => frame("x".repeat(8192)))))
      yield* pass("100 seconds")
      assert.isTrue(wire.pausedUnsafe())
      assert.isUndefined(connection.sendUnsafe("still here"))
    }),
  )

  it.effect("keeps a live peer of a handler that only sends, and ends a dead one", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened((connection) =>
        Effect.forever(Effect.andThen(Effect.sleep("5 seconds"), connection.send("news"))),
      )
      for (let i = 0; i < 4; i++) {
        yield* pass("25 seconds")
        assert.strictEqual(peer.heard.filter((body) => body === "").length, i + 1)
        peer.say("")
      }
      yield* pass("25 seconds")
      yield* pass(9999)
      assert.isUndefined(connection.sendUnsafe("still here"))
      yield* pass(1)
      assert.deepStrictEqual(yield* connection.closed, timedOut)
    }),
  )

  it.effect("ends a dead peer that left a piece of a frame to a handler that only sends", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* open({ protocol, settings }, (connection) =>
        Effect.andThen(connection.receive, Effect.never),
      ).pipe(drawing(0.5))
      yield* Effect.forkScoped(peer.listen)
      peer.write(frame("hello"))
      yield* settled
      peer.write(frame("news").subarray(0, 6))
      yield* pass("25 seconds")
      yield* pass("10 seconds")
      assert.deepStrictEqual(yield* connection.closed, timedOut)
    }),
  )

  it.effect("does not end a peer that has sent FIN and waits for its answer", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened((connection) =>
        Effect.andThen(reading(connection), Effect.andThen(Effect.sleep("1 hour"), connection.send("answer"))),
      )
      peer.wire.endUnsafe()
      yield* pass("1 hour")
      assert.strictEqual((yield* connection.closed)._tag, "PeerClosed")
      assert.deepStrictEqual(peer.heard.slice(-2), ["answer", "bye PeerClosed"])
    }),
  )

  it.effect("does not end it either while the handler has not read on, and so not seen the FIN", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* opened(({ receive, send }) =>
        Effect.andThen(receive, Effect.andThen(Effect.sleep("1 hour"), send("answer"))),
      )
      peer.wire.endUnsafe()
      yield* pass("1 hour")
      assert.strictEqual((yield* connection.closed)._tag, "Done")
      assert.deepStrictEqual(peer.heard.slice(-2), ["answer", "bye Done"])
    }),
  )

  it.effect(
    "is sent behind the peer's FIN as well, an interval after the last one: a write shows whether it has gone",
    () =>
      Effect.gen(function* () {
        const { connection, peer } = yield* opened((connection) => Effect.andThen(reading(connection), Effect.never))
        peer.wire.endUnsafe()
        yield* pass(24_999)
        assert.deepStrictEqual(peer.heard, [])
        yield* pass("1 minutes")
        assert.deepStrictEqual(peer.heard, ["", "", ""])
        assert.isTrue(connection.isOpen)
      }),
  )

  it.effect("is never sent with an infinite interval, nor by a protocol without one", () =>
    Effect.gen(function* () {
      const infinite = { heartbeat: { interval: Duration.infinity, timeout: Duration.seconds(10) } }
      for (const options of [
        { protocol, settings: infinite },
        { protocol: { ...protocol, heartbeat: "none" as const }, settings },
      ]) {
        const { connection, peer } = yield* open(options, reading)
        yield* Effect.forkScoped(peer.listen)
        peer.say("hello")
        yield* pass("1 day")
        assert.deepStrictEqual(peer.heard, [])
        assert.isUndefined(connection.sendUnsafe("still here"))
      }
    }),
  )

  it.effect("is a message like any other to a protocol without heartbeats", () =>
    Effect.gen(function* () {
      const { peer } = yield* open({ protocol: { ...protocol, heartbeat: "none" as const } }, (connection) =>
        Effect.flatMap(connection.receive, (message) => connection.send(`<${message}>`)),
      )
      peer.say("")
      assert.deepStrictEqual(yield* peer.listen, ["<>", "bye Done"])
    }),
  )
})

describe("Heartbeat.layer", () => {
  it.effect("keeps the default of what is not given", () =>
    Effect.gen(function* () {
      const read = (options: Parameters<typeof Heartbeat.layer>[0]) =>
        Effect.provide(Effect.service(Heartbeat.HeartbeatSettings), Heartbeat.layer(options))
      assert.deepStrictEqual(
        [
          yield* Heartbeat.HeartbeatSettings,
          yield* read({ interval: "1 second" }),
          yield* read({ timeout: "1 second" }),
        ],
        [
          { interval: Duration.seconds(25), timeout: Duration.seconds(10) },
          { interval: Duration.seconds(1), timeout: Duration.seconds(10) },
          { interval: Duration.seconds(25), timeout: Duration.seconds(1) },
        ],
      )
    }),
  )
})

describe("A heartbeat that is waited for", () => {
  it.effect("is looked for no oftener than alarms ring together, if its timeout is nothing", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const now = () => clock.currentTimeMillisUnsafe()
      const alarms = yield* Alarms.scoped(now)
      let looks = 0
      let ended: CloseReason.CloseReason | undefined
      const heard: Heartbeat.Heard = {
        receivedBytes: () => 0,
        isExcused: () => false,
        hasEnded: () => false,
        isBusy: () => ++looks < 0,
        probe: () => {},
        closeUnsafe: (reason) => (ended = reason),
      }
      const heartbeat = { interval: Duration.seconds(1), timeout: Duration.zero }
      const listening = new Heartbeat.Listening(heard, { heartbeat, alarms, now })
      for (let at = 0; at < 1_109; at++) yield* pass(1)
      assert.isUndefined(ended)
      assert.isAtMost(looks, 1 + 1_110 / Alarms.quantumMs)
      yield* pass(Alarms.quantumMs)
      assert.deepStrictEqual(ended, CloseReason.HeartbeatTimeout({ intervalMs: 1_000, timeoutMs: 0 }))
      listening.stop()
    }),
  )
})
