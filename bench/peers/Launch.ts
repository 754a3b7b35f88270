/**
 * What the peers made of Longline share: a free port of loopback, seats for the bench, and the line that says where.
 * Changes nothing that a message passes through.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Admission, TcpTransport, Transport } from "longline"

/** More than the bench opens. */
const maxConnections = 20_000

const ready = Layer.effectDiscard(
  Effect.flatMap(Transport.Transport, ({ address }) =>
    Effect.sync(() => console.log(`listening on ${Transport.formatAddress(address)}`)),
  ),
)

/** Runs a server until it is killed; its address is on standard output. */
export const launch = <E>(server: Layer.Layer<never, E, Transport.Transport>): void =>
  Layer.mergeAll(server, ready).pipe(
    Layer.provide([
      TcpTransport.layer({ port: 0 }),
      Admission.layer({ maxConnections, maxConnectionsPerAddress: maxConnections, acceptsPerSecond: Infinity }),
    ]),
    Layer.launch,
    NodeRuntime.runMain,
  )
