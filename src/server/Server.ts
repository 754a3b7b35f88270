/**
 * Many peers: takes them from a transport, gives each a seat and a connection, and drains them when its scope closes.
 * Knows no sockets and no messages. Nothing that one connection does, or that its handler throws, reaches another.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as CloseReason from "../connection/CloseReason.ts"
import type { Connection } from "../connection/Connection.ts"
import type * as Lifetime from "../connection/Lifetime.ts"
import type { Protocol } from "../connection/Protocol.ts"
import * as Settings from "../connection/Settings.ts"
import { type AcceptFailed, type Address, hostOf, Transport, type Wire } from "../transport/Transport.ts"
import { AdmissionLimits, Seats } from "./Admission.ts"
import * as Drain from "./Drain.ts"
import { Live } from "./Live.ts"
import * as MemoryBudget from "./MemoryBudget.ts"
import { LiveRegistry, type Registry } from "./Registry.ts"
import * as ServerEvents from "./ServerEvents.ts"

/** Refused peers that are told so at the same time; the others are reset without a word. */
export const maxRefusalsTold = 128

/** Connections that have ended and are still being told and flushed; beyond, those that end are reset at once. */
export const maxGoodbyes = 1024

/** Pause after an accept that failed for want of descriptors or memory; doubled each time up to the longest. */
export const shortestAcceptPause = Duration.millis(100)

/** Where the doubling of that pause ends. */
export const longestAcceptPause = Duration.seconds(5)

/**
 * What a connection's peer gets: an Effect that reads and sends as it likes, or a Stream of what is sent. The connection
 * ends when it does.
 */
export type Handler<In, Out, E, R> = (
  connection: Connection<In, Out>,
  registry: Registry<Out>,
) => Effect.Effect<unknown, E, R> | Stream.Stream<Out, E, R>

/** A server that runs. */
export interface Server<in out Out> {
  /** The address in fact bound. */
  readonly address: Address
  readonly registry: Registry<Out>
  /** Seats taken now. */
  readonly seatsTaken: () => number
}

/**
 * A server as a layer: it listens when the layer is built and drains when its scope closes. What the handler requires
 * beside a Scope (its own, closed when the connection ends) becomes the layer's requirement.
 *
 * ```ts
 * const Echo = Server.serve(Protocol.fromCodec({ name: "echo", codec: Codec.bytes }), (connection) => connection.messages)
 * ```
 */
export const serve = <In, Out, E, R>(
  protocol: Protocol<In, Out>,
  handler: Handler<In, Out, E, R>,
): Layer.Layer<never, never, Transport | Exclude<R, Scope.Scope>> => Layer.effectDiscard(make(protocol, handler))

