/**
 * The three shapes of a handler, on each side, over each kind of wire, with every ending: it has heard what was said, ends
 * once, for the reason that it is, and is cleaned up once; and its peer is told, if it can be.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CloseReason } from "../../src/connection/CloseReason.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import * as Dial from "../../src/connection/Dial.ts"
import * as Protocol from "../../src/connection/Protocol.ts"
import * as Server from "../../src/server/Server.ts"
import * as MemoryTransport from "../../src/transport/MemoryTransport.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as TlsTransport from "../../src/transport/TlsTransport.ts"
import * as WebSocketTransport from "../../src/transport/WebSocketTransport.ts"
import { Transport, type TransportError } from "../../src/transport/Transport.ts"
import { makeCertificates } from "../support/certificates.ts"
import { pass, texts } from "../support/connections.ts"
import { frame } from "../support/frames.ts"
import { type Client, closings, listen, record } from "../support/served.ts"
import { acceptOne, portOf, until } from "../support/wires.ts"

type Texts = Connection<string, string>
type Shape = (connection: Texts, note: (message: string) => void) => Effect.Effect<unknown, unknown>

/** What each answers: the first two say what they hear, the third says nothing. */
const shapes: Readonly<Record<string, { readonly run: Shape; readonly answers: ReadonlyArray<string> }>> = {
  "a loop of receive": {
    run: (connection, note) =>
      Effect.forever(
        Effect.flatMap(connection.receive, (message) => {
          note(message)
          return connection.send(message)
        }),
      ),
    answers: ["hello"],
  },
  "a read loop beside a write loop": {
    run: Effect.fnUntraced(function* (connection: Texts, note: (message: string) => void) {
      const queue = yield* Queue.bounded<string>(1)
      const read = Effect.flatMap(connection.receive, (message) => {
        note(message)
        return Queue.offer(queue, message)
      })
      const write = Effect.flatMap(Queue.take(queue), connection.send)
      yield* Effect.all([Effect.forever(read), Effect.forever(write)], { concurrency: 2 })
    }),
    answers: ["hello"],
  },
  "one that only listens": {
    run: (connection, note) => Stream.runForEach(connection.messages, (message) => Effect.sync(() => note(message))),
    answers: [],
  },
}

/** A listener, and how it is dialled. */
type Listening = Effect.Effect<
  { readonly transport: Transport["Service"]; readonly dial: Dial.Dialer },
  TransportError,
  Scope.Scope
>

const certificates = makeCertificates()
const host = "127.0.0.1"

const transports: Readonly<Record<string, Listening>> = {
  memory: Effect.map(MemoryTransport.make(), ({ memory, transport }) => ({ transport, dial: memory.connect })),
  tcp: Effect.map(TcpTransport.make({ port: 0 }), (transport) => ({
    transport,
    dial: TcpTransport.dial({ host, port: portOf(transport.address) }),
  })),
  tls: Effect.map(TlsTransport.make({ port: 0, ...certificates.server }), (transport) => ({
    transport,
    dial: TlsTransport.dial({ host, port: portOf(transport.address), ca: certificates.ca }),
  })),
  websocket: Effect.map(WebSocketTransport.make({ port: 0 }), (transport) => ({
    transport,
    dial: WebSocketTransport.dial({ host, port: portOf(transport.address) }),
  })),
}

/** A handler at work, its peer, and how it ended. */
interface Running {
  readonly peer: Client
  /** The tags of the reasons for which it has ended. */
  readonly ended: () => ReadonlyArray<string>
  /** This side leaves: a server drains, who dialled is interrupted. */
  readonly leave: Effect.Effect<unknown>
}

type Handler = (connection: Texts) => Effect.Effect<unknown, unknown, Scope.Scope>
type Side = (listening: Listening, handler: Handler) => Effect.Effect<Running, unknown, Scope.Scope>

const serverOf = (protocol: Protocol.Protocol<string, string>): Side =>
  Effect.fnUntraced(function* (listening: Listening, handler: Handler) {
    const { dial, transport } = yield* listening
    const { events, layer } = record()
    const scope = yield* Scope.make()
    yield* Server.make(protocol, handler).pipe(
      Effect.provide(Layer.merge(layer, Layer.succeed(Transport, transport))),
      Scope.provide(scope),
    )
    const leave = Scope.close(scope, Exit.void)
    yield* Effect.addFinalizer(() => Effect.forkDetach(leave))
    return { peer: yield* listen(yield* dial), ended: () => closings(events), leave }
  })

