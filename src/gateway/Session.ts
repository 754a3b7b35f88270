/**
 * One client of the gateway: its `connect`, and then message after message to channels and services, each answered.
 * Holds no channel and no service itself: it asks them, and leaves them when it ends.
 */
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as CloseReason from "../connection/CloseReason.ts"
import type { Connection, ConnectionError } from "../connection/Connection.ts"
import type { SharedMessage } from "../connection/Protocol.ts"
import { TokenBucket } from "../connection/RateLimit.ts"
import type * as Channels from "./Channels.ts"
import * as ByeCode from "./protocol/ByeCode.ts"
import type * as Client from "./protocol/ClientMessage.ts"
import * as ErrorCode from "./protocol/ErrorCode.ts"
import type { RandomText } from "./RandomText.ts"
import type * as Server from "./protocol/ServerMessage.ts"
import type * as Services from "./Services.ts"

/** The version of the protocol spoken here. */
export const protocolVersion = 1

/** A client may be over its rate for so long; one that goes on is closed with 4300. */
export const overRateToleranceMs = 10_000

/** Being under the rate for so long is taken as having heeded error 111. */
export const overRateForgottenMs = 1_000

/** Messages of one client in a turn of the event loop: one of them may be a publication to thousands. */
export const messagesPerTurn = 64

/** How long a session is kept after its connection is lost. None is kept yet: a client always gets a new one. */
export const sessionTtlMs = 0

/** What all sessions of a gateway share. */
export interface Shared {
  readonly channels: Channels.Channels<Session>
  readonly services: Services.Services<Session>
  readonly heartbeat: Server.Connected["heartbeat"]
  readonly limits: Server.Connected["limits"]
  readonly server: Server.Connected["server"]
  readonly random: RandomText
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds of a clock that never goes back. */
  readonly monotonic: () => number
}

type ClientConnection = Connection<Client.ClientFrame, Server.ServerMessage>

/** Serves one client from its `connect` to its end. Who sends none in time is ended by the connection's deadlines. */
export const serve =
  (shared: Shared) =>
  (connection: ClientConnection): Effect.Effect<void, ConnectionError> =>
    connection.receive.pipe(
      // The client left before it said anything.
      Pull.catchDone(() => Effect.undefined),
      Effect.flatMap((first) => (first === undefined ? Effect.void : begin(shared, connection, first))),
    )

const begin = (
  shared: Shared,
  connection: ClientConnection,
  first: Client.ClientFrame,
): Effect.Effect<void, ConnectionError> => {
  if (first.type !== "connect") return bye(connection, "malformed", outOfOrder(first))
  if (first.version !== protocolVersion) {
    const message = `version ${first.version} is not supported, this server speaks ${protocolVersion}`
    return bye(connection, "versionNotSupported", message)
  }
  const session = new Session(shared, connection, first)
  return Effect.ensuring(
    handleAll(session, connection),
    Effect.sync(() => session.leave()),
  )
}

/** Until the client leaves. Less than a Stream: what runs here is most of what an idle session occupies (bench, idle). */
const handleAll = (session: Session, connection: ClientConnection): Effect.Effect<void, ConnectionError> => {
  const handleNext = Effect.flatMap(connection.batch, (messages) => handleFrom(session, connection, messages, 0))
  return Effect.suspend(() => {
    session.begin()
    return Pull.catchDone(Effect.forever(handleNext, { disableYield: true }), () => Effect.void)
  })
}

const handleFrom = (
  session: Session,
  connection: ClientConnection,
  messages: ReadonlyArray<Client.ClientFrame>,
  from: number,
): Effect.Effect<void> => {
  const to = Math.min(from + messagesPerTurn, messages.length)
  // One of them may end the connection: what came behind it has no effect that nobody would be told of.
  for (let i = from; i < to && connection.isOpen; i++) session.handle(messages[i]!)
  return to < messages.length && connection.isOpen
    ? Effect.flatMap(Effect.yieldNow, () => handleFrom(session, connection, messages, to))
    : connection.room
}

