/**
 * Serves an `RpcGroup` over Longline connections: framing, admission, heartbeats, limits and the drain are the toolkit's,
 * what a call means is Effect's. Holds no call of its own beside its id: `RpcServer` runs them.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import {
  type FromClientEncoded,
  type FromServerEncoded,
  RequestId,
  ResponseExitDieEncoded,
} from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Codec from "../codec/Codec.ts"
import * as Shown from "../codec/Shown.ts"
import * as CloseReason from "../connection/CloseReason.ts"
import type { Connection, ConnectionError } from "../connection/Connection.ts"
import * as Limit from "../limit/Limit.ts"
import * as Server from "../server/Server.ts"
import type { Transport } from "../transport/Transport.ts"
import * as RpcFrames from "./RpcFrames.ts"

/** Calls of one connection that run at the same time and that it waits for. */
export const defaultMaxCalls = 1_000

/** What a listener can be told, beside what `RpcServer.make` can. */
export interface Options extends Omit<NonNullable<Parameters<typeof RpcServer.make>[1]>, "onDisconnect"> {
  /** The limit for bodies, both ways. Default: 1 MiB. A longer answer becomes a defect of its call. */
  readonly maxFrameBytes?: number | undefined
  /** Calls of one connection at the same time; one more ends as a defect. Default: 1000. */
  readonly maxCalls?: number | undefined
}

/** What serving a group needs. */
export type Requirements<Rpcs extends Rpc.Any> =
  | Transport
  | RpcSerialization.RpcSerialization
  | Rpc.ToHandler<Rpcs>
  | Rpc.Middleware<Rpcs>
  | Rpc.ServicesServer<Rpcs>

/**
 * A group served on the transport: it listens when the layer is built and drains when its scope closes. While it drains,
 * calls that run go on for `grace` of `Drain`, and clients are told; then what still runs is interrupted.
 *
 * ```ts
 * const Main = RpcListener.layer(Users).pipe(
 *   Layer.provide([UserHandlers, RpcSerialization.layerJson, TcpTransport.layer({ port: 7559 })]),
 * )
 * ```
 */
export const layer = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: Options = {},
): Layer.Layer<never, never, Requirements<Rpcs>> => Layer.effectDiscard(make(group, options))

/** The rung below `layer`: the running server, for as long as the scope is open. */
export const make = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: Options = {},
): Effect.Effect<Server.Server<Codec.Body>, never, Scope.Scope | Requirements<Rpcs>> =>
  Effect.gen(function* () {
    const peers = yield* makePeers(options)
    // Below the server: whatever was asked is answered until the drain has ended.
    yield* RpcServer.make(group, options).pipe(
      Effect.provideService(RpcServer.Protocol, peers.protocol),
      Effect.forkScoped,
    )
    return yield* Server.make(RpcFrames.protocol(options.maxFrameBytes), peers.converse)
  })

type RpcConnection = Connection<Uint8Array, Codec.Body>

interface Peer {
  readonly connection: RpcConnection
  readonly parser: RpcFrames.Parser
  /** Calls that were asked and not answered. */
  readonly calls: Set<string | number>
}

