import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import { type Connection, ConnectionError } from "../../src/connection/Connection.ts"
import * as Deadlines from "../../src/connection/Deadlines.ts"
import type { Settings } from "../../src/connection/Settings.ts"
import { FrameError, FrameTooLarge, FrameTruncated } from "../../src/frame/FrameError.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import * as WrongProtocol from "../../src/frame/WrongProtocol.ts"
import { TransportError, WireLost, WireViolated } from "../../src/transport/Transport.ts"
import { open, pass, refusal, type Served, texts } from "../support/connections.ts"
import { frame } from "../support/frames.ts"
import { settled, until } from "../support/wires.ts"

const protocol = texts

type Texts = Served<string, string>
type Handler = (connection: Connection<string, string>) => Effect.Effect<unknown, unknown>

/** One way to end. */
interface Ending {
  readonly reason: CloseReason.CloseReason
  /** Brings it about. */
  readonly by: (served: Texts) => Effect.Effect<unknown, unknown>
  /** Default: reads until the end. */
  readonly handler?: Handler
  readonly settings?: Partial<Settings>
  /** Whether the peer reads nothing until the end has come. */
  readonly stalls?: boolean
  /** Whether the peer has no goodbye. */
  readonly untold?: boolean
}

const tooLarge = (declared: number) => new FrameError({ reason: new FrameTooLarge({ limit: 65_536, declared }) })
const lost = (code: string) => CloseReason.WireLost({ error: new TransportError({ reason: new WireLost({ code }) }) })
const violated = new TransportError({ reason: new WireViolated({ rule: "protocol", code: "WS_ERR_X" }) })
const http = Buffer.from("GET / HTTP/1.1\r\n")
const outbox = (maxBytes: number, maxAge: Duration.Duration) => ({ maxBytes, maxAge })
const unlimited = { framesPerSecond: Infinity, bytesPerSecond: Infinity, heartbeatsPerSecond: Infinity }
const cause = Cause.fail("no")

const write = (bytes: Uint8Array) => (served: Texts) => Effect.sync(() => served.peer.write(bytes))
const say =
  (...bodies: ReadonlyArray<string>) =>
  (served: Texts) =>
    Effect.sync(() => served.peer.say(...bodies))
const close = (reason: CloseReason.CloseReason): Ending => ({ reason, by: (served) => served.connection.close(reason) })

