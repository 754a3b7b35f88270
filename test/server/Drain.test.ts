/**
 * The end of a server: two phases, and a deadline that holds whatever peers and handlers do.
 * Every server here has 5 s of grace and 10 s for goodbyes, unless a test says otherwise.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import type { Connection } from "../../src/connection/Connection.ts"
import * as Deadlines from "../../src/connection/Deadlines.ts"
import * as Heartbeat from "../../src/connection/Heartbeat.ts"
import * as OutboxLimits from "../../src/connection/Outbox.ts"
import * as Drain from "../../src/server/Drain.ts"
import * as Server from "../../src/server/Server.ts"
import { DrainEnded, type ServerEvent } from "../../src/server/ServerEvents.ts"
import * as MemoryTransport from "../../src/transport/MemoryTransport.ts"
import { Transport, type Wire } from "../../src/transport/Transport.ts"
import { closings, listen, record, serve, tagged, Text, within } from "../support/served.ts"
import { lossOf, settled, until } from "../support/wires.ts"

const echo = (connection: Connection<string, string>) => connection.messages

/** No deadline but the drain's own. */
const patient = Layer.mergeAll(
  Drain.layer({ grace: "5 seconds", timeout: "10 seconds" }),
  Deadlines.layer({ firstFrame: Duration.infinity, writeStall: Duration.infinity, goodbye: "1 hour" }),
  OutboxLimits.layer({ maxAge: "1 hour" }),
  Heartbeat.layer({ interval: Duration.infinity }),
)

const ended = (events: ReadonlyArray<ServerEvent>) => tagged(events, "DrainEnded")

describe("a drain", () => {
  it.effect("without connections is over at once", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo, { settings: patient })
      yield* settled
      yield* server.stop
      assert.deepStrictEqual(ended(server.events), [DrainEnded({ aborted: 0, forced: false })])
    }),
  )

  it.effect("refuses newcomers at once, and tells everybody when goodbyes come", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo, { settings: patient })
      const client = yield* server.connect()
      yield* settled
      yield* Effect.forkChild(server.stop, { startImmediately: true })
      yield* settled
      assert.deepStrictEqual(client.heard, ["draining in 5000"])
      assert.strictEqual(
        (yield* Effect.flip(server.connect())).message,
        "cannot connect to memory:memory: ECONNREFUSED",
      )
      client.say("still served")
      yield* settled
      yield* TestClock.adjust(4999)
      yield* settled
      assert.deepStrictEqual([client.heard, client.state()], [["draining in 5000", "still served"], "open"])
      yield* TestClock.adjust(1)
      yield* until(() => client.state() === "fin")
      assert.deepStrictEqual(client.heard, ["draining in 5000", "still served", "bye Draining"])
    }),
  )

  it.effect("is over as soon as the last peer has left during the grace", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo, { settings: patient })
      const client = yield* server.connect()
      yield* settled
      const stopping = yield* Effect.forkChild(server.stop, { startImmediately: true })
      yield* settled
      client.wire.endUnsafe()
      yield* until(() => stopping.pollUnsafe() !== undefined)
      assert.deepStrictEqual(closings(server.events), ["PeerClosed"])
      assert.deepStrictEqual(ended(server.events), [DrainEnded({ aborted: 0, forced: false })])
    }),
  )

  it.effect("spreads the goodbyes of many over three quarters of the timeout, those of a few 5 ms apart", () =>
    Effect.gen(function* () {
      const goodbyeTimes = Effect.fnUntraced(function* (count: number) {
        const times: Array<number> = []
        const clock = yield* Clock.Clock
        const start = clock.currentTimeMillisUnsafe()
        const closeUnsafe = () => void times.push(clock.currentTimeMillisUnsafe() - start)
        const connections = Array.from({ length: count }, () => ({ closeUnsafe }))
        const draining = Drain.run(
          { announce: () => Effect.void, connections: () => connections, empty: Effect.never },
          { grace: Duration.zero, timeout: Duration.seconds(10), forced: Effect.never },
        )
        yield* within("10 seconds", draining)
        return times
      })
      assert.deepStrictEqual(yield* goodbyeTimes(3), [0, 5, 10])
      const many = yield* goodbyeTimes(30_000)
      assert.strictEqual(many.length, 30_000)
      assert.isAbove(many.at(-1)!, 7_400)
      assert.isAtMost(many.at(-1)!, 7_500)
      const perSecond = [0, 1, 2, 3, 4, 5, 6].map(
        (second) => many.filter((at) => at >= second * 1000 && at < second * 1000 + 1000).length,
      )
      for (const count of perSecond) assert.closeTo(count, 4000, 10)
    }),
  )

  it.effect("keeps to its spread though every sleep is late", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const sleep = (duration: Duration.Duration) => clock.sleep(Duration.sum(duration, Duration.millis(2)))
      let last = 0
      const closeUnsafe = () => {
        last = clock.currentTimeMillisUnsafe()
      }
      const connections = Array.from({ length: 3000 }, () => ({ closeUnsafe }))
      const target = { announce: () => Effect.void, connections: () => connections, empty: Effect.never }
      const settings = { grace: Duration.zero, timeout: Duration.seconds(10), forced: Effect.never }
      const late = Object.assign(Object.create(clock) as Clock.Clock, { sleep })
      yield* within("11 seconds", Effect.provideService(Drain.run(target, settings), Clock.Clock, late))
      assert.closeTo(last, 7500, 5)
    }),
  )

  it.effect("with a timeout of nothing says all goodbyes at once", () =>
    Effect.gen(function* () {
      let goodbyes = 0
      const connections = Array.from({ length: 100 }, () => ({ closeUnsafe: () => void goodbyes++ }))
      const settings = { grace: Duration.zero, timeout: Duration.zero, forced: Effect.never }
      yield* Drain.run({ announce: () => Effect.void, connections: () => connections, empty: Effect.never }, settings)
      assert.strictEqual(goodbyes, 100)
    }),
  )
})

