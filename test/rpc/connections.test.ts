/** What becomes of calls when connections end, servers leave, limits are passed, and peers are hostile. In memory. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as RpcClient from "effect/rpc/RpcClient"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import { TestClock } from "effect/testing"
import * as Heartbeat from "../../src/connection/Heartbeat.ts"
import type * as Reconnect from "../../src/connection/Reconnect.ts"
import * as RpcDialer from "../../src/rpc/RpcDialer.ts"
import * as Drain from "../../src/server/Drain.ts"
import { DialFailed, TransportError, type Wire } from "../../src/transport/Transport.ts"
import { frame } from "../support/frames.ts"
import { closings, listen } from "../support/served.ts"
import { settled } from "../support/wires.ts"
import { clientOf, memory, serve } from "./support.ts"

/** The longest wait before a second attempt. */
const secondAttempt = "500 millis"

/** What a call failed with: the reason's tag and message. */
const failureOf = <A, E>(effect: Effect.Effect<A, E | RpcClientError>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const { reason } = error as RpcClientError
    const tag: string = reason._tag
    return {
      tag,
      message: reason.message,
      cause: "cause" in reason ? String(reason.cause) : undefined,
    }
  })

const started = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const failedWith = (exit: Exit.Exit<unknown, unknown>): Cause.Cause<unknown> =>
  Exit.isFailure(exit) ? exit.cause : Cause.die(new Error("a success"))

const dieOf = (exit: Exit.Exit<unknown, unknown>): string => (Cause.squash(failedWith(exit)) as Error).message

