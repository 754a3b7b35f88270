/**
 * Stays connected: a handler for each connection, one after the other, with a wait between them that grows and is drawn at
 * random. Decides what ends it by the reason of each end, unless it is told to. Keeps nothing from one to the next.
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { Address } from "../transport/Transport.ts"
import * as Backoff from "./Backoff.ts"
import * as CloseReason from "./CloseReason.ts"
import type { Connection } from "./Connection.ts"
import * as Dial from "./Dial.ts"
import * as Protocol from "./Protocol.ts"

/** One dialer, or several: the next one is taken when an attempt fails, or an end sends elsewhere. */
export type Dialers = Dial.Dialer | readonly [Dial.Dialer, ...ReadonlyArray<Dial.Dialer>]

/** How one connection, or an attempt at one, ended. */
export interface Ended {
  /** For an attempt that failed, `WireLost` with the error of the dialer. */
  readonly reason: CloseReason.CloseReason
  /** How long it was connected; undefined for an attempt that failed. */
  readonly connectedMs: number | undefined
}

/** What to do after an end: to leave it at that, or when and where to come again. */
export type Advice = "stop" | (Backoff.Advice & { readonly elsewhere?: boolean | undefined })

/** What happens, in order: `Connecting`, `Connected` unless the attempt fails, `Disconnected`, and again. */
export type Event = Data.TaggedEnum<{
  /** The first attempt is 1, and so is the first one after a connection. */
  Connecting: { readonly attempt: number }
  Connected: { readonly peer: Address }
  /** `retryInMs` is undefined where it is the last. */
  Disconnected: Ended & { readonly retryInMs: number | undefined }
}>

export const { Connected, Connecting, Disconnected } = Data.taggedEnum<Event>()

/** Whom to stay connected to. */
export interface Options<In, Out> extends Omit<Dial.Options<In, Out>, "dial"> {
  readonly dial: Dialers
  /** Default: `advise`. */
  readonly advise?: ((ended: Ended) => Advice) | undefined
  /** Told of each event, which waits for it. */
  readonly onEvent?: ((event: Event) => Effect.Effect<void>) | undefined
}

/**
 * Stops where this side has ended the connection: its handler is done or failed, it closed with a reason of its own, or
 * would have sent what its codec refuses. Whatever the other side or the network did is tried again.
 */
export const advise = ({ reason }: Ended): Advice => (ownEnds.has(reason._tag) ? "stop" : {})

const ownEnds = new Set<CloseReason.CloseReason["_tag"]>(["Done", "Application", "BadOutbound", "HandlerFailed"])

/**
 * Runs the handler for each connection, and interrupts it when its connection ends. Completes with the last reason; fails
 * as the handler did where that was the reason.
 *
 * ```ts
 * yield* Reconnect.run({ protocol: News, dial: TcpTransport.dial({ host: "127.0.0.1", port: 7000 }) }, (connection) =>
 *   Stream.runForEach(connection.messages, (message) => Effect.log(message.title)),
 * )
 * ```
 */
export const run = <In, Out, E, R>(
  options: Options<In, Out>,
  handler: (connection: Connection<In, Out>) => Effect.Effect<unknown, E, R>,
): Effect.Effect<CloseReason.CloseReason, E, Exclude<R, Scope.Scope>> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { advise: adviseOn = advise, onEvent = () => Effect.void } = options
      const settings = yield* Dial.settings
      const protocol = Protocol.dialled(options.protocol)
      let id = 0

      const attempt = Effect.fnUntraced(function* (dial: Dial.Dialer, attempt: number) {
        yield* onEvent(Connecting({ attempt }))
        let openedAt: number | undefined
        const reason = yield* Dial.serveInPeace(
          {
            ...options,
            dial,
            protocol,
            settings,
            id: ++id,
            onOpenedUnsafe: () => void (openedAt = settings.now()),
            onEndedUnsafe: () => {},
          },
          (connection) => Effect.andThen(onEvent(Connected({ peer: connection.peer })), handler(connection)),
        ).pipe(Effect.catch((error) => Effect.succeed(CloseReason.WireLost({ error }))))
        const ended: Ended = { reason, connectedMs: openedAt === undefined ? undefined : settings.now() - openedAt }
        return { ...ended, advice: adviseOn(ended) }
      })

      const told = ({ connectedMs, reason }: Ended, retryInMs?: number) =>
        onEvent(Disconnected({ reason, connectedMs, retryInMs }))
      const last = yield* repeat(options.dial, { attempt, waiting: told })
      yield* told(last)
      const { reason } = last
      return reason._tag === "HandlerFailed" ? yield* Effect.failCause(reason.cause as Cause.Cause<E>) : reason
    }),
  )

/** How an attempt ended, and what follows from it. */
export interface Attempted extends Pick<Ended, "connectedMs"> {
  readonly advice: Advice
}

/** What `repeat` repeats. */
export interface Owner<A extends Attempted, E, R> {
  readonly attempt: (dial: Dial.Dialer, attempt: number) => Effect.Effect<A, E, R>
  /** Runs before each wait. */
  readonly waiting: (ended: A, retryInMs: number) => Effect.Effect<void>
}

/** The rung below `run`: attempt after attempt, however each is made, until the advice is to stop. */
export const repeat = <A extends Attempted, E, R>(
  dial: Dialers,
  { attempt, waiting }: Owner<A, E, R>,
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const dialers = Effect.isEffect(dial) ? ([dial] as const) : dial
    const random = yield* Random.Random
    const backoff = new Backoff.Backoff(() => random.nextDoubleUnsafe())
    for (let attempts = 1, at = 0; ; attempts++) {
      const ended = yield* attempt(dialers[at % dialers.length]!, attempts)
      const { advice, connectedMs } = ended
      if (advice === "stop") return ended
      if (advice.elsewhere === true || connectedMs === undefined) at++
      if (connectedMs !== undefined) attempts = 0
      const retryInMs = backoff.next({ ...advice, connectedMs })
      yield* waiting(ended, retryInMs)
      yield* Effect.sleep(retryInMs)
    }
  })
