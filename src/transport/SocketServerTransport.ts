/**
 * Makes a Transport of any Effect `SocketServer`, so that other platforms than Node carry the same connections.
 * Promises less than the transports of this folder, since a `SocketServer` tells less; the list is below.
 *
 * - A loss is seen while somebody pulls or writes, not in between: reading is driven by `pull` alone, so
 *   `readBufferBytes` does not apply either, and `pausedUnsafe` is true whenever nobody pulls.
 * - `abortUnsafe` interrupts the server's handler. Whether that resets or flushes first is the platform's choice; Node's
 *   flushes, so a peer that never reads keeps its descriptor, and holds up the scope of its server.
 * - `unsentUnsafe` falls by whole batches.
 * - `close` cannot stop the listener: newcomers are still let in by the system, and hung up on at once. Closing the scope
 *   ends the wires too, since they live in the server's handlers.
 * - Peers have no address unless `peer` finds one in the handler's context; without it they all are one host.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as SocketServer from "effect/socket/SocketServer"
import { Arrivals } from "./Arrivals.ts"
import { SocketWire } from "./SocketWire.ts"
import { AcceptFailed, type Address, boundsOf, defaultAcceptBacklog, Transport } from "./Transport.ts"

/** What the adapter may be told; each has its default. */
export interface Options {
  /** Finds a peer's address in the context of the server's handler, for example by its platform's socket service. */
  readonly peer?: Effect.Effect<Address> | undefined
  /** Unsent bytes from which on `writeUnsafe` returns false. */
  readonly writeHighWaterBytes?: number | undefined
  /** Arrivals that may wait for `accept`. */
  readonly acceptBacklog?: number | undefined
}

/** Runs the server's accept loop until the scope closes, and hands its sockets out as wires. */
export const make = (
  options: Options = {},
): Effect.Effect<Transport["Service"], never, SocketServer.SocketServer | Scope.Scope> =>
  Effect.gen(function* () {
    const server = yield* SocketServer.SocketServer
    const arrivals = new Arrivals(options.acceptBacklog ?? defaultAcceptBacklog)
    const { writeHighWaterBytes: highWaterBytes } = boundsOf(options)
    const unknownPeer: Address = { _tag: "Memory", name: "socket-server" }
    const handle = SocketWire.serve({
      highWaterBytes,
      peer: options.peer ?? Effect.succeed(unknownPeer),
      onWire: (wire) => arrivals.push(wire),
    })
    yield* server.run(handle).pipe(
      Effect.catchCause((cause) =>
        Effect.sync(() => {
          if (Cause.hasInterruptsOnly(cause)) return
          arrivals.fail(new AcceptFailed({ code: "ERR_SOCKET_SERVER", cause: Cause.squash(cause) }))
          arrivals.close()
        }),
      ),
      Effect.forkScoped({ startImmediately: true }),
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => arrivals.abort()))
    return {
      name: "socket-server",
      address: addressOf(server.address),
      accept: arrivals.accept,
      acceptWithUnsafe: arrivals.acceptWithUnsafe,
      close: Effect.sync(() => arrivals.close()),
    }
  })

/** The adapter as a layer, over any layer that provides a `SocketServer`. */
export const layer = (options: Options = {}): Layer.Layer<Transport, never, SocketServer.SocketServer> =>
  Layer.effect(Transport, make(options))

const addressOf = (address: SocketServer.SocketServer["Service"]["address"]): Address =>
  address._tag === "UnixPathAddress"
    ? { _tag: "Unix", path: address.path }
    : { _tag: "Tcp", host: String(address.address), port: address.port }
