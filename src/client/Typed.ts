/**
 * Channels and services whose data has a schema, in both directions. A layer over a client: what fits no schema never
 * reaches the application as if it did, and never goes out.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CodecError } from "../codec/Codec.ts"
import * as SchemaStep from "../codec/SchemaStep.ts"
import * as ErrorCode from "../gateway/protocol/ErrorCode.ts"
import type * as Client from "./Client.ts"
import * as ClientError from "./ClientError.ts"
import type { Publication, Request } from "./Message.ts"
import type * as Publishing from "./Publishing.ts"
import { ServiceError } from "./Serving.ts"
import type { Item, Options } from "./Subscription.ts"

/** A publication whose data is no `A`, as it came: the reader goes on behind it. */
export interface Unreadable {
  readonly type: "unreadable"
  readonly publication: Publication
  readonly error: CodecError
}

/** What a typed channel's Stream gives. */
export type TypedItem<A> = Exclude<Item, Publication> | (Omit<Publication, "data"> & { readonly data: A }) | Unreadable

/** A channel of `A`s. */
export interface Channel<A> {
  /** As `Client.subscribe`, with the data decoded. */
  readonly subscribe: (options?: Options) => Stream.Stream<TypedItem<A>, ClientError.ClientError>
  /** As `Client.publish`, with the data encoded. */
  readonly publish: (
    value: A,
    options?: Publishing.Options,
  ) => Effect.Effect<Publishing.Published, ClientError.ClientError>
}

/** A service that makes a `B` of an `A`. */
export interface Service<A, B> {
  /** As `Client.request`. An answer that is no `B` is `Unreadable`. */
  readonly request: (value: A, options?: Client.AnswerOptions) => Effect.Effect<B, ClientError.ClientError>
  /** As `Client.serve`. A request that is no `A` is refused with error 107, and never reaches the handler. */
  readonly serve: <R>(
    handler: (value: A, request: Request) => Effect.Effect<B, ServiceError, R>,
  ) => Effect.Effect<void, ClientError.ClientError, R | Scope.Scope>
}

/**
 * A channel with a schema.
 *
 * ```ts
 * const news = Typed.channel(client, "news", Schema.Struct({ title: Schema.String }))
 * yield* news.publish({ title: "hello" })
 * ```
 */
export const channel = <A>(
  client: Client.Client["Service"],
  name: string,
  schema: Schema.Codec<A, unknown>,
): Channel<A> => {
  const { decode, encode } = stepsOf(schema)
  return {
    subscribe: (options) =>
      Stream.map(client.subscribe(name, options), (item): TypedItem<A> => {
        if (item.type !== "publication") return item
        const data = decode(item.data)
        return Result.isSuccess(data)
          ? { ...item, data: data.success }
          : { type: "unreadable", publication: item, error: data.failure }
      }),
    publish: (value, options) => Effect.flatMap(outgoing(encode(value)), (data) => client.publish(name, data, options)),
  }
}

/** A service with schemas of what is asked and what is answered. */
export const service = <A, B>(
  client: Client.Client["Service"],
  name: string,
  schemas: { readonly request: Schema.Codec<A, unknown>; readonly response: Schema.Codec<B, unknown> },
): Service<A, B> => {
  const [asked, answered] = [stepsOf(schemas.request), stepsOf(schemas.response)]
  return {
    request: (value, options) =>
      outgoing(asked.encode(value)).pipe(
        Effect.flatMap((data) => client.request(name, data, options)),
        Effect.flatMap((data) => {
          const answer = answered.decode(data)
          if (Result.isSuccess(answer)) return Effect.succeed(answer.success)
          return Effect.fail(ClientError.of(new ClientError.Unreadable({ message: answer.failure.message })))
        }),
      ),
    serve: (handler) =>
      client.serve(name, (request) => {
        const value = asked.decode(request.data)
        if (Result.isFailure(value)) {
          return Effect.fail(new ServiceError(ErrorCode.make("malformed", { message: value.failure.message })))
        }
        // An answer that is no `B` is this side's own mistake: the asker is told of an internal error.
        return Effect.map(handler(value.success, request), (answer) => Result.getOrThrow(answered.encode(answer)))
      }),
  }
}

const stepsOf = <A>(schema: Schema.Codec<A, unknown>) => {
  const json = Schema.toCodecJson(schema)
  return { decode: SchemaStep.decoder(json), encode: SchemaStep.encoder(json) }
}

const outgoing = <A>(encoded: Result.Result<A, CodecError>): Effect.Effect<A, ClientError.ClientError> =>
  Result.isSuccess(encoded)
    ? Effect.succeed(encoded.success)
    : Effect.fail(ClientError.of(new ClientError.Unsendable({ message: encoded.failure.message })))
