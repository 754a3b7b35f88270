/**
 * Calls an `RpcGroup` over a Longline connection that is made again whenever it is lost: Effect's `RpcClient` on top of
 * `Reconnect`. Repeats no call: one that was sent when its connection was lost fails, and its caller decides.
 */
import type * as Duration from "effect/Duration"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as RpcClient from "effect/rpc/RpcClient"
import { RpcClientDefect, RpcClientError } from "effect/rpc/RpcClientError"
import type { FromClientEncoded, FromServerEncoded, RequestEncoded, ResponseChunkEncoded } from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import { SocketCloseError, SocketOpenError, SocketReadError } from "effect/socket/Socket"
import type * as Codec from "../codec/Codec.ts"
import * as CloseReason from "../connection/CloseReason.ts"
import { type Connection, ConnectionError } from "../connection/Connection.ts"
import * as Dial from "../connection/Dial.ts"
import * as Reconnect from "../connection/Reconnect.ts"
import * as Limit from "../limit/Limit.ts"
import * as RpcFrames from "./RpcFrames.ts"

/** Whom to call. */
export interface Options {
  /** How to reach the server; of several the next one is taken when one fails, or leaves. */
  readonly dial: Reconnect.Dialers
  /** The limit for bodies, both ways. Default: 1 MiB. A longer call fails, and is not sent. */
  readonly maxFrameBytes?: number | undefined
  /** How long dialling may take. Default: 10 s. */
  readonly timeout?: Duration.Input | undefined
  /** Told what happens to the connection. */
  readonly onEvent?: ((event: Reconnect.Event) => Effect.Effect<void>) | undefined
}

/**
 * The protocol that `RpcClient.make` asks for. `RpcClient.ConnectionHooks` are run if they are there; what `onConnect` calls goes
 * over the connection that it was told of, and it is interrupted when that is lost.
 *
 * - A call waits for the first connection, and for the next one when a connection was lost or its server leaves. After an
 *   attempt that failed, calls fail with its error (`SocketOpenError`) until an attempt succeeds.
 * - A lost connection fails the calls that were waiting for their answers (`SocketReadError`, or `SocketCloseError` if
 *   the other side ended it in peace): whether the server has run them is then unknown.
 * - A server that leaves is sent nothing new; it is left when the calls that run have ended.
 *
 * ```ts
 * const Users = Layer.effect(UsersClient, RpcClient.make(UsersGroup)).pipe(
 *   Layer.provide(RpcDialer.layer({ dial: TcpTransport.dial({ host: "127.0.0.1", port: 7559 }) })),
 *   Layer.provide(RpcSerialization.layerJson),
 * )
 * ```
 */
export const layer = (options: Options): Layer.Layer<RpcClient.Protocol, never, RpcSerialization.RpcSerialization> =>
  Layer.effect(RpcClient.Protocol, make(options))

type RpcConnection = Connection<Uint8Array, Codec.Body>

/** A connection in use, and whose calls it has. */
interface Link {
  readonly connection: RpcConnection
  readonly parser: RpcFrames.Parser
  readonly calls: Map<string | number, number>
  /** Chunks of Streams that wait for their readers, by their calls. */
  readonly waiting: Map<string | number, Fiber.Fiber<void>>
  isLeft: boolean
}

