import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { LogLevel } from "effect/LogLevel"
import * as PubSub from "effect/PubSub"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
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

  const foreign = closed(CloseReason.WrongProtocol({ stranger, error: tooLarge }))
  const refused = (port: number) =>
    ServerEvents.ConnectionRefused({ peer: { ...peer, port }, reason: refusal, told: true })
  const refusedLine = (port: number, more = "") => ({
    level: "WARN",
    message: `connection refused: 2 connections, allowed are 2${more}`,
    annotations: { peer: `10.0.0.1:${port}`, told: true },
  })
  const running = Effect.fnUntraced(function* (level: LogLevel) {
    const { layer, lines } = Logs.record(level)
    const context = yield* Layer.build(Layer.provide(Layer.provideMerge(LogEvents.layer, ServerEvents.layer), layer))
    const { publishUnsafe } = Context.get(context, ServerEvents.ServerEvents)
    const happen = (...events: ReadonlyArray<ServerEvents.ServerEvent>) =>
      Effect.andThen(
        Effect.sync(() => events.forEach(publishUnsafe)),
        TestClock.adjust(0),
      )
    return { happen, lines }
  })

  it.effect("writes of each kind of refusal the first, then one line every 10 s for all that were like it", () =>
    Effect.gen(function* () {
      const { happen, lines } = yield* running("Info")
      yield* happen(refused(1), refused(2), refused(3), foreign)
      assert.deepStrictEqual(lines, [refusedLine(1), ofClosed("WARN", foreign.reason)])
      yield* TestClock.adjust(LogEvents.repeatEveryMs - 1)
      assert.strictEqual(lines.length, 2)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(lines.slice(2), [refusedLine(3, " (and 1 more like it)")])
      yield* happen(refused(4))
      yield* TestClock.adjust(LogEvents.repeatEveryMs)
      assert.deepStrictEqual(lines.slice(3), [refusedLine(4)])
    }),
  )

  it.effect("writes a refusal at once if there was none like it for 10 s", () =>
    Effect.gen(function* () {
      const { happen, lines } = yield* running("Info")
      yield* happen(refused(1))
      yield* TestClock.adjust(LogEvents.repeatEveryMs)
      yield* happen(refused(2))
      assert.deepStrictEqual(lines, [refusedLine(1), refusedLine(2)])
    }),
  )

  it.effect("counts more refusals than it could be behind with", () =>
    Effect.gen(function* () {
      const { happen, lines } = yield* running("Info")
      const many = ServerEvents.eventBacklog * 2
      yield* happen(...Array.from({ length: many }, (_, port) => refused(port)))
      yield* TestClock.adjust(LogEvents.repeatEveryMs)
      assert.deepStrictEqual(lines, [refusedLine(0), refusedLine(many - 1, ` (and ${many - 2} more like it)`)])
    }),
  )

  it.effect("writes each refusal where Debug is written", () =>
    Effect.gen(function* () {
      const { happen, lines } = yield* running("Debug")
      yield* happen(refused(1), refused(2))
      assert.deepStrictEqual(lines, [refusedLine(1), refusedLine(2)])
    }),
  )

  it.effect("writes at its end what it has counted", () =>
    Effect.gen(function* () {
      const lines = yield* Effect.scoped(
        Effect.flatMap(running("Info"), ({ happen, lines }) => Effect.as(happen(refused(1), refused(2)), lines)),
      )
      assert.deepStrictEqual(lines, [refusedLine(1), refusedLine(2)])
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
