/** What a call comes to, over every transport and with every serialization of Effect's. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Path from "node:path"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as TlsTransport from "../../src/transport/TlsTransport.ts"
import * as WebSocketTransport from "../../src/transport/WebSocketTransport.ts"
import { makeCertificates } from "../support/certificates.ts"
import { portOf, temporaryFolder, until } from "../support/wires.ts"
import { type Listen, memory, Refusal, serve, type Settings } from "./support.ts"

const certificates = makeCertificates()

const transports: Readonly<Record<string, Listen>> = {
  memory,
  tcp: Effect.map(TcpTransport.make({ port: 0 }), (transport) => ({
    transport,
    dial: TcpTransport.dial({ host: "127.0.0.1", port: portOf(transport.address) }),
  })),
  unix: Effect.gen(function* () {
    const path = Path.join(yield* temporaryFolder, "rpc.sock")
    return { transport: yield* TcpTransport.makeUnix({ path }), dial: TcpTransport.dial({ path }) }
  }),
  tls: Effect.map(TlsTransport.make({ port: 0, ...certificates.server }), (transport) => ({
    transport,
    dial: TlsTransport.dial({ host: "127.0.0.1", port: portOf(transport.address), ca: certificates.ca }),
  })),
  websocket: Effect.map(WebSocketTransport.make({ port: 0, messages: "bytes" }), (transport) => ({
    transport,
    dial: WebSocketTransport.dial({ host: "127.0.0.1", port: portOf(transport.address), messages: "bytes" }),
  })),
}

const serializations = {
  json: RpcSerialization.layerJson,
  "newline-delimited JSON": RpcSerialization.layerNdjson,
  "JSON-RPC": RpcSerialization.layerJsonRpc(),
  "newline-delimited JSON-RPC": RpcSerialization.layerNdJsonRpc(),
  "Schema's binary": RpcSerialization.layerSchemaBinary(),
}

const dieOf = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : exit

const behaves = (listen: Listen, settings: Settings = {}): void => {
  const served = serve(listen, settings)

  it.live("answers, with values as their schemas have them", () =>
    Effect.gen(function* () {
      const calls = yield* (yield* served).client()
      assert.strictEqual(yield* calls.add({ a: 20, b: 22 }), 42)
      assert.strictEqual(yield* calls.echo({ text: "ü\u2028\u0000 and so on" }), "ü\u2028\u0000 and so on")
      assert.deepStrictEqual(yield* calls.at({ when: new Date(1_000) }), new Date(1_001))
    }),
  )

  it.live("fails as the handler did, and as the middleware did", () =>
    Effect.gen(function* () {
      const calls = yield* (yield* served).client()
      assert.deepStrictEqual(yield* Effect.flip(calls.refuse()), new Refusal({ why: "not today" }))
      assert.deepStrictEqual(yield* Effect.flip(calls.whoami()), new Refusal({ why: "who is it?" }))
      assert.strictEqual(yield* RpcClient.withHeaders(calls.whoami(), { caller: "ann" }), "ann")
    }),
  )

  it.live("dies as the handler did", () =>
    Effect.gen(function* () {
      const calls = yield* (yield* served).client()
      assert.strictEqual(dieOf(yield* Effect.exit(calls.die())), "Error: a bug")
      assert.strictEqual(yield* calls.add({ a: 1, b: 1 }), 2)
    }),
  )

  it.live("goes beside others, each to its own answer", () =>
    Effect.gen(function* () {
      const { client, record } = yield* served
      const calls = yield* client()
      const slow = yield* Effect.forkChild(calls.never())
      const sums = yield* Effect.forEach([...Array(300).keys()], (a) => calls.add({ a, b: a }), {
        concurrency: "unbounded",
      })
      assert.deepStrictEqual(
        sums,
        [...Array(300).keys()].map((a) => 2 * a),
      )
      assert.isUndefined(slow.pollUnsafe())
      yield* until(() => record.began.length === 1)
      yield* Fiber.interrupt(slow)
      yield* until(() => record.interrupted.length === 1)
      assert.deepStrictEqual(record.interrupted, ["never"])
    }),
  )

  it.live("streams to the end, and to the error", () =>
    Effect.gen(function* () {
      const calls = yield* (yield* served).client()
      const all = yield* Stream.runCollect(calls.count({ to: 1_000 }))
      assert.deepStrictEqual(
        all,
        [...Array(1_000).keys()].map((n) => n + 1),
      )
      const seen: Array<number> = []
      const error = yield* Effect.flip(Stream.runForEach(calls.faulty(), (n) => Effect.sync(() => void seen.push(n))))
      assert.deepStrictEqual([seen, error], [[1, 2], new Refusal({ why: "no third" })])
    }),
  )

  it.live("makes a stream wait for who reads it, and stops it for who leaves", () =>
    Effect.gen(function* () {
      const { client, record } = yield* served
      const calls = yield* client()
      const some = yield* Stream.runCollect(Stream.take(calls.count({ to: 1_000_000 }), 5))
      yield* until(() => record.interrupted.length === 1)
      assert.deepStrictEqual([some, record.interrupted], [[1, 2, 3, 4, 5], ["count"]])
      assert.isBelow(record.produced, 10_000)
    }),
  )

  it.live("is interrupted when its client is gone", () =>
    Effect.gen(function* () {
      const { client, record } = yield* served
      yield* Effect.scoped(
        Effect.gen(function* () {
          const calls = yield* client()
          yield* Effect.forkChild(calls.never())
          yield* until(() => record.began.length === 1)
        }),
      )
      yield* until(() => record.interrupted.length === 1)
      const calls = yield* client()
      assert.strictEqual(yield* calls.add({ a: 1, b: 2 }), 3)
    }),
  )

  it.live("ends with the scope of the client, sooner than with an answer", () =>
    Effect.gen(function* () {
      const { client } = yield* served
      const fiber = yield* Effect.scoped(
        Effect.flatMap(client(), (calls) => Effect.forkDetach(Effect.exit(calls.never()), { startImmediately: true })),
      )
      const exit = yield* Fiber.join(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause), Option.some(exit).toString())
    }),
  )
}

for (const [name, listen] of Object.entries(transports)) describe(`a call over ${name}`, () => behaves(listen))

for (const [name, serialization] of Object.entries(serializations)) {
  describe(`a call in ${name}`, () => behaves(memory, { serialization }))
}
