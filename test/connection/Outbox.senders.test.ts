import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import { ConnectionError } from "../../src/connection/Connection.ts"
import * as Outbox from "../../src/connection/Outbox.ts"
import { TransportError, WireLost } from "../../src/transport/Transport.ts"
import { open, texts } from "../support/connections.ts"
import { frame } from "../support/frames.ts"
import { settled } from "../support/wires.ts"

describe("A sender", () => {
  const outbox = (maxBytes: number) => ({ outbox: { maxBytes, maxAge: Duration.infinity } })
  const options = { protocol: texts, settings: outbox(300), writeHighWaterBytes: 100 }
  const message = "x".repeat(96)

  it.effect("waits while a slow peer's outbox is full, and goes on when there is room", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* open(options, () => Effect.never)
      peer.wire.stallUnsafe()
      yield* connection.send(message)
      yield* settled
      // These fill it to the last byte.
      yield* connection.sendAll([message, message])
      const sending = yield* Effect.forkChild(
        Effect.andThen(connection.sendAll(["fourth", "fifth"]), connection.close()),
      )
      yield* settled
      assert.isUndefined(sending.pollUnsafe())
      peer.wire.unstallUnsafe()
      yield* Fiber.join(sending)
      assert.deepStrictEqual(yield* peer.listen, [message, message, message, "fourth", "fifth", "bye Done"])
    }),
  )

  for (const [length, waits] of [
    [65_535, false],
    [65_536, true],
  ] as const) {
    it.effect(`${waits ? "waits" : "does not wait"} when ${length} bytes wait for a slow peer`, () =>
      Effect.gen(function* () {
        const { connection, peer } = yield* open({ ...options, settings: outbox(Infinity) }, () => Effect.never)
        peer.wire.stallUnsafe()
        yield* connection.send(message)
        yield* settled
        yield* connection.send("x".repeat(length - 4))
        const sending = yield* Effect.forkChild(connection.send("x"))
        yield* settled
        assert.strictEqual(sending.pollUnsafe() === undefined, waits)
        peer.wire.unstallUnsafe()
        yield* Fiber.join(sending)
      }),
    )
  }

  it.effect("that waits fails with the reason when the connection ends, or its wire is lost", () =>
    Effect.gen(function* () {
      const blocked = Effect.gen(function* () {
        const served = yield* open(options, () => Effect.never)
        served.peer.wire.stallUnsafe()
        yield* served.connection.send(message)
        yield* settled
        const waiting = yield* Effect.forkChild(Effect.flip(served.connection.sendAll([message, message, message])))
        yield* settled
        assert.isUndefined(waiting.pollUnsafe())
        return { ...served, waiting }
      })
      const closed = yield* blocked
      yield* closed.connection.close()
      assert.deepStrictEqual(yield* Fiber.join(closed.waiting), new ConnectionError({ reason: CloseReason.Done() }))
      const lost = yield* blocked
      lost.peer.wire.resetUnsafe()
      const error = new TransportError({ reason: new WireLost({ code: "ECONNRESET" }) })
      const reason = CloseReason.WireLost({ error })
      assert.deepStrictEqual(yield* Fiber.join(lost.waiting), new ConnectionError({ reason }))
    }),
  )

  it.effect("that never waits ends the connection instead, and is told so", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* open(options, () => Effect.never)
      peer.wire.stallUnsafe()
      connection.sendUnsafe(message)
      yield* settled
      const reason = CloseReason.SlowConsumer({ limit: "bytes", allowed: 300, observed: 305 })
      assert.deepStrictEqual([message, message, "x"].map(connection.sendUnsafe), [
        undefined,
        undefined,
        new ConnectionError({ reason }),
      ])
    }),
  )

  it.effect("of a shared frame never waits either", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* open(options, () => Effect.never)
      peer.wire.stallUnsafe()
      const shared = new Outbox.SharedFrame(frame(message))
      connection.sendSharedUnsafe(shared)
      yield* settled
      for (let i = 0; i < 3; i++) connection.sendSharedUnsafe(shared)
      const reason = CloseReason.SlowConsumer({ limit: "bytes", allowed: 300, observed: 400 })
      assert.deepStrictEqual(yield* connection.closed, reason)
    }),
  )

  it.effect("finds room while the peer keeps up, waits for it while the peer is slow, and no longer than the end", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* open(options, () => Effect.never)
      yield* connection.room
      peer.wire.stallUnsafe()
      connection.sendUnsafe(message)
      yield* settled
      const waiting = yield* Effect.forkChild(connection.room)
      yield* settled
      assert.isUndefined(waiting.pollUnsafe())
      peer.wire.unstallUnsafe()
      yield* Fiber.join(waiting)
      peer.wire.stallUnsafe()
      connection.sendUnsafe(message)
      yield* settled
      const ending = yield* Effect.forkChild(connection.room)
      yield* settled
      yield* connection.close()
      yield* Fiber.join(ending)
      yield* connection.room
    }),
  )
})
