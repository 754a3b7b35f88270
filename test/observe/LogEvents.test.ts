import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as References from "effect/References"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import { CodecError } from "../../src/codec/Codec.ts"
import { FrameError, FrameTooLarge } from "../../src/frame/FrameError.ts"
import * as LogEvents from "../../src/observe/LogEvents.ts"
import * as ServerEvents from "../../src/server/ServerEvents.ts"
import { AcceptFailed, type Address } from "../../src/transport/Transport.ts"
import * as Logs from "../support/logs.ts"

const peer: Address = { _tag: "Tcp", host: "10.0.0.1", port: 4711 }
const closed = (reason: CloseReason.CloseReason) =>
  ServerEvents.ConnectionClosed({ id: 7, peer, reason, durationMs: 12 })
const ofClosed = (level: string, reason: CloseReason.CloseReason) => ({
  level,
  message: `connection closed: ${CloseReason.format(reason)}`,
  annotations: { connection: 7, peer: "10.0.0.1:4711", reason: reason._tag, durationMs: 12 },
})

const refusal = CloseReason.Refused({ limit: "connections", allowed: 2, observed: 2 })
const tooLarge = new FrameError({ reason: new FrameTooLarge({ limit: 8, declared: 9 }) })
const stranger = { _tag: "Stranger", name: "tls", message: "this looks like TLS" } as const
const unsendable = new CodecError({ direction: "encode", path: "", expected: "text", actual: "1" })

describe("the line of an event", () => {
  const cases: Readonly<Record<string, readonly [ServerEvents.ServerEvent, Logs.Line]>> = {
    "a listener says where it listens, which is all that names a free port": [
      ServerEvents.Listening({ server: "longline", transport: "tcp", address: peer }),
      { level: "INFO", message: "longline listening on 10.0.0.1:4711", annotations: { transport: "tcp" } },
    ],
    "a failed accept that is the peer's fault is for debugging": [
      ServerEvents.AcceptFault({ fault: "peer", error: new AcceptFailed({ code: "ECONNABORTED" }), pauseMs: 0 }),
      {
        level: "DEBUG",
        message: "accept failed: ECONNABORTED (fault of the peer), pausing for 0 ms",
        annotations: {},
      },
    ],
    "any other failed accept is a warning": [
      ServerEvents.AcceptFault({ fault: "resource", error: new AcceptFailed({ code: "ENFILE" }), pauseMs: 100 }),
      { level: "WARN", message: "accept failed: ENFILE (fault of the resource), pausing for 100 ms", annotations: {} },
    ],
    "an opened connection is for debugging": [
      ServerEvents.ConnectionOpened({ id: 7, peer }),
      { level: "DEBUG", message: "connection opened", annotations: { connection: 7, peer: "10.0.0.1:4711" } },
    ],
    "a refused connection is a warning": [
      ServerEvents.ConnectionRefused({ peer, reason: refusal, told: true }),
      {
        level: "WARN",
        message: "connection refused: 2 connections, allowed are 2",
        annotations: { peer: "10.0.0.1:4711", told: true },
      },
    ],
    "an ordinary end is for debugging": [closed(CloseReason.PeerClosed()), ofClosed("DEBUG", CloseReason.PeerClosed())],
    "another protocol is a warning": [
      closed(CloseReason.WrongProtocol({ stranger, error: tooLarge })),
      ofClosed("WARN", CloseReason.WrongProtocol({ stranger, error: tooLarge })),
    ],
    "a message that could not be sent is an error": [
      closed(CloseReason.BadOutbound({ error: unsendable })),
      ofClosed("ERROR", CloseReason.BadOutbound({ error: unsendable })),
    ],
    "a handler that failed is an error": [
      closed(CloseReason.HandlerFailed({ cause: Cause.fail("no") })),
      ofClosed("ERROR", CloseReason.HandlerFailed({ cause: Cause.fail("no") })),
    ],
    "a shedding is a warning that says how much it was about": [
      ServerEvents.BuffersShed({ connections: 2, shedBytes: 30, heldBytes: 101, allowedBytes: 100 }),
      {
        level: "WARN",
        message: "2 connections shed that held 30 bytes: all together held 101, allowed are 100",
        annotations: {},
      },
    ],
    "a drain that begins says how many there are, and how long they have": [
      ServerEvents.DrainStarted({ connections: 3, graceMs: 5000, timeoutMs: 20_000 }),
      {
        level: "INFO",
        message: "draining 3 connections: 5000 ms of grace, then 20000 ms",
        annotations: {},
      },
    ],
    "a drain that ended says how many were reset": [
      ServerEvents.DrainEnded({ aborted: 1, forced: false }),
      { level: "INFO", message: "drained: 1 connections reset", annotations: {} },
    ],
    "a drain that was forced says so": [
      ServerEvents.DrainEnded({ aborted: 0, forced: true }),
      { level: "INFO", message: "drained, forced: 0 connections reset", annotations: {} },
    ],
  }
  for (const [rule, [event, line]] of Object.entries(cases)) {
    it.effect(rule, () =>
      Effect.gen(function* () {
        const { layer, lines } = Logs.record()
        yield* Effect.provide(LogEvents.log(event), layer)
        assert.deepStrictEqual(lines, [line])
      }),
    )
  }
})

describe("the subscriber", () => {
  it.effect("is not woken for what nobody writes", () =>
    Effect.gen(function* () {
      const wanted = yield* Deferred.make<(event: ServerEvents.ServerEvent) => boolean>()
      const subscribe: ServerEvents.ServerEvents["Service"]["subscribe"] = (isWanted) =>
        Effect.andThen(
          Deferred.succeed(wanted, isWanted!),
          Effect.flatMap(PubSub.unbounded<ServerEvents.ServerEvent>(), PubSub.subscribe),
        )
      const events = Layer.succeed(ServerEvents.ServerEvents, { publishUnsafe: () => {}, subscribe })
      yield* Effect.scoped(Layer.build(Layer.provide(LogEvents.layer, events))).pipe(
        Effect.provideService(References.MinimumLogLevel, "Warn"),
      )
      const isWanted = yield* Deferred.await(wanted)
      const bug = CloseReason.HandlerFailed({ cause: Cause.fail("no") })
      assert.deepStrictEqual(
        [
          ServerEvents.ConnectionOpened({ id: 7, peer }),
          ServerEvents.DrainEnded({ aborted: 1, forced: false }),
          closed(CloseReason.PeerClosed()),
          closed(bug),
          ServerEvents.ConnectionRefused({ peer, reason: refusal, told: true }),
        ].map(isWanted),
        [false, false, false, true, true],
      )
    }),
  )

  it.effect("writes what was published before its end, and nothing after it", () =>
    Effect.gen(function* () {
      const { layer, lines } = Logs.record()
      const publish = (id: number) =>
        ServerEvents.ServerEvents.use(({ publishUnsafe }) =>
          Effect.sync(() => publishUnsafe(ServerEvents.ConnectionOpened({ id, peer }))),
        )
      yield* Effect.gen(function* () {
        yield* Effect.provide(publish(1), Layer.fresh(LogEvents.layer))
        yield* publish(2)
      }).pipe(Effect.provide(ServerEvents.layer), Effect.provide(layer))
      assert.deepStrictEqual(
        lines.map(({ annotations }) => annotations["connection"]),
        [1],
      )
    }),
  )
})
