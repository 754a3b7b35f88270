/**
 * A client that has connected: each of its messages to channels, services or presence, and each answered.
 * Holds no channel and no service itself: it asks them, and leaves them when it ends.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as CloseReason from "../connection/CloseReason.ts"
import type { Connection } from "../connection/Connection.ts"
import type { AuthenticationError, Action, Identity } from "./auth/Identity.ts"
import * as Authenticating from "./Authenticating.ts"
import { CommandRate } from "./CommandRate.ts"
import type { Accepted } from "./engine/Engine.ts"
import type { Encoded } from "./Encoded.ts"
import * as History from "./History.ts"
import * as Lagging from "./Lagging.ts"
import { isAllowed } from "./Policy.ts"
import { dataSizeError, Publishing } from "./Publishing.ts"
import * as ByeCode from "./protocol/ByeCode.ts"
import type * as Client from "./protocol/ClientMessage.ts"
import * as ErrorCode from "./protocol/ErrorCode.ts"
import type { Sender } from "./protocol/Fields.ts"
import type * as Server from "./protocol/ServerMessage.ts"
import type * as Expiry from "./Expiry.ts"
import * as RidingAlong from "./RidingAlong.ts"
import type * as Services from "./Services.ts"
import type * as Sessions from "./Sessions.ts"
import type { Shared } from "./Shared.ts"
import * as Subscriptions from "./Subscriptions.ts"

type ClientConnection = Connection<Client.ClientFrame, Server.ServerMessage>

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/** A client that has connected: a subscriber of channels, an asker and a responder of services. */
export class Session implements Subscriptions.Subscriber, Services.Peer, Sessions.Holder, Expiry.Holder {
  /** What other clients are told of this one. */
  readonly id: string

  readonly #shared: Shared
  readonly #connection: ClientConnection
  readonly #subscriptions: Subscriptions.Subscriptions
  #identity: Identity
  /** What the client said first, and the session it got, until it is answered; a client that is refused is not. */
  #first: { readonly connect: Client.Connect; readonly opened: Sessions.Opened } | undefined
  /** Heartbeats before the session are no commands of it. */
  readonly #heartbeatsBefore: number
  /** These two are made when they are first used: most clients that are idle never publish, and command nothing. */
  #rate: CommandRate | undefined
  #publishing: Publishing | undefined
  #sender: Sender | undefined
  /** Present while the client is slow and something may be dropped for it. */
  #lagging: Lagging.Lagging | undefined

  constructor(shared: Shared, connection: ClientConnection, identity: Identity, first: Client.Connect) {
    this.#shared = shared
    this.#connection = connection
    this.#identity = identity
    const opened = shared.sessions.open(this, identity.user, first.session)
    this.#first = { connect: first, opened }
    this.id = opened.id
    this.#heartbeatsBefore = connection.heartbeatsReceived
    this.#subscriptions = new Subscriptions.Subscriptions(shared, this)
    if (identity.expiresAt !== undefined) shared.expiry.watch(this, identity.expiresAt)
  }

  get identity(): Identity {
    return this.#identity
  }

  get user(): string | undefined {
    return this.#identity.user
  }

