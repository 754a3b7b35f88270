/**
 * After two thousand connections that ended in every way there is, a server holds what it held before: fibers,
 * descriptors, timers, seats, groups.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type * as Net from "node:net"
import * as Tls from "node:tls"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import * as Deadlines from "../../src/connection/Deadlines.ts"
import * as Heartbeat from "../../src/connection/Heartbeat.ts"
import type { Registry } from "../../src/server/Registry.ts"
import * as Server from "../../src/server/Server.ts"
import { DrainEnded } from "../../src/server/ServerEvents.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as TlsTransport from "../../src/transport/TlsTransport.ts"
import { Transport } from "../../src/transport/Transport.ts"
import { backTo, destroyAll, dial, fiberGauge, holdings, once } from "../support/attackers.ts"
import { makeCertificates } from "../support/certificates.ts"
import { frame } from "../support/frames.ts"
import { record, tagged, Text } from "../support/served.ts"
import { portOf, until } from "../support/wires.ts"

const acts = new Map<string, (connection: Connection<string, string>) => Effect.Effect<void, unknown>>([
  ["fail", () => Effect.fail("failed")],
  ["die", () => Effect.die("died")],
  ["kick", (connection) => connection.close(CloseReason.Application({ code: 1, message: "out" }))],
  // Reads to the end, and waits for something that has nothing to do with the peer.
  ["wait", (connection) => Effect.andThen(Stream.runDrain(connection.messages), Effect.never)],
  ["flood", (connection) => Effect.forever(connection.send("x".repeat(60_000)))],
])

/** Echoes, joins two groups, and does what it is told; `held` counts what its scope holds. */
const handlerOf = (held: { count: number }) => (connection: Connection<string, string>, registry: Registry<string>) =>
  Effect.gen(function* () {
    yield* Effect.acquireRelease(
      Effect.sync(() => held.count++),
      () => Effect.sync(() => held.count--),
    )
    registry.join(connection, "everybody")
    registry.join(connection, `group ${connection.id % 7}`)
    yield* Stream.runForEach(connection.messages, (text) => acts.get(text)?.(connection) ?? connection.send(text))
  })

/** What carries the bytes, and the socket under it: the same, or a TLS socket and a plain one. */
interface Peer {
  readonly socket: Net.Socket
  readonly raw: Net.Socket
}

interface Ending {
  readonly reasons: ReadonlyArray<CloseReason.CloseReason["_tag"]>
  readonly act: (peer: Peer) => Effect.Effect<void>
}

const write =
  (bytes: Uint8Array | string, then?: (socket: Net.Socket) => void) =>
  ({ socket }: Peer) =>
    Effect.sync(() => {
      socket.resume()
      socket.write(bytes)
      then?.(socket)
    })

const reset: Ending["act"] = ({ socket, raw }) =>
  Effect.gen(function* () {
    socket.write(frame("hello"))
    yield* once(socket, "data")
    raw.resetAndDestroy()
  })

const givenUp = ["HeartbeatTimeout", "WriteStalled", "SlowConsumer"] as const

const endings: ReadonlyArray<Ending> = [
  { reasons: ["PeerClosed"], act: write(frame("hello"), (socket) => socket.end()) },
  { reasons: ["WireLost"], act: reset },
  { reasons: givenUp, act: () => Effect.void },
  { reasons: ["WrongProtocol"], act: write("GET / HTTP/1.1\r\nHost: here\r\n\r\n") },
  { reasons: ["BadFrame"], act: write(Buffer.from("fffffff0deadbeef", "hex")) },
  { reasons: ["BadMessage"], act: write(frame("bad")) },
  { reasons: ["Application"], act: write(frame("kick")) },
  { reasons: ["HandlerFailed"], act: write(frame("fail")) },
  { reasons: ["HandlerFailed"], act: write(frame("die")) },
  { reasons: ["Truncated"], act: write(frame("truncated").subarray(0, 9), (socket) => socket.end()) },
  { reasons: ["WireLost"], act: write(frame("wait"), (socket) => socket.destroySoon()) },
  // Paused before it has a listener: it never reads.
  { reasons: givenUp, act: write(frame("flood"), (socket) => socket.pause()) },
]

/** What a peer may do that has said nothing, beside being silent. */
const endingBeforeBegun: Ending = {
  reasons: ["PeerClosed"],
  act: ({ socket }) => Effect.sync(() => void socket.resume().end()),
}

/** What a peer of TLS may do besides, on its plain socket. */
const endingsBeforeHandshake: ReadonlyArray<Ending> = [
  { reasons: ["WireLost"], act: () => Effect.void },
  { reasons: ["WireLost"], act: ({ raw }) => Effect.sync(() => void raw.write("no handshake at all")) },
]

