/**
 * Serves one client from its first message to its last: `connect`, and then batch after batch, in order.
 * Handles no message itself, and keeps nothing of a client: its `Session` does.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as CloseReason from "../connection/CloseReason.ts"
import type { Connection, ConnectionError } from "../connection/Connection.ts"
import type { Engine } from "./engine/Engine.ts"
import * as Authenticating from "./Authenticating.ts"
import * as ByeCode from "./protocol/ByeCode.ts"
import type * as Client from "./protocol/ClientMessage.ts"
import type * as Server from "./protocol/ServerMessage.ts"
import { Session } from "./Session.ts"
import type { Shared } from "./Shared.ts"

/** The version of the protocol spoken here. */
export const protocolVersion = 1

/** Messages of one client in a turn of the event loop: one of them may be a publication to thousands. */
export const messagesPerTurn = 64

type ClientConnection = Connection<Client.ClientFrame, Server.ServerMessage>
type Messages = NonEmptyReadonlyArray<Client.ClientFrame>

/** Serves one client from its `connect` to its end. Who sends none in time is ended by the connection's deadlines. */
export const serve =
  (shared: Shared) =>
  (connection: ClientConnection): Effect.Effect<void, ConnectionError> =>
    Effect.matchCauseEffect(connection.batch, {
      // The client left before it said anything.
      onFailure: unlessDone,
      onSuccess: (messages) => begin(shared, connection, messages),
    })

const begin = (
  shared: Shared,
  connection: ClientConnection,
  messages: Messages,
): Effect.Effect<void, ConnectionError> => {
  const [first] = messages
  if (first.type !== "connect") return bye(connection, ByeCode.make("malformed", { message: outOfOrder(first) }))
  if (first.version !== protocolVersion) {
    const message = `version ${first.version} is not supported, this server speaks ${protocolVersion}`
    return bye(connection, ByeCode.make("versionNotSupported", { message }))
  }
  const identity = Authenticating.identify(shared.authenticator, first.token)
  if (!Effect.isEffect(identity))
    return converse(shared.engine, new Session(shared, connection, identity, first), connection, messages)
  return Effect.matchEffect(identity, {
    onFailure: (error) => bye(connection, Authenticating.byeOf(error)),
    onSuccess: (known) => converse(shared.engine, new Session(shared, connection, known, first), connection, messages),
  })
}

const converse = (
  engine: Engine["Service"],
  session: Session,
  connection: ClientConnection,
  messages: Messages,
): Effect.Effect<void, ConnectionError> => {
  const conversation = new Conversation(engine, session, connection, messages)
  return Effect.onExit(conversation, (exit) => conversation.ended(exit))
}

/**
 * One client's messages until it leaves, as an Effect. What is held here is most of what an idle session occupies
 * (bench, idle).
 */
class Conversation extends Effectable.Class<void, ConnectionError> {
  readonly #engine: Engine["Service"]
  readonly #session: Session
  readonly #connection: ClientConnection
  /** What came with the first message, which is answered already when the others are handled. Held until then. */
  #first: Messages | undefined
  /** Reads and handles a batch, and then the next one. Made once; less than a Stream, or a loop around it. */
  readonly #next: Effect.Effect<void, ConnectionError>

  constructor(engine: Engine["Service"], session: Session, connection: ClientConnection, first: Messages) {
    super()
    this.#engine = engine
    this.#session = session
    this.#connection = connection
    this.#first = first
    this.#next = Effect.matchCauseEffect(connection.batch, {
      onFailure: unlessDone,
      onSuccess: (messages) => this.#handleFrom(messages, 0),
    })
  }

  override asEffect(): Effect.Effect<void, ConnectionError> {
    const first = this.#first
    this.#first = undefined
    const connecting = this.#session.begin()
    const next =
      first === undefined || first.length === 1 ? this.#next : Effect.suspend(() => this.#handleFrom(first, 1))
    return Effect.isEffect(connecting) ? Effect.andThen(connecting, next) : next
  }

  /** If nothing else has ended the connection, the client has left, or this failed. */
  ended(exit: Exit.Exit<void, unknown>): Effect.Effect<void> {
    if (!this.#connection.isOpen) return Effect.map(this.#connection.closed, (reason) => this.#session.leave(reason))
    const reason = Exit.isSuccess(exit) ? CloseReason.PeerClosed() : CloseReason.HandlerFailed({ cause: exit.cause })
    return Effect.sync(() => this.#session.leave(reason))
  }

  #handleFrom(messages: Messages, from: number): Effect.Effect<void, ConnectionError> {
    const connection = this.#connection
    const to = Math.min(from + messagesPerTurn, messages.length)
    // One of them may end the connection: what came behind it has no effect that nobody would be told of.
    for (let i = from; i < to && connection.isOpen; i++) {
      const waiting = this.#session.handle(messages[i]!)
      if (!Effect.isEffect(waiting)) continue
      // Its answer comes before anything else is handled, and may be a large one: the next may be as large.
      return waiting.pipe(
        Effect.andThen(connection.room),
        Effect.andThen(Effect.suspend(() => this.#handleFrom(messages, i + 1))),
      )
    }
    return to < messages.length && connection.isOpen
      ? Effect.flatMap(Effect.yieldNow, () => this.#handleFrom(messages, to))
      : Effect.andThen(this.#room, this.#next)
  }

  /** Who publishes waits between batches until its own connection and the engine keep up. */
  get #room(): Effect.Effect<void> {
    return this.#connection.isBehind ? Effect.andThen(this.#connection.room, this.#engine.room) : this.#engine.room
  }
}

/** Whoever has sent all it wanted to has left; any other failure is one. */
const unlessDone = <E>(cause: Cause.Cause<E>): Effect.Effect<void, Exclude<E, Cause.Done>> =>
  Pull.isDoneCause(cause) ? Effect.void : Effect.failCause(cause as Cause.Cause<Exclude<E, Cause.Done>>)

const bye = (connection: ClientConnection, facts: ByeCode.ByeFacts) =>
  Effect.andThen(connection.close(CloseReason.Application(facts)), Effect.never)

const outOfOrder = (first: Client.ClientFrame): string =>
  first.type === "malformed" ? first.message : `expected connect as the first message, got ${first.type}`
