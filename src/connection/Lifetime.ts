/**
 * A connection from its handshake to its end: its handler raced with its heartbeat, and every other reason to end.
 * Accepts nobody and knows no other connection.
 *
 * A connection ends once, for one reason, whoever was first: the handler, the peer, a limit, a deadline, the server.
 * The handler is then interrupted, the goodbye is said, and the wire is brought to an end within a deadline.
 *
 * While it is idle a connection is one parked fiber, its handler's, and none that waits for it; none at all before the
 * peer has said something, where the peer begins. Another one lives from the reason to the closed wire.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { TlsIdentity, TransportError, Wire } from "../transport/Transport.ts"
import * as CloseReason from "./CloseReason.ts"
import type { Connection } from "./Connection.ts"
import * as Heartbeat from "./Heartbeat.ts"
import { LiveConnection, type LiveOwner } from "./LiveConnection.ts"
import type { Protocol } from "./Protocol.ts"
import type { Settings } from "./Settings.ts"

/** What a connection is made of, and whom it tells. */
export interface Options<In, Out> {
  readonly id: number
  readonly wire: Wire
  readonly protocol: Protocol<In, Out>
  readonly settings: Settings
  /** Runs when bytes may flow, before the handler, which does not run if this closes the connection. */
  onOpenedUnsafe(connection: Connection<In, Out>): void
  /** Runs once when the reason is known, before the goodbye. The connection is undefined if it never opened. Must not throw. */
  onEndedUnsafe(reason: CloseReason.CloseReason, connection: Connection<In, Out> | undefined): void
  /** Runs last: the wire is closed, and the handler has ended. Must not throw. */
  onClosedUnsafe?(): void
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
      const lifetime = makeUnsafe(options, handler, services, {
        closedUnsafe: (_, reason) => {
          Deferred.doneUnsafe(closed, Exit.void)
          resume(Effect.succeed(reason))
        },
      })
      lifetime.startUnsafe()
      return Effect.suspend(() => {
        lifetime.abortUnsafe()
        return Deferred.await(closed)
      })
    }),
  )

/** A connection that runs, for whoever has to end it from outside. */
export interface Lifetime {
  /** Runs it, once. It may be over before this returns. */
  readonly startUnsafe: () => void
  /**
   * Resets the wire and interrupts the handler, waiting for neither. A handler that cannot be interrupted is left
   * behind, and the owner is then never told.
   */
  readonly abortUnsafe: () => void
  /** Whether its handshake was done: before that, nothing was said to the peer, nor promised. */
  readonly hasOpened: boolean
  /** Bytes that it keeps in memory, on their way in and out. */
  readonly heldBytes: number
  /** Lets go of them: ends it for this reason; if it has ended already, without waiting for its goodbye. */
  readonly shedUnsafe: (reason: CloseReason.CloseReason) => void
}

/** Who holds connections that run. */
export interface Owner {
  /** Called once the wire is closed and the handler has ended. */
  readonly closedUnsafe: (lifetime: Lifetime, reason: CloseReason.CloseReason) => void
}

/** The rung below `serve`, for servers: a connection that `startUnsafe` runs. */
export const makeUnsafe = <In, Out, R>(
  options: Options<In, Out>,
  handler: Handler<In, Out, R>,
  services: Context.Context<Exclude<R, Scope.Scope>>,
  owner: Owner,
): Lifetime => new Running(options, handler as Handler<In, Out, never>, services, owner)

const emptyScope: Scope.State.Empty = { _tag: "Empty" }

/** It is the handler's Scope itself, closed with what the handler ended with: one is there for every connection. */
class Running<In, Out> implements Lifetime, LiveOwner, Scope.Closeable {
  state: Scope.Scope["state"] = emptyScope

  readonly #options: Options<In, Out>
  readonly #handler: Handler<In, Out, never>
  readonly #services: Context.Context<never>
  readonly #owner: Owner
  #main: Fiber.Fiber<unknown, unknown> | undefined
  /** The end of the handler's scope, if something waits in it. */
  #tidying: Fiber.Fiber<void> | undefined
  #watch: Heartbeat.Watch | Heartbeat.Listening | undefined
  /** Of what is forked on demand; most connections never need it. */
  #scope: Scope.Closeable | undefined
  #connection: LiveConnection<In, Out> | undefined

  constructor(
    options: Options<In, Out>,
    handler: Handler<In, Out, never>,
    services: Context.Context<never>,
    owner: Owner,
  ) {
    this.#options = options
    this.#handler = handler
    this.#services = services
    this.#owner = owner
  }

  get "~effect/Scope"() {
    return "~effect/Scope" as const
  }

  get "~effect/Scope/Closeable"() {
    return "~effect/Scope/Closeable" as const
  }

  get strategy() {
    return "sequential" as const
  }

  get parent() {
    return undefined
  }

  startUnsafe(): void {
    const { protocol, wire } = this.#options
    const { arrived, opened } = wire
    if (!protocol.peerBegins || arrived === undefined || !isOpen(opened)) {
      return this.#run(Effect.flatMap(opened, (tls) => this.#handling(this.#open(tls))))
    }
    // A fiber that is parked for the first bytes, and woken by them, was a seventh of a connect (bench, connect).
    const connection = this.#open(opened.value)
    connection.whenBegunUnsafe(arrived, () => {
      if (connection.isOpen) this.#run(Effect.suspend(() => this.#handler(connection)))
    })
  }

