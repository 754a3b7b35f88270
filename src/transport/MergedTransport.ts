/**
 * Several transports as one, so that a server listens in several places.
 * Opens no listener of its own: each keeps its own bounds, and a storm at one delays no other.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import { Arrivals } from "./Arrivals.ts"
import { defaultAcceptBacklog, Transport } from "./Transport.ts"

/**
 * The transports together, as long as the scope is open: named and addressed like the first, closed with each, done when
 * all are. What arrives waits in one more queue, of `acceptBacklog`.
 */
export const make = (
  transports: readonly [Transport["Service"], ...ReadonlyArray<Transport["Service"]>],
  options: { readonly acceptBacklog?: number | undefined } = {},
): Effect.Effect<Transport["Service"], never, Scope.Scope> =>
  Effect.gen(function* () {
    const [first, ...others] = transports
    const arrivals = yield* Effect.acquireRelease(
      Effect.sync(() => new Arrivals(options.acceptBacklog ?? defaultAcceptBacklog)),
      (arrivals) => Effect.sync(() => arrivals.abort()),
    )
    let open = transports.length
    const closeOne = Effect.sync(() => {
      if (--open === 0) arrivals.close()
    })
    for (const { accept, acceptWithUnsafe } of transports) {
      acceptWithUnsafe?.((wire) => arrivals.push(wire))
      yield* passOn(accept, arrivals).pipe(
        Pull.catchDone(() => Effect.void),
        Effect.catchCause((cause) =>
          Effect.logError("BUG: a listener fails with something else than AcceptFailed", cause),
        ),
        Effect.andThen(closeOne),
        Effect.forkScoped,
      )
    }
    return {
      name: first.name,
      address: first.address,
      others: others.map(({ address, name }) => ({ address, name })),
      accept: arrivals.accept,
      acceptWithUnsafe: arrivals.acceptWithUnsafe,
      close: Effect.forEach(transports, ({ close }) => close, { discard: true }),
    }
  })

/**
 * A layer of several: the server below listens in each of their places. Fails as the first that fails, and listens nowhere
 * then.
 *
 * ```ts
 * Layer.provide(MergedTransport.layer(TcpTransport.layer({ port: 7000 }), WebSocketTransport.layer({ port: 7001 })))
 * ```
 */
export const layer = <E, R>(
  ...layers: readonly [Layer.Layer<Transport, E, R>, ...ReadonlyArray<Layer.Layer<Transport, E, R>>]
): Layer.Layer<Transport, E, R> =>
  Layer.effect(
    Transport,
    Effect.flatMap(
      Effect.forEach(layers, (layer) => Effect.map(Layer.build(layer), Context.get(Transport))),
      (transports) => make(transports),
    ),
  )

/** Until nothing more arrives. Interruptible while it waits: wires that were taken are handed on, all of them. */
const passOn = (accept: Transport["Service"]["accept"], arrivals: Arrivals) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.map(restore(accept), (wires) => {
      for (const wire of wires) arrivals.push(wire)
    }),
  ).pipe(
    Effect.catchReason("TransportError", "AcceptFailed", (failure) => Effect.sync(() => arrivals.fail(failure))),
    Effect.forever,
  )