describe("a lost connection", () => {
  it.effect("fails the calls that it had, and the next call goes over the next one", () =>
    Effect.gen(function* () {
      const { client, record, server } = yield* serve(memory)
      const calls = yield* client()
      const running = yield* started(failureOf(calls.never()))
      yield* settled
      for (const connection of server.registry.connections()) connection.closeUnsafe({ _tag: "Draining" })
      assert.deepStrictEqual(yield* Fiber.join(running), {
        tag: "SocketCloseError",
        message: "1001: closed by the peer",
        cause: undefined,
      })
      const next = yield* started(calls.add({ a: 1, b: 2 }))
      yield* settled
      assert.deepStrictEqual([record.interrupted, next.pollUnsafe()], [["never"], undefined])
      yield* TestClock.adjust(secondAttempt)
      assert.strictEqual(yield* Fiber.join(next), 3)
    }),
  )

  it.effect("that cannot be made again fails calls at once until it can", () =>
    Effect.gen(function* () {
      const { client, dial } = yield* serve(memory)
      let isDown = true
      const down = new TransportError({ reason: new DialFailed({ address: "nowhere", code: "ECONNREFUSED" }) })
      const calls = yield* client({ dial: Effect.suspend(() => (isDown ? Effect.fail(down) : dial)) })
      const refused = {
        tag: "SocketOpenError",
        message: "An error occurred during Open",
        cause: "TransportError: cannot connect to nowhere: ECONNREFUSED",
      }
      assert.deepStrictEqual(yield* failureOf(calls.add({ a: 1, b: 2 })), refused)
      assert.deepStrictEqual(yield* failureOf(calls.add({ a: 1, b: 2 })), refused)
      isDown = false
      yield* TestClock.adjust(secondAttempt)
      yield* settled
      assert.strictEqual(yield* calls.add({ a: 1, b: 2 }), 3)
    }),
  )

  it.effect("is told of, as the connection before and after it", () =>
    Effect.gen(function* () {
      const { client, server } = yield* serve(memory)
      const told: Array<string> = []
      const onEvent = (event: Reconnect.Event) => Effect.sync(() => void told.push(event._tag))
      const calls = yield* client({ onEvent })
      yield* calls.add({ a: 1, b: 2 })
      for (const connection of server.registry.connections()) connection.closeUnsafe({ _tag: "Draining" })
      yield* settled
      yield* TestClock.adjust(secondAttempt)
      yield* calls.add({ a: 1, b: 2 })
      assert.deepStrictEqual(told, ["Connecting", "Connected", "Disconnected", "Connecting", "Connected"])
    }),
  )

  it.effect("is told to hooks, which may call: on this connection, and on each one after it", () =>
    Effect.gen(function* () {
      const { client, server } = yield* serve(memory)
      const told: Array<number | string> = []
      const ready = Deferred.makeUnsafe<Effect.Success<ReturnType<typeof client>>>()
      const called = Effect.flatMap(Deferred.await(ready), (calls) => calls.add({ a: 1, b: 2 }))
      const calls = yield* Effect.provideService(client(), RpcClient.ConnectionHooks, {
        onConnect: Effect.map(Effect.orDie(called), (sum) => void told.push(sum)),
        onDisconnect: Effect.sync(() => void told.push("lost")),
      })
      Deferred.doneUnsafe(ready, Effect.succeed(calls))
      yield* settled
      assert.deepStrictEqual(told, [3])
      for (const connection of server.registry.connections()) connection.closeUnsafe({ _tag: "Draining" })
      yield* settled
      yield* TestClock.adjust(secondAttempt)
      yield* settled
      assert.deepStrictEqual(told, [3, "lost", 3])
    }),
  )

  it.effect("interrupts the hook that was told of it", () =>
    Effect.gen(function* () {
      const { client, server } = yield* serve(memory)
      const told: Array<string> = []
      yield* Effect.provideService(client(), RpcClient.ConnectionHooks, {
        onConnect: Effect.onInterrupt(Effect.never, () => Effect.sync(() => void told.push("interrupted"))),
        onDisconnect: Effect.sync(() => void told.push("lost")),
      })
      yield* settled
      for (const connection of server.registry.connections()) connection.closeUnsafe({ _tag: "Draining" })
      yield* settled
      assert.deepStrictEqual(told, ["interrupted", "lost"])
    }),
  )

  it.effect("is what becomes of one whose hook dies", () =>
    Effect.gen(function* () {
      const { client } = yield* serve(memory)
      const hooks = { onConnect: Effect.die(new Error("a bug")), onDisconnect: Effect.void }
      const calls = yield* Effect.provideService(client(), RpcClient.ConnectionHooks, hooks)
      yield* settled
      const call = yield* started(failureOf(calls.add({ a: 1, b: 2 })))
      yield* TestClock.adjust(secondAttempt)
      const { cause, tag } = yield* Fiber.join(call)
      assert.deepStrictEqual([tag, cause], ["SocketReadError", "ConnectionError: the handler failed"])
    }),
  )

  it.effect("is none as long as heartbeats go both ways", () =>
    Effect.gen(function* () {
      const settings = Heartbeat.layer({ interval: "2 seconds", timeout: "1 second" })
      const { client, events } = yield* serve(memory, { settings })
      const calls = yield* client()
      const running = yield* started(calls.never())
      for (let second = 0; second < 60; second++) {
        yield* TestClock.adjust("1 second")
        yield* settled
      }
      assert.deepStrictEqual([closings(events), running.pollUnsafe()], [[], undefined])
    }),
  )
})

