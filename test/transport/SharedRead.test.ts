import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Net from "node:net"
import * as Path from "node:path"
import * as Codec from "../../src/codec/Codec.ts"
import * as Protocol from "../../src/connection/Protocol.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import * as Server from "../../src/server/Server.ts"
import * as SharedRead from "../../src/transport/SharedRead.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as TlsTransport from "../../src/transport/TlsTransport.ts"
import { Transport, type Wire } from "../../src/transport/Transport.ts"
import { ReadQueue } from "../../src/transport/ReadQueue.ts"
import { makeCertificates } from "../support/certificates.ts"
import { frame, frames } from "../support/frames.ts"
import { watchSharedReads, withoutSharedReads } from "../support/sharedReads.ts"
import {
  acceptOne,
  pattern,
  portOf,
  rawClient,
  readAll,
  readBytes,
  settled,
  temporaryFolder,
  until,
} from "../support/wires.ts"

/** A socket as a server makes it, and the client at its other end, which is told to write by the test. */
const accepted = (attach: (socket: Net.Socket) => void) =>
  Effect.gen(function* () {
    const server = Net.createServer({ allowHalfOpen: true })
    const arriving = new Promise<Net.Socket>((resolve) => {
      server.once("connection", (socket) => {
        attach(socket)
        resolve(socket)
      })
    })
    yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => Net.connect((server.address() as Net.AddressInfo).port, "127.0.0.1").on("error", () => {})),
      (client) => Effect.sync(() => client.destroy()),
    )
    const socket = yield* Effect.acquireRelease(
      Effect.promise(() => arriving),
      (socket) =>
        Effect.sync(() => {
          socket.destroy()
          server.close()
        }),
    )
    return { client, socket }
  })

/** A server that echoes bodies of up to 1 MB, and the wires that it was handed. */
const echoing = Effect.gen(function* () {
  const wires: Array<Wire> = []
  const transport = yield* TcpTransport.make({ port: 0 })
  const layout = FrameLayout.makeUnsafe({ maxFrameBytes: 1_000_000 })
  const Echo = Protocol.fromCodec({ name: "echo", codec: Codec.bytes, layout })
  yield* Server.make(Echo, (connection) => Stream.runForEachArray(connection.messages, connection.sendAll)).pipe(
    Effect.provideService(Transport, {
      ...transport,
      accept: Effect.tap(transport.accept, (accepted) => Effect.sync(() => wires.push(...accepted))),
    }),
  )
  return { transport, wires }
})

