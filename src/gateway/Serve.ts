/**
 * Serves one client from its first message to its last: `connect`, and then batch after batch, in order.
 * Handles no message itself, and keeps nothing of a client: its `Session` does.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as CloseReason from "../connection/CloseReason.ts"
import type { Connection, ConnectionError } from "../connection/Connection.ts"
import type { Identity } from "./auth/Identity.ts"
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
  if (first.type !== "connect") return bye(connection, ByeCode.make("malformed", { message: outOfOrder(first) }))
  if (first.version !== protocolVersion) {
    const message = `version ${first.version} is not supported, this server speaks ${protocolVersion}`
    return bye(connection, ByeCode.make("versionNotSupported", { message }))
  }
  const identity = Authenticating.identify(shared.authenticator, first.token)
  if (!Effect.isEffect(identity)) return converse(shared, connection, first, identity)
  return Effect.matchEffect(identity, {
    onFailure: (error) => bye(connection, Authenticating.byeOf(error)),
    onSuccess: (known) => converse(shared, connection, first, known),
  })
}

const converse = (
  shared: Shared,
  connection: ClientConnection,
  first: Client.Connect,
  identity: Identity,
): Effect.Effect<void, ConnectionError> => {
  const session = new Session(shared, connection, identity, first)
  return Effect.onExit(handleAll(shared, session, connection), (exit) =>
    Effect.map(reasonOf(connection, exit), (reason) => session.leave(reason)),
  )
}

/** Why a connection whose handler has ended is over: if nothing else has ended it, the client has left, or this failed. */
const reasonOf = (
  connection: ClientConnection,
  exit: Exit.Exit<void, unknown>,
): Effect.Effect<CloseReason.CloseReason> =>
  connection.isOpen
    ? Effect.succeed(Exit.isSuccess(exit) ? CloseReason.PeerClosed() : CloseReason.HandlerFailed({ cause: exit.cause }))
    : connection.closed

/** Until the client leaves. Less than a Stream: what runs here is most of what an idle session occupies (bench, idle). */
const handleAll = (
  shared: Shared,
  session: Session,
  connection: ClientConnection,
): Effect.Effect<void, ConnectionError> => {
  const { engine } = shared
  const handleNext = Effect.flatMap(connection.batch, (messages) =>
    handleFrom(engine, session, connection, messages, 0),
  )
  return Effect.suspend(() => {
    const rest = Pull.catchDone(Effect.forever(handleNext, { disableYield: true }), () => Effect.void)
    const connecting = session.begin()
    return Effect.isEffect(connecting) ? Effect.andThen(connecting, rest) : rest
  })
}

const handleFrom = (
  engine: Engine["Service"],
  session: Session,
  connection: ClientConnection,
  messages: ReadonlyArray<Client.ClientFrame>,
  from: number,
): Effect.Effect<void> => {
  const to = Math.min(from + messagesPerTurn, messages.length)
  // One of them may end the connection: what came behind it has no effect that nobody would be told of.
  for (let i = from; i < to && connection.isOpen; i++) {
    const waiting = session.handle(messages[i]!)
    if (!Effect.isEffect(waiting)) continue
    // Its answer comes before anything else is handled, and may be a large one: the next may be as large.
    return waiting.pipe(
      Effect.andThen(connection.room),
      Effect.andThen(Effect.suspend(() => handleFrom(engine, session, connection, messages, i + 1))),
    )
  }
  return to < messages.length && connection.isOpen
    ? Effect.flatMap(Effect.yieldNow, () => handleFrom(engine, session, connection, messages, to))
    : roomOf(engine, connection)
}

/** Who publishes waits between batches until its own connection and the engine keep up. */
const roomOf = (engine: Engine["Service"], connection: ClientConnection): Effect.Effect<void> =>
  connection.isBehind ? Effect.andThen(connection.room, engine.room) : engine.room

const bye = (connection: ClientConnection, facts: ByeCode.ByeFacts) =>
  Effect.andThen(connection.close(CloseReason.Application(facts)), Effect.never)

const outOfOrder = (first: Client.ClientFrame): string =>
  first.type === "malformed" ? first.message : `expected connect as the first message, got ${first.type}`
