/**
 * A connection from its handshake to its end, in one Scope: its handler raced with its heartbeat, and every other
 * reason to end. Accepts nobody and knows no other connection.
 *
 * A connection ends once, for one reason, whoever was first: the handler, the peer, a limit, a deadline, the server.
 * The handler is then interrupted, the goodbye is said, and the wire is brought to an end within a deadline.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { Wire } from "../transport/Transport.ts"
import * as CloseReason from "./CloseReason.ts"
import type { Connection } from "./Connection.ts"
import * as Heartbeat from "./Heartbeat.ts"
import { LiveConnection } from "./LiveConnection.ts"
import type { Protocol } from "./Protocol.ts"
import type { Settings } from "./Settings.ts"

/** What `serve` needs beside the handler. */
export interface Options<In, Out> {
  readonly id: number
  readonly wire: Wire
  readonly protocol: Protocol<In, Out>
  readonly settings: Settings
  /** Runs when bytes may flow, before the handler. */
  readonly onOpened: (connection: Connection<In, Out>) => Effect.Effect<void>
  /** Runs once when the reason is known, before the goodbye. */
  readonly onEnded: (
    reason: CloseReason.CloseReason,
    connection: Connection<In, Out> | undefined,
  ) => Effect.Effect<void>
}

/**
 * Owns the wire from its handshake to its end, runs the handler on it in a Scope of its own, and completes with the
 * reason when the wire is closed. Never fails: whatever happens is a reason. Interrupting it resets the wire.
 */
export const serve = Effect.fnUntraced(function* <In, Out, E, R>(
  options: Options<In, Out>,
  handler: (connection: Connection<In, Out>) => Effect.Effect<unknown, E, R>,
) {
  const { id, onEnded, protocol, settings, wire } = options
  const scope = yield* Scope.Scope
  yield* Scope.addFinalizer(
    scope,
    Effect.sync(() => wire.abortUnsafe()),
  )
  const opened = yield* Effect.result(wire.opened)
  if (Result.isFailure(opened)) {
    const reason = CloseReason.WireLost({ error: opened.failure })
    yield* onEnded(reason, undefined)
    return reason
  }
  const services = yield* Effect.context<R>()
  const fork = (effect: Effect.Effect<void>) => void Effect.runForkWith(services)(Effect.forkIn(effect, scope))
  const connection = new LiveConnection({ id, wire, tls: opened.success, protocol, settings, fork })
  wire.onLostUnsafe((error) => connection.closeUnsafe(CloseReason.WireLost({ error })))
  const [running, reason] = yield* Effect.gen(function* () {
    yield* options.onOpened(connection)
    const running = yield* Effect.suspend(() => handler(connection)).pipe(
      Effect.scoped,
      Effect.onExit((exit) => Effect.sync(() => connection.handlerEndedUnsafe(exit))),
      Effect.forkIn(scope, { startImmediately: true }),
    )
    if (protocol.heartbeat === "empty" && connection.isOpen) {
      yield* Heartbeat.run(connection, settings.heartbeat).pipe(
        Effect.map(connection.closeUnsafe),
        Effect.forkIn(scope, { startImmediately: true }),
      )
    }
    return [running, yield* connection.closed] as const
  }).pipe(
    Effect.onInterrupt(() => connection.reset(CloseReason.Draining())),
    Effect.onExit(() => onEnded(connection.reason ?? CloseReason.Draining(), connection)),
  )
  // The handler leaves the wire first, so that one fiber at a time reads it.
  const stopped = Fiber.interrupt(running)
  yield* Effect.all([stopped, connection.goodbye(reason, stopped)], { concurrency: 2, discard: true })
  return reason
}, Effect.scoped)