describe("a server that leaves", () => {
  const settings = Drain.layer({ grace: "10 seconds", timeout: "1 second" })

  it.effect("ends the calls that run, and is sent no other", () =>
    Effect.gen(function* () {
      const [leaving, staying] = [yield* serve(memory, { settings }), yield* serve(memory)]
      const calls = yield* leaving.client({ dial: [leaving.dial, staying.dial] })
      const running = yield* started(calls.never())
      yield* settled
      const stopping = yield* started(leaving.stop)
      yield* settled
      const next = yield* started(calls.never())
      yield* TestClock.adjust("9 seconds")
      yield* settled
      const inBetween = [leaving.record.began.length, staying.record.began.length, running.pollUnsafe()]
      yield* Deferred.succeed(leaving.record.release, undefined)
      yield* Fiber.join(running)
      yield* TestClock.adjust(secondAttempt)
      yield* settled
      // Before its grace is over: nobody is left.
      assert.isDefined(stopping.pollUnsafe())
      assert.deepStrictEqual(inBetween, [1, 0, undefined])
      assert.deepStrictEqual([leaving.record.interrupted, staying.record.began], [[], ["never"]])
      yield* Fiber.interrupt(next)
    }),
  )

  it.effect("is left at once by who asks nothing", () =>
    Effect.gen(function* () {
      const { client, events, stop } = yield* serve(memory, { settings })
      const calls = yield* client()
      yield* calls.add({ a: 1, b: 2 })
      yield* stop
      assert.deepStrictEqual(closings(events), ["PeerClosed"])
    }),
  )

  it.effect("interrupts the calls that still run after its grace, and their clients know", () =>
    Effect.gen(function* () {
      const { client, events, record, stop } = yield* serve(memory, { settings })
      const calls = yield* client()
      const running = yield* started(failureOf(calls.never()))
      yield* settled
      yield* started(stop)
      yield* settled
      const waiting = yield* started(failureOf(calls.add({ a: 1, b: 2 })))
      yield* TestClock.adjust("9999 millis")
      yield* settled
      const before = [running.pollUnsafe(), waiting.pollUnsafe(), record.interrupted.length]
      yield* TestClock.adjust("1 second")
      yield* settled
      const ended = { tag: "SocketCloseError", message: "1001: closed by the peer", cause: undefined }
      assert.deepStrictEqual(before, [undefined, undefined, 0])
      assert.deepStrictEqual([yield* Fiber.join(running), yield* Fiber.join(waiting)], [ended, ended])
      assert.deepStrictEqual([record.interrupted, closings(events)], [["never"], ["Draining"]])
    }),
  )
})

/** A server whose part the test plays: `accepted` is its end of the last connection. */
const played = Effect.map(memory, (other) => {
  const ends: Array<Wire> = []
  const dial = Effect.tap(other.dial, () =>
    Effect.map(Effect.orDie(other.transport.accept), (accepted) => void ends.push(...accepted)),
  )
  return { dial, accepted: () => ends.at(-1)! }
})

describe("a server that leaves, and ends all calls by a defect,", () => {
  it.effect("is left at once", () =>
    Effect.gen(function* () {
      const { dial, client } = yield* serve(memory)
      const leaving = yield* played
      const calls = yield* client({ dial: [leaving.dial, dial] })
      const running = yield* started(Effect.exit(calls.never()))
      yield* settled
      const peer = yield* listen(leaving.accepted())
      peer.say("\u0004", '{"_tag":"Defect","defect":"a bug"}')
      yield* settled
      assert.strictEqual(Cause.squash(failedWith(yield* Fiber.join(running))), "a bug")
      const next = yield* started(calls.add({ a: 1, b: 2 }))
      yield* settled
      yield* TestClock.adjust(secondAttempt)
      assert.deepStrictEqual([yield* Fiber.join(next), peer.state()], [3, "fin"])
    }),
  )
})

describe("a connection that has ended", () => {
  it.effect("is given no call while its goodbye takes time: it waits for the next one", () =>
    Effect.gen(function* () {
      const { dial, client } = yield* serve(memory)
      const deaf = yield* played
      const calls = yield* client({ dial: [deaf.dial, dial] })
      yield* settled
      deaf.accepted().writeUnsafe([frame('"nonsense"')])
      yield* settled
      const call = yield* started(calls.add({ a: 1, b: 2 }))
      yield* settled
      // The goodbye's deadline, then the wait.
      yield* TestClock.adjust("1 second")
      yield* settled
      yield* TestClock.adjust(secondAttempt)
      assert.strictEqual(yield* Fiber.join(call), 3)
    }),
  )
})

describe("a dialer that dies", () => {
  it.effect("ends the calls that wait, and all others", () =>
    Effect.gen(function* () {
      const { client } = yield* serve(memory)
      const calls = yield* client({ dial: Effect.die(new RangeError("no such port")) })
      const died = { tag: "RpcClientDefect", message: "connecting died", cause: "RangeError: no such port" }
      assert.deepStrictEqual(yield* failureOf(calls.add({ a: 1, b: 2 })), died)
      assert.deepStrictEqual(yield* failureOf(calls.add({ a: 1, b: 2 })), died)
    }),
  )
})

