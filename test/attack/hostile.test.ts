/**
 * Hostile peers against a real echo server: each attack is bounded in count and time, and a well-behaved client beside
 * it is answered throughout.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type * as Net from "node:net"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import * as Deadlines from "../../src/connection/Deadlines.ts"
import * as Heartbeat from "../../src/connection/Heartbeat.ts"
import * as Outbox from "../../src/connection/Outbox.ts"
import * as RateLimit from "../../src/connection/RateLimit.ts"
import { FrameError, FrameTooLarge } from "../../src/frame/FrameError.ts"
import * as Admission from "../../src/server/Admission.ts"
import * as Server from "../../src/server/Server.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import { backTo, destroyAll, dial, fiberGauge, holdings, once } from "../support/attackers.ts"
import { frame } from "../support/frames.ts"
import { type Client, listen, record, tagged, Text } from "../support/served.ts"
import { portOf, until } from "../support/wires.ts"

/** Echoes; asked to flood, it sends ten megabytes, waiting for its peer or not. */
const handler = (connection: Connection<string, string>) => {
  const flood = Array.from({ length: 160 }, () => "x".repeat(65_000))
  return Stream.runForEach(connection.messages, (text) => {
    if (text === "flood") return connection.sendAll(flood)
    if (text === "flood unsafe") return Effect.sync(() => void flood.map(connection.sendUnsafe))
    return connection.send(text)
  })
}

/** A server with a decent client on it, which has been answered once. */
const serve = Effect.fnUntraced(function* (settings: Layer.Layer<never>) {
  const { events, layer } = record()
  const around = yield* Layer.build(Layer.mergeAll(TcpTransport.layer({ port: 0 }), layer, settings))
  const server = yield* Effect.provide(Server.make(Text, handler), around)
  const port = portOf(server.address)
  const decent = yield* Effect.flatMap(TcpTransport.dial({ host: "127.0.0.1", port }), listen)
  yield* ask(decent)
  const attackers: Array<Net.Socket> = []
  /** So many sockets, connected. They read nothing. */
  const attack = (count: number) =>
    Effect.forEach(
      Array.from({ length: count }),
      () => {
        const socket = dial(port)
        attackers.push(socket.pause())
        return Effect.as(once(socket, "connect"), socket)
      },
      { concurrency: "unbounded" },
    )
  yield* Effect.addFinalizer(() => destroyAll(attackers))
  /** Why connections ended. */
  const reasons = () => tagged(events, "ConnectionClosed").map(({ reason }) => reason)
  /** Runs an attack, which must be over in time; the decent client asks throughout, and is answered each time. */
  const besides = <A, E>(attacked: Effect.Effect<A, E>) =>
    Effect.gen(function* () {
      const attacking = yield* Deferred.make<void>()
      const asking = Effect.gen(function* () {
        let answers = 0
        while (!Deferred.isDoneUnsafe(attacking) || answers < 20) {
          yield* ask(decent)
          answers++
        }
      })
      yield* Effect.all([Effect.ensuring(attacked, Deferred.succeed(attacking, undefined)), asking], { concurrency: 2 })
    }).pipe(Effect.timeout("8 seconds"))
  return { server, attack, reasons, besides }
})

/** Asks, and waits for the answer. */
const ask = (client: Client) =>
  Effect.suspend(() => {
    const asked = client.heard.length
    client.say(`question ${asked}`)
    return until(() => client.heard.length > asked)
  })

const closedFor = (reason: CloseReason.CloseReason, times: number) => Array.from({ length: times }, () => reason)

