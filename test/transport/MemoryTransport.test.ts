import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { MemoryTransport, layer } from "../../src/transport/MemoryTransport.ts"
import { Transport } from "../../src/transport/Transport.ts"
import { acceptOne, lossOf, pattern, readBytes, turn } from "../support/wires.ts"

const pair = Effect.gen(function* () {
  const client = yield* MemoryTransport.use((memory) => memory.connect)
  const server = yield* acceptOne(yield* Transport)
  return { client, server }
})

describe("MemoryTransport", () => {
  it.effect("needs neither time nor sockets", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair
      client.writeUnsafe([Buffer.from("hello "), Buffer.from("world")])
      assert.strictEqual(String(yield* readBytes(server, 11)), "hello world")
    }).pipe(Effect.provide(layer())),
  )

  it.effect("copies what is written: the writer may reuse its buffer", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair
      const buffer = Buffer.from("first")
      client.writeUnsafe([buffer])
      buffer.write("xxxxx")
      assert.strictEqual(String(yield* readBytes(server, 5)), "first")
    }).pipe(Effect.provide(layer())),
  )

  it.effect("delivers fragments of the size asked for, one by one", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair
      client.fragmentUnsafe(2)
      client.writeUnsafe([Buffer.from("abcde")])
      const sizes: Array<ReadonlyArray<number>> = []
      for (let i = 0; i < 3; i++) sizes.push((yield* server.pull).map((chunk) => chunk.length))
      assert.deepStrictEqual(sizes, [[2], [2], [1]])
    }).pipe(Effect.provide(layer())),
  )

  it.effect("asks for drained at the high water mark, not one byte below", () =>
    Effect.gen(function* () {
      const { client } = yield* pair
      assert.isTrue(client.writeUnsafe([pattern(99)]))
      assert.strictEqual(client.unsentUnsafe(), 99)
      assert.isFalse(client.writeUnsafe([pattern(1)]))
      yield* client.drained
      assert.strictEqual(client.unsentUnsafe(), 0)
    }).pipe(Effect.provide(layer({ writeHighWaterBytes: 100 }))),
  )

  it.effect("keeps bytes and FIN back while an end is stalled, though it pulls", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair
      client.stallUnsafe()
      server.writeUnsafe([pattern(10)])
      server.endUnsafe()
      const draining = yield* Effect.forkChild(server.drained, { startImmediately: true })
      const pulling = yield* Effect.forkChild(readBytes(client, 10), { startImmediately: true })
      yield* turn
      assert.deepStrictEqual([draining.pollUnsafe(), pulling.pollUnsafe()], [undefined, undefined])
      client.unstallUnsafe()
      yield* Fiber.join(draining)
      assert.isTrue(pattern(10).equals(yield* Fiber.join(pulling)))
      assert.isTrue(Cause.isDone(yield* Effect.flip(client.pull)))
    }).pipe(Effect.provide(layer())),
  )

  it.effect("keeps a FIN back that has no bytes before it", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair
      client.stallUnsafe()
      server.endUnsafe()
      const pulling = yield* Effect.forkChild(Effect.flip(client.pull), { startImmediately: true })
      yield* turn
      assert.strictEqual(pulling.pollUnsafe(), undefined)
      client.unstallUnsafe()
      assert.isTrue(Cause.isDone(yield* Fiber.join(pulling)))
    }).pipe(Effect.provide(layer())),
  )

  it.effect("loses both ends in a reset of the network", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair
      client.resetUnsafe()
      for (const wire of [client, server]) {
        assert.deepInclude((yield* lossOf(wire)).reason, { _tag: "WireLost", code: "ECONNRESET" })
        yield* wire.closed
      }
    }).pipe(Effect.provide(layer())),
  )

  it.effect("fails an accept between two that succeed, in their order", () =>
    Effect.gen(function* () {
      const transport = yield* Transport
      const memory = yield* MemoryTransport
      yield* memory.connectFrom("a")
      yield* memory.failAccept("EMFILE")
      yield* memory.connectFrom("b")
      const before = yield* transport.accept
      const error = yield* Effect.flip(transport.accept)
      const after = yield* transport.accept
      assert.deepStrictEqual(
        [...before, ...after].map((wire) => wire.peer),
        [
          { _tag: "Memory", name: "a" },
          { _tag: "Memory", name: "b" },
        ],
      )
      assert.isFalse(Cause.isDone(error))
      assert.deepInclude("reason" in error ? error.reason : {}, { _tag: "AcceptFailed", code: "EMFILE" })
    }).pipe(Effect.provide(layer())),
  )

  it.effect("refuses to connect once its listener is closed", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(Transport, (transport) => transport.close)
      const error = yield* Effect.flip(MemoryTransport.use((memory) => memory.connect))
      assert.strictEqual(error.message, "cannot connect to memory:a: ECONNREFUSED")
    }).pipe(Effect.provide(layer({ name: "a" }))),
  )
})
