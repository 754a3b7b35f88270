/** What several transports as one add to the contract: all of them are heard, and each closes for itself. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as SocketServer from "effect/socket/SocketServer"
import * as MemoryTransport from "../../src/transport/MemoryTransport.ts"
import * as MergedTransport from "../../src/transport/MergedTransport.ts"
import * as SocketServerTransport from "../../src/transport/SocketServerTransport.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import { hostOf, Transport, type TransportError } from "../../src/transport/Transport.ts"
import { record } from "../support/logs.ts"
import { portOf, settled } from "../support/wires.ts"

const merged = Effect.gen(function* () {
  const a = yield* MemoryTransport.make({ name: "a" })
  const b = yield* MemoryTransport.make({ name: "b" })
  return { a, b, transport: yield* MergedTransport.make([a.transport, b.transport]) }
})

describe("MergedTransport", () => {
  it.effect("hands out what arrives anywhere, and says where it listens", () =>
    Effect.gen(function* () {
      const { a, b, transport } = yield* merged
      assert.deepStrictEqual(
        [transport.name, transport.address, transport.others],
        ["memory", { _tag: "Memory", name: "a" }, [{ name: "memory", address: { _tag: "Memory", name: "b" } }]],
      )
      for (const [from, { memory }] of [a, b, a].entries()) {
        yield* memory.connectFrom(`client ${from}`)
        const wires = yield* transport.accept
        assert.deepStrictEqual(
          wires.map(({ peer }) => hostOf(peer)),
          [`client ${from}`],
        )
      }
    }),
  )

  it.live("is a layer of layers, with the requirements and the errors of each", () =>
    Effect.gen(function* () {
      const taken = yield* TcpTransport.make({ port: 0 })
      const tcp = TcpTransport.layer({ port: 0 })
      const socketServer = Layer.succeed(SocketServer.SocketServer, {
        address: NetAddress.unixPathAddress("/run/elsewhere"),
        run: () => Effect.never,
      })
      const both = MergedTransport.layer(tcp, SocketServerTransport.layer()).pipe(Layer.provide(socketServer))
      const transport = yield* Effect.map(Layer.build(both), Context.get(Transport))
      assert.deepStrictEqual(
        [transport.name, transport.others],
        ["tcp", [{ name: "socket-server", address: { _tag: "Unix", path: "/run/elsewhere" } }]],
      )
      yield* TcpTransport.dial({ host: "127.0.0.1", port: portOf(transport.address) })
      assert.lengthOf(yield* transport.accept, 1)
      const inUse = MergedTransport.layer(tcp, TcpTransport.layer({ port: portOf(taken.address) }))
      const error = yield* Effect.flip(Layer.build(inUse))
      assert.deepInclude(error.reason, { _tag: "ListenFailed", code: "EADDRINUSE" })
    }),
  )

  it.effect("goes on after an accept that failed, and tells of it", () =>
    Effect.gen(function* () {
      const { b, transport } = yield* merged
      yield* b.memory.failAccept("EMFILE")
      const error = yield* Effect.flip(transport.accept)
      assert.deepInclude((error as TransportError).reason, { _tag: "AcceptFailed", code: "EMFILE" })
      yield* b.memory.connect
      assert.strictEqual((yield* transport.accept).length, 1)
    }),
  )

  it.effect("hears the others where one dies, and says so in the log", () =>
    Effect.gen(function* () {
      const { lines, layer } = record("Error")
      const { memory, transport } = yield* MemoryTransport.make()
      const dying = { ...transport, accept: Effect.die(new Error("boom")) }
      const merged = yield* Effect.provide(MergedTransport.make([dying, transport]), layer)
      yield* memory.connect
      assert.strictEqual((yield* merged.accept).length, 1)
      const message = "BUG: a listener fails with something else than AcceptFailed"
      assert.deepStrictEqual(lines, [{ level: "ERROR", message, annotations: {} }])
    }),
  )

  it.effect("is done when all are", () =>
    Effect.gen(function* () {
      const { a, b, transport } = yield* merged
      yield* b.transport.close
      yield* settled
      yield* a.memory.connect
      assert.strictEqual((yield* transport.accept).length, 1)
      yield* transport.close
      assert.isTrue(Cause.isDone(yield* Effect.flip(transport.accept)))
      assert.strictEqual((yield* Effect.flip(a.memory.connect)).reason._tag, "DialFailed")
    }),
  )
})
