/**
 * Samples of all that a message passes through but the socket: a read, its frames, the handler's fiber, the answers, and
 * one write at the end of the turn.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Admission, Codec, JsonCodec, Protocol, Router, Server, Transport } from "longline"
import type { Sample } from "./Sample.ts"
import { Sink } from "./Wires.ts"

const Say = Schema.Struct({ type: Schema.tag("say"), id: Schema.Int, text: Schema.String })
const say = JSON.stringify({ type: "say", id: 1_000_000, text: "longline".repeat(2) })

const raw = Protocol.fromCodec({ name: "raw", codec: Codec.bytes })
const json = Protocol.make({ name: "json", inbound: Say, outbound: Say, codec: JsonCodec.make() })

interface Tagged {
  readonly type: "echo"
  readonly body: Codec.Body
}
const tagged = Protocol.fromCodec<Tagged, Tagged>({
  name: "tagged",
  codec: {
    name: "tagged",
    decode: (body) => Result.succeed({ type: "echo", body }),
    encode: ({ body }) => Result.succeed(body),
  },
})
const route = Router.make(
  { protocol: tagged, key: "type" },
  { echo: (message, { connection }) => connection.send(message) },
)

/** A server on wires that lead nowhere. It lives as long as the bench. */
const serve = (wires: ReadonlyArray<Sink>, server: Layer.Layer<never, never, Transport.Transport>): void => {
  let arrived = [...wires]
  const accept = Effect.suspend(() => {
    const [first, ...others] = arrived
    arrived = []
    return first === undefined ? Effect.never : Effect.succeed<[Sink, ...Array<Sink>]>([first, ...others])
  })
  const transport = Layer.succeed(Transport.Transport, {
    name: "sinks",
    address: { _tag: "Memory", name: "sinks" },
    accept,
    close: Effect.void,
  })
  const limits = { maxConnections: 1e6, maxConnectionsPerAddress: 1e6, acceptsPerSecond: Infinity }
  Effect.runFork(
    Layer.launch(server.pipe(Layer.provide([transport, Admission.layer(limits)]))).pipe(
      Effect.onError((cause) => Effect.sync(() => console.error(Cause.pretty(cause)))),
    ),
  )
}

/** So many connections that read so many frames each in one turn of the event loop, and answer them in its end. */
const echo = (
  name: string,
  body: Uint8Array,
  options: { readonly connections: number; readonly inFlight: number },
  server: () => Layer.Layer<never, never, Transport.Transport>,
): Sample => {
  const { connections, inFlight } = options
  const frame = Result.getOrThrow(raw.encoder.encode(body))
  const chunk = Buffer.concat(Array.from({ length: inFlight }, () => frame))
  let wires: ReadonlyArray<Sink> | undefined
  const open = () => {
    const opened = Array.from({ length: connections }, () => new Sink())
    serve(opened, server())
    return opened
  }
  return {
    name: `pipeline, ${name}, ${connections} x ${inFlight}`,
    size: `${body.length} B`,
    count: connections * inFlight,
    run: () => {
      wires ??= open()
      for (const wire of wires) wire.readUnsafe(chunk)
      return wires[0]!.written
    },
    endsTurn: true,
  }
}

const bytes = Buffer.alloc(64, "longline")
const shapes = [
  { connections: 50, inFlight: 1 },
  { connections: 500, inFlight: 1 },
  { connections: 50, inFlight: 32 },
]

/** All of them. */
export const samples: ReadonlyArray<Sample> = shapes.flatMap((shape) => [
  echo("bytes", bytes, shape, () =>
    Server.serve(raw, (connection) => Stream.runForEachArray(connection.messages, connection.sendAll)),
  ),
  echo("router", bytes, shape, () => Server.serve(tagged, Router.handler(route))),
  echo("json", Buffer.from(say), shape, () =>
    Server.serve(json, (connection) => Stream.runForEachArray(connection.messages, connection.sendAll)),
  ),
])