const endings: Record<string, Ending> = {
  "the peer's FIN": { reason: CloseReason.PeerClosed(), by: ({ peer }) => Effect.sync(() => peer.wire.endUnsafe()) },
  "the peer's FIN, passed on by a handler that receives": {
    reason: CloseReason.PeerClosed(),
    by: ({ peer }) => Effect.sync(() => peer.wire.endUnsafe()),
    handler: ({ receive }) => Effect.forever(receive),
  },
  "the peer's reset": {
    reason: lost("ECONNRESET"),
    by: ({ peer }) => Effect.sync(() => peer.wire.abortUnsafe()),
    untold: true,
  },
  "a broken rule of the wire": {
    reason: CloseReason.WireLost({ error: violated }),
    by: ({ wire }) => Effect.sync(() => wire.arrived.fail(violated)),
  },
  "a FIN inside a frame": {
    reason: CloseReason.Truncated({
      error: new FrameError({ reason: new FrameTruncated({ received: 3, needed: undefined }) }),
    }),
    by: ({ peer }) =>
      Effect.sync(() => {
        peer.write(new Uint8Array(3))
        peer.wire.endUnsafe()
      }),
    untold: true,
  },
  "another protocol": {
    reason: CloseReason.WrongProtocol({
      stranger: WrongProtocol.diagnose(http, FrameLayout.u32)!,
      error: tooLarge(0x47455420),
    }),
    by: write(http),
  },
  "a frame too large": {
    reason: CloseReason.BadFrame({ error: tooLarge(65_537) }),
    by: write(Buffer.from("000000016100010001", "hex")),
  },
  "a message that the codec refuses": {
    reason: CloseReason.BadMessage({ error: refusal("decode", "?") }),
    by: say("a", "?"),
  },
  "a peer that is silent": {
    reason: CloseReason.HeartbeatTimeout({ intervalMs: 20_000, timeoutMs: 5_000 }),
    settings: { heartbeat: { interval: Duration.seconds(20), timeout: Duration.seconds(5) } },
    by: (served) => Effect.andThen(say("a")(served), pass("27 seconds")),
  },
  "a first frame that is late": {
    reason: CloseReason.FirstFrameLate({ limitMs: 10_000 }),
    settings: { deadlines: { ...Deadlines.toMillis(Deadlines.defaults), firstFrame: 10_000 } },
    by: () => pass("10 seconds"),
  },
  "a first message that is late": {
    reason: CloseReason.FirstMessageLate({ limitMs: 12_000 }),
    settings: { deadlines: { ...Deadlines.toMillis(Deadlines.defaults), firstMessage: 12_000 } },
    by: (served) => Effect.andThen(say("")(served), pass("12 seconds")),
  },
  "a frame that is too slow": {
    reason: CloseReason.FrameTooSlow({ limitMs: 11_000, declaredBytes: 8192, receivedBytes: 5 }),
    by: ({ peer }) =>
      Effect.suspend(() => {
        peer.write(Buffer.concat([frame("a"), frame("x".repeat(8188)).subarray(0, 5)]))
        return pass("11 seconds")
      }),
  },
  "more bytes in the outbox than allowed": {
    reason: CloseReason.SlowConsumer({ limit: "bytes", allowed: 300, observed: 304 }),
    settings: { outbox: outbox(300, Duration.seconds(10)) },
    stalls: true,
    by: ({ connection }) =>
      Effect.suspend(() => {
        connection.sendUnsafe("x".repeat(96))
        return Effect.andThen(settled, () => {
          connection.sendUnsafe("x".repeat(96))
          connection.sendUnsafe("x".repeat(100))
          return Effect.void
        })
      }),
  },
  "a frame older in the outbox than allowed": {
    reason: CloseReason.SlowConsumer({ limit: "age", allowed: 3000, observed: 3000 }),
    settings: { outbox: outbox(1000, Duration.seconds(3)) },
    stalls: true,
    by: ({ connection }) => Effect.andThen(connection.send("x".repeat(96)), pass("3 seconds")),
  },
  "a write without progress": {
    reason: CloseReason.WriteStalled({ limitMs: 10_000, unsentBytes: 100 }),
    settings: { outbox: outbox(1000, Duration.seconds(30)) },
    stalls: true,
    by: ({ connection, peer }) =>
      Effect.suspend(() => {
        peer.say("a")
        return Effect.andThen(connection.send("x".repeat(96)), pass("10 seconds"))
      }),
  },
  "more frames in a second than allowed": {
    reason: CloseReason.RateLimited({ unit: "frames", perSecond: 2 }),
    settings: { rateLimit: { ...unlimited, framesPerSecond: 2, onExceeded: "close" } },
    by: say("a", "b", "c"),
  },
  "the application": close(CloseReason.Application({ code: 4503, message: "kicked" })),
  "a drain": close(CloseReason.Draining()),
  "a refusal": close(CloseReason.Refused({ limit: "connections", allowed: 1, observed: 2 })),
  "a shedding": close(CloseReason.Overloaded({ allowed: 8, observed: 9, held: 1 })),
  "a handler that completes": { reason: CloseReason.Done(), by: () => Effect.void, handler: () => Effect.sleep(0) },
  "a handler that fails": {
    reason: CloseReason.HandlerFailed({ cause }),
    by: () => Effect.void,
    handler: () => Effect.failCause(cause),
  },
  "a handler that passes on the end of something else": {
    reason: CloseReason.HandlerFailed({ cause: Cause.fail(Cause.Done()) }),
    by: () => Effect.void,
    handler: () => Cause.done(),
  },
  "a handler that dies": {
    reason: CloseReason.HandlerFailed({ cause: Cause.die(cause) }),
    by: () => Effect.void,
    handler: () => Effect.die(cause),
  },
  "a handler that sends what cannot be sent": {
    reason: CloseReason.BadOutbound({ error: refusal("encode", "?") }),
    by: () => Effect.void,
    handler: (connection) => connection.send("?"),
  },
  "an interruption of the server": {
    reason: CloseReason.Draining(),
    by: ({ serving }) => Fiber.interrupt(serving),
    untold: true,
  },
}

