/**
 * A client of a gateway, in one scope: channels as Streams, requests as Effects, over one connection that is made again
 * whenever it is lost (docs/protocol.md, section 9). Names no platform: how to dial is for its user to say.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Data } from "../gateway/protocol/Data.ts"
import type { Position } from "../gateway/protocol/Fields.ts"
import type { Presence } from "../gateway/protocol/ServerMessage.ts"
import * as ClientError from "./ClientError.ts"
import type { ClientEvent } from "./ClientEvent.ts"
import * as Core from "./Core.ts"
import type { History, Request } from "./Message.ts"
import * as Payload from "./Payload.ts"
import * as Publishing from "./Publishing.ts"
import { ServiceError } from "./Serving.ts"
import type { Item, Options as SubscribeOptions } from "./Subscription.ts"

export { type Dialer } from "./Connecting.ts"
export { type Options } from "./Core.ts"
export { ServiceError }

type Answer<A> = Effect.Effect<A, ClientError.ClientError>

/** What to read of a channel's history. */
export interface HistoryOptions {
  /** Publications after this one, or with `reverse` before it. Default: all. */
  readonly since?: Position | undefined
  /** Default 100, at most 1000. */
  readonly limit?: number | undefined
  /** Newest first. Default: false. */
  readonly reverse?: boolean | undefined
}

/** How long an answer may take. */
export interface AnswerOptions {
  readonly timeout?: Duration.Input | undefined
}

/**
 * A client at work. What a message came to is the answer, a `ClientError`, or nothing else: an answer that never came is
 * the error `OutcomeUnknown`.
 */
export class Client extends Context.Service<
  Client,
  {
    /**
     * A channel, for as long as the Stream runs. Over reconnects each publication comes once and in order; where that cannot
     * be, an item says so: `subscribed` with `recovered: "no"`, or `gap`. A reader that is slow makes the connection stop
     * reading, with all its channels, until it has caught up.
     */
    readonly subscribe: (channel: string, options?: SubscribeOptions) => Stream.Stream<Item, ClientError.ClientError>
    /** Publishes a value that JSON knows, or a `Uint8Array`. With a key it is repeated until the outcome is known. */
    readonly publish: (channel: string, data: unknown, options?: Publishing.Options) => Answer<Publishing.Published>
    /** Asks a service, and gives the answer's data. Interruption, and the deadline (10 s), are told to the responder. */
    readonly request: (service: string, data: unknown, options?: AnswerOptions) => Answer<unknown>
    /** Answers for a service until the scope closes; each request runs in a fiber of its own. */
    readonly serve: <R>(
      service: string,
      handler: (request: Request) => Effect.Effect<unknown, ServiceError, R>,
    ) => Effect.Effect<void, ClientError.ClientError, R | Scope.Scope>
    readonly history: (
      channel: string,
      options?: HistoryOptions & AnswerOptions,
    ) => Answer<Pick<History, "publications" | "position" | "more">>
    readonly presence: (channel: string, options?: AnswerOptions) => Answer<Pick<Presence, "members" | "count">>
    /** Has a new token and gives it to the gateway; done by itself before the old one expires. Does nothing without one. */
    readonly refresh: Effect.Effect<void, ClientError.ClientError>
    /** What happens to the connection, from what happened last to `Ended`. A reader that is slow misses some. */
    readonly events: Stream.Stream<ClientEvent>
  }
>()("longline/client/Client") {}

/** A client that is connected. Waits for the first connection, and fails if the gateway will not have it. */
export const make = (options: Core.Options): Effect.Effect<Client["Service"], ClientError.ClientError, Scope.Scope> =>
  Effect.map(Core.make(options), ({ asking, events, line, refresh, serving, subscriptions, timeout }) => {
    const publisher: Publishing.Owner = {
      asking,
      line,
      toldUnheard: (channel, position) => subscriptions.toldUnheard(channel, position),
    }
    const withData = <A>(value: unknown, use: (data: Data) => Answer<A>) => {
      const data = Payload.make(value)
      return Result.isSuccess(data) ? use(data.success) : Effect.fail(ClientError.of(data.failure))
    }
    return Client.of({
      events,
      refresh,
      subscribe: (channel, options = {}) => subscriptions.subscribe(channel, options),
      publish: (channel, data, options) => Publishing.publish(publisher, channel, data, options),
      request: (service, value, options) =>
        withData(value, (data) =>
          Effect.flatMap(line.current, (link) => {
            const limit = options?.timeout ?? timeout
            const timeoutMs = Math.max(1, Math.round(Duration.toMillis(Duration.fromInputUnsafe(limit))))
            return asking.ask(link, "response", (id) => ({ type: "request", id, service, timeoutMs, data }), {
              timeout: limit,
              abandon: (id) => ({ type: "cancel", id }),
            })
          }).pipe(Effect.map(({ data }) => data)),
        ),
      serve: (service, handler) =>
        Effect.contextWith((services) =>
          Effect.acquireRelease(
            Effect.flatMap(line.current, (link) => {
              if (serving.has(service))
                return Effect.fail(ClientError.of(new ClientError.AlreadyInUse({ name: service })))
              serving.add(service, (request) => Effect.provideContext(handler(request), services))
              const asked = asking.ask(link, "serving", (id) => ({ type: "serve", id, service }), { timeout })
              return Effect.onError(asked, () => Effect.sync(() => serving.remove(service)))
            }),
            () =>
              Effect.sync(() => {
                serving.remove(service)
                if (line.link !== undefined) {
                  asking.askUnsafe(line.link, (id) => ({ type: "unserve", id, service }), ignored)
                }
              }),
            { interruptible: true },
          ).pipe(Effect.asVoid),
        ),
      history: (channel, { limit, reverse, since, timeout: patience = timeout } = {}) => {
        const range = {
          ...(since !== undefined && { since }),
          ...(limit !== undefined && { limit }),
          ...(reverse !== undefined && { reverse }),
        }
        return Effect.flatMap(line.current, (link) =>
          asking.ask(link, "history", (id) => ({ type: "history", id, channel, ...range }), { timeout: patience }),
        )
      },
      presence: (channel, options) =>
        Effect.flatMap(line.current, (link) =>
          asking.ask(link, "presence", (id) => ({ type: "presence", id, channel }), {
            timeout: options?.timeout ?? timeout,
          }),
        ),
    })
  })

/** A client as a layer; building it waits for the first connection. */
export const layer = (options: Core.Options): Layer.Layer<Client, ClientError.ClientError> =>
  Layer.effect(Client, make(options))

const ignored = (): void => {}
