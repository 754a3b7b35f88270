/**
 * The side that dials, for any protocol: the connection of a server's handler, with the same limits, deadlines and
 * goodbyes; heartbeats are answered where a server sends them. Tries once: `Reconnect` comes again. Names no platform.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Limit from "../limit/Limit.ts"
import { DialFailed, TransportError, type Wire } from "../transport/Transport.ts"
import type { CloseReason } from "./CloseReason.ts"
import { type Connection, type ConnectionError, endedBy } from "./Connection.ts"
import * as Lifetime from "./Lifetime.ts"
import * as Protocol from "./Protocol.ts"
import * as RateLimit from "./RateLimit.ts"
import type { Batch } from "./Reader.ts"
import * as Settings from "./Settings.ts"

/** Makes a wire: `TcpTransport.dial(...)` for one. It is reset with the scope, unless it has ended. */
export type Dialer = Effect.Effect<Wire, TransportError, Scope.Scope>

/** Whom to dial, and what is spoken: `inbound` is what the server sends, `outbound` what it is sent. */
export interface Options<In, Out> {
  readonly protocol: Protocol.Protocol<In, Out>
  readonly dial: Dialer
  /** How long dialling may take. Default: `defaultTimeout`. */
  readonly timeout?: Duration.Input | undefined
}

/** How long dialling may take, handshakes included. */
export const defaultTimeout = Duration.seconds(10)

/**
 * The settings of this place, as they hold for who dials: heartbeat, outbox and deadlines as a server's. What guards a
 * server against its clients (first frame and message, rate limits) does not, since this place may be inside of one.
 */
export const settings: Effect.Effect<Settings.Settings, never, Scope.Scope> = Effect.map(
  Settings.current,
  (settings) => ({
    ...settings,
    deadlines: { ...settings.deadlines, firstFrame: Infinity, firstMessage: Infinity },
    rateLimit: RateLimit.unlimited,
  }),
)

/**
 * A connection for as long as the scope is open. It ends with what the scope ends with: everything sent is flushed, and
 * the protocol's goodbye is said. When it ends before, reading and sending fail with the reason, and so `closed` tells.
 *
 * ```ts
 * const connection = yield* Dial.open({ protocol: Chat, dial: TcpTransport.dial({ host: "127.0.0.1", port: 7000 }) })
 * yield* connection.send({ type: "say", text: "hello" })
 * const answer = yield* connection.receive
 * ```
 */
export const open = <In, Out>(
  options: Options<In, Out>,
): Effect.Effect<Connection<In, Out>, TransportError | ConnectionError, Scope.Scope> =>
  Effect.gen(function* () {
    // Of its own, so that an attempt that fails leaves nothing in one that may see many.
    const scope = yield* Scope.fork(yield* Effect.scope)
    return yield* Effect.onError(Scope.provide(opening(options), scope), (cause) =>
      Scope.close(scope, Exit.failCause(cause)),
    )
  })

const opening = <In, Out>(
  options: Options<In, Out>,
): Effect.Effect<Connection<In, Out>, TransportError | ConnectionError, Scope.Scope> =>
  Effect.gen(function* () {
    const shared = yield* settings
    const wire = yield* wireOf(options)
    const opened = Deferred.makeUnsafe<Connection<In, Out>>()
    const left = Deferred.makeUnsafe<void, unknown>()
    const serving = yield* Effect.forkScoped(
      Lifetime.serve({ ...quiet, wire, protocol: Protocol.dialled(options.protocol), settings: shared }, (connection) =>
        Effect.flatMap(Effect.scope, (scope) => {
          Deferred.doneUnsafe(opened, Exit.succeed(readingIn(scope, connection)))
          return Deferred.await(left)
        }),
      ),
      { startImmediately: true },
    )
    // Who is interrupted leaves in peace, too.
    yield* Effect.addFinalizer((exit) => {
      const isFailure = Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)
      Deferred.doneUnsafe(left, isFailure ? Exit.failCause(exit.cause) : Exit.void)
      return Fiber.await(serving)
    })
    const ended = Effect.flatMap(Fiber.join(serving), (reason) => Effect.fail(endedBy(reason)))
    return yield* Effect.raceFirst(Deferred.await(opened), ended)
  })

/**
 * A connection for as long as the handler runs, which is interrupted when the connection ends before. Completes with the
 * reason once the wire is closed; fails only if there is no connection; interrupted, it leaves in peace. No fiber is between
 * the handler and what it reads, so it is quicker than `open` where much is received.
 */