describe("a handler that dies", () => {
  it.effect("takes those of the client's other calls along: nobody waits for them", () =>
    Effect.gen(function* () {
      const { client, record } = yield* serve(memory, { server: { maxCalls: 2 } })
      const calls = yield* client()
      for (let round = 1; round <= 3; round++) {
        const running = yield* started(Effect.exit(calls.never()))
        yield* settled
        assert.strictEqual(dieOf(yield* Effect.exit(calls.die())), "a bug")
        assert.strictEqual(dieOf(yield* Fiber.join(running)), "a bug")
        yield* settled
        assert.deepStrictEqual([record.began.length, record.interrupted.length], [round, round])
      }
      assert.strictEqual(yield* calls.add({ a: 1, b: 2 }), 3)
    }),
  )
})

describe("a Stream that is read slowly", () => {
  it.effect("holds up no other call, and comes to its end", () =>
    Effect.gen(function* () {
      const { client, record } = yield* serve(memory)
      const calls = yield* client()
      const go = Deferred.makeUnsafe<void>()
      const slow = yield* started(Stream.runCollect(Stream.tap(calls.count({ to: 100 }), () => Deferred.await(go))))
      yield* settled
      // As many as wait at its reader's, 16, and one or two on their way.
      assert.isBelow(record.produced, 20)
      assert.strictEqual(yield* calls.add({ a: 1, b: 2 }), 3)
      assert.deepStrictEqual(
        yield* Stream.runCollect(calls.count({ to: 50 })),
        Array.from({ length: 50 }, (_, i) => i + 1),
      )
      yield* Deferred.succeed(go, undefined)
      assert.deepStrictEqual(
        yield* Fiber.join(slow),
        Array.from({ length: 100 }, (_, i) => i + 1),
      )
    }),
  )

  it.effect("may be read by who calls for each of its values", () =>
    Effect.gen(function* () {
      const { client } = yield* serve(memory)
      const calls = yield* client()
      const twice = Stream.mapEffect(calls.count({ to: 100 }), (n) =>
        // The first one lets the others gather at the reader's.
        Effect.andThen(n === 1 ? Effect.repeat(settled, { times: 4 }) : Effect.void, calls.add({ a: n, b: n })),
      )
      assert.deepStrictEqual(
        yield* Stream.runCollect(twice),
        Array.from({ length: 100 }, (_, i) => 2 * (i + 1)),
      )
    }),
  )

  it.effect("fails when its connection is lost", () =>
    Effect.gen(function* () {
      const { client, server } = yield* serve(memory)
      const calls = yield* client()
      const go = Deferred.makeUnsafe<void>()
      const slow = yield* started(
        failureOf(Stream.runDrain(Stream.tap(calls.count({ to: 100 }), () => Deferred.await(go)))),
      )
      yield* settled
      for (const connection of server.registry.connections()) connection.closeUnsafe({ _tag: "Draining" })
      yield* settled
      yield* Deferred.succeed(go, undefined)
      assert.strictEqual((yield* Fiber.join(slow)).tag, "SocketCloseError")
    }),
  )

  it.effect("of a server that does not wait is read no faster than it may be, and loses nothing", () =>
    Effect.gen(function* () {
      const { client } = yield* serve(memory)
      const pushing = yield* played
      const calls = yield* client({ dial: pushing.dial })
      const go = Deferred.makeUnsafe<void>()
      const slow = yield* started(Stream.runCollect(Stream.tap(calls.count({ to: 40 }), () => Deferred.await(go))))
      yield* settled
      const peer = yield* listen(pushing.accepted())
      yield* settled
      const { id: requestId } = JSON.parse(peer.heard[0]!) as { readonly id: number }
      for (let n = 0; n < 40; n += 10) {
        const values = Array.from({ length: 10 }, (_, i) => n + i)
        peer.say(JSON.stringify({ _tag: "Chunk", requestId, values }))
      }
      peer.say(JSON.stringify({ _tag: "Exit", requestId, exit: { _tag: "Success", value: null } }))
      yield* settled
      yield* Deferred.succeed(go, undefined)
      assert.deepStrictEqual(
        yield* Fiber.join(slow),
        Array.from({ length: 40 }, (_, i) => i),
      )
      // It would not answer the goodbye.
      peer.wire.abortUnsafe()
    }),
  )
})