describe("A connection that is ended by", () => {
  for (const [name, ending] of Object.entries(endings)) {
    it.effect(`${name} ends once, cleans up once, tells the peer if it can, and frees the wire`, () =>
      Effect.gen(function* () {
        let finalizers = 0
        const handler = ending.handler ?? ((connection) => Stream.runDrain(connection.messages))
        const served = yield* open(
          { protocol, writeHighWaterBytes: 100, ...(ending.settings && { settings: ending.settings }) },
          (connection) =>
            Effect.addFinalizer(() => Effect.sync(() => finalizers++)).pipe(Effect.andThen(handler(connection))),
        )
        const { connection, ended, peer, serving, wire } = served
        if (ending.stalls === true) peer.wire.stallUnsafe()
        const listening = yield* Effect.forkChild(peer.listen, { startImmediately: true })
        yield* ending.by(served)

        assert.deepStrictEqual(yield* connection.closed, ending.reason)
        yield* settled
        assert.deepStrictEqual(ended, [ending.reason])
        assert.strictEqual(finalizers, 1)

        if (ending.stalls === true) peer.wire.unstallUnsafe()
        const heard = yield* Fiber.join(listening)
        assert.strictEqual(
          heard.findLast((body) => body !== ""),
          ending.untold === true ? undefined : `bye ${ending.reason._tag}`,
        )
        peer.wire.endUnsafe()
        const exit = yield* Fiber.await(serving)
        if (Exit.isSuccess(exit)) assert.deepStrictEqual(exit.value, ending.reason)
        else assert.isTrue(Cause.hasInterruptsOnly(exit.cause))
        yield* wire.closed

        yield* connection.close()
        assert.deepStrictEqual(yield* connection.closed, ending.reason)
        assert.deepStrictEqual(
          yield* Effect.flip(connection.send("late")),
          new ConnectionError({ reason: ending.reason }),
        )
        assert.deepStrictEqual([ended.length, finalizers], [1, 1])
      }),
    )
  }

  it.effect("a close while it is being announced is announced as ended, and runs no handler", () =>
    Effect.gen(function* () {
      const { ended, peer, serving } = yield* open(
        { protocol, onOpenedUnsafe: (connection) => connection.closeUnsafe(CloseReason.Draining()) },
        () => Effect.die("handled"),
      )
      peer.wire.endUnsafe()
      assert.deepStrictEqual(yield* Fiber.join(serving), CloseReason.Draining())
      assert.deepStrictEqual(ended, [CloseReason.Draining()])
    }),
  )

  it.effect("a loss waits for a handler that lets go later", () =>
    Effect.gen(function* () {
      const letGo = yield* Deferred.make<void>()
      const { ended, peer, serving } = yield* open({ protocol }, (connection) =>
        Effect.onExit(connection.receive, () => Deferred.await(letGo)),
      )
      peer.wire.resetUnsafe()
      yield* settled
      assert.deepStrictEqual([ended, serving.pollUnsafe()], [[lost("ECONNRESET")], undefined])
      yield* Deferred.succeed(letGo, undefined)
      assert.deepStrictEqual(yield* Fiber.join(serving), lost("ECONNRESET"))
    }),
  )

  it.effect("an interruption is reset before its handler has let go", () =>
    Effect.gen(function* () {
      const letGo = yield* Deferred.make<void>()
      const { serving, wire } = yield* open({ protocol }, () =>
        Effect.onExit(Effect.never, () => Deferred.await(letGo)),
      )
      yield* Effect.forkChild(Fiber.interrupt(serving))
      yield* wire.closed
      yield* Deferred.succeed(letGo, undefined)
    }),
  )
})