const makePeers = Effect.fnUntraced(function* (options: Options) {
  const { maxCalls } = Limit.checkedUnsafe({ maxCalls: options.maxCalls ?? defaultMaxCalls })
  const serialization = yield* RpcSerialization.RpcSerialization
  const encodeDefect = Schema.encodeSync(serialization.codecFor(Schema.Defect()))
  // Bounded by the connections: each is in it once.
  const disconnects = yield* Queue.unbounded<number>()
  const peers = new Map<number, Peer>()
  let request!: (peer: number, message: FromClientEncoded) => Effect.Effect<void>

  const send = (peer: Peer, response: FromServerEncoded): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (response._tag === "Exit") peer.calls.delete(response.requestId)
      const body = peer.parser.encode(response)
      const sent = body === undefined ? Effect.void : Effect.catch(peer.connection.send(body), unsendable)
      return response._tag === "Defect" ? Effect.andThen(sent, abandon(peer)) : sent
    })

  /** A defect has ended all calls of a client, as far as the client is concerned: nobody waits for those that still run. */
  const abandon = (peer: Peer): Effect.Effect<void> =>
    Effect.suspend(() => {
      const over = [...peer.calls]
      peer.calls.clear()
      return Effect.forEach(
        over,
        (id) => request(peer.connection.id, { _tag: "Interrupt", requestId: RequestId(id) }),
        { discard: true },
      )
    })

  const accept = (peer: Peer, message: FromClientEncoded): Effect.Effect<void> => {
    if (message._tag === "Request" && message.isNotification !== true) {
      const { id } = message
      if (peer.calls.has(id)) return Effect.sync(() => peer.connection.closeUnsafe(badMessage("an id not in use", id)))
      if (peer.calls.size >= maxCalls) {
        const defect = encodeDefect(new Error(`too many calls at the same time: ${maxCalls} are allowed`))
        return send(peer, ResponseExitDieEncoded({ requestId: RequestId(id), encodedDefect: defect }))
      }
      peer.calls.add(id)
    }
    // So `RpcServer` refuses what a client says after its end, and an id whose handler runs without being waited for.
    return Effect.catchCauseIf(request(peer.connection.id, message), Cause.hasInterruptsOnly, () =>
      Effect.sync(() =>
        peer.connection.closeUnsafe(badMessage("an id not in use, and nothing after Eof", message._tag)),
      ),
    )
  }

  const receive = (peer: Peer, bodies: ReadonlyArray<Uint8Array>) =>
    Effect.gen(function* () {
      for (const body of bodies) {
        const messages = RpcFrames.read<FromClientEncoded>(peer.parser, body, isFromClient)
        if (Result.isFailure(messages)) {
          return peer.connection.closeUnsafe(CloseReason.BadMessage({ error: messages.failure }))
        }
        for (const message of messages.success) yield* accept(peer, message)
      }
    })

  const converse = Effect.fnUntraced(function* (connection: RpcConnection) {
    const peer: Peer = { connection, parser: serialization.makeUnsafe(), calls: new Set() }
    peers.set(connection.id, peer)
    yield* Effect.addFinalizer(() => {
      peers.delete(connection.id)
      return Queue.offer(disconnects, connection.id)
    })
    yield* Effect.flatMap(connection.batch, (bodies) => receive(peer, bodies)).pipe(
      Effect.forever({ disableYield: true }),
      Pull.catchDone(() => Effect.void),
    )
  })

  const protocol = yield* RpcServer.Protocol.make((write) => {
    request = write
    return Effect.succeed({
      disconnects,
      send: (id, response) => {
        const peer = peers.get(id)
        return peer === undefined ? Effect.void : send(peer, response)
      },
      end: () => Effect.void,
      clientIds: Effect.sync(() => new Set(peers.keys())),
      initialMessage: Effect.succeedNone,
      supportsAck: true,
      supportsTransferables: false,
      supportsSpanPropagation: true,
      supportsNotifications: true,
      codecFor: serialization.codecFor,
    })
  })
  return { protocol, converse }
})

/** What cannot be sent ends its call; that a connection has ended is known already. */
const unsendable = (error: ConnectionError): Effect.Effect<void> =>
  error.reason._tag === "BadOutbound" ? Effect.die(error) : Effect.void

const badMessage = (expected: string, actual: unknown) =>
  CloseReason.BadMessage({
    error: new Codec.CodecError({ direction: "decode", path: "id", expected, actual: Shown.value(actual) }),
  })

/** Of the shape that `RpcServer` takes for granted; what stands in `payload` it judges by the schema of the call. */
const isFromClient = (message: RpcFrames.Tagged): boolean => {
  switch (message._tag) {
    case "Request":
      return RpcFrames.isId(message.id) && typeof message.tag === "string" && isHeaders(message.headers)
    case "Ack":
    case "Interrupt":
      return RpcFrames.isId(message.requestId)
    default:
      return message._tag === "Ping" || message._tag === "Eof"
  }
}

const isHeaders = (headers: unknown): boolean =>
  Array.isArray(headers) &&
  headers.every(
    (header) => Array.isArray(header) && header.length === 2 && header.every((text) => typeof text === "string"),
  )
