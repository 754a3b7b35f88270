/**
 * Several connections to one gateway for a program that publishes much: shared by all its fibers, closed when they are idle,
 * replaced when they are lost. Has no channels and no services, which belong to one connection: a `Client` is for those.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Pool from "effect/Pool"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { Backoff } from "../connection/Backoff.ts"
import * as Limit from "../limit/Limit.ts"
import * as Client from "./Client.ts"
import * as ClientError from "./ClientError.ts"
import * as ClientEvent from "./ClientEvent.ts"
import { defaultTimeout } from "./Core.ts"
import * as Publishing from "./Publishing.ts"

/** What a pool can be told, beside what each of its clients is. */
export interface Options extends Omit<Client.Options, "offlineQueue" | "reconnect"> {
  /** Connections that are kept open. Default: 1. */
  readonly min?: number | undefined
  /** Connections at the most, at least 1; it comes before `min`. Default: 4. */
  readonly max?: number | undefined
  /** Calls that share a connection at a time; where all have so many, there is another one. At least 1. Default: 64. */
  readonly concurrency?: number | undefined
  /** How long a connection beyond `min` may be idle; it may be twice that. Default: 60 s. */
  readonly timeToLive?: Duration.Input | undefined
  /** Calls that may wait for a connection; more fail with `Busy`. Default: 1 000. */
  readonly maxWaiting?: number | undefined
}

/** Connections, and what they are given to do. */
export const defaults = { min: 1, max: 4, concurrency: 64, timeToLive: Duration.seconds(60), maxWaiting: 1_000 }

/** A pool at work. Where nothing was sent on a connection that is lost, a call goes on with another. */
export class ClientPool extends Context.Service<
  ClientPool,
  {
    /** As `Client.publish`. With a key it is repeated on another connection until the outcome is known. */
    readonly publish: Client.Client["Service"]["publish"]
    /** As `Client.request`. */
    readonly request: Client.Client["Service"]["request"]
    /** As `Client.history`, repeated on another connection. */
    readonly history: Client.Client["Service"]["history"]
    /** How many connections there are, idle and in use, and how many calls wait for one. */
    readonly stats: Effect.Effect<Pool.Stats>
  }
>()("longline/client/ClientPool") {}

/** A connection of the pool. */
interface Seat {
  readonly client: Client.Client["Service"]
  readonly connectedAt: number
  isLost: boolean
}

