/**
 * The parts of one client, and the loop that keeps it connected: what is lost is connected again, with its session and
 * its positions, as soon as the gateway's advice and the jitter allow. Faces nobody: `Client` does.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as CloseReason from "../connection/CloseReason.ts"
import * as Dial from "../connection/Dial.ts"
import * as Reconnect from "../connection/Reconnect.ts"
import * as ByeCode from "../gateway/protocol/ByeCode.ts"
import { maxFrameBytesBeforeConnect } from "../gateway/protocol/FrameLimits.ts"
import type { Bye } from "../gateway/protocol/ServerMessage.ts"
import * as Subprotocol from "../gateway/protocol/Subprotocol.ts"
import * as Limit from "../limit/Limit.ts"
import { Asking, type Link } from "./Asking.ts"
import * as ClientCodec from "./ClientCodec.ts"
import * as ClientError from "./ClientError.ts"
import * as ClientEvent from "./ClientEvent.ts"
import * as Connecting from "./Connecting.ts"
import { Line } from "./Line.ts"
import type { Connect, Connected, Inbound } from "./Message.ts"
import { Serving } from "./Serving.ts"
import { Subscriptions } from "./Subscriptions.ts"
import { Tokens } from "./Tokens.ts"

/** What a client can be told. */
export interface Options {
  /** How to reach the gateway; of several the next one is taken when one fails, or sends elsewhere. */
  readonly dial: Reconnect.Dialers
  /** What bodies are written in: Protobuf carries bytes as they are, JSON in base64. Default: `json`. */
  readonly encoding?: Subprotocol.Encoding | undefined
  /** A token, or how to have one: then it is had anew for every connection, and before it expires. */
  readonly token?: string | Effect.Effect<string, unknown> | undefined
  /** Who this is, for the gateway's log. */
  readonly client?: { readonly name: string; readonly version: string } | undefined
  /** How long answers may take, where nothing else is said. Default: 10 s. */
  readonly timeout?: Duration.Input | undefined
  /** How long dialling may take, and then the answer to `connect`. Default: 10 s each. */
  readonly connectTimeout?: Duration.Input | undefined
  /** Whether a connection that is lost is made again. Default: true; otherwise it is the end of the client. */
  readonly reconnect?: boolean | undefined
  /** Messages that may wait while there is no connection. Default: 0, they fail with `Offline`. */
  readonly offlineQueue?: number | undefined
  /** Attempts at the first connection, after which the client has ended. Default: as many as it takes. */
  readonly firstAttempts?: number | undefined
  /**
   * Told of every event, and so of those before there is a client to ask for its `events`: why the first connection fails.
   * Runs in a microtask of its own: what it throws is an uncaught error, and no harm to the client.
   */
  readonly onEvent?: ((event: ClientEvent.ClientEvent) => void) | undefined
}

/** How long answers, and connecting, may take. */
export const defaultTimeout = Duration.seconds(10)

/** How long the gateway may take to close, when the client does. */
export const closeTimeout = Duration.seconds(2)

/** Events that a slow reader of them may still see. */
export const maxEvents = 64