/** `layer` as an Effect. */
export const make = (
  options: Options,
): Effect.Effect<RpcClient.Protocol["Service"], never, Scope.Scope | RpcSerialization.RpcSerialization> =>
  RpcClient.Protocol.make(
    Effect.fnUntraced(function* (write, clientIds) {
      const protocol = RpcFrames.protocol(options.maxFrameBytes)
      Limit.durationsUnsafe({ timeout: options.timeout ?? Dial.defaultTimeout })
      const serialization = yield* RpcSerialization.RpcSerialization
      const scope = yield* Effect.scope
      const hooks = yield* Effect.serviceOption(RpcClient.ConnectionHooks)
      let link: Link | undefined
      /** Where calls go: to the connection that there is, to the one that there will be, or nowhere for the time being. */
      let next = Deferred.makeUnsafe<Link, RpcClientError>()

      const up = (fresh: Link): void => {
        link = fresh
        if (Deferred.isDoneUnsafe(next)) next = Deferred.makeUnsafe()
        Deferred.doneUnsafe(next, Exit.succeed(fresh))
      }

      /** New calls wait for another connection. */
      const leave = (left: Link): void => {
        if (left.isLeft) return
        left.isLeft = true
        next = Deferred.makeUnsafe()
        leaveIfIdle(left)
      }

      const endAll = (response: FromServerEncoded) =>
        Effect.uninterruptible(Effect.forEach([...clientIds], (client) => write(client, response), { discard: true }))

      // Those that wait come last: what is called again from here on waits for the next connection, and is not ended.
      const fail = (error: RpcClientError, isLast: boolean) =>
        Effect.suspend(() => {
          const waited = next
          next = Deferred.makeUnsafe()
          if (isLast) Deferred.doneUnsafe(next, Exit.fail(error))
          const ended = endAll({ _tag: "ClientProtocolError", error })
          return Effect.andThen(
            ended,
            Effect.sync(() => Deferred.doneUnsafe(waited, Exit.fail(error))),
          )
        })

      /**
       * Hands a chunk on, beside the connection, which reads on: what the reader of a Stream does may wait for another call.
       * A server sends the next one when it hears that this one was taken; one that does not is waited for.
       */
      const take = (from: Link, client: number, chunk: ResponseChunkEncoded): Effect.Effect<void> => {
        const { requestId } = chunk
        const before = from.waiting.get(requestId)
        if (before !== undefined) return Effect.flatMap(Fiber.await(before), () => take(from, client, chunk))
        return Effect.map(Effect.forkIn(write(client, chunk), scope, { startImmediately: true }), (taken) => {
          if (taken.pollUnsafe() !== undefined) return
          from.waiting.set(requestId, taken)
          taken.addObserver(() => void from.waiting.delete(requestId))
        })
      }

      const receive = (from: Link, response: FromServerEncoded): Effect.Effect<void> => {
        if (response._tag === "Exit" || response._tag === "Chunk") {
          const client = from.calls.get(response.requestId)
          if (client === undefined) return Effect.void
          if (response._tag === "Chunk") return take(from, client, response)
          from.calls.delete(response.requestId)
          return Effect.andThen(
            write(client, response),
            Effect.sync(() => leaveIfIdle(from)),
          )
        }
        if (response._tag !== "Defect") return Effect.void
        from.calls.clear()
        return Effect.andThen(
          endAll(response),
          Effect.sync(() => leaveIfIdle(from)),
        )
      }

      const converse = Effect.fnUntraced(function* (connection: RpcConnection) {
        const fresh: Link = {
          connection,
          parser: serialization.makeUnsafe(),
          calls: new Map(),
          waiting: new Map(),
          isLeft: false,
        }
        up(fresh)
        const reading = Effect.flatMap(connection.batch, (bodies) =>
          Effect.gen(function* () {
            for (const body of bodies) {
              if (RpcFrames.isLeaving(body)) {
                leave(fresh)
                continue
              }
              const responses = RpcFrames.read<FromServerEncoded>(fresh.parser, body, isFromServer)
              if (Result.isFailure(responses)) {
                return connection.closeUnsafe(CloseReason.BadMessage({ error: responses.failure }))
              }
              for (const response of responses.success) yield* receive(fresh, response)
            }
          }),
        ).pipe(
          Effect.forever({ disableYield: true }),
          Pull.catchDone(() => Effect.void),
        )
        // Beside each other: the hook may wait for the answer to a call, which has to be read.
        yield* Option.isNone(hooks)
          ? reading
          : Effect.raceFirst(reading, Effect.andThen(hooks.value.onConnect, Effect.never))
      })

      const onEvent = (event: Reconnect.Event): Effect.Effect<void> => {
        const told = options.onEvent?.(event) ?? Effect.void
        if (event._tag !== "Disconnected") return told
        const { connectedMs, reason } = event
        const ended = connectedMs === undefined ? fail(openError(reason), true) : onEnded(reason)
        return Effect.andThen(ended, told)
      }

      const onEnded = (reason: CloseReason.CloseReason): Effect.Effect<void> => {
        const lost = link
        link = undefined
        const isDone = lost === undefined || (lost.isLeft && lost.calls.size === 0)
        const failed = isDone ? Effect.void : fail(lossError(reason), false)
        return Option.isSome(hooks) ? Effect.andThen(failed, hooks.value.onDisconnect) : failed
      }

      yield* Effect.forkScoped(
        Reconnect.run(
          {
            ...options,
            protocol,
            // Whatever ended it: a client is there until its scope closes.
            advise: () => ({ elsewhere: true }),
            onEvent,
          },
          converse,
        ).pipe(Effect.catchDefect((defect) => fail(brokenError(defect), true))),
      )

      const encode = (to: Link, message: FromClientEncoded): Effect.Effect<void, RpcClientError> =>
        Effect.suspend(() => {
          const body = to.parser.encode(message)
          return body === undefined ? Effect.void : Effect.mapError(to.connection.send(body), sendError)
        })

      const request = (client: number, message: RequestEncoded): Effect.Effect<void, RpcClientError> =>
        Effect.flatMap(
          Effect.suspend(() => Deferred.await(next)),
          (to) => {
            // Ended, with its goodbye still under way; or left since the wait for it was over.
            if (to.isLeft || !to.connection.isOpen) {
              if (to === link) leave(to)
              return request(client, message)
            }
            if (message.isNotification === true) return encode(to, message)
            to.calls.set(message.id, client)
            const forget = Effect.sync(() => {
              to.calls.delete(message.id)
              leaveIfIdle(to)
            })
            return Effect.onError(encode(to, message), () => forget)
          },
        )

      return {
        send: (client, message) => {
          switch (message._tag) {
            case "Request":
              return request(client, message)
            case "Interrupt":
            case "Ack":
              return Effect.suspend(() =>
                link?.calls.has(message.requestId) === true ? encode(link, message) : Effect.void,
              )
            default:
              // Heartbeats are the connection's, and who calls no more closes its scope.
              return Effect.void
          }
        },
        supportsAck: true,
        supportsTransferables: false,
        codecFor: serialization.codecFor,
      }
    }),
  )