  #run(effect: Effect.Effect<unknown, unknown, Scope.Scope>): void {
    this.#main = Effect.runForkWith(Context.add(this.#services, Scope.Scope, this))(effect)
    this.#main.addObserver((exit) => this.#mainEnded(exit))
  }

  abortUnsafe(): void {
    // Not behind the reset: a handshake that is given up would fail by it, and that be the reason.
    if (this.#connection === undefined) this.#main?.interruptUnsafe()
    else this.#connection.closeUnsafe(CloseReason.Draining())
    this.#options.wire.abortUnsafe()
    this.#main?.interruptUnsafe()
  }

  get hasOpened(): boolean {
    return this.#connection !== undefined
  }

  get heldBytes(): number {
    return this.#connection?.heldBytes ?? 0
  }

  shedUnsafe(reason: CloseReason.CloseReason): void {
    if (this.#connection?.isOpen === true) this.#connection.closeUnsafe(reason)
    else this.#options.wire.abortUnsafe()
  }

  #open(tls: TlsIdentity | undefined): LiveConnection<In, Out> {
    const { protocol, settings, wire } = this.#options
    const connection = new LiveConnection<In, Out>(this.#options, tls, this)
    this.#connection = connection
    wire.onLostUnsafe((error) => connection.closeUnsafe(CloseReason.WireLost({ error })))
    this.#options.onOpenedUnsafe(connection)
    if (!connection.isOpen) return connection
    if (protocol.heartbeat === "answered") this.#watch = new Heartbeat.Listening(connection, settings)
    if (Heartbeat.isProbing(protocol.heartbeat, settings.heartbeat)) {
      const draw = Context.get(this.#services, Random.Random).nextDoubleUnsafe()
      this.#watch = new Heartbeat.Watch(connection, settings, draw)
    }
    return connection
  }

  #handling(connection: LiveConnection<In, Out>): Effect.Effect<unknown, unknown, Scope.Scope> {
    return connection.isOpen ? this.#handler(connection) : Effect.void
  }

  #mainEnded(exit: Exit.Exit<unknown, unknown>): void {
    const tidy = Scope.closeUnsafe(this, exit)
    if (tidy === undefined) return this.#handled(exit)
    this.#tidying = Effect.runForkWith(this.#services)(tidy, { uninterruptible: true })
    this.#tidying.addObserver((tidied) => this.#handled(Exit.isFailure(tidied) ? tidied : exit))
  }

  #handled(exit: Exit.Exit<unknown, unknown>): void {
    if (this.#connection !== undefined) return this.#connection.handlerEndedUnsafe(exit)
    // The handshake failed, or was given up.
    const error = Exit.findErrorOption(exit)
    this.closingUnsafe(
      error._tag === "Some" ? CloseReason.WireLost({ error: error.value as TransportError }) : CloseReason.Draining(),
    )
  }

  fork(effect: Effect.Effect<void>): void {
    this.#scope ??= Scope.makeUnsafe()
    Effect.runForkWith(this.#services)(Effect.forkIn(effect, this.#scope))
  }

  closingUnsafe(reason: CloseReason.CloseReason): void {
    const connection = this.#connection
    this.#watch?.stop()
    this.#options.onEndedUnsafe(reason, connection)
    const isLost = connection === undefined || CloseReason.isWireGone(reason)
    if (isLost && this.#hasStopped && this.#scope === undefined) {
      // As most of them end: the client has gone, and the handler with it. Nothing is left to wait for.
      this.#options.wire.abortUnsafe()
      return this.#ended(reason)
    }
    Effect.runForkWith(this.#services)(this.#end(reason)).addObserver(() => this.#ended(reason))
  }

  #ended(reason: CloseReason.CloseReason): void {
    this.#options.onClosedUnsafe?.()
    this.#owner.closedUnsafe(this, reason)
  }

  #end(reason: CloseReason.CloseReason): Effect.Effect<void> {
    const { wire } = this.#options
    const connection = this.#connection
    // The handler leaves the wire first, so that one fiber at a time reads it.
    const goodbye =
      connection === undefined ? Effect.sync(() => wire.abortUnsafe()) : connection.goodbye(reason, this.#stopped)
    return Effect.andThen(
      Effect.all([this.#stopped, goodbye], { concurrency: 2, discard: true }),
      Effect.suspend(() => (this.#scope === undefined ? Effect.void : Scope.close(this.#scope, Exit.void))),
    )
  }

  get #hasStopped(): boolean {
    const isTidy = this.#tidying === undefined || this.#tidying.pollUnsafe() !== undefined
    return isTidy && this.#main?.pollUnsafe() !== undefined
  }

  /** Interrupts the handler and waits for it, its finalizers too. */
  get #stopped(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const tidied = Effect.suspend(() => (this.#tidying === undefined ? Effect.void : Fiber.await(this.#tidying)))
      return this.#main === undefined ? Effect.void : Effect.andThen(Fiber.interrupt(this.#main), Effect.asVoid(tidied))
    })
  }
}

/** Whether the wire needs no handshake: bytes may flow already. */
const isOpen = (opened: Wire["opened"]): opened is Exit.Success<TlsIdentity | undefined> =>
  Exit.isExit(opened) && Exit.isSuccess(opened)
