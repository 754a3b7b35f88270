/**
 * A gateway that says what a test tells it to, for what the real one does rarely or never. Checks nothing of what it is
 * sent: the test does.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Client from "../../src/client/Client.ts"
import * as FrameDecoder from "../../src/frame/FrameDecoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import { MemoryWire } from "../../src/transport/MemoryWire.ts"
import type { Message } from "../support/clients.ts"
import { frames } from "../support/frames.ts"

const bounds = { readBufferBytes: 64 * 1024, writeHighWaterBytes: 64 * 1024 }

/** What `connected` says where a test does not. */
export const connected = {
  type: "connected",
  id: 1,
  connection: "c",
  session: { id: "c", key: "k", ttlMs: 60_000 },
  resumed: false,
  heartbeat: { intervalMs: 25_000, timeoutMs: 10_000 },
  limits: { frameBytes: 65_536, subscriptions: 1_000, commandsPerSecond: 1_000, outboxBytes: 1_048_576 },
  server: { name: "puppet", version: "0", node: "n" },
  time: 0,
}

/** One client's connection, from the gateway's side. */
export interface Peer {
  readonly wire: MemoryWire
  /** The next message; a heartbeat is one of that type. Dies when the client has left. */
  readonly next: Effect.Effect<Message>
  readonly say: (...messages: ReadonlyArray<object>) => void
  /** Sends a bye, and FIN behind it. */
  readonly bye: (code: number, rest: object) => void
}

/** A gateway of puppets. `dialled` gives each new connection. */
export const make = Effect.gen(function* () {
  const peers = yield* Queue.unbounded<Peer>()
  const wires: Array<MemoryWire> = []
  const dial: Client.Dialer = Effect.sync(() => {
    const client = new MemoryWire({ _tag: "Memory", name: "gateway" }, bounds)
    const wire = new MemoryWire({ _tag: "Memory", name: "client" }, bounds)
    MemoryWire.joinUnsafe(client, wire)
    wires.push(wire)
    Queue.offerUnsafe(peers, peerOf(wire))
    return client
  })
  const dialled = Queue.take(peers)
  /** Takes the next connection's `connect`, and answers it. */
  const accept = Effect.fnUntraced(function* (answer: object = {}) {
    const peer = yield* dialled
    const connect = yield* peer.next
    peer.say({ ...connected, ...answer })
    return { ...peer, connect }
  })
  /** At the end of the test no wire is left: a puppet says no farewell. */
  const silence = Effect.addFinalizer(() => Effect.sync(() => wires.forEach((wire) => wire.abortUnsafe())))
  /** A client that is connected. */
  const client = Effect.fnUntraced(function* (options: Partial<Client.Options> = {}, answer: object = {}) {
    const making = yield* Effect.forkScoped(Client.make({ dial, ...options }))
    const peer = yield* accept(answer)
    const client = yield* Fiber.join(making)
    yield* silence
    return { client, peer }
  })
  return { dial, dialled, accept, client, silence, waiting: Queue.size(peers) }
})

const peerOf = (wire: MemoryWire): Peer => {
  const decoder = FrameDecoder.make(FrameLayout.u32)
  const ready: Array<Message> = []
  const next: Peer["next"] = Effect.suspend(() => {
    const message = ready.shift()
    if (message !== undefined) return Effect.succeed(message)
    return Effect.flatMap(Effect.orDie(wire.pull), (chunks) => {
      for (const body of chunks.flatMap((chunk) => decoder.push(chunk))) {
        ready.push(body.length === 0 ? { type: "heartbeat" } : (JSON.parse(String(Buffer.from(body))) as Message))
      }
      return next
    })
  })
  const say: Peer["say"] = (...messages) =>
    void wire.writeUnsafe([frames(...messages.map((message) => JSON.stringify(message)))])
  return {
    wire,
    next,
    say,
    bye: (code, rest) => {
      say({ type: "bye", code, message: "told to go", ...rest })
      wire.endUnsafe()
    },
  }
}