describe("hostile peers", () => {
  it.live("frames sent byte by byte end at their deadline, however many bytes came", () =>
    Effect.gen(function* () {
      const settings = Deadlines.layer({ frame: "300 millis", frameBytesPerSecond: 1_000_000 })
      const { attack, besides, reasons } = yield* serve(settings)
      const slow = frame("x".repeat(50_000))
      const sockets = yield* attack(20)
      let at = 0
      yield* besides(
        until(() => {
          if (reasons().length === sockets.length) return true
          for (const socket of sockets) socket.write(slow.subarray(at, at + 1))
          at++
          return false
        }),
      )
      for (const reason of reasons()) {
        const receivedBytes = reason._tag === "FrameTooSlow" ? reason.receivedBytes : 0
        const expected = { limitMs: 350, declaredBytes: slow.length, receivedBytes }
        assert.deepStrictEqual(reason, CloseReason.FrameTooSlow(expected))
        assert.isTrue(receivedBytes > 0 && receivedBytes <= at)
      }
    }),
  )

  it.live("a header that promises four gigabytes ends the connection, and allocates nothing", () =>
    Effect.gen(function* () {
      const { attack, besides, reasons } = yield* serve(Layer.empty)
      const before = process.memoryUsage().arrayBuffers
      const sockets = yield* attack(100)
      for (const socket of sockets) socket.write(Buffer.from("ffffffff00", "hex"))
      yield* besides(until(() => reasons().length === sockets.length))
      const error = new FrameError({ reason: new FrameTooLarge({ declared: 0xffffffff, limit: 65_536 }) })
      assert.deepStrictEqual(reasons(), closedFor(CloseReason.BadFrame({ error }), 100))
      assert.isBelow(process.memoryUsage().arrayBuffers - before, 64 * 1024 * 1024)
    }),
  )

  it.live("sixteen thousand heartbeats in one write are over the limit, as many as the limit are not", () =>
    Effect.gen(function* () {
      const { attack, besides, reasons, server } = yield* serve(RateLimit.layer({ heartbeatsPerSecond: 100 }))
      const [many, few] = yield* attack(2)
      many!.write(Buffer.alloc(16_000 * 4))
      few!.write(Buffer.concat([Buffer.alloc(100 * 4), frame("still here")]))
      few!.resume()
      yield* besides(
        Effect.andThen(
          once(few!, "data"),
          until(() => reasons().length === 1),
        ),
      )
      assert.deepStrictEqual(reasons(), [CloseReason.RateLimited({ unit: "heartbeats", perSecond: 100 })])
      assert.strictEqual(server.seatsTaken(), 2)
    }),
  )

  it.live("a thousand connections that never send lose their seats at the first frame's deadline", () =>
    Effect.gen(function* () {
      const seats = Admission.layer({ maxConnectionsPerAddress: 1001 })
      const { attack, besides, reasons, server } = yield* serve(
        Layer.merge(seats, Deadlines.layer({ firstFrame: "500 millis" })),
      )
      yield* besides(
        Effect.andThen(
          attack(1000),
          until(() => reasons().length === 1000),
        ),
      )
      assert.deepStrictEqual(reasons(), closedFor(CloseReason.FirstFrameLate({ limitMs: 500 }), 1000))
      assert.deepStrictEqual([server.seatsTaken(), server.registry.size], [1, 1])
    }),
  )

  it.live("a peer that reads nothing of ten megabytes stalls its own connection only", () =>
    Effect.gen(function* () {
      const { attack, besides, reasons } = yield* serve(Deadlines.layer({ writeStall: "300 millis" }))
      const [socket] = yield* attack(1)
      socket!.write(frame("flood"))
      yield* besides(until(() => reasons().length === 1))
      const [reason] = reasons()
      assert.isTrue(reason?._tag === "WriteStalled" && reason.limitMs === 300)
      // What a sender that waits may leave behind: one write, and what was collected beside it.
      assert.isTrue(reason?._tag === "WriteStalled" && reason.unsentBytes < 3 * Outbox.flushBytes)
    }),
  )

  it.live("a peer that reads nothing of what is sent without waiting is over the outbox's limit at once", () =>
    Effect.gen(function* () {
      const { attack, besides, reasons } = yield* serve(Outbox.layer({ maxBytes: 500_000 }))
      const [socket] = yield* attack(1)
      socket!.write(frame("flood unsafe"))
      yield* besides(until(() => reasons().length === 1))
      const [reason] = reasons()
      assert.isTrue(reason?._tag === "SlowConsumer" && reason.limit === "bytes" && reason.allowed === 500_000)
      assert.isTrue(reason?._tag === "SlowConsumer" && reason.observed > 500_000 && reason.observed <= 565_004)
    }),
  )

  it.live("a storm of five hundred connects and resets leaves nothing behind", () =>
    Effect.gen(function* () {
      const { attack, besides, server } = yield* serve(Layer.empty)
      const start = { ...holdings(), seats: 1, connections: 1 }
      const reading = () => ({ ...holdings(), seats: server.seatsTaken(), connections: server.registry.size })
      const storm = Effect.map(attack(100), (sockets) => {
        for (const socket of sockets) socket.resetAndDestroy()
      })
      yield* besides(Effect.repeat(storm, { times: 4 }))
      assert.deepStrictEqual(yield* backTo(start, reading), start)
    }),
  )

  it.live("a peer that goes silent, and never leaves, gives back its seat, its fibers and its descriptor", () =>
    Effect.gen(function* () {
      const gauge = fiberGauge()
      const { events, layer } = record()
      const layers = Layer.mergeAll(
        TcpTransport.layer({ port: 0 }),
        Heartbeat.layer({ interval: "100 millis", timeout: "100 millis" }),
        Deadlines.layer({ goodbye: "100 millis" }),
        layer,
        gauge.layer,
      )
      const server = yield* Effect.provide(Server.make(Text, handler), yield* Layer.build(layers))
      yield* until(() => gauge.alive() > 0)
      const read = () => ({ ...holdings(), fibers: gauge.alive(), seats: server.seatsTaken() })
      const start = read()
      // It reads nothing, so it sees neither the goodbye nor the reset: its own descriptor stays.
      const socket = dial(portOf(server.address)).pause()
      yield* Effect.addFinalizer(() => destroyAll([socket]))
      socket.write(frame("hello"))
      yield* until(() => tagged(events, "ConnectionClosed").length === 1)
      const [closed] = tagged(events, "ConnectionClosed")
      assert.deepStrictEqual(closed?.reason, CloseReason.HeartbeatTimeout({ intervalMs: 100, timeoutMs: 100 }))
      const end = { ...start, descriptors: start.descriptors + 1, sockets: start.sockets + 1 }
      assert.deepStrictEqual(yield* backTo(end, read), end)
    }),
  )
})