/** The rung below `serve`: the running server, for as long as the scope is open. */
export const make = Effect.fnUntraced(function* <In, Out, E, R>(
  protocol: Protocol<In, Out>,
  handler: Handler<In, Out, E, R>,
) {
  const transport = yield* Transport
  const budget = yield* MemoryBudget.current
  const settings = { ...(yield* Settings.current), intake: budget.intake }
  const drainSettings = yield* Drain.DrainSettings
  const services = yield* Effect.context<Exclude<R, Scope.Scope>>()
  const events = yield* Effect.serviceOption(ServerEvents.ServerEvents)
  const publish = Option.match(events, { onNone: () => () => {}, onSome: ({ publishUnsafe }) => publishUnsafe })
  const { now } = settings
  const seats = new Seats(yield* AdmissionLimits, now())
  const registry = new LiveRegistry(protocol)
  const live = new Live()
  yield* budget.join({
    holders: live.lifetimes,
    onShedUnsafe: (shed) => publish(ServerEvents.BuffersShed(shed)),
  })
  let lastId = 0
  let refusalsTold = 0
  let goodbyes = 0
  let isDraining = false

  const handle = (connection: Connection<In, Out>): Effect.Effect<unknown, unknown, R | Scope.Scope> => {
    const running = handler(connection, registry)
    return Stream.isStream(running) ? Stream.runForEachArray(running, connection.sendAll) : running
  }

  /** A connection with a seat. One object instead of a closure for each thing that happens to it. */
  class Seated implements Lifetime.Options<In, Out> {
    readonly id = ++lastId
    readonly wire: Wire
    readonly acceptedAt: number

    constructor(wire: Wire, acceptedAt: number) {
      this.wire = wire
      this.acceptedAt = acceptedAt
    }

    get protocol(): Protocol<In, Out> {
      return protocol
    }

    get settings(): Settings.Settings {
      return settings
    }

    onOpenedUnsafe(connection: Connection<In, Out>): void {
      registry.add(connection)
      // Not by its constructor, which spreads: there are two of these for every connection (bench, connect).
      publish({ _tag: "ConnectionOpened", id: this.id, peer: this.wire.peer })
    }

    onEndedUnsafe(reason: CloseReason.CloseReason, connection: Connection<In, Out> | undefined): void {
      if (connection !== undefined) registry.remove(connection)
      const { id, wire } = this
      seats.free(hostOf(wire.peer))
      // The seat is free at once; what is left of the connection is bounded by a count of its own.
      if (++goodbyes > maxGoodbyes) wire.abortUnsafe()
      const durationMs = Math.round(now() - this.acceptedAt)
      publish({ _tag: "ConnectionClosed", id, peer: wire.peer, reason, durationMs })
    }

    onClosedUnsafe(): void {
      goodbyes--
    }
  }

  const refuse = (wire: Wire, reason: CloseReason.CloseReason): void => {
    const told = refusalsTold < maxRefusalsTold
    publish(ServerEvents.ConnectionRefused({ peer: wire.peer, reason, told }))
    if (!told) return wire.abortUnsafe()
    refusalsTold++
    const options = {
      id: ++lastId,
      wire,
      protocol,
      settings,
      onOpenedUnsafe: (connection: Connection<In, Out>) => connection.closeUnsafe(reason),
      onEndedUnsafe: () => {},
      onClosedUnsafe: () => void refusalsTold--,
    }
    live.startUnsafe(options, () => Effect.void, services)
  }

  let pauseMs = 0
  const arrive = (wire: Wire): void => {
    pauseMs = 0
    const acceptedAt = now()
    const refusal = isDraining
      ? CloseReason.Draining()
      : (budget.refusalUnsafe() ?? seats.take(hostOf(wire.peer), acceptedAt))
    if (refusal === undefined) live.startUnsafe(new Seated(wire, acceptedAt), handle, services)
    else refuse(wire, refusal)
  }

  const acceptFault = (error: AcceptFailed) => {
    const fault = faultOf(error)
    pauseMs =
      fault === "peer"
        ? 0
        : Math.min(Math.max(pauseMs * 2, Duration.toMillis(shortestAcceptPause)), Duration.toMillis(longestAcceptPause))
    publish(ServerEvents.AcceptFault({ fault, error, pauseMs }))
    return Effect.sleep(isDraining ? 0 : pauseMs)
  }

  // Interruptible while it waits: wires that were taken are started or refused, all of them.
  const acceptLoop = Effect.uninterruptibleMask((restore) =>
    Effect.map(restore(transport.accept), (wires) => wires.forEach(arrive)),
  ).pipe(
    // Waits whenever nobody has arrived: to yield as well would be a turn of its own for each of them.
    Effect.forever({ disableYield: true }),
    Effect.catchReason("TransportError", "AcceptFailed", acceptFault),
    Effect.forever,
    Pull.catchDone(() => Effect.void),
    Effect.catchCause((cause) =>
      Effect.logError("BUG: the listener fails with something else than AcceptFailed", cause),
    ),
    Effect.provideContext(services),
  )

  // Who does not end when interrupted is left behind: its wire is reset, and its handler is nobody's business any more.
  const abortLeft = Effect.suspend(() => {
    live.abortUnsafe()
    return Effect.raceFirst(live.empty, Effect.yieldNow)
  })

  const announce = (grace: Duration.Duration) =>
    Effect.suspend(() => {
      const message = protocol.draining(grace)
      return message === undefined ? Effect.void : Effect.fromResult(registry.broadcast(message))
    }).pipe(Effect.catchCause((cause) => Effect.logError("the drain cannot be announced", cause)))

  const drain = Effect.gen(function* () {
    isDraining = true
    yield* transport.close
    // Refuses those who arrived before, and ends, since the listener is closed.
    yield* acceptLoop
    const connections = registry.size
    const graceMs = Duration.toMillis(drainSettings.grace)
    const timeoutMs = Duration.toMillis(drainSettings.timeout)
    publish(ServerEvents.DrainStarted({ connections, graceMs, timeoutMs }))
    // Nothing was promised to them, and a silent one would hold the drain until the deadline of its handshake.
    live.abortUnopenedUnsafe()
    const { forced } = yield* Drain.run(
      {
        announce,
        connections: registry.connections,
        empty: live.empty,
      },
      drainSettings,
    )
    publish(ServerEvents.DrainEnded({ aborted: live.size, forced }))
  }).pipe(Effect.ensuring(abortLeft))

  // Finalizers run in reverse: the accept loop stops, the drain runs, and then what is left is reset.
  yield* Effect.addFinalizer(() => drain)
  transport.acceptWithUnsafe?.(arrive)
  yield* Effect.forkScoped(acceptLoop)
  const { address } = transport
  for (const { address, name } of [transport, ...(transport.others ?? [])]) {
    publish(ServerEvents.Listening({ server: protocol.name, transport: name, address }))
  }
  return { address, registry, seatsTaken: () => seats.taken } satisfies Server<Out>
})

const peerFaults = new Set(["ECONNABORTED", "ECONNRESET", "EPIPE", "EPROTO", "ETIMEDOUT", "EHOSTUNREACH", "ENETDOWN"])
const resourceFaults = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"])

/** Sorts a failed accept by whose fault it was. The peer's is no reason to wait; the others are. */
export const faultOf = (error: AcceptFailed): ServerEvents.Fault =>
  peerFaults.has(error.code) ? "peer" : resourceFaults.has(error.code) ? "resource" : "listener"
