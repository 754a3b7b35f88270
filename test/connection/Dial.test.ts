/** Connections that were dialled, with servers of the toolkit and with peers by hand. In memory and virtual time. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import * as Deadlines from "../../src/connection/Deadlines.ts"
import * as Dial from "../../src/connection/Dial.ts"
import * as Heartbeat from "../../src/connection/Heartbeat.ts"
import * as RateLimit from "../../src/connection/RateLimit.ts"
import type { Handler } from "../../src/server/Server.ts"
import { MemoryWire } from "../../src/transport/MemoryWire.ts"
import { DialFailed, TransportError } from "../../src/transport/Transport.ts"
import { pass, Peer, texts } from "../support/connections.ts"
import * as Served from "../support/served.ts"
import { settled } from "../support/wires.ts"

const bounds = { readBufferBytes: 64 * 1024, writeHighWaterBytes: 64 * 1024 }

/** A peer by hand, and how it is dialled. Its wire is reset at the end, so that nobody waits for its goodbye. */
const byHand = Effect.gen(function* () {
  const client = new MemoryWire({ _tag: "Memory", name: "peer" }, bounds)
  const peer = new Peer(new MemoryWire({ _tag: "Memory", name: "client" }, bounds))
  MemoryWire.joinUnsafe(client, peer.wire)
  yield* Effect.forkScoped(peer.listen)
  const options = { protocol: texts, dial: Effect.succeed(client) }
  return { peer, options, reset: Effect.addFinalizer(() => Effect.sync(() => peer.wire.resetUnsafe())) }
})

/** A server with this handler, and how it is dialled. */
const serving = Effect.fnUntraced(function* <E, R>(
  handler: Handler<string, string, E, R>,
  settings: Layer.Layer<never> = Layer.empty,
) {
  const server = yield* Served.serve(handler, { settings })
  return { server, options: { protocol: texts, dial: server.memory.connect } }
})

const echo = (connection: Connection<string, string>) => connection.messages

const reasonOf = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  Effect.map(Effect.flip(effect), (error) => (error as { readonly reason?: unknown }).reason)

describe("a connection that was dialled", () => {
  it.effect("sends and receives as the server's side does", () =>
    Effect.gen(function* () {
      const { options } = yield* serving(echo)
      const connection = yield* Dial.open(options)
      yield* connection.send("one")
      yield* connection.sendAll(["two", "three"])
      const heard = yield* Stream.runCollect(Stream.take(connection.messages, 3))
      assert.deepStrictEqual([...heard], ["one", "two", "three"])
      assert.deepStrictEqual(connection.peer, { _tag: "Memory", name: "memory" })
    }),
  )

  it.effect("leaves with its scope, once everything is sent and its goodbye said", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const { options, server } = yield* serving((connection) =>
        Stream.runForEach(connection.messages, (text) => Effect.sync(() => heard.push(text))),
      )
      yield* Effect.scoped(Effect.flatMap(Dial.open(options), ({ send }) => send("last words")))
      yield* settled
      assert.deepStrictEqual(heard, ["last words", "bye Done"])
      assert.deepStrictEqual(Served.closings(server.events), ["PeerClosed"])
    }),
  )

  it.effect("says that its application failed, and nothing of the sort where it was interrupted", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const { options } = yield* serving((connection) =>
        Stream.runForEach(connection.messages, (text) => Effect.sync(() => heard.push(text))),
      )
      for (const exit of [Exit.fail("no luck"), Exit.interrupt(1)]) {
        const scope = yield* Scope.make()
        yield* Scope.provide(Dial.open(options), scope)
        yield* Scope.close(scope, exit)
      }
      yield* settled
      assert.deepStrictEqual(heard, ["bye HandlerFailed", "bye Done"])
    }),
  )

  it.effect("leaves nothing of an attempt that failed in a scope that stays open", () =>
    Effect.gen(function* () {
      const error = new TransportError({ reason: new DialFailed({ address: "nowhere", code: "ECONNREFUSED" }) })
      let sockets = 0
      const socket = Effect.acquireRelease(
        Effect.sync(() => sockets++),
        () => Effect.sync(() => sockets--),
      )
      const dial = Effect.andThen(socket, Effect.fail(error))
      assert.strictEqual(yield* Effect.flip(Dial.open({ protocol: texts, dial })), error)
      assert.strictEqual(sockets, 0)
    }),
  )

  it.effect("ends for one reason, which its readers and senders are told", () =>
    Effect.gen(function* () {
      const { options, peer } = yield* byHand
      const connection = yield* Dial.open(options)
      const reading = yield* Effect.forkScoped(reasonOf(connection.receive))
      yield* settled
      peer.say("?")
      const reason = yield* connection.closed
      assert.strictEqual(reason._tag, "BadMessage")
      assert.deepStrictEqual(yield* Fiber.join(reading), reason)
      assert.deepStrictEqual(yield* reasonOf(connection.send("late")), reason)
      peer.wire.endUnsafe()
      yield* settled
      assert.deepStrictEqual(peer.heard, ["bye BadMessage"])
    }),
  )

  it.effect("ends for a reason of this side while it is read: nothing reads beside the goodbye", () =>
    Effect.gen(function* () {
      const { options, peer } = yield* byHand
      const connection = yield* Dial.open(options)
      const reading = yield* Effect.forkScoped(reasonOf(connection.batch))
      yield* settled
      yield* connection.close(CloseReason.Application({ code: 7, message: "enough" }))
      assert.deepStrictEqual(yield* Fiber.join(reading), CloseReason.Application({ code: 7, message: "enough" }))
      peer.say("too late")
      peer.wire.endUnsafe()
      yield* settled
      assert.deepStrictEqual(peer.heard, ["bye Application"])
    }),
  )

  it.effect("ends reading in peace at the peer's FIN, and goes on sending", () =>
    Effect.gen(function* () {
      const { options, peer } = yield* byHand
      yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* Dial.open(options)
          peer.say("all")
          peer.wire.endUnsafe()
          assert.deepStrictEqual([...(yield* Stream.runCollect(connection.messages))], ["all"])
          assert.isTrue(Cause.isDone(yield* Effect.flip(connection.receive)))
          yield* connection.send("thanks")
        }),
      )
      yield* settled
      assert.deepStrictEqual(peer.heard, ["thanks", "bye PeerClosed"])
    }),
  )

  it.effect("loses nothing to a reader that is interrupted, or takes one message of several", () =>
    Effect.gen(function* () {
      const { options, peer, reset } = yield* byHand
      const connection = yield* Dial.open(options)
      yield* reset
      const interrupted = yield* Effect.forkScoped(connection.receive)
      yield* settled
      yield* Fiber.interrupt(interrupted)
      peer.say("a", "b", "c")
      yield* settled
      assert.strictEqual(yield* connection.receive, "a")
      assert.deepStrictEqual(yield* connection.batch, ["b", "c"])
      peer.say("d")
      assert.strictEqual(yield* connection.receive, "d")
    }),
  )

  it.effect("is bound by none of the limits that guard a server against its clients", () =>
    Effect.gen(function* () {
      const { options, peer, reset } = yield* byHand
      const connection = yield* Dial.open(options).pipe(
        Effect.provide(
          Layer.merge(
            RateLimit.layer({ framesPerSecond: 1, onExceeded: "close" }),
            Deadlines.layer({ firstMessage: 1 }),
          ),
        ),
      )
      yield* reset
      const reading = yield* Effect.forkScoped(connection.batch)
      yield* pass("30 seconds")
      peer.say("a", "b", "c")
      assert.deepStrictEqual(yield* Fiber.join(reading), ["a", "b", "c"])
    }),
  )
})