describe("A goodbye", () => {
  it.effect("is the wire's farewell too, if the protocol has one for the reason", () =>
    Effect.gen(function* () {
      const farewell = (reason: CloseReason.CloseReason) => ({ code: 4000, message: CloseReason.format(reason) })
      const { peer, serving, wire } = yield* open({ protocol: { ...protocol, farewell } }, () => Effect.void)
      yield* Effect.forkScoped(peer.listen)
      yield* until(() => wire.farewell !== undefined)
      assert.deepStrictEqual(wire.farewell, { code: 4000, message: "closed by this side" })
      peer.wire.endUnsafe()
      assert.strictEqual((yield* Fiber.join(serving))._tag, "Done")
    }),
  )

  const flood = (connection: Connection<string, string>) =>
    Effect.sync(() => {
      for (let i = 0; i < 4; i++) connection.sendUnsafe("x".repeat(96))
    })

  for (const [name, reason, flushMs] of [
    ["a second", CloseReason.Draining(), 1000],
    ["as long as any frame if it leaves in peace", CloseReason.Done(), 10_000],
  ] as const) {
    it.effect(`gives a peer that never reads ${name}, then a second to close, then the wire is reset`, () =>
      Effect.gen(function* () {
        const { connection, peer, serving, wire } = yield* open(
          { protocol, writeHighWaterBytes: 100 },
          () => Effect.never,
        )
        peer.wire.stallUnsafe()
        yield* flood(connection)
        yield* settled
        yield* connection.close(reason)
        yield* pass(flushMs + 999)
        assert.isUndefined(serving.pollUnsafe())
        assert.isAbove(wire.unsentUnsafe(), 0)
        yield* pass(1)
        assert.deepStrictEqual(serving.pollUnsafe(), Exit.succeed(reason))
        yield* wire.closed
      }),
    )
  }

  it.effect("gives a peer that stalls as long as any write, if a frame may grow as old as it likes", () =>
    Effect.gen(function* () {
      const settings = { outbox: outbox(1000, Duration.infinity) }
      const { connection, peer, serving } = yield* open(
        { protocol, settings, writeHighWaterBytes: 100 },
        () => Effect.never,
      )
      peer.wire.stallUnsafe()
      yield* flood(connection)
      yield* settled
      yield* connection.close()
      yield* pass(10_999)
      assert.isUndefined(serving.pollUnsafe())
      yield* pass(1)
      assert.deepStrictEqual(serving.pollUnsafe(), Exit.succeed(CloseReason.Done()))
    }),
  )

  it.effect("gives a peer that reads it and never closes a second", () =>
    Effect.gen(function* () {
      const { connection, peer, serving } = yield* open({ protocol }, () => Effect.never)
      yield* connection.close()
      assert.deepStrictEqual(yield* peer.listen, ["bye Done"])
      yield* pass(999)
      assert.isUndefined(serving.pollUnsafe())
      yield* pass(1)
      assert.deepStrictEqual(serving.pollUnsafe(), Exit.succeed(CloseReason.Done()))
    }),
  )

  it.effect("is not waited for once the peer has closed too", () =>
    Effect.gen(function* () {
      const { connection, peer, serving } = yield* open({ protocol }, () => Effect.never)
      yield* connection.close()
      yield* peer.listen
      peer.wire.endUnsafe()
      assert.deepStrictEqual(yield* Fiber.join(serving), CloseReason.Done())
    }),
  )

  it.effect("does not wait for a handler that takes its time to stop", () =>
    Effect.gen(function* () {
      const letGo = yield* Deferred.make<void>()
      const { connection, peer, serving, wire } = yield* open({ protocol }, () =>
        Effect.onExit(Effect.never, () => Deferred.await(letGo)),
      )
      yield* connection.close()
      assert.deepStrictEqual(yield* peer.listen, ["bye Done"])
      yield* pass("1 second")
      yield* wire.closed
      assert.isUndefined(serving.pollUnsafe())
      yield* Deferred.succeed(letGo, undefined)
      assert.deepStrictEqual(yield* Fiber.join(serving), CloseReason.Done())
    }),
  )

  it.effect("that is interrupted is cut short by a reset", () =>
    Effect.gen(function* () {
      const { connection, ended, serving, wire } = yield* open({ protocol }, () => Effect.never)
      yield* connection.close()
      yield* settled
      yield* Fiber.interrupt(serving)
      yield* wire.closed
      assert.deepStrictEqual(ended, [CloseReason.Done()])
    }),
  )

  it.effect("comes behind all that was sent, also when the outbox is full", () =>
    Effect.gen(function* () {
      const settings = { outbox: outbox(400, Duration.seconds(10)) }
      const { connection, peer } = yield* open({ protocol, settings, writeHighWaterBytes: 100 }, () => Effect.never)
      peer.wire.stallUnsafe()
      connection.sendUnsafe("a".repeat(96))
      yield* settled
      for (const letter of ["b", "c", "d"]) connection.sendUnsafe(letter.repeat(96))
      yield* connection.close(CloseReason.Draining())
      peer.wire.unstallUnsafe()
      assert.deepStrictEqual(yield* peer.listen, [
        ...["a", "b", "c", "d"].map((letter) => letter.repeat(96)),
        "bye Draining",
      ])
    }),
  )

  it.effect("to a slow consumer comes behind what is on the wire, the rest is thrown away", () =>
    Effect.gen(function* () {
      const settings = { outbox: outbox(250, Duration.seconds(10)) }
      const { connection, peer } = yield* open({ protocol, settings, writeHighWaterBytes: 100 }, () => Effect.never)
      peer.wire.stallUnsafe()
      connection.sendUnsafe("a".repeat(96))
      yield* settled
      connection.sendUnsafe("b".repeat(96))
      const reason = CloseReason.SlowConsumer({ limit: "bytes", allowed: 250, observed: 300 })
      assert.deepStrictEqual(connection.sendUnsafe("c".repeat(96)), new ConnectionError({ reason }))
      peer.wire.unstallUnsafe()
      assert.deepStrictEqual(yield* peer.listen, ["a".repeat(96), "bye SlowConsumer"])
    }),
  )

  it.effect("reads and throws away what the peer still sends", () =>
    Effect.gen(function* () {
      const { connection, peer, serving } = yield* open({ protocol, readBufferBytes: 1000 }, () => Effect.never)
      yield* connection.close()
      for (let i = 0; i < 10; i++) {
        peer.say("x".repeat(5000))
        yield* until(() => peer.wire.unsentUnsafe() === 0)
      }
      peer.wire.endUnsafe()
      assert.deepStrictEqual(yield* peer.listen, ["bye Done"])
      assert.deepStrictEqual(yield* Fiber.join(serving), CloseReason.Done())
    }),
  )

  it.effect("that throws is not said, and is the reason for which the connection ends", () =>
    Effect.gen(function* () {
      const defect = new Error("no goodbye")
      const goodbye = (): string => {
        throw defect
      }
      const failed = CloseReason.HandlerFailed({ cause: Cause.die(defect) })
      const { connection, peer, serving } = yield* open({ protocol: { ...protocol, goodbye } }, () => Effect.never)
      yield* connection.close()
      assert.deepStrictEqual(yield* connection.closed, failed)
      assert.deepStrictEqual(yield* peer.listen, [])
      peer.wire.endUnsafe()
      assert.deepStrictEqual(yield* Fiber.join(serving), failed)
    }),
  )
})
