/**
 * A listener and its clients in memory: deterministic wires with faults, for tests and simulation.
 * Opens no socket, waits for no clock, and is as strict about bounds as the real ones.
 *
 * ```ts
 * const client = yield* MemoryTransport.use((memory) => memory.connect)
 * client.fragmentUnsafe(1)
 * client.writeUnsafe([hello])
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Arrivals } from "./Arrivals.ts"
import { MemoryWire } from "./MemoryWire.ts"
import {
  AcceptFailed,
  type Address,
  boundsOf,
  type BoundsOptions,
  defaultAcceptBacklog,
  DialFailed,
  formatAddress,
  Transport,
  TransportError,
} from "./Transport.ts"

/** Bounds and names, each with its default. */
export interface Options extends BoundsOptions {
  /** The listener's name: `memory` by default. */
  readonly name?: string | undefined
  /** Arrivals that may wait for `accept`. */
  readonly acceptBacklog?: number | undefined
}

/** The clients' side of a memory listener, and its faults. */
export class MemoryTransport extends Context.Service<
  MemoryTransport,
  {
    /** The client's end of a new connection from `client`. Fails with `DialFailed` once the listener is closed. */
    readonly connect: Effect.Effect<MemoryWire, TransportError>
    /** The same from a host of your naming: addresses with one name share what is counted per address. */
    readonly connectFrom: (name: string) => Effect.Effect<MemoryWire, TransportError>
    /** Makes one arrival fail in the listener with the system's `code`, for example `EMFILE`. */
    readonly failAccept: (code: string) => Effect.Effect<void>
  }
>()("longline/transport/MemoryTransport") {}

/** Both sides of one memory listener, which lives as long as its scope. */
export const make = (
  options: Options = {},
): Effect.Effect<
  { readonly transport: Transport["Service"]; readonly memory: MemoryTransport["Service"] },
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const address: Address = { _tag: "Memory", name: options.name ?? "memory" }
    const bounds = boundsOf(options)
    const arrivals = yield* Effect.acquireRelease(
      Effect.sync(() => new Arrivals(options.acceptBacklog ?? defaultAcceptBacklog)),
      (arrivals) => Effect.sync(() => arrivals.abort()),
    )
    const connectFrom = (name: string): Effect.Effect<MemoryWire, TransportError> =>
      Effect.suspend(() => {
        if (arrivals.closed) {
          const reason = new DialFailed({ address: formatAddress(address), code: "ECONNREFUSED" })
          return Effect.fail(new TransportError({ reason }))
        }
        const client = new MemoryWire(address, bounds)
        const server = new MemoryWire({ _tag: "Memory", name }, bounds)
        MemoryWire.joinUnsafe(client, server)
        arrivals.push(server)
        return Effect.succeed(client)
      })
    return {
      transport: {
        name: "memory",
        address,
        accept: arrivals.accept,
        acceptWithUnsafe: arrivals.acceptWithUnsafe,
        close: Effect.sync(() => arrivals.close()),
      },
      memory: {
        connect: connectFrom("client"),
        connectFrom,
        failAccept: (code) => Effect.sync(() => arrivals.fail(new AcceptFailed({ code }))),
      },
    }
  })

/** A memory listener as a layer, and the clients' side of it. */
export const layer = (options: Options = {}): Layer.Layer<Transport | MemoryTransport> =>
  Layer.effectContext(
    Effect.map(make(options), ({ transport, memory }) =>
      Context.make(Transport, transport).pipe(Context.add(MemoryTransport, memory)),
    ),
  )