describe("no connection", () => {
  const dialFailed = (address: string, code: string) => new DialFailed({ address, code })

  it.effect("where nobody listens fails", () =>
    Effect.gen(function* () {
      const { options, server } = yield* serving(echo)
      yield* server.stop
      const refused = dialFailed("memory:memory", "ECONNREFUSED")
      assert.deepStrictEqual(yield* reasonOf(Effect.scoped(Dial.open(options))), refused)
      assert.deepStrictEqual(yield* reasonOf(Dial.run(options, () => Effect.void)), refused)
    }),
  )

  it.effect("where nobody answers fails after the timeout, and not a moment before", () =>
    Effect.gen(function* () {
      const opening = yield* Effect.forkScoped(
        reasonOf(Effect.scoped(Dial.open({ protocol: texts, dial: Effect.never, timeout: "3 seconds" }))),
      )
      yield* pass(2_999)
      assert.isUndefined(opening.pollUnsafe())
      yield* pass(1)
      assert.deepStrictEqual(yield* Fiber.join(opening), dialFailed("the other side", "ETIMEDOUT"))
    }),
  )

  it.effect("where the handshake fails fails", () =>
    Effect.gen(function* () {
      const { options } = yield* byHand
      const error = new TransportError({ reason: dialFailed("somewhere", "EPROTO") })
      const dial = Effect.map(options.dial, (wire) => Object.assign(wire, { opened: Effect.fail(error) }))
      const reason = yield* reasonOf(Effect.scoped(Dial.open({ ...options, dial })))
      assert.deepStrictEqual(reason, CloseReason.WireLost({ error }))
    }),
  )
})

