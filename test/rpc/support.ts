/** A group with one call of each kind, served and called over a transport. Counts what handlers did. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import type { Dialer } from "../../src/connection/Dial.ts"
import * as RpcDialer from "../../src/rpc/RpcDialer.ts"
import * as RpcListener from "../../src/rpc/RpcListener.ts"
import * as MemoryTransport from "../../src/transport/MemoryTransport.ts"
import { record as recordEvents } from "../support/served.ts"
import { Transport, type TransportError } from "../../src/transport/Transport.ts"

export class Refusal extends Schema.TaggedError<Refusal>()("Refusal", { why: Schema.String }) {}

/** Who calls, as a header says. */
export class Caller extends Context.Service<Caller, { readonly name: string }>()("test/Caller") {}

export class WhoCalls extends RpcMiddleware.Service<WhoCalls, { provides: Caller }>()("test/WhoCalls", {
  error: Refusal,
}) {}

export const Calls = RpcGroup.make(
  Rpc.make("add", { payload: { a: Schema.Finite, b: Schema.Finite }, success: Schema.Finite }),
  Rpc.make("refuse", { success: Schema.Void, error: Refusal }),
  Rpc.make("die", { success: Schema.Void }),
  Rpc.make("echo", { payload: { text: Schema.String }, success: Schema.String }),
  Rpc.make("repeat", { payload: { text: Schema.String, times: Schema.Finite }, success: Schema.String }),
  Rpc.make("at", { payload: { when: Schema.Date }, success: Schema.Date }),
  Rpc.make("never", { success: Schema.Void }),
  Rpc.make("count", { payload: { to: Schema.Finite }, success: Schema.Finite, stream: true }),
  Rpc.make("faulty", { success: Schema.Finite, error: Refusal, stream: true }),
  Rpc.make("whoami", { success: Schema.String }).middleware(WhoCalls),
)

/** What the handlers of one server did. */
export interface Record {
  readonly began: Array<string>
  readonly interrupted: Array<string>
  produced: number
  /** A call of `never` ends when this does. */
  readonly release: Deferred.Deferred<void>
}

const handlers = (record: Record) =>
  Calls.toLayer({
    add: ({ a, b }) => Effect.succeed(a + b),
    refuse: () => Effect.fail(new Refusal({ why: "not today" })),
    die: () => Effect.die(new Error("a bug")),
    echo: ({ text }) => Effect.succeed(text),
    repeat: ({ text, times }) => Effect.succeed(text.repeat(times)),
    at: ({ when }) => Effect.succeed(new Date(when.getTime() + 1)),
    never: () =>
      Effect.suspend(() => {
        record.began.push("never")
        return Effect.onInterrupt(Deferred.await(record.release), () =>
          Effect.sync(() => void record.interrupted.push("never")),
        )
      }),
    count: ({ to }) =>
      Stream.range(1, to, 1).pipe(
        Stream.tap(() => Effect.sync(() => void record.produced++)),
        Stream.onExit((exit) =>
          Effect.sync(() => {
            if (exit._tag === "Failure" && Cause.hasInterrupts(exit.cause)) record.interrupted.push("count")
          }),
        ),
      ),
    faulty: () => Stream.concat(Stream.make(1, 2), Stream.fail(new Refusal({ why: "no third" }))),
    whoami: () => Effect.map(Caller, ({ name }) => name),
  })

const whoCalls = Layer.succeed(WhoCalls, (effect, { headers }) => {
  const name = headers.caller
  return name === undefined
    ? Effect.fail(new Refusal({ why: "who is it?" }))
    : Effect.provideService(effect, Caller, { name })
})

/** A listener in memory, whose clients are from one host. */
export const memory: Listen = Effect.map(MemoryTransport.make(), ({ memory, transport }) => ({
  transport,
  dial: memory.connect,
}))

/** How a transport listens, and how its listener is dialled. */
export type Listen = Effect.Effect<
  { readonly transport: Transport["Service"]; readonly dial: Dialer },
  TransportError,
  Scope.Scope
>

export interface Settings {
  readonly serialization?: Layer.Layer<RpcSerialization.RpcSerialization>
  readonly server?: RpcListener.Options
  readonly client?: Partial<RpcDialer.Options>
  readonly settings?: Layer.Layer<never>
}

/** A client of `Calls`; several may have one protocol. */
export const clientOf = (protocol: RpcClient.Protocol["Service"]) =>
  Effect.provideService(RpcClient.make(Calls), RpcClient.Protocol, protocol)

/** A server of `Calls`, until `stop`, and what it takes to call it. */
export const serve = Effect.fnUntraced(function* (listen: Listen, options: Settings = {}) {
  const { serialization = RpcSerialization.layerJson, settings = Layer.empty } = options
  const { dial, transport } = yield* listen
  const record: Record = { began: [], interrupted: [], produced: 0, release: Deferred.makeUnsafe() }
  const scope = yield* Scope.make()
  const stop = Scope.close(scope, Exit.void)
  // A test that fails must end, however its server is.
  yield* Effect.addFinalizer(() => Effect.forkDetach(stop))
  const recorded = recordEvents()
  const running = RpcListener.make(Calls, options.server ?? {}).pipe(
    Effect.provide([handlers(record), whoCalls, serialization, settings, recorded.layer]),
    Effect.provideService(Transport, transport),
    Scope.provide(scope),
  )
  const server = yield* running
  const protocol = (more: Partial<RpcDialer.Options> = {}) =>
    Effect.provide(RpcDialer.make({ dial, ...options.client, ...more }), serialization)
  const client = (more?: Partial<RpcDialer.Options>) => Effect.flatMap(protocol(more), clientOf)
  return { client, protocol, dial, record, server, events: recorded.events, stop }
})