/**
 * A pool with its first connection. Fails if the gateway will not have it. When its scope closes, the calls under way are
 * waited for.
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const {
    concurrency = defaults.concurrency,
    max = defaults.max,
    maxWaiting = defaults.maxWaiting,
    min = defaults.min,
    timeToLive = defaults.timeToLive,
  } = options
  // With less every call would wait for ever.
  if (!(max >= 1)) return yield* Effect.die(new RangeError(`max is ${max}, it must be at least 1`))
  if (!(concurrency >= 1)) {
    return yield* Effect.die(new RangeError(`concurrency is ${concurrency}, it must be at least 1`))
  }
  Limit.checkedUnsafe({ min, maxWaiting })
  Limit.durationsUnsafe({ timeToLive })
  const timeout = options.timeout ?? defaultTimeout
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const now = () => clock.currentTimeMillisUnsafe()
  const dialers = Effect.isEffect(options.dial) ? ([options.dial] as const) : options.dial
  const backoff = new Backoff(() => random.nextDoubleUnsafe())
  let acquired = 0
  let jitterMs = 0
  let notBefore = -Infinity
  const made = Deferred.makeUnsafe<Pool.Pool<Seat, ClientError.ClientError>>()

  /** Has another connection in its place, after a wait that all those lost together have in common. */
  const replace = (seat: Seat, waitMs = 0) =>
    Effect.flatMap(Deferred.await(made), (pool) => {
      if (!seat.isLost && now() >= notBefore) jitterMs = backoff.next({ connectedMs: now() - seat.connectedAt })
      if (!seat.isLost || waitMs > 0) notBefore = Math.max(notBefore, now() + waitMs + jitterMs)
      seat.isLost = true
      return Pool.invalidate(pool, seat)
    })
  const patience: Effect.Effect<void> = Effect.suspend(() =>
    now() < notBefore ? Effect.andThen(Effect.sleep(notBefore - now()), patience) : Effect.void,
  )
  const acquire = Effect.gen(function* () {
    yield* patience
    // Each begins at the next place: so they are spread, and who was sent elsewhere goes there.
    const at = acquired++ % dialers.length
    const [first = dialers[0], ...others] = [...dialers.slice(at), ...dialers.slice(0, at)]
    const client = yield* Client.make({ ...options, dial: [first, ...others], reconnect: false })
    const seat: Seat = { client, connectedAt: now(), isLost: false }
    // One that was idle for too long is closed, not lost.
    yield* Effect.addFinalizer(() => Effect.sync(() => (seat.isLost = true)))
    // Not in the client's own scope, which this closes.
    yield* Effect.forkIn(
      client.events.pipe(
        Stream.filter(ClientEvent.is("Ended")),
        Stream.take(1),
        Stream.runForEach(({ waitMs }) => replace(seat, waitMs)),
      ),
      scope,
    )
    return seat
  })
  const pool = yield* Pool.makeWithTTL({ acquire, min, max, concurrency, timeToLive })
  yield* Deferred.succeed(made, pool)
  yield* Pool.use(pool, () => Effect.void)

  let underWay = 0
  const call = <A>(
    run: (client: Seat["client"]) => Effect.Effect<A, ClientError.ClientError>,
    { isRepeatable, timeout }: { readonly isRepeatable: boolean; readonly timeout: Duration.Input },
  ): Effect.Effect<A, ClientError.ClientError> =>
    Effect.suspend(() => {
      if (underWay >= max * concurrency + maxWaiting) return Effect.fail(busy("full"))
      underWay++
      /** Whether it may have been carried out, so that nothing but an answer is an outcome. */
      let isOut = false
      const lease = (seat: Seat) => {
        const wasOut = isOut
        isOut = true
        return Effect.map(Effect.result(run(seat.client)), (result) => {
          if (Result.isFailure(result) && isUnsent(result.failure)) isOut = wasOut
          return { seat, result }
        })
      }
      const attempt: Effect.Effect<A, ClientError.ClientError> = Effect.flatMap(
        Effect.mapError(Pool.use(pool, lease), (error) => (isOut ? ClientError.outcomeUnknown("lost") : error)),
        ({ result, seat }) => {
          if (Result.isSuccess(result)) return Effect.succeed(result.success)
          const error = result.failure
          if (!isUnsent(error) && !(isRepeatable && isLost(error))) return Effect.fail(error)
          return Effect.andThen(replace(seat), attempt)
        },
      )
      return attempt.pipe(
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () => Effect.fail(isOut ? ClientError.outcomeUnknown("deadline") : busy("deadline")),
        }),
        Effect.ensuring(Effect.sync(() => underWay--)),
      )
    })

  return ClientPool.of({
    publish: (channel, data, options = {}) =>
      call((client) => client.publish(channel, data, options), {
        isRepeatable: options.key !== undefined,
        timeout: Publishing.timeoutOf(options),
      }),
    request: (service, data, options = {}) =>
      call((client) => client.request(service, data, options), {
        isRepeatable: false,
        timeout: options.timeout ?? timeout,
      }),
    history: (channel, options = {}) =>
      call((client) => client.history(channel, options), { isRepeatable: true, timeout: options.timeout ?? timeout }),
    stats: Pool.stats(pool),
  })
})

/** A pool as a layer; building it waits for the first connection. */
export const layer = (options: Options): Layer.Layer<ClientPool, ClientError.ClientError> =>
  Layer.effect(ClientPool, make(options))

/** The connection had ended before anything was sent on it. */
const isUnsent = ({ reason }: ClientError.ClientError) => reason._tag === "Ended" || reason._tag === "Offline"

const isLost = ({ reason }: ClientError.ClientError) => reason._tag === "OutcomeUnknown" && reason.cause === "lost"

const busy = (cause: "full" | "deadline") => ClientError.of(new ClientError.Busy({ cause }))