describe("a handler for one connection", () => {
  it.effect("ends it, and the reason is told", () =>
    Effect.gen(function* () {
      const { options } = yield* serving(echo)
      const heard: Array<string> = []
      const reason = yield* Dial.run(options, ({ receive, send }) =>
        send("hello").pipe(
          Effect.andThen(receive),
          Effect.map((text) => heard.push(text)),
        ),
      )
      assert.deepStrictEqual([reason, heard], [CloseReason.Done(), ["hello"]])
    }),
  )

  it.effect("leaves in peace when it is interrupted", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const { options, server } = yield* serving((connection) =>
        Stream.runForEach(connection.messages, (text) => Effect.sync(() => heard.push(text))),
      )
      const running = yield* Effect.forkScoped(
        Dial.run(options, ({ send }) => Effect.andThen(send("last words"), Effect.never)),
      )
      yield* settled
      yield* Fiber.interrupt(running)
      assert.deepStrictEqual(heard, ["last words", "bye Done"])
      assert.deepStrictEqual(Served.closings(server.events), ["PeerClosed"])
    }),
  )

  it.effect("is interrupted when the connection ends", () =>
    Effect.gen(function* () {
      const { options, peer } = yield* byHand
      let interrupted = 0
      const handler = () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
      const running = yield* Effect.forkScoped(Dial.run(options, handler))
      yield* settled
      peer.wire.resetUnsafe()
      assert.deepInclude(yield* Fiber.join(running), { _tag: "WireLost" })
      assert.strictEqual(interrupted, 1)
    }),
  )
})

describe("heartbeats", () => {
  it.effect("are answered at once, whatever this side's own settings are: an idle connection stays", () =>
    Effect.gen(function* () {
      const settings = Heartbeat.layer({ interval: "5 seconds", timeout: "1 seconds" })
      const { options, server } = yield* serving(echo, settings)
      const connection = yield* Dial.open(options)
      const reading = yield* Effect.forkScoped(connection.receive)
      for (let second = 0; second < 600; second++) yield* pass("1 seconds")
      assert.deepStrictEqual(Served.closings(server.events), [])
      assert.isAtLeast(connection.heartbeatsReceived, 100)
      yield* connection.send("still here")
      assert.strictEqual(yield* Fiber.join(reading), "still here")
    }),
  )

  it.effect("keep who only listens, with nothing set on either side", () =>
    Effect.gen(function* () {
      const { options, server } = yield* serving(echo)
      const connection = yield* Dial.open(options)
      yield* Effect.forkScoped(connection.receive)
      for (let second = 0; second < 120; second++) yield* pass("1 seconds")
      assert.deepStrictEqual(Served.closings(server.events), [])
    }),
  )

  it.effect("that come together have one answer, and none is sent unasked", () =>
    Effect.gen(function* () {
      const { options, peer, reset } = yield* byHand
      const connection = yield* Dial.open(options)
      yield* reset
      const reading = yield* Effect.forkScoped(connection.receive)
      yield* pass("30 seconds")
      assert.deepStrictEqual(peer.heard, [])
      peer.say("", "", "", "hello", "")
      assert.strictEqual(yield* Fiber.join(reading), "hello")
      yield* settled
      assert.deepStrictEqual([peer.heard, connection.heartbeatsReceived], [[""], 4])
    }),
  )

  it.effect("that do not come end the connection after interval, jitter and timeout", () =>
    Effect.gen(function* () {
      const { options } = yield* byHand
      const running = yield* Effect.forkScoped(Dial.run(options, ({ receive }) => receive))
      yield* pass("37 seconds")
      assert.isUndefined(running.pollUnsafe())
      // It is looked at twice in a timeout.
      yield* pass("5 seconds")
      yield* pass("2 seconds")
      const late = CloseReason.HeartbeatTimeout({ intervalMs: 25_000, timeoutMs: 10_000 })
      assert.deepStrictEqual(yield* Fiber.join(running), late)
    }),
  )

  it.effect(
    "that cannot come after a FIN end the connection of a handler that has read it, a goodbye's time later",
    () =>
      Effect.gen(function* () {
        const { options, peer } = yield* byHand
        const waiting = ({ receive }: Connection<string, string>) => Effect.andThen(Effect.exit(receive), Effect.never)
        const running = yield* Effect.forkScoped(Dial.run(options, waiting))
        yield* settled
        peer.wire.endUnsafe()
        yield* pass(999)
        assert.isUndefined(running.pollUnsafe())
        yield* pass(1)
        assert.deepStrictEqual(yield* Fiber.join(running), CloseReason.PeerClosed())
      }),
  )

  it.effect("that cannot come after a FIN end the connection of a handler that does not read", () =>
    Effect.gen(function* () {
      const { options, peer } = yield* byHand
      const running = yield* Effect.forkScoped(Dial.run(options, () => Effect.never))
      yield* settled
      peer.wire.endUnsafe()
      yield* pass("37 seconds")
      assert.isUndefined(running.pollUnsafe())
      // It is looked at twice in a timeout.
      yield* pass("5 seconds")
      yield* pass("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(running), CloseReason.PeerClosed())
    }),
  )

  it.effect("are sent by a side that is too busy to read, lest it be taken for gone", () =>
    Effect.gen(function* () {
      const settings = Heartbeat.layer({ interval: "25 seconds", timeout: "10 seconds" })
      const { options, server } = yield* serving(
        ({ receive, send }) => Effect.andThen(send("work"), Effect.asVoid(receive)),
        settings,
      )
      const connection = yield* Dial.open(options)
      for (let second = 0; second < 300; second++) yield* pass("1 seconds")
      assert.deepStrictEqual(Served.closings(server.events), [])
      assert.strictEqual(yield* connection.receive, "work")
    }),
  )
})