export const run = <In, Out, R>(
  options: Options<In, Out>,
  handler: Lifetime.Handler<In, Out, R>,
): Effect.Effect<CloseReason, TransportError, Exclude<R, Scope.Scope>> =>
  Effect.scoped(
    Effect.flatMap(settings, (settings) =>
      serveInPeace({ ...quiet, ...options, protocol: Protocol.dialled(options.protocol), settings }, handler),
    ),
  )

/** What the rungs below `run` take: the protocol as it is, and the settings of the caller, who is told of both ends. */
export type ServeOptions<In, Out> = Options<In, Out> & Omit<Lifetime.Options<In, Out>, "wire">

/** The rung below `run`. */
export const serveInPeace = <In, Out, R>(
  options: ServeOptions<In, Out>,
  handler: Lifetime.Handler<In, Out, R>,
): Effect.Effect<CloseReason, TransportError, Exclude<R, Scope.Scope>> =>
  Effect.suspend(() => {
    let connection: Connection<In, Out> | undefined
    const onOpenedUnsafe = (opened: Connection<In, Out>) => {
      connection = opened
      options.onOpenedUnsafe(opened)
    }
    const leave = (serving: Fiber.Fiber<unknown, unknown>) =>
      connection === undefined ? Effect.void : Effect.andThen(connection.close(), Fiber.await(serving))
    return Effect.forkScoped(serve({ ...options, onOpenedUnsafe }, handler), { startImmediately: true }).pipe(
      Effect.flatMap((serving) => Effect.onInterrupt(Fiber.join(serving), () => leave(serving))),
      Effect.scoped,
    )
  })

/** The rung below that: its handler is shown the wire, which is reset when it is interrupted. */
export const serve = <In, Out, R>(
  options: ServeOptions<In, Out>,
  handler: (connection: Connection<In, Out>, wire: Wire) => Effect.Effect<unknown, unknown, R>,
): Effect.Effect<CloseReason, TransportError, Exclude<R, Scope.Scope>> =>
  Effect.scoped(
    Effect.flatMap(wireOf(options), (wire) =>
      Lifetime.serve({ ...options, wire }, (connection) => handler(connection, wire)),
    ),
  )

const wireOf = ({ dial, timeout = defaultTimeout }: Pick<Options<never, never>, "dial" | "timeout">): Dialer =>
  Effect.suspend(() =>
    Effect.timeoutOrElse(dial, {
      duration: Limit.durationsUnsafe({ timeout }).timeout,
      orElse: () =>
        Effect.fail(new TransportError({ reason: new DialFailed({ address: "the other side", code: "ETIMEDOUT" }) })),
    }),
  )

/** The only connection of its kind, with nobody who wants to be told. */
const quiet = { id: 1, onOpenedUnsafe: () => {}, onEndedUnsafe: () => {} }

/**
 * The connection for readers outside of its handler: they wait for reads that run in the handler's scope, so that none is
 * left when the goodbye reads on. A reader that is interrupted leaves its read to the next one, which loses nothing.
 */
const readingIn = <In, Out>(scope: Scope.Scope, connection: Connection<In, Out>): Connection<In, Out> => {
  const read: Batch<In> = connection.batch
  let reading: Fiber.Fiber<Pull.Success<Batch<In>>, ConnectionError | Cause.Done> | undefined
  /** Of a batch of which `receive` took the first; the next one last. */
  let rest: Array<In> = []
  const ended = Effect.flatMap(connection.closed, (reason) => Effect.fail(endedBy(reason)))
  const batch: Batch<In> = Effect.suspend(() => {
    const left = rest.toReversed()
    rest = []
    if (Arr.isArrayNonEmpty(left)) return Effect.succeed(left)
    const begun =
      reading === undefined ? Effect.forkIn(read, scope, { startImmediately: true }) : Effect.succeed(reading)
    return Effect.flatMap(begun, (fiber) => {
      reading = fiber
      return Effect.flatMap(Fiber.await(fiber), (exit): Batch<In> => {
        reading = undefined
        return Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? ended : exit
      })
    })
  })
  const receive: Pull.Pull<In, ConnectionError> = Effect.suspend(() =>
    rest.length > 0
      ? Effect.succeed(rest.pop() as In)
      : Effect.map(batch, (messages) => {
          rest = messages.slice(1).toReversed()
          return messages[0]
        }),
  )
  // Nobody else has seen it yet; `messages` is made of `batch`.
  return Object.defineProperties(connection, { batch: { value: batch }, receive: { value: receive } })
}