/** The parts of a client that is connected. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const { onEvent, token } = options
  const { connectTimeout, timeout } = Limit.durationsUnsafe({
    timeout: options.timeout ?? defaultTimeout,
    connectTimeout: options.connectTimeout ?? defaultTimeout,
  })
  const limits = Limit.checkedUnsafe({
    offlineQueue: options.offlineQueue ?? 0,
    firstAttempts: options.firstAttempts ?? Infinity,
  })
  const settings = yield* Dial.settings
  const fork = yield* FiberSet.makeRuntime()
  const events = yield* PubSub.sliding<ClientEvent.ClientEvent>({ capacity: maxEvents, replay: 1 })
  const tell = (event: ClientEvent.ClientEvent): void => {
    PubSub.publishUnsafe(events, event)
    if (onEvent !== undefined) queueMicrotask(() => onEvent(event))
  }

  let moved = Deferred.makeUnsafe<void>()
  const onMoved = (): void => {
    const waiting = moved
    moved = Deferred.makeUnsafe()
    Deferred.doneUnsafe(waiting, Exit.void)
  }
  // While somebody waits for an answer, what comes before it is read and kept, up to a brim: a reader that waits for an
  // answer itself would else wait for ever.
  const isHeld = (): boolean => subscriptions.isFull && (!asking.isAwaited || subscriptions.isBrimming)
  const hold: Effect.Effect<void> = Effect.suspend(() =>
    isHeld() ? Effect.flatMap(Deferred.await(moved), () => hold) : Effect.void,
  )

  const line = new Line(limits.offlineQueue)
  const asking = new Asking(onMoved)
  const serving = new Serving()
  const tokens = new Tokens()
  const later = (ms: number, run: () => void): void => void fork(Effect.delay(Effect.sync(run), ms))
  const subscriptions = new Subscriptions({ asking, line, onTaken: onMoved, later })
  const tokenOf: Effect.Effect<string | undefined, unknown> = Effect.isEffect(token) ? token : Effect.succeed(token)

  const refreshOn = (link: Link) =>
    Effect.gen(function* () {
      const fresh = yield* tokenOf
      if (fresh === undefined) return undefined
      const answer = yield* asking.ask(link, "refreshed", (id) => ({ type: "refresh", id, token: fresh }), { timeout })
      tell(ClientEvent.Refreshed({ expiresAt: answer.expiresAt }))
      return answer.expiresAt
    })

  let session: Connected["session"] | undefined
  const connectWith = (token: string | undefined): Connect => {
    const bare: Connect = {
      type: "connect",
      id: 1,
      version: 1,
      ...(token !== undefined && { token }),
      ...(session !== undefined && { session: { id: session.id, key: session.key } }),
      ...(options.client !== undefined && { client: options.client }),
    }
    const bytes = new TextEncoder().encode(JSON.stringify(bare)).length + ',"subscriptions":[]'.length
    const riding = subscriptions.riding(maxFrameBytesBeforeConnect - bytes)
    return riding.length === 0 ? bare : { ...bare, subscriptions: riding }
  }

  const connected = Effect.fnUntraced(function* (link: Link, answer: Connected) {
    session = answer.session
    subscriptions.connected(link, answer.subscriptions ?? {})
    const onRefused = (service: string, error: unknown) => tell(ClientEvent.ServeRefused({ service, error }))
    yield* serving.connected(link, { asking, later, onRefused })
    if (Effect.isEffect(token)) {
      const onFailed = (error: unknown) => tell(ClientEvent.RefreshFailed({ error }))
      const now = () => settings.clock.currentTimeMillisUnsafe()
      yield* Effect.forkScoped(tokens.keep({ now, refresh: refreshOn(link), onFailed }, answer))
    }
    const { connection, expiresAt, limits, resumed, server, user } = answer
    tell(
      ClientEvent.Connected({
        connection,
        resumed,
        server,
        limits,
        ...(user !== undefined && { user }),
        ...(expiresAt !== undefined && { expiresAt }),
      }),
    )
    line.up(link)
  })

  const received = (link: Link, message: Inbound): void => {
    switch (message.type) {
      case "publication":
      case "gap":
      case "presenceChanged":
        return subscriptions.received(message)
      case "unsubscribed":
        subscriptions.received(message)
        return asking.answered(message)
      case "request":
        return serving.requested(link, message)
      case "cancel":
        return serving.cancelled(message.id)
      case "notice": {
        const { code, message: text, waitMs } = message
        if (code === ByeCode.table.expired.code) tokens.urge()
        return tell(ClientEvent.Notice({ code, message: text, waitMs }))
      }
      case "heartbeat":
      case "unknown":
      case "bye":
        return
      default:
        return asking.answered(message)
    }
  }

  const ended = (): void => {
    line.down()
    subscriptions.lost()
    asking.lost()
  }

  const end = (code: number | undefined, message: string, waitMs?: number): void => {
    const error = ClientError.of(new ClientError.Ended({ code, message }))
    line.end(error)
    ended()
    subscriptions.end(error)
    tell(ClientEvent.Ended({ code, message, ...(waitMs !== undefined && { waitMs }) }))
  }

  const { encoding = "json" } = options
  const protocol = yield* ClientCodec.protocolOf(encoding)
  const subprotocol = Subprotocol.names[encoding]
  const offer = { [subprotocol]: Subprotocol.kinds[subprotocol] }
  const attempt = Effect.fnUntraced(function* (dial: Connecting.Dialer) {
    const known = yield* Effect.result(tokenOf)
    if (known._tag === "Failure") {
      return { bye: undefined, message: `no token: ${String(known.failure)}`, connectedMs: undefined }
    }
    return yield* Connecting.run(
      { dial, protocol, offer, settings, timeout: connectTimeout },
      { connect: () => connectWith(known.success), connected, received, ended, hold, isHeld },
    )
  })

  let isClosing = false
  let { firstAttempts } = limits
  const attemptAgain = Effect.fnUntraced(function* (dial: Dial.Dialer, attempts: number) {
    tell(ClientEvent.Connecting({ attempt: attempts }))
    const ending = yield* attempt(dial)
    if (ending.connectedMs !== undefined) firstAttempts = options.reconnect === false ? 0 : Infinity
    const isLast = isClosing || attempts >= firstAttempts
    const advice = isLast ? "stop" : adviceOf(ending.bye, Effect.isEffect(token))
    return { ...ending, advice }
  })
  const stayConnected = Effect.gen(function* () {
    const { bye, message } = yield* Reconnect.repeat(options.dial, {
      attempt: attemptAgain,
      waiting: ({ bye, message }, retryInMs) =>
        Effect.sync(() => tell(ClientEvent.Disconnected({ code: bye?.code, message, retryInMs }))),
    })
    if (!isClosing) end(bye?.code, message, bye?.waitMs)
  }).pipe(Effect.catchDefect((defect) => Effect.sync(() => end(undefined, `connecting died: ${String(defect)}`))))

  const staying = yield* Effect.forkScoped(stayConnected)
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isClosing = true
      const { link } = line
      if (link !== undefined) subscriptions.leave(link)
      end(undefined, "the client was closed")
      if (link === undefined) return Effect.void
      link.closeUnsafe(CloseReason.Done())
      return Effect.timeoutOption(Fiber.await(staying), closeTimeout)
    }),
  )
  yield* line.next
  return {
    asking,
    events: Stream.takeUntil(Stream.fromPubSub(events), ClientEvent.is("Ended")),
    line,
    refresh: Effect.flatMap(line.current, refreshOn).pipe(Effect.asVoid, Effect.mapError(asClientError)),
    serving,
    subscriptions,
    timeout,
  }
})

/** What the gateway's last word means to who would come again. */
const adviceOf = (bye: Bye | undefined, hasNewTokens: boolean): Reconnect.Advice => {
  // Without a way to a new token the old one would be shown, and refused, again and again.
  if (bye?.retry === "never" || (bye?.retry === "reauth" && !hasNewTokens)) return "stop"
  return { atOnce: bye?.retry === "now", elsewhere: bye?.retry === "elsewhere", waitMs: bye?.waitMs }
}

/** What the application's own token callback failed with is a refusal to refresh. */
const asClientError = (error: unknown): ClientError.ClientError =>
  error instanceof ClientError.ClientError
    ? error
    : ClientError.of(new ClientError.Unsendable({ message: `no token: ${String(error)}` }))
