/**
 * A connection from its handshake to its end: its handler raced with its heartbeat, and every other reason to end.
 * Accepts nobody and knows no other connection.
 *
 * A connection ends once, for one reason, whoever was first: the handler, the peer, a limit, a deadline, the server.
 * The handler is then interrupted, the goodbye is said, and the wire is brought to an end within a deadline.
 *
 * While it is idle a connection is two parked fibers, its handler's and its heartbeat's, and no third one that waits for
 * them: that one cost almost 4 KB of heap (bench, idle). A third one lives from the reason to the closed wire.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { TlsIdentity, TransportError, Wire } from "../transport/Transport.ts"
import * as CloseReason from "./CloseReason.ts"
import type { Connection } from "./Connection.ts"
import * as Heartbeat from "./Heartbeat.ts"
import { LiveConnection } from "./LiveConnection.ts"
import type { Protocol } from "./Protocol.ts"
import type { Settings } from "./Settings.ts"

/** What a connection is made of, and whom it tells. */
export interface Options<In, Out> {
  readonly id: number
  readonly wire: Wire
  readonly protocol: Protocol<In, Out>
  readonly settings: Settings
  /** Runs when bytes may flow, before the handler. */
  onOpened(connection: Connection<In, Out>): Effect.Effect<void>
  /** Runs once when the reason is known, before the goodbye. The connection is undefined if it never opened. */
  onEnded(reason: CloseReason.CloseReason, connection: Connection<In, Out> | undefined): Effect.Effect<void>
}

/** What runs for a connection. Its Scope is its own, closed when the connection has ended. */
export type Handler<In, Out, R> = (connection: Connection<In, Out>) => Effect.Effect<unknown, unknown, R | Scope.Scope>

/**
 * Owns the wire from its handshake to its end, runs the handler on it, and completes with the reason when the wire is
 * closed. Never fails: whatever happens is a reason. Interrupting it resets the wire and waits for the handler.
 */
export const serve = <In, Out, R>(
  options: Options<In, Out>,
  handler: Handler<In, Out, R>,
): Effect.Effect<CloseReason.CloseReason, never, Exclude<R, Scope.Scope>> =>
  Effect.contextWith((services: Context.Context<Exclude<R, Scope.Scope>>) =>
    Effect.callback((resume) => {
      const closed = Deferred.makeUnsafe<void>()
      const lifetime = startUnsafe(options, handler, services, (reason) => {
        Deferred.doneUnsafe(closed, Exit.void)
        resume(Effect.succeed(reason))
      })
      return Effect.suspend(() => {
        lifetime.abortUnsafe()
        return Deferred.await(closed)
      })
    }),
  )

/** A connection that runs, for whoever has to end it from outside. */
export interface Lifetime {
  /**
   * Resets the wire and interrupts the handler, waiting for neither. A handler that cannot be interrupted is left
   * behind, and `onClosed` is then never called.
   */
  readonly abortUnsafe: () => void
}

/** The rung below `serve`, for servers: `onClosed` is called once the wire is closed and the handler has ended. */
export const startUnsafe = <In, Out, R>(
  options: Options<In, Out>,
  handler: Handler<In, Out, R>,
  services: Context.Context<Exclude<R, Scope.Scope>>,
  onClosed: (reason: CloseReason.CloseReason) => void,
): Lifetime => new Running(options, handler as Handler<In, Out, never>, services, onClosed)

class Running<In, Out> implements Lifetime {
  readonly #options: Options<In, Out>
  readonly #handler: Handler<In, Out, never>
  readonly #services: Context.Context<never>
  readonly #onClosed: (reason: CloseReason.CloseReason) => void
  readonly #main: Fiber.Fiber<unknown, unknown>
  #heartbeat: Fiber.Fiber<CloseReason.CloseReason> | undefined
  /** Of what is forked on demand; most connections never need it. */
  #scope: Scope.Closeable | undefined
  #connection: LiveConnection<In, Out> | undefined

  constructor(
    options: Options<In, Out>,
    handler: Handler<In, Out, never>,
    services: Context.Context<never>,
    onClosed: (reason: CloseReason.CloseReason) => void,
  ) {
    this.#options = options
    this.#handler = handler
    this.#services = services
    this.#onClosed = onClosed
    this.#main = Effect.runForkWith(services)(Effect.flatMap(options.wire.opened, (tls) => this.#open(tls)))
    this.#main.addObserver((exit) => this.#mainEnded(exit))
  }

  abortUnsafe(): void {
    this.#connection?.closeUnsafe(CloseReason.Draining())
    this.#options.wire.abortUnsafe()
    this.#main.interruptUnsafe()
  }

  #open(tls: TlsIdentity | undefined): Effect.Effect<unknown, unknown> {
    const { id, protocol, settings, wire } = this.#options
    const connection = new LiveConnection<In, Out>({
      id,
      wire,
      tls,
      protocol,
      settings,
      fork: this.#fork,
      onClosing: this.#closing,
    })
    this.#connection = connection
    wire.onLostUnsafe((error) => connection.closeUnsafe(CloseReason.WireLost({ error })))
    return Effect.flatMap(this.#options.onOpened(connection), () => {
      if (!connection.isOpen) return Effect.void
      if (protocol.heartbeat === "empty") this.#beat(connection)
      return Effect.scoped(this.#handler(connection))
    })
  }

  #beat(connection: LiveConnection<In, Out>): void {
    this.#heartbeat = Effect.runForkWith(this.#services)(Heartbeat.run(connection, this.#options.settings.heartbeat))
    this.#heartbeat.addObserver((exit) => {
      if (Exit.isSuccess(exit)) connection.closeUnsafe(exit.value)
    })
  }

  #mainEnded(exit: Exit.Exit<unknown, unknown>): void {
    if (this.#connection !== undefined) return this.#connection.handlerEndedUnsafe(exit)
    // The handshake failed, or was given up.
    const error = Exit.findErrorOption(exit)
    this.#closing(
      error._tag === "Some" ? CloseReason.WireLost({ error: error.value as TransportError }) : CloseReason.Draining(),
    )
  }

  readonly #fork = (effect: Effect.Effect<void>): void => {
    this.#scope ??= Scope.makeUnsafe()
    Effect.runForkWith(this.#services)(Effect.forkIn(effect, this.#scope))
  }

  readonly #closing = (reason: CloseReason.CloseReason): void => {
    Effect.runForkWith(this.#services)(this.#end(reason)).addObserver(() => this.#onClosed(reason))
  }

  #end(reason: CloseReason.CloseReason): Effect.Effect<void> {
    const { wire } = this.#options
    const connection = this.#connection
    // The handler leaves the wire first, so that one fiber at a time reads it.
    const stopped = Fiber.interrupt(this.#main)
    const goodbye =
      connection === undefined ? Effect.sync(() => wire.abortUnsafe()) : connection.goodbye(reason, stopped)
    this.#heartbeat?.interruptUnsafe()
    return this.#options
      .onEnded(reason, connection)
      .pipe(
        Effect.andThen(Effect.all([stopped, goodbye], { concurrency: 2, discard: true })),
        Effect.andThen(
          Effect.suspend(() => (this.#scope === undefined ? Effect.void : Scope.close(this.#scope, Exit.void))),
        ),
      )
  }
}