const bye = (connection: ClientConnection, name: ByeCode.ByeName, message: string) => {
  const facts = ByeCode.make(name, { message })
  return Effect.andThen(connection.close(CloseReason.Application(facts)), Effect.never)
}

const outOfOrder = (first: Client.ClientFrame): string =>
  first.type === "malformed" ? first.message : `expected connect as the first message, got ${first.type}`

/** A client that has connected: a subscriber of channels, an asker and a responder of services. */
export class Session implements Channels.Subscriber<SharedMessage<Server.ServerMessage>>, Services.Peer {
  /** What other clients are told of this one. */
  readonly id: string

  /** Proves ownership of the session: 144 bits that nobody can guess. */
  readonly #key: string

  readonly #shared: Shared
  readonly #connection: ClientConnection
  readonly #rate: TokenBucket
  #heartbeatsCharged: number
  /** What the client said first, until it is answered. */
  #first: Client.Connect | undefined
  #overRateSince = -Infinity
  #overRateAt = -Infinity

  constructor(shared: Shared, connection: ClientConnection, first: Client.Connect) {
    this.id = shared.random.take(9)
    this.#key = shared.random.take(18)
    this.#shared = shared
    this.#connection = connection
    this.#rate = new TokenBucket(shared.limits.commandsPerSecond, shared.monotonic())
    this.#heartbeatsCharged = connection.heartbeatsReceived
    this.#first = first
  }

  /** Answers the first message, once, and then holds it no longer: it would be a tenth of an idle session. */
  begin(): void {
    const first = this.#first
    this.#first = undefined
    if (first !== undefined) this.#connect(first)
  }

  /** Answers `connect`, and the subscriptions that ride along. */
  #connect(message: Client.Connect): void {
    const { heartbeat, limits, now, server } = this.#shared
    this.#connection.limitInboundUnsafe(limits.frameBytes)
    const subscriptions = message.subscriptions && {
      subscriptions: Object.fromEntries(message.subscriptions.map((entry) => this.#subscribeEntry(entry))),
    }
    this.send({
      type: "connected",
      id: message.id,
      connection: this.id,
      session: { id: this.id, key: this.#key, ttlMs: sessionTtlMs },
      resumed: false,
      heartbeat,
      limits,
      server,
      time: now(),
      ...subscriptions,
    })
  }

  /** Handles one message to its answer, or as far as it can be without others. */
  handle(message: Client.ClientFrame): void {
    // What this client was asked for is no command of its own: refused, it would be lost to the one who waits. How often
    // it is asked is bounded by the rates of those who ask.
    const isAnswer = message.type === "response" || message.type === "error"
    if (isAnswer && this.#shared.services.respond(this, message)) return
    if (this.#isOverRate(message)) return
    switch (message.type) {
      case "publish":
        return this.#publish(message)
      case "request":
        return this.#request(message)
      case "response":
      case "error":
        // Nobody waits for it any more.
        return
      case "cancel":
        return this.#shared.services.cancel(this, message.id)
      case "subscribe":
        return this.send(answered(message.id, this.#subscribe(message)))
      case "unsubscribe":
        this.#shared.channels.unsubscribe(message.channel, this)
        return this.send({ type: "unsubscribed", id: message.id, channel: message.channel })
      case "serve": {
        const { id, service } = message
        const served = this.#shared.services.serve(service, this)
        return this.send(Result.isFailure(served) ? refused(id, served.failure) : { type: "serving", id, service })
      }
      case "unserve":
        this.#shared.services.unserve(message.service, this)
        return this.send({ type: "unserved", id: message.id, service: message.service })
      case "history":
      case "presence":
      case "refresh":
        return this.send(refused(message.id, ErrorCode.make("notEnabled")))
      case "malformed":
        return this.send(refused(message.id, ErrorCode.make("malformed", { message: message.message })))
      case "connect":
        return this.#connection.closeUnsafe(
          CloseReason.Application(ByeCode.make("malformed", { message: "connect came a second time" })),
        )
    }
  }

  send(message: Server.ServerMessage): void {
    this.#connection.sendUnsafe(message)
  }

  deliver(publication: SharedMessage<Server.ServerMessage>): void {
    // A publication is at most a client's frame with an envelope: the limit for frames to clients is far above.
    const frame = Result.getOrThrow(publication.frameFor(this.#connection.codec))
    this.#connection.sendSharedUnsafe(frame)
  }

  /** Leaves every channel and service: what waits for this client fails at once. */
  leave(): void {
    this.#shared.channels.leave(this)
    this.#shared.services.leave(this)
  }

  #publish(message: Client.Publish): void {
    const { channel, data, echo, id, key, tags } = message
    const published = this.#shared.channels.publish({
      channel,
      data,
      from: { connection: this.id },
      ...(key !== undefined && { key }),
      ...(tags !== undefined && { tags }),
      ...(echo === false && { except: this }),
    })
    if (id === undefined) return
    this.send(
      Result.isFailure(published) ? refused(id, published.failure) : { type: "published", id, ...published.success },
    )
  }

  #request(message: Client.Request): void {
    const { data, id, service, timeoutMs } = message
    this.#shared.services.request({
      asker: this,
      id,
      service,
      data,
      from: { connection: this.id },
      ...(timeoutMs !== undefined && { timeoutMs }),
    })
  }

  #subscribeEntry(
    entry: Result.Result<Client.Subscription, Client.MalformedSubscription>,
  ): [channel: string, answer: Server.SubscriptionAnswer] {
    if (Result.isSuccess(entry)) return [entry.success.channel, this.#subscribe(entry.success)]
    const { channel, message } = entry.failure
    return [channel, { type: "error", ...ErrorCode.make("malformed", { message }) }]
  }

  /** Without history, a position is either the top or lost. */
  #subscribe({ channel, mode, position, presence }: Client.Subscription): Server.SubscriptionAnswer {
    if (presence === true)
      return { type: "error", ...ErrorCode.make("notEnabled", { message: "presence is not enabled" }) }
    const subscribed = this.#shared.channels.subscribe(channel, this)
    if (Result.isFailure(subscribed)) return { type: "error", ...subscribed.failure }
    const top = subscribed.success
    const atTop = position?.offset === top.offset && position.epoch === top.epoch
    const recovered = position === undefined || (mode ?? "stream") !== "stream" ? "none" : atTop ? "yes" : "no"
    return { type: "subscribed", channel, position: top, recovered, publications: [] }
  }

