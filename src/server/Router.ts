/**
 * From a message's tag to its typed handler. A tag without a handler, or a handler without a tag, does not compile.
 * Handles messages of a connection in the order they came, one after the other; forks nothing.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Connection, ConnectionError } from "../connection/Connection.ts"
import type { Protocol } from "../connection/Protocol.ts"
import { Sending } from "../connection/Sending.ts"
import type { Registry } from "./Registry.ts"

/** Where a message came from, and who else is there. */
export interface Origin<out In, in out Out> {
  readonly connection: Connection<In, Out>
  readonly registry: Registry<Out>
}

/** What is done with one message. */
export type Route<in out In, in out Out, out E, out R> = (
  message: In,
  origin: Origin<In, Out>,
) => Effect.Effect<unknown, E, R>

/**
 * What stands around a route: may do something before and after, refuse a message, handle errors (and take them out of
 * the type), or provide a service (and take the requirement away). Compose with `pipe`, the innermost first.
 *
 * ```ts
 * const withUser = <In, Out, E, R>(route: Router.Route<In, Out, E, R | User>): Router.Route<In, Out, E, R> =>
 *   (message, origin) => Effect.provideService(route(message, origin), User, userOf(origin.connection))
 * ```
 */
export type Middleware<In, Out, E, R, E2, R2> = (route: Route<In, Out, E, R>) => Route<In, Out, E2, R2>

/** A handler for every tag of a union; each sees its own member of it. */
export type Handlers<In, Out, Key extends keyof In> = {
  readonly [Tag in In[Key] & string]: (
    message: Extract<In, { readonly [K in Key]: Tag }>,
    origin: Origin<In, Out>,
  ) => Effect.Effect<unknown, unknown, unknown>
}

/** Handlers of which each has its tag: one too many is a misspelt one. */
type Exactly<H, Tags> = { readonly [Tag in keyof H]: Tag extends Tags ? H[Tag] : never }

type ResultOf<H> = H[keyof H] extends (...args: never) => infer Result ? Result : never

/**
 * The route of a union that is told apart by `key`. The protocol is there for its types.
 *
 * ```ts
 * const route = Router.make({ protocol: Chat, key: "type" }, {
 *   say: (message, { registry }) => Effect.sync(() => registry.broadcast(message)),
 *   leave: (_message, { connection }) => connection.close(),
 * })
 * const ChatServer = Server.serve(Chat, Router.handler(route))
 * ```
 */
export const make = <In, Out, Key extends keyof In, H extends Handlers<In, Out, Key>>(
  options: { readonly protocol: Protocol<In, Out>; readonly key: Key },
  handlers: Exactly<H, In[Key]>,
): Route<In, Out, Effect.Error<ResultOf<H>>, Effect.Services<ResultOf<H>>> => {
  type Routed = Route<In, Out, Effect.Error<ResultOf<H>>, Effect.Services<ResultOf<H>>>
  const routes = handlers as unknown as Record<string, Routed>
  const { key } = options
  // The codec lets no other tag pass, and the type of `handlers` leaves none out.
  return (message, origin) => routes[message[key] as string]!(message, origin)
}

/** The route as the handler of a server: message after message, until the peer has sent its last. */
export const handler =
  <In, Out, E, R>(route: Route<In, Out, E, R>) =>
  (connection: Connection<In, Out>, registry: Registry<Out>): Effect.Effect<void, E | ConnectionError, R> => {
    const origin: Origin<In, Out> = { connection, registry }
    return Stream.runForEachArray(connection.messages, (messages) =>
      each(messages, (message) => route(message, origin)),
    )
  }

/**
 * One after the other. A route that does nothing but answer is run here: handed to the fiber it would cost 0.15 µs more,
 * which is half of a message (`bench:micro pipeline, router`).
 */
const each = <In, E, R>(
  messages: ReadonlyArray<In>,
  route: (message: In) => Effect.Effect<unknown, E, R>,
): Effect.Effect<void, E | ConnectionError, R> => {
  let next = 0
  return Effect.whileLoop({
    while: () => next < messages.length,
    body: () => {
      let handled: Effect.Effect<unknown, E | ConnectionError, R> = Effect.void
      while (handled === Effect.void && next < messages.length) {
        const routed = route(messages[next++]!)
        handled = routed instanceof Sending ? routed.asEffect() : routed
      }
      return handled
    },
    step: () => undefined,
  })
}