describe("the deadline of a drain", () => {
  /** Stops the server, and expects the end at the deadline: not before, not after, with so many aborted. */
  const expectDeadline = Effect.fnUntraced(function* (
    server: { readonly stop: Effect.Effect<void>; readonly events: ReadonlyArray<ServerEvent> },
    aborted: number,
  ) {
    const stopping = yield* Effect.forkChild(server.stop, { startImmediately: true })
    yield* settled
    yield* TestClock.adjust(14_999)
    yield* settled
    assert.isUndefined(stopping.pollUnsafe())
    yield* TestClock.adjust(1)
    yield* settled
    assert.deepStrictEqual(stopping.pollUnsafe(), Exit.void)
    assert.deepStrictEqual(ended(server.events), [DrainEnded({ aborted, forced: false })])
  })

  it.effect("holds against a peer that never reads, and resets it", () =>
    Effect.gen(function* () {
      const flood = Stream.forever(Stream.make("x".repeat(60_000)))
      const server = yield* serve(() => flood, { settings: patient })
      const wire = yield* server.memory.connect
      wire.stallUnsafe()
      yield* settled
      yield* expectDeadline(server, 1)
      const client = yield* listen(wire)
      assert.strictEqual(client.state(), "ECONNRESET")
      assert.deepStrictEqual(closings(server.events), ["Draining"])
    }),
  )

  const stubborn = {
    "a handler that cannot be interrupted": Effect.uninterruptible(Effect.never),
    "a handler whose finalizer never ends": Effect.andThen(
      Effect.addFinalizer(() => Effect.never),
      Effect.never,
    ),
  }
  for (const [name, handler] of Object.entries(stubborn)) {
    it.effect(`holds against ${name}, and its peer is told and reset`, () =>
      Effect.gen(function* () {
        const server = yield* serve(() => handler, { settings: patient })
        const client = yield* server.connect()
        yield* settled
        yield* expectDeadline(server, 1)
        assert.deepStrictEqual(client.heard, ["draining in 5000", "bye Draining"])
        assert.notStrictEqual(client.state(), "open")
        assert.deepStrictEqual([server.registry.size, server.seatsTaken()], [0, 0])
      }),
    )

    it.effect(`holds against ${name} when there is no time for goodbyes`, () =>
      Effect.gen(function* () {
        const settings = Layer.merge(patient, Drain.layer({ forced: Effect.void }))
        const server = yield* serve(() => handler, { settings })
        const client = yield* server.connect()
        yield* settled
        yield* server.stop
        yield* settled
        assert.deepStrictEqual(ended(server.events), [DrainEnded({ aborted: 1, forced: true })])
        assert.strictEqual(client.state(), "ECONNRESET")
        assert.deepStrictEqual([server.registry.size, server.seatsTaken()], [0, 0])
      }),
    )
  }
})

/** A server with one client, whose handshake is never done, and fails when its wire is lost. */
const serveShaking = Effect.fnUntraced(function* (handler: Server.Handler<string, string, never, never>) {
  const { memory, transport } = yield* MemoryTransport.make()
  const shake = (wire: Wire): Wire =>
    new Proxy(wire, {
      get: (target, key) => {
        if (key === "opened") return lossOf(target).pipe(Effect.flatMap(Effect.fail))
        const value: unknown = Reflect.get(target, key)
        return typeof value === "function" ? value.bind(target) : value
      },
    })
  const accept = Effect.map(transport.accept, ([first, ...others]) => [shake(first), ...others.map(shake)] as const)
  const { events, layer } = record()
  const scope = yield* Scope.make()
  const server = yield* Server.make(Text, handler).pipe(
    Effect.provideService(Transport, { ...transport, accept }),
    Effect.provide(Layer.merge(layer, patient)),
    Scope.provide(scope),
  )
  const client = yield* Effect.flatMap(memory.connect, listen)
  return { server, events, client, stop: Scope.close(scope, Exit.void) }
})

