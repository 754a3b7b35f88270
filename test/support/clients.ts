/**
 * A client of the gateway over a memory wire: sends objects, takes objects, in either encoding and virtual time.
 * Checks nothing: what came is for the test to judge.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as FrameDecoder from "../../src/frame/FrameDecoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import { type Authenticator, layerNone } from "../../src/gateway/auth/Identity.ts"
import * as Defaults from "../../src/gateway/Defaults.ts"
import { Engine } from "../../src/gateway/engine/Engine.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import * as Policy from "../../src/gateway/Policy.ts"
import * as Drain from "../../src/server/Drain.ts"
import * as MemoryTransport from "../../src/transport/MemoryTransport.ts"
import type { MemoryWire } from "../../src/transport/MemoryWire.ts"
import * as Envelopes from "./envelopes.ts"
import { frames } from "./frames.ts"

const layout = FrameLayout.makeUnsafe({ maxFrameBytes: 2 ** 21 })

/** What a client was sent. */
export type Message = { readonly type: string; readonly [key: string]: unknown }

/** One client. */
export interface Client {
  readonly wire: MemoryWire
  /** Sends messages in one write. */
  readonly send: (...messages: ReadonlyArray<object>) => void
  /** The next message; heartbeats are skipped. `closed` once the server has sent FIN. */
  readonly next: Effect.Effect<Message | "closed">
  /** Sends a message and takes the next one. */
  readonly ask: (message: object) => Effect.Effect<Message | "closed">
}

/** What tells messages apart: the type, and the code if it has one. */
export const codeOf = (message: Message | "closed") =>
  message === "closed" ? message : [message.type, message["code"]]

/** The next message, which has to be the last one. */
export const lastOf = (client: Client): Effect.Effect<Message | "closed"> =>
  Effect.gen(function* () {
    const message = yield* client.next
    const behind = yield* client.next
    if (behind !== "closed")
      return yield* Effect.die(new Error(`not the last: ${JSON.stringify(behind)} came behind it`))
    return message
  })

/** A body of so many bytes that fits no message. */
export const nonsense = (bytes: number): string => JSON.stringify({ type: "nonsense", pad: "x".repeat(bytes - 28) })

/** How a client's messages become bodies, and bodies messages. */
interface Encoding {
  readonly write: (message: object) => string | Uint8Array
  readonly read: (body: Uint8Array) => unknown
}

const json: Encoding = {
  write: (message) => JSON.stringify(message),
  read: (body) => JSON.parse(String(Buffer.from(body))),
}

const make = (wire: MemoryWire, encoding: Encoding): Client => {
  const decoder = FrameDecoder.make(layout)
  const ready: Array<Message> = []
  const next: Client["next"] = Effect.suspend(() => {
    const message = ready.shift()
    if (message !== undefined) return Effect.succeed(message)
    return Effect.matchCauseEffect(wire.pull, {
      onFailure: (cause) => (Cause.hasInterrupts(cause) ? Effect.interrupt : Effect.succeed("closed" as const)),
      onSuccess: (chunks) => {
        for (const body of chunks.flatMap((chunk) => decoder.push(chunk))) {
          if (body.length > 0) ready.push(encoding.read(body) as Message)
        }
        return next
      },
    })
  })
  const send: Client["send"] = (...messages) => void wire.writeUnsafe([frames(...messages.map(encoding.write))])
  return {
    wire,
    send,
    next,
    ask: (message) =>
      Effect.andThen(
        Effect.sync(() => send(message)),
        next,
      ),
  }
}

/** What a gateway of a test runs on; what is not given is as open as `Defaults`. */
export interface Parts {
  readonly settings?: Layer.Layer<never>
  readonly policies?: (name: string) => Policy.Policy
  readonly engine?: Layer.Layer<Engine, never, Policy.Policies>
  readonly authenticator?: Layer.Layer<Authenticator>
  /** Default: ends at once. */
  readonly drain?: Layer.Layer<never>
}

/** A gateway in memory, for the scope of a test, and how to become its client. */
export const gateway = Effect.fnUntraced(function* (options: Partial<Gateway.Options> = {}, parts: Parts = {}) {
  const scope = yield* Scope.Scope
  const { authenticator = layerNone, engine = Defaults.layerMemory, settings = Layer.empty } = parts
  const { drain = Drain.layer({ forced: Effect.void }) } = parts
  const policies = Layer.succeed(Policy.Policies, { of: parts.policies ?? (() => Policy.open) })
  const built = yield* Layer.buildWithScope(
    Gateway.layer({ server: { name: "test", version: "0" }, ...options }).pipe(
      Layer.provide([settings, drain, authenticator]),
      Layer.provideMerge(Layer.provideMerge(engine, policies)),
      Layer.provideMerge(MemoryTransport.layer()),
    ),
    scope,
  )
  const wire = Effect.provideContext(
    MemoryTransport.MemoryTransport.use((memory) => Effect.orDie(memory.connect)),
    built,
  )
  const dial = Effect.map(wire, (wire) => make(wire, json))
  /** A client that speaks Protobuf; `data` in its messages is as the gateway carries it. */
  const dialProtobuf = Effect.map(wire, (wire) => make(wire, Envelopes))
  /** A client that has connected, with the rest of its `connect`. */
  const connect = Effect.fnUntraced(function* (rest: object = {}) {
    const client = yield* dial
    const connected = yield* client.ask({ type: "connect", id: 1, version: 1, ...rest })
    return { ...client, connected: connected as Message }
  })
  return { dial, dialProtobuf, connect, engine: Context.get(built, Engine) }
})