  /** How others see it. The user never changes. */
  get sender(): Sender {
    const { id, user } = this
    return (this.#sender ??= user === undefined ? { connection: id } : { connection: id, user })
  }

  // --- connect

  /** Answers the first message, once, and then holds it no longer: it would be a tenth of an idle session. */
  begin(): Effect.Effect<void> | void {
    const first = this.#first
    if (first === undefined || this.endIfRevoked()) return
    this.#first = undefined
    this.#shared.journal?.opened(this, this.#connection.peer, first.connect.client)
    this.#connection.limitInboundUnsafe(this.#shared.limits.frameBytes)
    return this.#connect(first.connect, first.opened)
  }

  /** Answers `connect`, and the subscriptions that ride along. */
  #connect({ id, subscriptions }: Client.Connect, opened: Sessions.Opened): Effect.Effect<void> | void {
    const connected = this.#connected(id, opened)
    if (subscriptions === undefined) return this.send(connected)
    const answer = (outcomes: Parameters<typeof RidingAlong.answerAll>[1]) => {
      const answers = RidingAlong.answerAll(this.#subscriptions, outcomes)
      connected.subscriptions = answers.subscriptions
      this.send(connected)
      return answers.start()
    }
    const begun = RidingAlong.beginAll(this.#subscriptions, subscriptions)
    return Effect.isEffect(begun) ? Effect.flatMap(begun, (outcomes) => answer(outcomes) ?? Effect.void) : answer(begun)
  }

  /** Nobody else's yet, and not spread, which costs as much as sending it: what few have is put in afterwards. */
  #connected(id: number, { id: connection, key, resumed }: Sessions.Opened): Mutable<Server.Connected> {
    const { heartbeat, limits, now, server, sessionTtlMs: ttlMs } = this.#shared
    const { expiresAt, user } = this.#identity
    const session = { id: connection, key, ttlMs }
    const connected: Mutable<Server.Connected> = {
      type: "connected",
      id,
      connection,
      session,
      resumed,
      heartbeat,
      limits,
      server,
      time: now(),
    }
    if (user !== undefined) connected.user = user
    if (expiresAt !== undefined) connected.expiresAt = expiresAt
    return connected
  }

  // --- messages

  /** Handles one message to its answer, or as far as it can be without others; what has to be waited for is returned. */
  handle(message: Client.ClientFrame): Effect.Effect<void> | void {
    // What this client was asked for is no command of its own: refused, it would be lost to the one who waits. How often
    // it is asked is bounded by the rates of those who ask.
    const isAnswer = message.type === "response" || message.type === "error"
    if (isAnswer && this.#shared.services.respond(this, message)) return
    const now = this.#shared.monotonic()
    if (this.#isOverRate(message, now)) return
    switch (message.type) {
      case "publish":
        return this.#publish(message, now)
      case "request":
        return this.#request(message)
      case "response":
      case "error":
        // Nobody waits for it any more.
        return
      case "cancel":
        return this.#shared.services.cancel(this, message.id)
      case "subscribe":
        return this.#subscribe(message)
      case "unsubscribe":
        this.#subscriptions.unsubscribe(message.channel)
        return this.send({ type: "unsubscribed", id: message.id, channel: message.channel })
      case "serve":
        return this.#serve(message)
      case "unserve":
        this.#shared.services.unserve(message.service, this)
        return this.send({ type: "unserved", id: message.id, service: message.service })
      case "history":
        return inOwnTurn(
          Effect.map(History.answer(this.#shared, this.#identity, message), (answer) => this.send(answer)),
        )
      case "presence":
        return this.#presence(message)
      case "refresh":
        return this.#refresh(message)
      case "malformed":
        return this.#refuse(message.id, ErrorCode.make("malformed", { message: message.message }))
      case "connect":
        return this.close(ByeCode.make("malformed", { message: "connect came a second time" }))
    }
  }

  #publish(message: Client.Publish, now: number): void {
    const { id } = message
    const draft = (this.#publishing ??= new Publishing(this.#shared.policyOf, this)).draft(message, now)
    if (Result.isFailure(draft)) {
      if (id !== undefined || draft.failure.code === ErrorCode.table.tooManyCommands.code)
        this.#refuse(id, draft.failure)
      return
    }
    // Answered within this call or later; a client that has gone by then is told nothing.
    this.#shared.engine.publishUnsafe(draft.success, (accepted) => {
      if (id === undefined) return
      if (Result.isFailure(accepted)) this.#refuse(id, ErrorCode.ofEngine(accepted.failure))
      else this.send(published(id, accepted.success))
    })
  }

  #subscribe(message: Client.Subscribe): Effect.Effect<void> | undefined {
    const outcome = this.#subscriptions.begin(message)
    return Effect.isEffect(outcome)
      ? Effect.flatMap(outcome, (known) => this.#subscribed(message.id, known) ?? Effect.void)
      : this.#subscribed(message.id, outcome)
  }

  #subscribed(id: number, outcome: Subscriptions.Outcome): Effect.Effect<void> | undefined {
    const { message, start } = this.#subscriptions.answer(outcome, Subscriptions.maxAnsweredBytes)
    this.send({ ...message, id })
    return start()
  }

  #presence({ channel, id }: Client.Presence): void {
    if (!this.#may("presence", channel)) return this.#refuse(id, ErrorCode.make("notAllowed"))
    const policy = this.#shared.policyOf(channel)
    if (!policy.presence) {
      return this.#refuse(id, ErrorCode.make("notEnabled", { message: "presence is not enabled for this namespace" }))
    }
    this.send({ type: "presence", id, channel, ...this.#shared.presence.list(channel, policy) })
  }

  #request({ data, id, service, timeoutMs }: Client.Request): void {
    if (!this.#may("request", service)) return this.#refuse(id, ErrorCode.make("notAllowed"))
    const policy = this.#shared.policyOf(service)
    const tooLarge = dataSizeError(policy, data)
    if (tooLarge !== undefined) return this.#refuse(id, ErrorCode.make("tooLarge", { message: tooLarge }))
    const request = { asker: this, id, service, data, from: this.sender, maxAnswerBytes: policy.maxDataBytes }
    this.#shared.services.request(timeoutMs === undefined ? request : { ...request, timeoutMs })
  }

  #serve({ id, service }: Client.Serve): void {
    if (!this.#may("serve", service)) return this.#refuse(id, ErrorCode.make("notAllowed"))
    const served = this.#shared.services.serve(service, this)
    return Result.isFailure(served) ? this.#refuse(id, served.failure) : this.send({ type: "serving", id, service })
  }

  // --- who the client is

  #refresh({ id, token }: Client.Refresh): Effect.Effect<void> | void {
    const identity = Authenticating.identify(this.#shared.authenticator, token)
    if (!Effect.isEffect(identity)) {
      return this.#refuse(id, ErrorCode.make("notEnabled", { message: "there is no authentication" }))
    }
    return inOwnTurn(
      Effect.match(identity, {
        onFailure: (error) => this.#notRefreshed(id, error),
        onSuccess: (known) => this.#refreshed(id, known),
      }),
    )
  }

  #notRefreshed(id: number, error: AuthenticationError): void {
    const { detail: message, reason } = error
    if (reason === "Expired") return this.#refuse(id, ErrorCode.make("tokenExpired", { message }))
    if (reason === "Unavailable") return this.#refuse(id, ErrorCode.make("busy", { message }))
    this.close(Authenticating.byeOf(error))
  }

  /** What the client may not do any more ends; whatever else it has goes on. */
  #refreshed(id: number, identity: Identity): void {
    if (identity.user !== this.user) {
      return this.close(ByeCode.make("badToken", { message: "the token is another user's" }))
    }
    this.#identity = identity
    if (this.endIfRevoked()) return
    const { expiry, services } = this.#shared
    const { expiresAt } = identity
    expiry.watch(this, expiresAt)
    this.send({ type: "refreshed", id, ...(expiresAt !== undefined && { expiresAt }) })
    const { code, message } = ErrorCode.make("notAllowed")
    for (const channel of this.#subscriptions.review()) this.send({ type: "unsubscribed", channel, code, message })
    for (const service of services.served(this)) if (!this.#may("serve", service)) services.unserve(service, this)
  }

  /** Ends the connection if its identity was revoked, or the connection itself. */
  endIfRevoked(): boolean {
    const isRevoked = this.#shared.revocations.isRevoked(this.#identity, this.id)
    if (isRevoked) this.close(ByeCode.make("revoked"))
    return isRevoked
  }

  expiresIn(waitMs: number): void {
    const { code, message } = ByeCode.make("expired", { message: "the token is about to expire: refresh it" })
    this.send({ type: "notice", code, message, waitMs })
  }

  expired(): void {
    this.close(ByeCode.make("expired"))
  }

  takenOver(): void {
    this.close(ByeCode.make("sessionTakenOver"))
  }

  // --- sending and ending

  get maxHeldBytes(): number {
    return this.#shared.limits.outboxBytes
  }

  get room(): Effect.Effect<void> {
    return this.#connection.room
  }

  /** What fits into no frame ends the connection: its client would wait for it for ever. */
  send(message: Server.ServerMessage): void {
    const reason = this.#connection.sendUnsafe(message)?.reason
    if (reason?._tag === "BadOutbound") this.#connection.closeUnsafe(reason)
  }

  deliver(message: Encoded): void {
    const frame = message.frameFor(this.#connection.codec)
    // None is too large: engines refuse such publications, and lists of members are bounded. Should one be, it is told.
    if (Result.isSuccess(frame)) this.#connection.sendSharedUnsafe(frame.success)
    else this.#connection.closeUnsafe(CloseReason.BadOutbound({ error: frame.failure }))
  }

  deliverOrDrop(publication: Lagging.Droppable): void {
    if (this.#lagging === undefined && !this.#connection.isBehind) return this.deliver(publication.encoded)
    if (this.#lagging === undefined) {
      this.#lagging = new Lagging.Lagging(this)
      this.#shared.fork(Effect.map(this.#lagging.catchUp, () => (this.#lagging = undefined)))
    }
    this.#lagging.offer(publication)
  }

  forget(channel: string): void {
    this.#lagging?.forget(channel)
  }

  get isOpen(): boolean {
    return this.#connection.isOpen
  }

  sizeOf(message: Encoded): number {
    const frame = message.frameFor(this.#connection.codec)
    return Result.isSuccess(frame) ? frame.success.bytes.length : 0
  }

  tooSlow(observed: number): void {
    this.#connection.closeUnsafe(CloseReason.SlowConsumer({ limit: "bytes", allowed: this.maxHeldBytes, observed }))
  }

  close(facts: ByeCode.ByeFacts): void {
    this.#connection.closeUnsafe(CloseReason.Application(facts))
  }

  /** Leaves every channel and service: what waits for this client fails at once. The session itself is kept. */
  leave(reason: CloseReason.CloseReason): void {
    const { expiry, journal, now, services, sessions } = this.#shared
    this.#subscriptions.leave()
    services.leave(this)
    expiry.forget(this)
    sessions.release(this.id, this)
    // One that was refused was never opened.
    if (this.#first !== undefined) return
    journal?.closed(this, ByeCode.of(reason) ?? ByeCode.make("normal"), now() - this.#connection.openedAt)
  }

  #may(action: Action, name: string): boolean {
    return isAllowed(this.#shared.policyOf(name), action, name, this.#identity)
  }

  #refuse(id: number | undefined, facts: ErrorCode.ErrorFacts): void {
    this.send(id === undefined ? { type: "error", ...facts } : { type: "error", id, ...facts })
  }

  /** Over the rate a message is answered and not handled. */
  #isOverRate(message: Client.ClientFrame, now: number): boolean {
    const perSecond = this.#shared.limits.commandsPerSecond
    this.#rate ??= new CommandRate(perSecond, this.#heartbeatsBefore, now)
    const over = this.#rate.charge(this.#connection.heartbeatsReceived, now)
    if (over === undefined) return false
    if (over === "unheeded") {
      this.#connection.closeUnsafe(CloseReason.RateLimited({ unit: "commands", perSecond }))
    } else {
      const text = `more than ${perSecond} commands per second`
      this.#refuse(idOf(message), ErrorCode.make("tooManyCommands", { message: text, waitMs: over }))
    }
    return true
  }
}

/**
 * What may take milliseconds each time, not behind another one in the same turn of the event loop: 300 pages of a history,
 * asked for in one write, held everybody up for a second.
 */
const inOwnTurn = (answer: Effect.Effect<void>): Effect.Effect<void> => Effect.andThen(Effect.yieldNow, answer)

// Not spread: it is the answer to most messages there are.
const published = (id: number, { duplicate, epoch, offset }: Accepted): Server.Published =>
  duplicate === undefined
    ? { type: "published", id, offset, epoch }
    : { type: "published", id, offset, epoch, duplicate }

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
