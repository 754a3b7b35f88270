/**
 * The traps of the platform, as architecture.md lists them under "What the platform does, and what it does not":
 * one test each, named after it. Real sockets, no clock.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as NodeListener from "../../src/transport/NodeListener.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as TlsTransport from "../../src/transport/TlsTransport.ts"
import { makeCertificates } from "../support/certificates.ts"
import { acceptOne, lossOf, pattern, portOf, rawClient, readBytes, turn, until } from "../support/wires.ts"

const tooMuch = 16 * 1024 * 1024

const pair = (options: Partial<TcpTransport.Options> = {}) =>
  Effect.gen(function* () {
    const transport = yield* TcpTransport.make({ port: 0, ...options })
    const client = yield* TcpTransport.dial({ host: "127.0.0.1", port: portOf(transport.address) })
    return { transport, client, server: yield* acceptOne(transport) }
  })

/** What the system says: "timer 2" of a socket, with nothing on its way, is the one that keeps it alive. */
const isKeptAlive = (port: number, peerPort: number): boolean => {
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(4, "0")
  const ends = [port, peerPort].map((each) => `0100007F:${hex(each)}`).join(" ")
  const line = Fs.readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .find((each) => each.includes(`${ends} `))
  return line?.trim().split(/\s+/)[5]?.startsWith("02:") === true
}

describe("traps of the platform", () => {
  it.live("closing the scope does not hang on a client that never reads", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const transport = yield* Scope.provide(TcpTransport.make({ port: 0 }), scope)
      const client = yield* rawClient(transport)
      client.pause()
      const server = yield* acceptOne(transport)
      server.writeUnsafe([pattern(tooMuch)])
      server.endUnsafe()
      yield* Scope.close(scope, Exit.void)
      server.abortUnsafe()
      yield* server.closed
    }),
  )

  it.live("a write to a socket that has closed returns, and so does the wait for drained", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair()
      client.abortUnsafe()
      const lost = yield* lossOf(server)
      assert.isFalse(server.writeUnsafe([pattern(tooMuch)]))
      assert.strictEqual(yield* Effect.flip(server.drained), lost)
    }),
  )

  it.live("a write that waits when the socket closes is woken", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair()
      server.writeUnsafe([pattern(tooMuch)])
      const waiting = yield* Effect.forkChild(Effect.flip(server.drained), { startImmediately: true })
      client.abortUnsafe()
      assert.strictEqual(yield* Fiber.join(waiting), yield* lossOf(server))
    }),
  )

  it.live("a silent client in a TLS handshake does not hold up the scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const transport = yield* Scope.provide(TlsTransport.make({ port: 0, ...makeCertificates().server }), scope)
      yield* rawClient(transport)
      const wires = yield* transport.accept
      yield* rawClient(transport)
      yield* Scope.close(scope, Exit.void)
      wires[0].abortUnsafe()
      yield* wires[0].closed
    }),
  )

  it.live("a reset is seen while nobody pulls and the handler is busy", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair()
      client.writeUnsafe([Buffer.from("work")])
      yield* readBytes(server, 4)
      client.abortUnsafe()
      assert.deepInclude((yield* lossOf(server)).reason, { _tag: "WireLost", code: "ECONNRESET" })
    }),
  )

  it.live("a reset is seen behind bytes that nobody pulled, which can still be pulled", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ readBufferBytes: 5 })
      client.writeUnsafe([Buffer.from("work")])
      yield* until(() => server.receivedUnsafe() === 4)
      client.abortUnsafe()
      const lost = yield* lossOf(server)
      assert.strictEqual(String(yield* readBytes(server, 4)), "work")
      assert.strictEqual(yield* Effect.flip(server.pull), lost)
    }),
  )

  it.live("a reset behind a full read buffer is seen once somebody pulls", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ readBufferBytes: 4 })
      client.writeUnsafe([Buffer.from("work")])
      yield* until(() => server.pausedUnsafe())
      client.abortUnsafe()
      assert.strictEqual(String(yield* readBytes(server, 4)), "work")
      assert.deepInclude((yield* lossOf(server)).reason, { _tag: "WireLost", code: "ECONNRESET" })
    }),
  )

  it("noDelay, keepAlive and half-open are on", () => {
    assert.deepStrictEqual(NodeListener.socketOptions, {
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
    })
  })

  it.live.skipIf(process.platform !== "linux")("accepted sockets are kept alive, those too that only inherit it", () =>
    Effect.gen(function* () {
      // With a backlog of 1, two may have waited before the listener was told, and the others inherit.
      const transport = yield* TcpTransport.make({ port: 0, backlog: 1 })
      for (let accepted = 0; accepted < 4; accepted++) {
        const client = yield* rawClient(transport)
        yield* acceptOne(transport)
        assert.isTrue(isKeptAlive(portOf(transport.address), client.localPort!))
      }
    }),
  )

  it.live("no host means loopback", () =>
    Effect.gen(function* () {
      const { address } = yield* TcpTransport.make({ port: 0 })
      assert.deepStrictEqual(address, { _tag: "Tcp", host: "127.0.0.1", port: portOf(address) })
      assert.isAbove(portOf(address), 0)
    }),
  )

  it.live("bytes in the kernel's send buffer count as sent: a peer that never reads looks healthy below its size", () =>
    Effect.gen(function* () {
      const transport = yield* TcpTransport.make({ port: 0 })
      const client = yield* rawClient(transport)
      client.pause()
      const server = yield* acceptOne(transport)
      assert.isTrue(server.writeUnsafe([pattern(100_000)]))
      assert.strictEqual(server.unsentUnsafe(), 0)
      assert.isFalse(server.writeUnsafe([pattern(tooMuch)]))
      assert.isAbove(server.unsentUnsafe(), 0)
    }),
  )

  it.live("one connection a turn is accepted, yet a late acceptor gets all of them at once", () =>
    Effect.gen(function* () {
      const certificates = makeCertificates()
      const transport = yield* TlsTransport.make({ port: 0, ...certificates.server })
      // A handshake that is done tells that its connection has arrived.
      const options = { host: "127.0.0.1", port: portOf(transport.address), ca: certificates.ca }
      yield* Effect.replicateEffect(TlsTransport.dial(options), 3)
      assert.strictEqual((yield* transport.accept).length, 3)
    }),
  )

  for (const [when, later] of [
    ["in the same turn", Effect.void],
    ["before the shutdown is issued", Effect.promise(() => Promise.resolve())],
    ["while the shutdown is on its way", Effect.callback<void>((resume) => process.nextTick(resume, Effect.void))],
    ["a turn later", turn],
  ] as const) {
    it.live(`an abort right behind an end frees the descriptor: ${when}`, () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair()
        server.writeUnsafe([Buffer.from("bye")])
        server.endUnsafe()
        yield* later
        server.abortUnsafe()
        yield* server.closed
        client.abortUnsafe()
      }),
    )
  }

  it.live("a socket error that nobody waits for is no uncaught exception", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair()
      client.abortUnsafe()
      for (let i = 0; i < 3; i++) server.writeUnsafe([pattern(1000)])
      yield* server.closed
      assert.isTrue(Net.isIP(server.peer._tag === "Tcp" ? server.peer.host : "") > 0)
    }),
  )
})