describe("two sides of different serializations", () => {
  it.effect("part, and the call fails", () =>
    Effect.gen(function* () {
      const { dial, events } = yield* serve(memory)
      const other = yield* Effect.provide(RpcDialer.make({ dial }), RpcSerialization.layerNdjson)
      const calls = yield* clientOf(other)
      const { cause, tag } = yield* failureOf(calls.add({ a: 1, b: 2 }))
      yield* settled
      assert.strictEqual(tag, "SocketReadError")
      assert.match(`${cause}`, /expected a whole message of this serialization, got \d+ bytes$/)
      assert.deepStrictEqual(closings(events), ["PeerClosed"])
    }),
  )
})

describe("whoever calls again after a loss", () => {
  it.effect("is answered over the next connection, and runs once", () =>
    Effect.gen(function* () {
      const leaving = yield* serve(memory, { settings: Drain.layer({ grace: "1 second", timeout: "1 second" }) })
      const staying = yield* serve(memory)
      const calls = yield* leaving.client({ dial: [leaving.dial, staying.dial] })
      const again = Effect.catch(calls.never(), () => calls.never())
      const running = yield* started(again)
      yield* settled
      yield* started(leaving.stop)
      yield* settled
      const waiting = yield* started(again)
      yield* TestClock.adjust("2 seconds")
      yield* settled
      yield* TestClock.adjust(secondAttempt)
      yield* settled
      assert.deepStrictEqual([leaving.record.began, staying.record.began], [["never"], ["never", "never"]])
      yield* Deferred.succeed(staying.record.release, undefined)
      yield* Fiber.join(running)
      yield* Fiber.join(waiting)
    }),
  )
})

describe("a call that was ended with all others of its client", () => {
  it.effect("is not sent when there is a connection again", () =>
    Effect.gen(function* () {
      const { protocol, record, server } = yield* serve(memory)
      const shared = yield* protocol()
      const [first, second] = [yield* clientOf(shared), yield* clientOf(shared)]
      // Clients lose their calls one after the other: this call of the second is made in between.
      const between = yield* started(Effect.catch(first.never(), () => failureOf(second.echo({ text: "between" }))))
      yield* settled
      for (const connection of server.registry.connections()) connection.closeUnsafe({ _tag: "Draining" })
      yield* settled
      yield* TestClock.adjust(secondAttempt)
      yield* settled
      assert.deepStrictEqual(yield* Fiber.join(between), {
        tag: "SocketCloseError",
        message: "1001: closed by the peer",
        cause: undefined,
      })
      assert.deepStrictEqual(record.began, ["never"])
      assert.strictEqual(yield* second.echo({ text: "after" }), "after")
      assert.deepStrictEqual([...server.registry.connections()][0]?.framesReceived, 1)
    }),
  )
})