describe("SharedRead", () => {
  it.live("works on this Node: an accepted socket has its bytes from the shared buffer, without `data` events", () =>
    Effect.gen(function* () {
      const chunks: Array<Uint8Array> = []
      const shared = SharedRead.make((chunk) => chunks.push(chunk))
      const attached: Array<boolean> = []
      const { client, socket } = yield* accepted((socket) => attached.push(shared.attachUnsafe(socket)))
      client.write("first")
      yield* until(() => chunks.length === 1)
      client.write("second")
      yield* until(() => chunks.length === 2)
      assert.deepStrictEqual(attached, [true])
      assert.deepStrictEqual(chunks.map(String), ["first", "second"])
      assert.deepStrictEqual([socket.listenerCount("data"), socket.bytesRead], [0, 11])
    }),
  )

  it.live("is what tcp and unix listeners read with, one buffer a listener, and TLS does not", () =>
    Effect.gen(function* () {
      const buffers = yield* watchSharedReads
      const tcp = yield* TcpTransport.make({ port: 0 })
      yield* Effect.replicateEffect(Effect.andThen(rawClient(tcp), acceptOne(tcp)), 2)
      assert.deepStrictEqual(
        buffers.map((buffer) => buffer === buffers[0]),
        [true, true],
      )
      const path = Path.join(yield* temporaryFolder, "longline.sock")
      const unix = yield* TcpTransport.makeUnix({ path })
      yield* TcpTransport.dial({ path })
      yield* acceptOne(unix)
      assert.deepStrictEqual([buffers.length, buffers[2] === buffers[0]], [3, false])
      const { ca, server } = makeCertificates()
      const tls = yield* TlsTransport.make({ port: 0, ...server })
      yield* TlsTransport.dial({ host: "127.0.0.1", port: portOf(tls.address), ca })
      yield* acceptOne(tls)
      assert.strictEqual(buffers.length, 3)
    }),
  )

  it.live("keeps the bytes of two sockets apart, and never overwrites a chunk", () =>
    Effect.gen(function* () {
      const transport = yield* TcpTransport.make({ port: 0 })
      const pairs = yield* Effect.forEach([1, 2], (seed) =>
        Effect.gen(function* () {
          const client = yield* rawClient(transport)
          const bytes = pattern(300_000, seed)
          client.end(bytes)
          return { bytes, server: yield* acceptOne(transport) }
        }),
      )
      const got = yield* Effect.forEach(pairs, ({ server }) => readAll(server), { concurrency: 2 })
      assert.deepStrictEqual(
        pairs.map(({ bytes }, i) => bytes.equals(got[i]!)),
        [true, true],
      )
    }),
  )

  it.live("gives chunks of exactly what was read, at most sharedReadBytes", () =>
    Effect.gen(function* () {
      const lengths: Array<number> = []
      let received = 0
      const shared = SharedRead.make((chunk) => {
        lengths.push(chunk.length)
        received += chunk.length
      })
      const { client, socket } = yield* accepted((socket) => {
        shared.attachUnsafe(socket)
        socket.pause()
      })
      // More than one read is there when reading begins.
      client.write(pattern(SharedRead.sharedReadBytes + 1))
      yield* until(() => client.writableLength === 0)
      socket.resume()
      yield* until(() => received === SharedRead.sharedReadBytes + 1)
      assert.isAtMost(Math.max(...lengths), SharedRead.sharedReadBytes)
      assert.strictEqual(socket.bytesRead, SharedRead.sharedReadBytes + 1)
    }),
  )

  it.live("reads no further when its receiver pauses the socket, until it is resumed", () =>
    Effect.gen(function* () {
      let received = 0
      const shared = SharedRead.make(function (chunk) {
        received += chunk.length
        this.pause()
      })
      const { client, socket } = yield* accepted((socket) => shared.attachUnsafe(socket))
      client.write(pattern(1_000_000))
      yield* until(() => received > 0)
      const { bytesRead } = socket
      assert.isAtMost(bytesRead, SharedRead.sharedReadBytes)
      assert.deepStrictEqual([received, socket.isPaused()], [bytesRead, true])
      yield* until(() => {
        socket.resume()
        return received === 1_000_000
      })
    }),
  )

  it.live("lets its receiver destroy the socket, and hears nothing more of it", () =>
    Effect.gen(function* () {
      let calls = 0
      const shared = SharedRead.make(function () {
        calls++
        this.resetAndDestroy()
      })
      const { client, socket } = yield* accepted((socket) => shared.attachUnsafe(socket))
      client.write(pattern(1_000_000))
      yield* until(() => socket.closed && client.closed)
      assert.strictEqual(calls, 1)
    }),
  )

  it.live("emits `end` behind the last bytes, and writes on", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const shared = SharedRead.make((chunk) => seen.push(String(chunk)))
      const { client } = yield* accepted((socket) => {
        shared.attachUnsafe(socket)
        socket.on("end", () => {
          seen.push("end")
          socket.end("answer")
        })
      })
      client.end("question")
      client.on("data", (chunk) => seen.push(String(chunk)))
      yield* until(() => client.closed)
      assert.deepStrictEqual(seen, ["question", "end", "answer"])
    }),
  )

  it.live("lends what arrives while a pull waits; what was taken is counted and not pulled", () =>
    Effect.gen(function* () {
      const transport = yield* TcpTransport.make({ port: 0 })
      const client = yield* rawClient(transport)
      const server = yield* acceptOne(transport)
      const lent: Array<string> = []
      server.arrived?.sieveWith({
        takesUnsafe: (bytes) => {
          lent.push(String(bytes))
          return lent.length === 1
        },
        queuedUnsafe: () => {},
        finishedUnsafe: () => {},
      })
      client.write("nobody waits")
      yield* until(() => server.receivedUnsafe() === 12)
      assert.deepStrictEqual(lent, [])
      assert.strictEqual(String(yield* readBytes(server, 12)), "nobody waits")
      const waiting = yield* Effect.forkChild(server.pull, { startImmediately: true })
      client.write("taken")
      yield* until(() => lent.length === 1)
      assert.deepStrictEqual([server.receivedUnsafe(), server.unreadUnsafe(), waiting.pollUnsafe()], [17, 0, undefined])
      client.write("left")
      assert.deepStrictEqual((yield* Fiber.join(waiting)).map(String), ["left"])
      assert.deepStrictEqual([lent, server.receivedUnsafe()], [["taken", "left"], 21])
    }),
  )

  it.live("brings frames of many reads whole to a handler", () =>
    Effect.gen(function* () {
      const { transport } = yield* echoing
      const client = yield* TcpTransport.dial({ host: "127.0.0.1", port: portOf(transport.address) })
      const sent = frames(pattern(1_000_000, 1), pattern(3, 2), pattern(300_000, 3))
      client.writeUnsafe([sent])
      assert.isTrue(sent.equals(yield* readBytes(client, sent.length)))
    }),
  )

  it.live("lends a server the middle of a frame, and queues only its ends", () =>
    Effect.gen(function* () {
      const { transport, wires } = yield* echoing
      const client = yield* rawClient(transport)
      const queued = yield* Effect.acquireRelease(
        Effect.sync(() => vi.spyOn(ReadQueue.prototype, "keep")),
        (spy) => Effect.sync(() => spy.mockRestore()),
      )
      const sent = frame(pattern(30))
      for (const [from, to] of [
        [0, 10],
        [10, 20],
        [20, 34],
      ] as const) {
        client.write(sent.subarray(from, to))
        yield* until(() => wires[0]?.receivedUnsafe() === to)
        yield* settled
      }
      yield* until(() => client.readableLength === 34)
      assert.isTrue(sent.equals(client.read() as Buffer))
      assert.deepStrictEqual(
        queued.mock.calls.map(([chunk]) => chunk.length),
        [10, 14],
      )
    }),
  )

  describe("refuses, and changes nothing,", () => {
    const refusal = (prepare: (socket: Net.Socket) => void, shared: SharedRead.SharedRead) =>
      Effect.gen(function* () {
        const attached: Array<boolean> = []
        const { client, socket } = yield* accepted((socket) => {
          prepare(socket)
          attached.push(shared.attachUnsafe(socket))
        })
        assert.deepStrictEqual(attached, [false])
        return { client, socket }
      })

    const deliversByEvents = ({ client, socket }: { readonly client: Net.Socket; readonly socket: Net.Socket }) =>
      Effect.gen(function* () {
        const chunks: Array<string> = []
        socket.on("data", (chunk) => chunks.push(String(chunk)))
        client.write("bytes")
        yield* until(() => chunks.length > 0)
        assert.deepStrictEqual(chunks, ["bytes"])
      })

    const unused = () => assert.fail("nothing is received")

    it.live("a handle that cannot read into a buffer", () =>
      Effect.gen(function* () {
        yield* withoutSharedReads
        yield* deliversByEvents(yield* refusal(() => {}, SharedRead.make(unused)))
      }),
    )

    it.live("a Node whose sockets keep `onread` elsewhere", () =>
      Effect.gen(function* () {
        const symbols = vi.spyOn(Object, "getOwnPropertySymbols").mockReturnValue([])
        const shared = SharedRead.make(unused)
        symbols.mockRestore()
        yield* deliversByEvents(yield* refusal(() => {}, shared))
      }),
    )

    it.live("a socket that has a buffer already", () =>
      Effect.gen(function* () {
        const chunks: Array<Uint8Array> = []
        const first = SharedRead.make((chunk) => chunks.push(chunk))
        const { client } = yield* refusal((socket) => first.attachUnsafe(socket), SharedRead.make(unused))
        client.write("bytes")
        yield* until(() => chunks.length > 0)
        assert.deepStrictEqual(chunks.map(String), ["bytes"])
      }),
    )

    it.live("a socket that was destroyed", () => refusal((socket) => socket.destroy(), SharedRead.make(unused)))
  })

  it.live("is not needed: without it a wire has its bytes by `data` events", () =>
    Effect.gen(function* () {
      yield* withoutSharedReads
      const transport = yield* TcpTransport.make({ port: 0 })
      const client = yield* rawClient(transport)
      const server = yield* acceptOne(transport)
      client.write("bytes")
      assert.strictEqual(String(yield* readBytes(server, 5)), "bytes")
    }),
  )
})
