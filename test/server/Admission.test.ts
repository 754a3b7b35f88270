/**
 * Seats: who gets one, who is told that there is none, and when a seat is free again.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import * as Deadlines from "../../src/connection/Deadlines.ts"
import * as Heartbeat from "../../src/connection/Heartbeat.ts"
import * as Admission from "../../src/server/Admission.ts"
import * as Server from "../../src/server/Server.ts"
import { ConnectionRefused } from "../../src/server/ServerEvents.ts"
import type { MemoryWire } from "../../src/transport/MemoryWire.ts"
import { frame } from "../support/frames.ts"
import { closings, type Served, serve, tagged } from "../support/served.ts"
import { settled, until } from "../support/wires.ts"

const echo = (connection: Connection<string, string>) => connection.messages

const unlimited = { maxConnections: Infinity, maxConnectionsPerAddress: Infinity, acceptsPerSecond: Infinity }

describe("seats", () => {
  it("are as many as the limit, and one that is given back is there at once", () => {
    const seats = new Admission.Seats({ ...unlimited, maxConnections: 2 }, 0)
    assert.isUndefined(seats.take("a", 0))
    assert.isUndefined(seats.take("b", 0))
    const full = CloseReason.Refused({ limit: "connections", allowed: 2, observed: 2 })
    assert.deepStrictEqual(seats.take("c", 0), full)
    seats.free("a")
    assert.isUndefined(seats.take("c", 0))
    assert.deepStrictEqual(seats.take("a", 0), full)
  })

  it("are counted for each address by itself", () => {
    const seats = new Admission.Seats({ ...unlimited, maxConnectionsPerAddress: 2 }, 0)
    assert.isUndefined(seats.take("a", 0))
    assert.isUndefined(seats.take("a", 0))
    const crowded = CloseReason.Refused({ limit: "connectionsPerAddress", allowed: 2, observed: 2 })
    assert.deepStrictEqual(seats.take("a", 0), crowded)
    assert.isUndefined(seats.take("b", 0))
    seats.free("a")
    assert.isUndefined(seats.take("a", 0))
    assert.deepStrictEqual(seats.take("a", 0), crowded)
  })

  it("are taken as fast as the limit, a second's worth at once, and refill evenly", () => {
    const seats = new Admission.Seats({ ...unlimited, acceptsPerSecond: 4 }, 1000)
    const take = (now: number) => seats.take("a", now)
    const fast = CloseReason.Refused({ limit: "acceptsPerSecond", allowed: 4, observed: 4 })
    assert.deepStrictEqual([1000, 1000, 1000, 1000, 1000].map(take), [...Array.from({ length: 4 }), fast])
    assert.deepStrictEqual([1249, 1250, 1250].map(take), [fast, undefined, fast])
    assert.deepStrictEqual([9000, 9000, 9000, 9000, 9000].map(take), [...Array.from({ length: 4 }), fast])
  })

  it("are taken by nobody where none may be in a second", () => {
    const seats = new Admission.Seats({ ...unlimited, acceptsPerSecond: 0 }, 0)
    const none = CloseReason.Refused({ limit: "acceptsPerSecond", allowed: 0, observed: 0 })
    assert.deepStrictEqual([seats.take("a", 0), seats.take("a", 60_000)], [none, none])
  })

  it("that are refused for one limit do not count against another", () => {
    const seats = new Admission.Seats({ maxConnections: 3, maxConnectionsPerAddress: 1, acceptsPerSecond: 2 }, 0)
    assert.isUndefined(seats.take("a", 0))
    for (let i = 0; i < 10; i++) assert.isDefined(seats.take("a", 0))
    assert.deepStrictEqual([seats.taken, seats.hosts], [1, 1])
    assert.isUndefined(seats.take("b", 0))
  })

  it("remember no address without a seat", () => {
    const seats = new Admission.Seats({ ...unlimited, maxConnections: 2 }, 0)
    for (const host of ["a", "a", "b", "c"]) seats.take(host, 0)
    assert.deepStrictEqual([seats.taken, seats.hosts], [2, 1])
    seats.free("a")
    assert.deepStrictEqual([seats.taken, seats.hosts], [1, 1])
    seats.free("a")
    assert.deepStrictEqual([seats.taken, seats.hosts], [0, 0])
  })
})

describe("a server that is full", () => {
  const limits = {
    connections: { maxConnections: 1 },
    connectionsPerAddress: { maxConnectionsPerAddress: 1 },
    acceptsPerSecond: { acceptsPerSecond: 1 },
  } as const
  for (const [limit, settings] of Object.entries(limits)) {
    it.effect(`tells whom it refuses for its ${limit}, and goes on serving the others`, () =>
      Effect.gen(function* () {
        const server = yield* serve(echo, { settings: Admission.layer(settings) })
        const seated = yield* server.connect("ada")
        const refused = yield* server.connect("ada")
        yield* until(() => refused.state() === "fin")
        assert.deepStrictEqual(refused.heard, ["bye Refused"])
        yield* settled
        const reason = CloseReason.Refused({ limit: limit as keyof typeof limits, allowed: 1, observed: 1 })
        const expected = ConnectionRefused({ peer: { _tag: "Memory", name: "ada" }, reason, told: true })
        assert.deepStrictEqual(tagged(server.events, "ConnectionRefused"), [expected])
        assert.deepStrictEqual([server.seatsTaken(), server.registry.size], [1, 1])
        seated.say("still here")
        yield* until(() => seated.heard.length > 0)
        assert.deepStrictEqual(seated.heard, ["still here"])
      }),
    )
  }

  it.effect("is not kept from accepting by refused peers that never leave", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo, { settings: Admission.layer({ maxConnectionsPerAddress: 1 }) })
      for (let i = 0; i < 3; i++) yield* server.memory.connectFrom("ada")
      const bob = yield* server.connect("bob")
      bob.say("hello")
      yield* until(() => bob.heard.length > 0)
      assert.deepStrictEqual(bob.heard, ["hello"])
      assert.strictEqual(tagged(server.events, "ConnectionRefused").length, 2)
    }),
  )

  it.effect(`tells ${Server.maxRefusalsTold} at a time, resets the others, and tells again when those have gone`, () =>
    Effect.gen(function* () {
      const server = yield* serve(echo, { settings: Admission.layer({ maxConnections: 0 }) })
      const lost = yield* connectSilent(server, Server.maxRefusalsTold + 2)
      yield* settled
      assert.deepStrictEqual(lost, [Server.maxRefusalsTold + 1, Server.maxRefusalsTold + 2])
      const told = () => tagged(server.events, "ConnectionRefused").map((event) => event.told)
      assert.strictEqual(told().filter((isTold) => isTold).length, Server.maxRefusalsTold)
      assert.strictEqual(told().filter((isTold) => !isTold).length, 2)
      yield* TestClock.adjust("2 seconds")
      yield* settled
      const client = yield* server.connect()
      yield* until(() => client.state() === "fin")
      assert.deepStrictEqual(client.heard, ["bye Refused"])
    }),
  )

  it.effect(`waits for the goodbyes of ${Server.maxGoodbyes}, resets who ends then, and waits again afterwards`, () =>
    Effect.gen(function* () {
      const all = yield* Deferred.make<void>()
      const server = yield* serve(() => Deferred.await(all), { settings: Admission.layer(unlimited) })
      const lost = yield* connectSilent(server, Server.maxGoodbyes + 2)
      yield* until(() => server.seatsTaken() === Server.maxGoodbyes + 2)
      yield* Deferred.succeed(all, undefined)
      yield* until(() => server.seatsTaken() === 0)
      yield* settled
      assert.deepStrictEqual(lost, [Server.maxGoodbyes + 1, Server.maxGoodbyes + 2])
      yield* TestClock.adjust("12 seconds")
      yield* until(() => lost.length === Server.maxGoodbyes + 2)
      const client = yield* server.connect()
      yield* until(() => client.state() === "fin")
      assert.deepStrictEqual(client.heard, ["bye Done"])
    }),
  )
})

/** Clients that neither read nor end; those that are reset are listed by number, from 1. */
const connectSilent = Effect.fnUntraced(function* (server: Served, count: number) {
  const lost: Array<number> = []
  for (let i = 1; i <= count; i++) {
    const wire = yield* server.memory.connectFrom(`silent ${i}`)
    wire.onLostUnsafe(() => lost.push(i))
  }
  return lost
})

