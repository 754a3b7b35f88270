/**
 * What a server promises its handlers: a scope, services, isolation, and events in order.
 * Seats are tested with Admission, the end with Drain.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import * as Server from "../../src/server/Server.ts"
import * as ServerEvents from "../../src/server/ServerEvents.ts"
import * as MemoryTransport from "../../src/transport/MemoryTransport.ts"
import { AcceptFailed, ListenFailed, Transport, TransportError } from "../../src/transport/Transport.ts"
import { record } from "../support/logs.ts"
import { build, closings, listen, serve, tagged, Text, within } from "../support/served.ts"
import { settled, until } from "../support/wires.ts"

const echo = (connection: Connection<string, string>) => connection.messages

const Boom = new Error("boom")

describe("handlers", () => {
  it.effect("a handler may be an Effect", () =>
    Effect.gen(function* () {
      const server = yield* serve((connection) => Stream.runForEach(connection.messages, connection.send))
      const client = yield* server.connect()
      client.say("one", "two")
      yield* until(() => client.heard.length === 2)
      assert.deepStrictEqual(client.heard, ["one", "two"])
    }),
  )

  it.effect("a handler may be a Stream of what is sent, and the connection ends when it does", () =>
    Effect.gen(function* () {
      const server = yield* serve((connection) => Stream.take(connection.messages, 2))
      const client = yield* server.connect()
      client.say("one", "two")
      yield* until(() => client.state() === "fin")
      assert.deepStrictEqual(client.heard, ["one", "two", "bye Done"])
      yield* until(() => server.seatsTaken() === 0)
      assert.deepStrictEqual(closings(server.events), ["Done"])
    }),
  )

  it.effect("a peer that ends is answered to the last message, and its connection ends as closed by it", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const client = yield* server.connect()
      client.say("last")
      client.wire.endUnsafe()
      yield* until(() => client.state() === "fin")
      assert.deepStrictEqual(client.heard, ["last", "bye PeerClosed"])
    }),
  )

  const failures = {
    "a failure": () => Effect.fail(Boom),
    "a defect": () => Effect.die(Boom),
    "an interruption of itself": () => Effect.interrupt,
    "a failing Stream": () => Stream.fail(Boom),
    "an exception before there is an Effect": (): Effect.Effect<void> => {
      throw Boom
    },
  }
  for (const [name, fail] of Object.entries(failures)) {
    it.effect(`${name} closes its own connection with the cause, and touches no other`, () =>
      Effect.gen(function* () {
        const server = yield* serve((connection): Effect.Effect<unknown, unknown> | Stream.Stream<string, unknown> =>
          connection.id === 2 ? fail() : Stream.runForEach(connection.messages, connection.send),
        )
        const before = yield* server.connect()
        const failing = yield* server.connect()
        const after = yield* server.connect()
        yield* until(() => failing.state() === "fin")
        yield* settled
        assert.deepStrictEqual(failing.heard, ["bye HandlerFailed"])
        const [closed, ...others] = tagged(server.events, "ConnectionClosed")
        assert.deepStrictEqual(others, [])
        assert.isTrue(closed?.id === 2 && CloseReason.is("HandlerFailed")(closed.reason))
        if (closed?.reason._tag === "HandlerFailed" && name !== "an interruption of itself") {
          assert.isTrue(Cause.isCause(closed.reason.cause) && Cause.squash(closed.reason.cause) === Boom)
        }
        assert.deepStrictEqual([server.registry.size, server.seatsTaken()], [2, 2])
        before.say("still")
        after.say("here")
        yield* until(() => before.heard.length + after.heard.length === 2)
        assert.deepStrictEqual([before.heard, after.heard], [["still"], ["here"]])
      }),
    )
  }

  it.effect("a handler's Scope closes with its connection, with no other, and before the layer's", () =>
    Effect.gen(function* () {
      const released: Array<number> = []
      const server = yield* serve((connection) =>
        Effect.andThen(
          Effect.addFinalizer(() => Effect.sync(() => released.push(connection.id))),
          Stream.runDrain(connection.messages),
        ),
      )
      const first = yield* server.connect()
      yield* server.connect()
      yield* until(() => server.registry.size === 2)
      first.wire.abortUnsafe()
      yield* until(() => released.length > 0)
      yield* settled
      assert.deepStrictEqual(released, [1])
      yield* within("1 second", server.stop)
      assert.deepStrictEqual(released, [1, 2])
    }),
  )

  it.effect("a handler's services come from the layer, which requires them", () =>
    Effect.gen(function* () {
      class Suffix extends Context.Service<Suffix, string>()("test/Suffix") {}
      const Suffixing = Server.serve(Text, (connection) =>
        Stream.mapEffect(connection.messages, (text) => Effect.map(Suffix, (suffix) => text + suffix)),
      )
      const Listening = MemoryTransport.layer()
      const layer: Layer.Layer<MemoryTransport.MemoryTransport> = Suffixing.pipe(
        Layer.provide(Layer.succeed(Suffix, "!")),
        Layer.provideMerge(Listening),
      )
      const memory = Context.get(yield* build(layer), MemoryTransport.MemoryTransport)
      const client = yield* listen(yield* memory.connect)
      client.say("hey")
      yield* until(() => client.heard.length > 0)
      assert.deepStrictEqual(client.heard, ["hey!"])
    }),
  )

  it.effect("the connection is in the registry before its handler runs, and out of it when it has ended", () =>
    Effect.gen(function* () {
      const seen: Array<boolean> = []
      const server = yield* serve((connection, registry) =>
        Effect.andThen(
          Effect.sync(() => seen.push(registry.get(connection.id) === connection)),
          Stream.runDrain(connection.messages),
        ),
      )
      const client = yield* server.connect()
      yield* until(() => seen.length > 0)
      assert.deepStrictEqual([seen, server.registry.size], [[true], 1])
      client.wire.endUnsafe()
      yield* until(() => client.state() === "fin")
      assert.deepStrictEqual([server.registry.size, server.registry.get(1)], [0, undefined])
    }),
  )
})

describe("events", () => {
  it.effect("a life is listening, opened, closed, drain started, drain ended", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const client = yield* server.connect("ada")
      yield* until(() => tagged(server.events, "ConnectionOpened").length === 1)
      yield* TestClock.adjust(1500)
      client.say("bad")
      yield* until(() => client.state() === "fin")
      yield* settled
      yield* server.stop
      const peer = { _tag: "Memory", name: "ada" } as const
      const reason = tagged(server.events, "ConnectionClosed")[0]!.reason
      assert.strictEqual(reason._tag, "BadMessage")
      assert.deepStrictEqual(server.events, [
        ServerEvents.Listening({ server: "text", transport: "memory", address: { _tag: "Memory", name: "memory" } }),
        ServerEvents.ConnectionOpened({ id: 1, peer }),
        ServerEvents.ConnectionClosed({ id: 1, peer, reason, durationMs: 1500 }),
        ServerEvents.DrainStarted({ connections: 0, graceMs: 0, timeoutMs: 10_000 }),
        ServerEvents.DrainEnded({ aborted: 0, forced: false }),
      ])
    }),
  )

  it.effect("a server without subscribers serves all the same", () =>
    Effect.gen(function* () {
      const events = yield* Effect.serviceOption(ServerEvents.ServerEvents)
      assert.isTrue(Option.isNone(events))
      const context = yield* build(Layer.provideMerge(Server.serve(Text, echo), MemoryTransport.layer()))
      const client = yield* listen(yield* Context.get(context, MemoryTransport.MemoryTransport).connect)
      client.say("hey")
      yield* until(() => client.heard.length > 0)
      assert.deepStrictEqual(client.heard, ["hey"])
    }),
  )
})

describe("accepts that fail", () => {
  const pauses = (events: ReadonlyArray<ServerEvents.ServerEvent>) =>
    tagged(events, "AcceptFault").map(({ fault, error, pauseMs }) => [fault, error.code, pauseMs])

  it.effect(
    "want of descriptors pauses for 100 ms, doubled each time up to 5 s, and nobody is accepted meanwhile",
    () =>
      Effect.gen(function* () {
        const server = yield* serve(echo)
        const pausesMs = [100, 200, 400, 800, 1600, 3200, 5000, 5000]
        const expected = pausesMs.map((ms): Array<string | number> => ["resource", "EMFILE", ms])
        for (const _ of expected) yield* server.memory.failAccept("EMFILE")
        yield* server.connect()
        for (const [index, pauseMs] of pausesMs.entries()) {
          yield* settled
          assert.deepStrictEqual(pauses(server.events), expected.slice(0, index + 1))
          yield* TestClock.adjust(pauseMs - 1)
          yield* settled
          assert.deepStrictEqual(pauses(server.events), expected.slice(0, index + 1))
          assert.strictEqual(server.seatsTaken(), 0)
          yield* TestClock.adjust(1)
        }
        yield* until(() => server.seatsTaken() === 1)
      }),
  )

  it.effect("after an accept that succeeds the pauses begin anew", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      yield* server.memory.failAccept("ENFILE")
      yield* server.memory.failAccept("ENFILE")
      yield* server.connect()
      yield* server.memory.failAccept("ENFILE")
      yield* TestClock.adjust(100)
      yield* TestClock.adjust(200)
      yield* until(() => pauses(server.events).length === 3)
      assert.deepStrictEqual(pauses(server.events), [
        ["resource", "ENFILE", 100],
        ["resource", "ENFILE", 200],
        ["resource", "ENFILE", 100],
      ])
    }),
  )

  it.effect("a peer's fault is no reason to wait, the listener's own is", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      yield* server.memory.failAccept("ECONNABORTED")
      yield* server.memory.failAccept("ECONNRESET")
      yield* server.connect()
      yield* until(() => server.seatsTaken() === 1)
      yield* server.memory.failAccept("EBADF")
      yield* server.connect()
      yield* settled
      assert.deepStrictEqual(pauses(server.events), [
        ["peer", "ECONNABORTED", 0],
        ["peer", "ECONNRESET", 0],
        ["listener", "EBADF", 100],
      ])
      assert.strictEqual(server.seatsTaken(), 1)
      yield* TestClock.adjust(100)
      yield* until(() => server.seatsTaken() === 2)
    }),
  )

  it.effect("a listener that closes by itself ends no connection", () =>
    Effect.gen(function* () {
      const { memory, transport } = yield* MemoryTransport.make()
      yield* build(Server.serve(Text, echo).pipe(Layer.provide(Layer.succeed(Transport, transport))))
      const client = yield* listen(yield* memory.connect)
      yield* settled
      yield* transport.close
      yield* settled
      client.say("still")
      yield* until(() => client.heard.length > 0)
      assert.deepStrictEqual(client.heard, ["still"])
    }),
  )

  const wrong = new TransportError({
    reason: new ListenFailed({ address: "memory:a", code: "EINVAL", cause: undefined }),
  })
  const breaks = { "another failure": Effect.fail(wrong), "a defect": Effect.die(Boom) }
  for (const [name, accept] of Object.entries(breaks)) {
    it.effect(`${name} ends no connection, and is an error in the log`, () =>
      Effect.gen(function* () {
        const { lines, layer } = record("Error")
        const { memory, transport } = yield* MemoryTransport.make()
        let accepts = 0
        const breaking = { ...transport, accept: Effect.suspend(() => (accepts++ === 0 ? transport.accept : accept)) }
        yield* build(Layer.provide(Server.serve(Text, echo), [Layer.succeed(Transport, breaking), layer]))
        const client = yield* Effect.flatMap(memory.connect, listen)
        client.say("still served")
        yield* until(() => client.heard.length > 0)
        const text = "BUG: the listener fails with something else than AcceptFailed"
        assert.deepStrictEqual(lines, [{ level: "ERROR", message: text, annotations: {} }])
      }),
    )
  }
})

describe("whose fault an accept was", () => {
  it("is told by the system's code", () => {
    const faults = ["ECONNABORTED", "ECONNRESET", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EBADF"].map((code) =>
      Server.faultOf(new AcceptFailed({ code })),
    )
    assert.deepStrictEqual(faults, ["peer", "peer", "resource", "resource", "resource", "resource", "listener"])
  })
})