describe("a limit", () => {
  it.effect("of calls at the same time ends the one too many, and no other", () =>
    Effect.gen(function* () {
      const { client, record } = yield* serve(memory, { server: { maxCalls: 2 } })
      const [calls, others] = [yield* client(), yield* client()]
      const [first, second] = [yield* started(calls.never()), yield* started(calls.never())]
      yield* settled
      const third = yield* Effect.exit(calls.add({ a: 1, b: 2 }))
      assert.strictEqual(dieOf(third), "too many calls at the same time: 2 are allowed")
      assert.strictEqual(yield* others.add({ a: 1, b: 2 }), 3)
      yield* Fiber.interrupt(first)
      yield* settled
      assert.strictEqual(yield* calls.add({ a: 1, b: 2 }), 3)
      assert.deepStrictEqual([record.began.length, second.pollUnsafe()], [2, undefined])
    }),
  )

  it.effect("of calls at the same time counts none that died", () =>
    Effect.gen(function* () {
      const { client } = yield* serve(memory, { server: { maxCalls: 2 } })
      const calls = yield* client()
      const deaths = yield* Effect.forEach([1, 2, 3], () => Effect.map(Effect.exit(calls.die()), dieOf))
      assert.deepStrictEqual(deaths, ["a bug", "a bug", "a bug"])
      assert.strictEqual(yield* calls.add({ a: 1, b: 2 }), 3)
    }),
  )

  it.effect("of bytes holds for calls before they are sent", () =>
    Effect.gen(function* () {
      const { client, events } = yield* serve(memory, { client: { maxFrameBytes: 1_000 } })
      const calls = yield* client()
      const running = yield* started(calls.never())
      // As many bytes as a body has beside the text.
      const { message } = yield* failureOf(calls.echo({ text: "x".repeat(1_000) }))
      const extra = Number(/of (\d+)/.exec(message)?.[1]) - 1_000
      const exact = "x".repeat(1_000 - extra)
      assert.strictEqual(yield* calls.echo({ text: exact }), exact)
      assert.strictEqual((yield* failureOf(calls.echo({ text: `${exact}x` }))).tag, "RpcClientDefect")
      assert.deepStrictEqual([running.pollUnsafe(), closings(events)], [undefined, []])
    }),
  )

  it.effect("of bytes ends a call whose answer is longer, and no other", () =>
    Effect.gen(function* () {
      const { client, events } = yield* serve(memory, { server: { maxFrameBytes: 1_000 } })
      const calls = yield* client()
      const running = yield* started(calls.never())
      const fits = yield* calls.repeat({ text: "x", times: 900 })
      const tooLong = dieOf(yield* Effect.exit(calls.repeat({ text: "x", times: 1_000 })))
      assert.strictEqual(fits, "x".repeat(900))
      assert.match(tooLong, /^frame of 10\d\d bytes is over the limit of 1000/)
      assert.strictEqual(yield* calls.add({ a: 1, b: 2 }), 3)
      assert.deepStrictEqual([running.pollUnsafe(), closings(events)], [undefined, []])
    }),
  )

  it.effect("of bytes is that of the larger, or the peer that is over it is gone", () =>
    Effect.gen(function* () {
      const { client, events } = yield* serve(memory, { server: { maxFrameBytes: 1_000 } })
      const [calls, others] = [yield* client(), yield* client()]
      const running = yield* started(others.never())
      const lost = yield* failureOf(calls.echo({ text: "x".repeat(1_000) }))
      yield* settled
      assert.deepStrictEqual([lost.tag, closings(events)], ["SocketCloseError", ["BadFrame"]])
      assert.isUndefined(running.pollUnsafe())
    }),
  )

  it.effect("of a megabyte is what there is otherwise, both ways", () =>
    Effect.gen(function* () {
      const { client } = yield* serve(memory)
      const calls = yield* client()
      const text = "x".repeat(1024 * 1024 - 200)
      assert.strictEqual(yield* calls.echo({ text }), text)
      assert.strictEqual((yield* failureOf(calls.echo({ text: `${text}${text}` }))).tag, "RpcClientDefect")
    }),
  )
})