describe("a seat is free at once, though its peer stays, after", () => {
  const write = (text: string) => (wire: MemoryWire) => Effect.sync(() => void wire.writeUnsafe([frame(text)]))
  const adjust = (duration: Duration.Input) => () => TestClock.adjust(duration)
  const endings: Record<string, readonly [reason: string, act: (wire: MemoryWire) => Effect.Effect<void>]> = {
    "the peer's FIN": ["PeerClosed", (wire) => Effect.sync(() => wire.endUnsafe())],
    "the peer's reset": ["WireLost", (wire) => Effect.sync(() => wire.abortUnsafe())],
    "the handler's end": ["Done", write("leave")],
    "the handler's failure": ["HandlerFailed", write("fail")],
    "the application's close": ["Application", write("kick")],
    "a bad message": ["BadMessage", write("bad")],
    "a bad frame": ["BadFrame", (wire) => Effect.sync(() => void wire.writeUnsafe([Buffer.from("fffffffff0", "hex")]))],
    "another protocol": [
      "WrongProtocol",
      (wire) => Effect.sync(() => void wire.writeUnsafe([Buffer.from("GET / HTTP/1.1\r\n")])),
    ],
    "a FIN within a frame": [
      "Truncated",
      (wire) =>
        Effect.sync(() => {
          wire.writeUnsafe([frame("whole").subarray(0, 6)])
          wire.endUnsafe()
        }),
    ],
    "a first frame that is late": ["FirstFrameLate", adjust("3 seconds")],
    silence: ["HeartbeatTimeout", (wire) => Effect.andThen(write("hello")(wire), TestClock.adjust("40 seconds"))],
    "a write that stalls": [
      "WriteStalled",
      (wire) =>
        Effect.andThen(
          Effect.sync(() => {
            wire.stallUnsafe()
            wire.writeUnsafe([frame("flood")])
          }),
          Effect.andThen(settled, TestClock.adjust("4 seconds")),
        ),
    ],
  }
  const acts = new Map<string, (connection: Connection<string, string>) => Effect.Effect<void, unknown>>([
    ["fail", () => Effect.fail("failed")],
    ["kick", (connection) => connection.close(CloseReason.Application({ code: 1, message: "out" }))],
    ["leave", (connection) => connection.close()],
    ["flood", (connection) => Effect.forever(connection.send("x".repeat(60_000)))],
  ])
  const handler = (connection: Connection<string, string>) =>
    Stream.runForEach(connection.messages, (text) => acts.get(text)?.(connection) ?? Effect.void)
  const settings = Layer.mergeAll(
    Admission.layer({ maxConnections: 1 }),
    Heartbeat.layer({ interval: "25 seconds", timeout: "10 seconds" }),
    Deadlines.layer({ firstFrame: "3 seconds", writeStall: "4 seconds", goodbye: "1 hour" }),
  )
  for (const [name, [reason, act]] of Object.entries(endings)) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const server = yield* serve(handler, { settings })
        const wire = yield* server.memory.connect
        yield* until(() => server.seatsTaken() === 1)
        yield* act(wire)
        yield* settled
        assert.deepStrictEqual(closings(server.events), [reason])
        assert.deepStrictEqual([server.seatsTaken(), server.registry.size], [0, 0])
        yield* server.connect()
        yield* settled
        assert.deepStrictEqual([server.seatsTaken(), tagged(server.events, "ConnectionRefused")], [1, []])
      }),
    )
  }
})