describe("during a drain", () => {
  it.effect("a peer whose handshake is not done is reset at once, and its end is told", () =>
    Effect.gen(function* () {
      const shaking = yield* serveShaking(() => Effect.never)
      yield* settled
      assert.strictEqual(shaking.server.seatsTaken(), 1)
      const stopping = yield* Effect.forkChild(shaking.stop, { startImmediately: true })
      yield* settled
      assert.deepStrictEqual(stopping.pollUnsafe(), Exit.void)
      assert.deepStrictEqual([shaking.client.heard, shaking.client.state()], [[], "ECONNRESET"])
      assert.deepStrictEqual(closings(shaking.events), ["Draining"])
      assert.deepStrictEqual(ended(shaking.events), [DrainEnded({ aborted: 0, forced: false })])
      assert.strictEqual(shaking.server.seatsTaken(), 0)
    }),
  )

  it.effect(
    "those who had arrived and were not accepted yet are refused with the goodbye, in an accept pause too",
    () =>
      Effect.gen(function* () {
        const server = yield* serve(echo, { settings: patient })
        yield* server.memory.failAccept("EMFILE")
        yield* until(() => tagged(server.events, "AcceptFault").length === 1)
        const early = yield* server.connect()
        yield* server.memory.failAccept("EMFILE")
        const late = yield* server.connect()
        const stopping = yield* Effect.forkChild(server.stop, { startImmediately: true })
        yield* until(() => stopping.pollUnsafe() !== undefined)
        assert.deepStrictEqual([early.heard, late.heard], [["bye Draining"], ["bye Draining"]])
        assert.deepStrictEqual(
          tagged(server.events, "ConnectionRefused").map(({ reason, told }) => [reason._tag, told]),
          [
            ["Draining", true],
            ["Draining", true],
          ],
        )
      }),
  )

  for (const turns of [0, 1, 2, 3, 4]) {
    it.effect(
      `no arrival is forgotten, though the accept loop is stopped after ${turns} turns with a hundred of them`,
      () =>
        Effect.gen(function* () {
          // The accept loop yields several times while it gives a hundred wires away.
          const yielding = Layer.succeed(Scheduler.MaxOpsBeforeYield, 64)
          const server = yield* serve(echo, { settings: Layer.merge(patient, yielding) })
          yield* settled
          let lost = 0
          // Run within one turn, so that they are all there when the accept loop next looks.
          for (let i = 0; i < 100; i++) Effect.runSync(server.memory.connect).onLostUnsafe(() => lost++)
          for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
          yield* Effect.forkChild(server.stop, { startImmediately: true })
          yield* settled
          yield* TestClock.adjust("15 seconds")
          yield* settled
          assert.strictEqual(lost, 100)
        }),
    )
  }

  it.effect("a force ends it at once, and resets whoever is left", () =>
    Effect.gen(function* () {
      const second = yield* Deferred.make<void>()
      const settings = Layer.merge(patient, Drain.layer({ grace: "5 seconds", forced: Deferred.await(second) }))
      const server = yield* serve(echo, { settings })
      const client = yield* server.connect()
      yield* settled
      const stopping = yield* Effect.forkChild(server.stop, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* settled
      assert.isUndefined(stopping.pollUnsafe())
      yield* Deferred.succeed(second, undefined)
      yield* until(() => stopping.pollUnsafe() !== undefined)
      assert.deepStrictEqual([closings(server.events), server.seatsTaken()], [["Draining"], 0])
      assert.deepStrictEqual(ended(server.events), [DrainEnded({ aborted: 1, forced: true })])
      yield* settled
      assert.strictEqual(client.state(), "ECONNRESET")
    }),
  )

  it.effect("a server that is provided as a layer drains when the layer's scope closes", () =>
    Effect.gen(function* () {
      const { events, layer } = record()
      const scope = yield* Scope.make()
      const Served = Server.serve(Text, echo).pipe(Layer.provideMerge(MemoryTransport.layer()), Layer.provide(layer))
      yield* Layer.buildWithScope(Served, scope)
      yield* settled
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(ended(events), [DrainEnded({ aborted: 0, forced: false })])
    }),
  )
})