/** How the connections ended, each kind by the first of the reasons that it may have. */
const tally = (reasons: ReadonlyArray<string>) => {
  const counts: Record<string, number> = {}
  for (const reason of reasons) {
    const kind = givenUp.find((each) => each === reason) === undefined ? reason : givenUp[0]
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

const attack = Effect.fnUntraced(function* (options: {
  /** Default: `Text`. */
  readonly protocol?: typeof Text
  readonly transport: Layer.Layer<Transport, unknown>
  readonly peers: ReadonlyArray<Ending & { readonly connect: (port: number) => Effect.Effect<Peer> }>
  readonly waves: number
  readonly perWave: number
  /** How long a silent peer is waited for: longer than the longest turn, in which no bytes are read. */
  readonly patience: Duration.Input
}) {
  const settings = Layer.mergeAll(
    Heartbeat.layer({ interval: options.patience, timeout: options.patience }),
    Deadlines.layer({ writeStall: options.patience, goodbye: "100 millis" }),
  )
  const gauge = fiberGauge()
  const { events, layer } = record()
  const held = { count: 0 }
  const outside = holdings()
  const run = Effect.gen(function* () {
    const server = yield* Server.make(options.protocol ?? Text, handlerOf(held))
    const reading = () => ({
      ...holdings(),
      fibers: gauge.alive(),
      held: held.count,
      seats: server.seatsTaken(),
      connections: server.registry.size,
      groups: server.registry.groups,
    })
    yield* until(() => gauge.alive() > 0)
    const start = reading()
    const expected: Array<string> = []
    for (let wave = 0; wave < options.waves; wave++) {
      const peers = yield* Effect.forEach(
        Array.from({ length: options.perWave }, (_, index) => options.peers[(wave + index) % options.peers.length]!),
        ({ act, connect, reasons }) =>
          Effect.gen(function* () {
            expected.push(reasons[0]!)
            const peer = yield* connect(portOf(server.address))
            yield* act(peer)
            return peer
          }),
        { concurrency: "unbounded" },
      )
      yield* until(() => tagged(events, "ConnectionClosed").length === expected.length)
      yield* destroyAll(peers.flatMap(({ socket, raw }) => [socket, raw]))
    }
    const reasons = tagged(events, "ConnectionClosed").map(({ reason }) => reason._tag)
    assert.deepStrictEqual(tally(reasons), tally(expected))
    assert.deepStrictEqual(yield* backTo(start, reading), start)
  })
  yield* run.pipe(Effect.provide(Layer.mergeAll(options.transport, layer, settings, gauge.layer)), Effect.scoped)
  assert.deepStrictEqual(events.at(-1), DrainEnded({ aborted: 0, forced: false }))
  assert.deepStrictEqual(yield* backTo(outside, holdings), outside)
})

const connectPlain = (port: number): Effect.Effect<Peer> =>
  Effect.suspend(() => {
    const raw = dial(port)
    return Effect.as(once(raw, "connect"), { socket: raw, raw })
  })

const connectTls =
  (ca: string) =>
  (port: number): Effect.Effect<Peer> =>
    Effect.suspend(() => {
      const raw = dial(port)
      const socket = Tls.connect({ socket: raw, ca, servername: "localhost" }).on("error", () => {})
      return Effect.as(once(socket, "secureConnect"), { socket, raw })
    })

describe("a server holds what it held before, after", () => {
  it.live("1 800 connections on tcp that ended in every way", () =>
    attack({
      transport: TcpTransport.layer({ port: 0 }),
      peers: endings.map((ending) => ({ ...ending, connect: connectPlain })),
      waves: 9,
      perWave: 200,
      patience: "150 millis",
    }),
  )

  it.live("390 connections on tcp of a protocol in which the peer begins, before it has begun and after it", () =>
    attack({
      protocol: { ...Text, peerBegins: true },
      transport: TcpTransport.layer({ port: 0 }),
      peers: [...endings, endingBeforeBegun].map((ending) => ({ ...ending, connect: connectPlain })),
      waves: 2,
      perWave: 195,
      patience: "150 millis",
    }),
  )

  it.live("200 connections on tls that ended in every way, before the handshake and after it", () => {
    const { ca, server } = makeCertificates()
    return attack({
      transport: TlsTransport.layer({ port: 0, handshakeTimeout: "1 second", ...server }),
      peers: [
        ...endings.map((ending) => ({ ...ending, connect: connectTls(ca) })),
        ...endingsBeforeHandshake.map((ending) => ({ ...ending, connect: connectPlain })),
      ],
      waves: 2,
      perWave: 100,
      patience: "400 millis",
    })
  })
})
