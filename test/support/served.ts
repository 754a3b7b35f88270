/**
 * A server on a memory listener, every event of it, and clients that keep what they hear: for the tests of servers.
 * Waits for turns of the event loop and moves no clock.
 */
import { assert } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { CodecError } from "../../src/codec/Codec.ts"
import * as Protocol from "../../src/connection/Protocol.ts"
import * as FrameDecoder from "../../src/frame/FrameDecoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import * as Server from "../../src/server/Server.ts"
import { type ServerEvent, ServerEvents } from "../../src/server/ServerEvents.ts"
import * as MemoryTransport from "../../src/transport/MemoryTransport.ts"
import { Transport, type TransportError, type Wire } from "../../src/transport/Transport.ts"
import { frame } from "./frames.ts"
import { settled } from "./wires.ts"

/** Text both ways. `bad` is no message; the goodbye is `bye` and the reason's tag, a drain is announced with its grace. */
export const Text: Protocol.Protocol<string, string> = Protocol.fromCodec({
  name: "text",
  codec: {
    name: "text",
    decode: (body) => {
      const text = Buffer.from(body).toString()
      return text === "bad"
        ? Result.fail(new CodecError({ direction: "decode", path: "", expected: "anything else", actual: text }))
        : Result.succeed(text)
    },
    encode: Result.succeed,
  },
  goodbye: (reason) => `bye ${reason._tag}`,
  draining: (grace) => `draining in ${Duration.toMillis(grace)}`,
})

/** Somebody at the other end of a wire. */
export interface Client {
  readonly wire: Wire
  /** The bodies that came; heartbeats are empty. */
  readonly heard: ReadonlyArray<string>
  /** How the server's side stands: `open`, `fin`, or the code of a loss. */
  readonly state: () => string
  readonly say: (...texts: ReadonlyArray<string>) => void
}

/** Reads a wire for the life of the scope, and answers the server's FIN with its own. */
export const listen = (wire: Wire): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.gen(function* () {
    const heard: Array<string> = []
    let state = "open"
    const decoder = FrameDecoder.make(FrameLayout.u32)
    wire.onLostUnsafe(({ reason }) => {
      state = reason.code
    })
    const finish = Effect.sync(() => {
      if (state !== "open") return
      state = "fin"
      wire.endUnsafe()
    })
    yield* wire.pull.pipe(
      Effect.map((chunks) => {
        for (const chunk of chunks) heard.push(...decoder.push(chunk).map((body) => Buffer.from(body).toString()))
      }),
      Effect.forever({ disableYield: true }),
      Effect.catchTag("TransportError", () => Effect.never),
      Effect.catch(() => finish),
      Effect.forkScoped({ startImmediately: true }),
    )
    const say = (...texts: ReadonlyArray<string>): void => {
      const frames = texts.map(frame)
      if (Arr.isArrayNonEmpty(frames)) wire.writeUnsafe(frames)
    }
    return { wire, heard, state: () => state, say }
  })

/** The events of a server, all of them, as they come. */
export const record = (): { readonly events: Array<ServerEvent>; readonly layer: Layer.Layer<ServerEvents> } => {
  const events: Array<ServerEvent> = []
  const publishUnsafe = (event: ServerEvent) => void events.push(event)
  const subscribe = () => Effect.die("an array is enough")
  return { events, layer: Layer.succeed(ServerEvents, { publishUnsafe, subscribe }) }
}

/** The events with this tag. */
export const tagged = <Tag extends ServerEvent["_tag"]>(events: ReadonlyArray<ServerEvent>, tag: Tag) =>
  events.filter((event): event is Extract<ServerEvent, { readonly _tag: Tag }> => event._tag === tag)

/** The tags of the reasons for which connections closed, in order. */
export const closings = (events: ReadonlyArray<ServerEvent>): ReadonlyArray<string> =>
  tagged(events, "ConnectionClosed").map(({ reason }) => reason._tag)

/** A server that runs in memory. */
export interface Served extends Server.Server<string> {
  readonly memory: MemoryTransport.MemoryTransport["Service"]
  readonly events: ReadonlyArray<ServerEvent>
  /** A client that reads, from the host `client` unless another is named. */
  readonly connect: (host?: string) => Effect.Effect<Client, TransportError, Scope.Scope>
  /** Closes the server's scope; the listener's own stays open. */
  readonly stop: Effect.Effect<void>
}

/** What a server is served with beside its handler. */
export interface Options {
  readonly settings?: Layer.Layer<never>
}

/** Serves `Text` in memory. */
export const serve = <E, R>(handler: Server.Handler<string, string, E, R>, options?: Options) =>
  serveProtocol(Text, handler, options)

/** Serves any protocol whose messages to the peer are text, in memory. */
export const serveProtocol = Effect.fnUntraced(function* <In, E, R>(
  protocol: Protocol.Protocol<In, string>,
  handler: Server.Handler<In, string, E, R>,
  options: Options = {},
) {
  const { memory, transport } = yield* MemoryTransport.make()
  const recorded = record()
  const scope = yield* Scope.make()
  const server = yield* Server.make(protocol, handler).pipe(
    Effect.provideService(Transport, transport),
    Effect.provide(Layer.merge(recorded.layer, options.settings ?? Layer.empty)),
    Scope.provide(scope),
  )
  const stop = Scope.close(scope, Exit.void)
  // A test that fails must end, however its server is.
  yield* Effect.addFinalizer(() => Effect.forkDetach(stop))
  return {
    ...server,
    memory,
    events: recorded.events,
    connect: (host = "client") => Effect.flatMap(memory.connectFrom(host), listen),
    stop,
  } satisfies Served
})

/** Builds a layer whose scope is closed after the test, which waits neither for it nor for its clock. */
export const build = Effect.fnUntraced(function* <A, E, R>(layer: Layer.Layer<A, E, R>) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Effect.forkDetach(Scope.close(scope, Exit.void)))
  return yield* Layer.buildWithScope(layer, scope)
})

/** Runs an effect under the test's clock, moved on until it has ended. */
export const within = Effect.fnUntraced(function* <A, E, R>(duration: Duration.Input, effect: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
  yield* TestClock.adjust(duration)
  yield* settled
  const exit = fiber.pollUnsafe()
  assert.isDefined(exit, `not done after ${Duration.format(Duration.fromInputUnsafe(duration))}`)
  return yield* exit
})