const dialler: Side = Effect.fnUntraced(function* (listening: Listening, handler: Handler) {
  const { dial, transport } = yield* listening
  const reasons: Array<CloseReason> = []
  const options = {
    id: 1,
    protocol: Protocol.dialled(texts),
    dial,
    settings: yield* Dial.settings,
    onOpenedUnsafe: () => undefined,
    onEndedUnsafe: (reason: CloseReason) => void reasons.push(reason),
  }
  const dialling = yield* Effect.forkChild(Dial.serveInPeace(options, handler), { startImmediately: true })
  const peer = yield* listen(yield* acceptOne(transport))
  return { peer, ended: () => reasons.map(({ _tag }) => _tag), leave: Fiber.interrupt(dialling) }
})

const asked: Protocol.Protocol<string, string> = { ...texts, peerBegins: true }

/** The sides, and the reason for which each leaves by itself. */
const sides: Readonly<Record<string, { readonly start: Side; readonly leaves: string }>> = {
  "a server": { start: serverOf(texts), leaves: "Draining" },
  "a server whose peers begin": { start: serverOf(asked), leaves: "Draining" },
  "a dialler": { start: dialler, leaves: "Done" },
}

/** What the peer does, or does not, and the reason that this is; without one it is this side that leaves. */
interface Ending {
  readonly by: (running: Running) => Effect.Effect<unknown>
  readonly reason?: string
  /** How the wire ends for the peer. Default: by FIN. */
  readonly state?: string
  /** Whether there is a goodbye before that. Default: true. */
  readonly isTold?: boolean
  /** Wires on which it cannot happen: a WebSocket's messages are whole. */
  readonly notOver?: string
}

/** Longer than any interval of heartbeats with its timeout, which is 38 s. */
const silenceSeconds = 60

const silence = Effect.fnUntraced(function* ({ ended }: Running) {
  for (let second = 0; second < silenceSeconds && ended().length === 0; second++) yield* pass("1 second")
})

const endings: Readonly<Record<string, Ending>> = {
  FIN: { by: ({ peer }) => Effect.sync(() => peer.wire.endUnsafe()), reason: "PeerClosed" },
  "FIN within a frame": {
    by: ({ peer }) =>
      Effect.sync(() => {
        peer.wire.writeUnsafe([frame("hello").subarray(0, 6)])
        peer.wire.endUnsafe()
      }),
    reason: "Truncated",
    isTold: false,
    notOver: "websocket",
  },
  RST: {
    by: ({ peer }) => Effect.sync(() => peer.wire.abortUnsafe()),
    reason: "WireLost",
    state: "ABORTED",
    isTold: false,
  },
  silence: { by: silence, reason: "HeartbeatTimeout" },
  "a drain": { by: ({ leave }) => Effect.forkChild(leave) },
}

for (const [on, listening] of Object.entries(transports)) {
  for (const [side, { leaves, start }] of Object.entries(sides)) {
    describe(`Over ${on}, ${side}'s handler`, () => {
      for (const [shape, { answers, run }] of Object.entries(shapes)) {
        for (const [ending, { by, isTold = true, notOver, reason = leaves, state = "fin" }] of Object.entries(
          endings,
        )) {
          if (notOver === on) continue
          it.effect(`that is ${shape} ends by ${ending} for this reason, once`, () =>
            Effect.gen(function* () {
              const noted: Array<string> = []
              const cleaned: Array<string> = []
              const handler: Handler = (connection) =>
                Effect.addFinalizer((exit) => Effect.sync(() => void cleaned.push(exit._tag))).pipe(
                  Effect.andThen(run(connection, (message) => void noted.push(message))),
                )
              const running = yield* start(listening, handler)
              const { ended, peer } = running
              peer.say("hello")
              yield* until(() => noted.length > 0 && peer.heard.length >= answers.length)
              yield* by(running)
              yield* until(() => ended().length > 0 && cleaned.length > 0 && peer.state() !== "open")
              const goodbye = isTold ? [`bye ${reason}`] : []
              assert.deepStrictEqual(
                {
                  noted,
                  cleaned: cleaned.length,
                  ended: ended(),
                  heard: peer.heard.filter(Boolean),
                  state: peer.state(),
                },
                { noted: ["hello"], cleaned: 1, ended: [reason], heard: [...answers, ...goodbye], state },
              )
            }),
          )
        }
      }
    })
  }
}
