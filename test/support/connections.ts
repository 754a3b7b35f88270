/**
 * A connection served over a pair of memory wires, and its peer as a test holds it: raw bytes in, frames out.
 * Opens no socket and waits for no time: turns of the event loop pass, and the test's clock moves when it is told to.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { type Codec, CodecError } from "../../src/codec/Codec.ts"
import type { CloseReason } from "../../src/connection/CloseReason.ts"
import type * as Connection from "../../src/connection/Connection.ts"
import * as Lifetime from "../../src/connection/Lifetime.ts"
import * as Protocol from "../../src/connection/Protocol.ts"
import * as Settings from "../../src/connection/Settings.ts"
import * as FrameDecoder from "../../src/frame/FrameDecoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import { MemoryWire } from "../../src/transport/MemoryWire.ts"
import { frames } from "./frames.ts"
import { readAll, settled } from "./wires.ts"

const refused = (direction: "decode" | "encode", actual: string) =>
  Result.fail(new CodecError({ direction, path: "", expected: "text without a question mark", actual }))

/** Bodies as text; a body that begins with a question mark is no message, either way. */
export const text: Codec<string, string> = {
  name: "text",
  decode: (body) => {
    const message = Buffer.from(body).toString()
    return message.startsWith("?") ? refused("decode", message) : Result.succeed(message)
  },
  encode: (message) => (message.startsWith("?") ? refused("encode", message) : Result.succeed(message)),
}

/** Text in frames of `u32`, with a goodbye that names the reason. */
export const texts = Protocol.fromCodec({
  name: "texts",
  codec: text,
  goodbye: (reason) => `bye ${reason._tag}`,
})

/** What `texts` refuses in this message. */
export const refusal = (direction: "decode" | "encode", message: string): CodecError =>
  Result.getOrThrow(Result.flip(direction === "decode" ? text.decode(Buffer.from(message)) : text.encode(message)))

/** The other end of a connection. */
export class Peer {
  readonly wire: MemoryWire
  /** The bodies that `listen` has heard so far; a heartbeat is an empty one. */
  readonly heard: Array<string> = []

  constructor(wire: MemoryWire) {
    this.wire = wire
  }

  /** Writes these bytes as they are. */
  write(bytes: Uint8Array): void {
    this.wire.writeUnsafe([bytes])
  }

  /** Writes these bodies as frames, all at once. */
  say(...bodies: ReadonlyArray<string>): void {
    this.write(frames(...bodies))
  }

  /** Reads until the connection's FIN, or its loss; run in a fiber, it keeps the wire empty. */
  get listen(): Effect.Effect<ReadonlyArray<string>> {
    return Effect.suspend(() => {
      const decoder = FrameDecoder.make(FrameLayout.u32)
      const read = Effect.map(this.wire.pull, (chunks) => {
        for (const chunk of chunks) {
          for (const body of decoder.push(chunk)) this.heard.push(Buffer.from(body).toString())
        }
      })
      return Effect.as(Effect.ignore(Effect.forever(read, { disableYield: true })), this.heard)
    })
  }

  /** Everything that comes until FIN, as bytes. Fails if the connection is lost instead. */
  get rest() {
    return readAll(this.wire)
  }
}

/** What `open` may be told beside the handler. */
export interface Options<In, Out> {
  readonly subprotocol?: string
  readonly protocol: Protocol.Protocol<In, Out>
  readonly settings?: Partial<Settings.Settings>
  readonly readBufferBytes?: number
  readonly writeHighWaterBytes?: number
  /** Runs before the handler. */
  readonly onOpenedUnsafe?: (connection: Connection.Connection<In, Out>) => void
}

/** A connection that is being served. */
export interface Served<In, Out> {
  readonly peer: Peer
  readonly connection: Connection.Connection<In, Out>
  /** The connection's own end of the wire. */
  readonly wire: MemoryWire
  /** Completes with the reason when the wire is closed. */
  readonly serving: Fiber.Fiber<CloseReason>
  /** What `onEndedUnsafe` was called with. */
  readonly ended: ReadonlyArray<CloseReason>
}

/** Serves one connection until the test ends. */
export const open = Effect.fnUntraced(function* <In, Out, E, R>(
  options: Options<In, Out>,
  handler: (connection: Connection.Connection<In, Out>) => Effect.Effect<unknown, E, R>,
) {
  const limits = {
    readBufferBytes: options.readBufferBytes ?? 64 * 1024,
    writeHighWaterBytes: options.writeHighWaterBytes ?? 64 * 1024,
  }
  const wire = new MemoryWire({ _tag: "Memory", name: "peer" }, limits)
  const peer = new Peer(new MemoryWire({ _tag: "Memory", name: "server" }, limits))
  wire.subprotocol = options.subprotocol
  MemoryWire.joinUnsafe(peer.wire, wire)
  const ended: Array<CloseReason> = []
  let opened: Connection.Connection<In, Out> | undefined
  const serving = yield* Lifetime.serve(
    {
      id: 1,
      wire,
      protocol: options.protocol,
      settings: { ...(yield* Settings.current), ...options.settings },
      onOpenedUnsafe: (connection) => {
        opened = connection
        options.onOpenedUnsafe?.(connection)
      },
      onEndedUnsafe: (reason) => void ended.push(reason),
    },
    handler,
  ).pipe(Effect.forkScoped({ startImmediately: true }))
  return { peer, connection: opened!, wire, serving, ended } satisfies Served<In, Out>
})

/** Moves the test's clock, with everything settled before and after. */
export const pass = (duration: Duration.Input): Effect.Effect<void> =>
  settled.pipe(Effect.andThen(TestClock.adjust(duration)), Effect.andThen(settled))

/** The test's clock in milliseconds. */
export const now: Effect.Effect<number> = Clock.currentTimeMillis
