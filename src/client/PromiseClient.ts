/**
 * The same client for programs without Effect: promises, async iterators, abort signals. Adds nothing to it, and hides
 * nothing of it: what `Client` fails with, a promise is rejected with.
 *
 * ```ts
 * const client = await connect({ dial: TcpTransport.dial({ host: "127.0.0.1", port: 7557 }) })
 * for await (const item of client.subscribe("news")) if (item.type === "publication") console.log(item.data)
 * ```
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Presence } from "../gateway/protocol/ServerMessage.ts"
import * as Client from "./Client.ts"
import type { ClientEvent } from "./ClientEvent.ts"
import type { Request } from "./Message.ts"
import * as Promised from "./Promised.ts"
import type { Abortable, Calls } from "./Promised.ts"
import type { Item, Options as SubscribeOptions } from "./Subscription.ts"

export { ClientError } from "./ClientError.ts"
export type { Abortable, Calls } from "./Promised.ts"
export { connectPool, type PoolOptions, type PromisePool } from "./PromisePool.ts"
export { ServiceError } from "./Serving.ts"

/** As `Client.Options`; the token may come from a function of the application's. */
export type Options = Omit<Client.Options, "token"> & {
  readonly token?: Promised.Token | undefined
}

/** A client at work, until it is closed. */
export interface PromiseClient extends Calls {
  /** A channel for as long as it is iterated; leaving the loop leaves the channel, and so does the signal, which throws. */
  readonly subscribe: (channel: string, options?: SubscribeOptions & Abortable) => AsyncIterable<Item>
  /**
   * Answers for a service until the function that it gives is called. A handler's signal is aborted when nobody waits for
   * its answer any more; a `ServiceError` that it throws is the asker's, any other error is not told.
   */
  readonly serve: (
    service: string,
    handler: (request: Request, signal: AbortSignal) => unknown,
  ) => Promise<() => Promise<void>>
  /** As `Client.presence`. */
  readonly presence: (
    channel: string,
    options?: Client.AnswerOptions & Abortable,
  ) => Promise<Pick<Presence, "members" | "count">>
  /** As `Client.refresh`. */
  readonly refresh: () => Promise<void>
  /** As `Client.events`. */
  readonly events: AsyncIterable<ClientEvent>
  /** Ends the connection in peace. Loops over channels end with an error, as does what is still asked. */
  readonly close: () => Promise<void>
}

/** A client that is connected; rejected if the gateway will not have it, or when the signal is aborted before. */
export const connect = async (options: Options & Abortable): Promise<PromiseClient> => {
  const { signal, token, ...rest } = options
  const {
    close,
    made: client,
    scope,
  } = await Promised.open(Client.make({ ...rest, ...Promised.tokenOf(token) }), signal)
  return {
    ...Promised.callsOf(client),
    subscribe: (channel, { signal, ...options } = {}) =>
      Promised.iterate(Stream.toAsyncIterable(client.subscribe(channel, options)), signal),
    serve: async (service, handler) => {
      const answer = (request: Request) =>
        Effect.catchIf(
          Effect.tryPromise({ try: async (signal) => handler(request, signal), catch: (error) => error }),
          (error) => !(error instanceof Client.ServiceError),
          (defect) => Effect.die(defect),
        ) as Effect.Effect<unknown, Client.ServiceError>
      const serving = await Promised.openIn(Scope.forkUnsafe(scope), client.serve(service, answer))
      return serving.close
    },
    presence: (channel, { signal, ...options } = {}) => Promised.run(client.presence(channel, options), signal),
    refresh: () => Effect.runPromise(client.refresh),
    events: Stream.toAsyncIterable(client.events),
    close,
  }
}