describe("a hostile peer", () => {
  const hostile: Readonly<Record<string, ReadonlyArray<string>>> = {
    "sends no JSON": ["{"],
    "sends null": ["null"],
    "sends what has no tag": ['{"id":1}'],
    "sends a tag of no message": ['{"_tag":"Exit","requestId":1}'],
    "names a call by an object": ['{"_tag":"Request","id":{},"tag":"add","payload":{},"headers":[]}'],
    "sends no headers": ['{"_tag":"Request","id":1,"tag":"add","payload":{}}'],
    "sends headers that are none": ['{"_tag":"Request","id":1,"tag":"add","payload":{},"headers":[["a"]]}'],
    "sends an empty list": ["[]"],
    "goes on after its end": [
      '{"_tag":"Request","id":1,"tag":"never","payload":null,"headers":[]}',
      '{"_tag":"Eof"}',
      '{"_tag":"Request","id":2,"tag":"never","payload":null,"headers":[]}',
    ],
    "uses the id of a handler that it does not wait for": [
      '{"_tag":"Request","id":1,"tag":"never","payload":null,"headers":[],"discard":true}',
      '{"_tag":"Request","id":1,"tag":"never","payload":null,"headers":[]}',
    ],
    "uses an id twice": [
      '{"_tag":"Request","id":1,"tag":"never","payload":null,"headers":[]}',
      '{"_tag":"Request","id":1,"tag":"never","payload":null,"headers":[]}',
    ],
  }

  for (const [name, bodies] of Object.entries(hostile)) {
    it.effect(`${name}, and is gone, and nobody else`, () =>
      Effect.gen(function* () {
        const { client, dial, events } = yield* serve(memory)
        const calls = yield* client()
        const running = yield* started(calls.never())
        const peer = yield* listen(yield* dial)
        peer.say(...bodies)
        yield* settled
        assert.deepStrictEqual([closings(events), peer.state()], [["BadMessage"], "fin"])
        assert.deepStrictEqual([running.pollUnsafe(), yield* calls.add({ a: 1, b: 2 })], [undefined, 3])
      }),
    )
  }

  it.effect("sends no end of a line, and is gone with its first frame: nothing of it is kept", () =>
    Effect.gen(function* () {
      const { dial, events } = yield* serve(memory, { serialization: RpcSerialization.layerNdjson })
      const peer = yield* listen(yield* dial)
      peer.say('{"_tag":"Ping"}\n')
      yield* settled
      assert.deepStrictEqual([peer.heard, closings(events)], [['{"_tag":"Pong"}\n'], []])
      peer.say('{"_tag":"Ping"')
      yield* settled
      assert.deepStrictEqual([closings(events), peer.state()], [["BadMessage"], "fin"])
    }),
  )

  const answered: Readonly<Record<string, readonly [said: string, heard: string]>> = {
    "asks for what there is not": [
      '{"_tag":"Request","id":1,"tag":"__proto__","payload":{},"headers":[]}',
      '{"_tag":"Exit","requestId":1,"exit":{"_tag":"Failure","cause":[{"_tag":"Die","defect":"Unknown request tag: __proto__"}]}}',
    ],
    pings: ['{"_tag":"Ping"}', '{"_tag":"Pong"}'],
  }

  for (const [name, [said, heard]] of Object.entries(answered)) {
    it.effect(`${name}, and is answered`, () =>
      Effect.gen(function* () {
        const { dial, events } = yield* serve(memory)
        const peer = yield* listen(yield* dial)
        peer.say(said)
        yield* settled
        assert.deepStrictEqual([peer.heard, closings(events)], [[heard], []])
      }),
    )
  }

  it.effect("that does not read is waited for, and its stream with it", () =>
    Effect.gen(function* () {
      const { dial, record } = yield* serve(memory)
      const wire = yield* dial
      const peer = yield* listen(wire)
      peer.say('{"_tag":"Request","id":1,"tag":"count","payload":{"to":1000000},"headers":[]}')
      yield* settled
      const [produced, heard] = [record.produced, peer.heard.length]
      yield* settled
      // It acknowledges nothing.
      assert.deepStrictEqual([record.produced, peer.heard.length], [produced, heard])
      assert.isBelow(produced, 10_000)
    }),
  )
})

describe("a hostile server", () => {
  it.effect("that answers nonsense is left, and its calls fail", () =>
    Effect.gen(function* () {
      const { dial, client } = yield* serve(memory)
      const other = yield* memory
      const nonsense = Effect.gen(function* () {
        const wire = yield* other.dial
        const [accepted] = yield* Effect.orDie(other.transport.accept)
        const peer = yield* listen(accepted)
        peer.say('"nonsense"')
        return wire
      })
      const calls = yield* client({ dial: [nonsense, dial] })
      const lost = yield* failureOf(calls.add({ a: 1, b: 2 }))
      assert.deepStrictEqual(
        [lost.tag, lost.cause],
        ["SocketReadError", 'ConnectionError: cannot decode message: expected a message of RPC, got "nonsense"'],
      )
      const next = yield* started(Stream.runCollect(calls.count({ to: 3 })))
      yield* settled
      yield* TestClock.adjust(secondAttempt)
      assert.deepStrictEqual(yield* Fiber.join(next), [1, 2, 3])
    }),
  )
})