const leaveIfIdle = (link: Link): void => {
  if (link.isLeft && link.calls.size === 0) link.connection.closeUnsafe(CloseReason.Done())
}

const openError = (reason: CloseReason.CloseReason): RpcClientError => {
  const cause = reason._tag === "WireLost" ? reason.error : new ConnectionError({ reason })
  const isLate = reason._tag === "WireLost" && reason.error.reason.code === "ETIMEDOUT"
  return new RpcClientError({ reason: new SocketOpenError({ kind: isLate ? "Timeout" : "Unknown", cause }) })
}

/** A dialer, or a hook, that dies is a bug of the application's: there will be no connection any more. */
const brokenError = (cause: unknown): RpcClientError =>
  new RpcClientError({ reason: new RpcClientDefect({ message: "connecting died", cause }) })

/** As the codes of WebSockets have it: 1001 is going away. */
const goingAway = 1001

const lossError = (reason: CloseReason.CloseReason): RpcClientError =>
  new RpcClientError({
    reason:
      reason._tag === "PeerClosed"
        ? new SocketCloseError({ code: goingAway, closeReason: CloseReason.format(reason) })
        : new SocketReadError({ cause: new ConnectionError({ reason }) }),
  })

const sendError = (error: ConnectionError): RpcClientError =>
  error.reason._tag === "BadOutbound"
    ? new RpcClientError({ reason: new RpcClientDefect({ message: error.message, cause: error }) })
    : lossError(error.reason)

/** Of the shape that `RpcClient` takes for granted; values and exits it judges by the schemas of the call. */
const isFromServer = (message: RpcFrames.Tagged): boolean => {
  switch (message._tag) {
    case "Chunk":
    case "Exit":
      return RpcFrames.isId(message.requestId)
    default:
      return message._tag === "Defect" || message._tag === "Pong" || message._tag === "Request"
  }
}