  /** Charges the message, and the heartbeats since the last one; over the rate it is answered and not handled. */
  #isOverRate(message: Client.ClientFrame): boolean {
    const now = this.#shared.monotonic()
    const heartbeats = this.#connection.heartbeatsReceived
    if (heartbeats > this.#heartbeatsCharged) this.#rate.drain(heartbeats - this.#heartbeatsCharged, now)
    this.#heartbeatsCharged = heartbeats
    if (this.#rate.take(1, now)) return false
    if (now - this.#overRateAt > overRateForgottenMs) this.#overRateSince = now
    this.#overRateAt = now
    if (now - this.#overRateSince >= overRateToleranceMs) {
      this.#connection.closeUnsafe(CloseReason.RateLimited({ unit: "commands", perSecond: this.#rate.perSecond }))
    } else {
      const waitMs = Math.ceil(this.#rate.waitMs(1, now))
      const text = `more than ${this.#rate.perSecond} commands per second`
      this.send(refused(idOf(message), ErrorCode.make("tooManyCommands", { message: text, waitMs })))
    }
    return true
  }
}

const refused = (id: number | undefined, facts: ErrorCode.ErrorFacts): Server.ErrorMessage =>
  id === undefined ? { type: "error", ...facts } : { type: "error", id, ...facts }

const answered = (id: number, answer: Server.SubscriptionAnswer): Server.Subscribed | Server.ErrorMessage => ({
  ...answer,
  id,
})

/** The id to answer with. None where an error with it would seem to be the answer to a request of the client's. */
const idOf = (message: Client.ClientFrame): number | undefined => {
  switch (message.type) {
    case "response":
    case "error":
    case "cancel":
      return undefined
    default:
      return message.id
  }
}
