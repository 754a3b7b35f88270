/**
 * What happens to a server and its connections, as typed events for whoever watches: logs, metrics, tests.
 * Writes no log line itself, and waits for no subscriber: one that is too slow misses the oldest events.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import type { CloseReason } from "../connection/CloseReason.ts"
import type { AcceptFailed, Address } from "../transport/Transport.ts"

/** Whose fault a failed accept was: the peer's, that of scarce descriptors or memory, or the listener's. */
export type Fault = "peer" | "resource" | "listener"

/** One thing that happened, with its facts. */
export type ServerEvent = Data.TaggedEnum<{
  Listening: { readonly server: string; readonly transport: string; readonly address: Address }
  AcceptFault: { readonly fault: Fault; readonly error: AcceptFailed; readonly pauseMs: number }
  ConnectionOpened: { readonly id: number; readonly peer: Address }
  /** Published at once. `told` is false if there were too many refusals at once to say goodbye to each. */
  ConnectionRefused: { readonly peer: Address; readonly reason: CloseReason; readonly told: boolean }
  /** `id` of a connection that never opened (a failed handshake) is in no other event. */
  ConnectionClosed: {
    readonly id: number
    readonly peer: Address
    readonly reason: CloseReason
    readonly durationMs: number
  }
  /**
   * All connections together held `heldBytes`, more than they may: the largest holders were told to go, or cut off if
   * they had ended. Who they are is told by `ConnectionClosed` with the reason `Overloaded`.
   */
  BuffersShed: {
    readonly connections: number
    readonly shedBytes: number
    readonly heldBytes: number
    readonly allowedBytes: number
  }
  DrainStarted: { readonly connections: number; readonly graceMs: number; readonly timeoutMs: number }
  /**
   * `aborted` connections were reset at the deadline, or because the drain was forced; those whose handler cannot be
   * interrupted are among them.
   */
  DrainEnded: { readonly aborted: number; readonly forced: boolean }
}>

export const {
  AcceptFault,
  BuffersShed,
  ConnectionClosed,
  ConnectionOpened,
  ConnectionRefused,
  DrainEnded,
  DrainStarted,
  Listening,
} = Data.taggedEnum<ServerEvent>()

/** Events that a slow subscriber may be behind before it misses the oldest. */
export const eventBacklog = 4096

/** The events of the servers that are provided with it. Optional: a server without it tells nobody. */
export class ServerEvents extends Context.Service<
  ServerEvents,
  {
    /** Hands an event to whoever wants it. A call and no Effect: there are two for every connection (bench, connect). */
    readonly publishUnsafe: (event: ServerEvent) => void
    /**
     * Events from now on, for the life of the scope; only those that are wanted, if that is said. Others do not wake the
     * subscriber. `isWanted` runs where the event happens: it must return at once and not throw.
     */
    readonly subscribe: (
      isWanted?: (event: ServerEvent) => boolean,
    ) => Effect.Effect<PubSub.Subscription<ServerEvent>, never, Scope.Scope>
  }
>()("longline/server/ServerEvents") {}

interface Subscriber {
  readonly events: PubSub.PubSub<ServerEvent>
  readonly isWanted: (event: ServerEvent) => boolean
}

/** A place where servers and subscribers meet. */
export const layer: Layer.Layer<ServerEvents> = Layer.sync(ServerEvents, () => {
  const subscribers = new Set<Subscriber>()
  return {
    publishUnsafe: (event) => {
      for (const { events, isWanted } of subscribers) {
        // A full one slides, which only the Effect does. It, too, is done within this call.
        if (isWanted(event) && !PubSub.publishUnsafe(events, event)) Effect.runFork(PubSub.publish(events, event))
      }
    },
    subscribe: (isWanted = () => true) =>
      Effect.gen(function* () {
        // One for each, so that what one does not want is not kept for it.
        const events = yield* Effect.acquireRelease(PubSub.sliding<ServerEvent>(eventBacklog), PubSub.shutdown)
        const subscriber = { events, isWanted }
        const subscription = yield* PubSub.subscribe(events)
        yield* Effect.acquireRelease(
          Effect.sync(() => subscribers.add(subscriber)),
          () => Effect.sync(() => subscribers.delete(subscriber)),
        )
        return subscription
      }),
  }
})
