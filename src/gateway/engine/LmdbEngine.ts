/**
 * The engine of one machine: publications, positions and keys in a directory, so that a restart loses none of them.
 * Shares its directory with no other server, and publishes nothing that is not as durable as configured.
 *
 * Drafts get their offset at once and wait; one transaction writes all that wait, and while it runs others gather for the
 * next (group commit). Then they are told to who is attached, and answered, in the order of publishing.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Limit from "../../limit/Limit.ts"
import * as DataDirectory from "./DataDirectory.ts"
import { Engine, type EngineError } from "./Engine.ts"
import * as LmdbStore from "./LmdbStore.ts"
import * as LmdbWriter from "./LmdbWriter.ts"
import * as MemoryEngine from "./MemoryEngine.ts"
import * as Times from "./Times.ts"

/** What `make` takes: a directory, and what is written in it. */
export interface Options extends LmdbWriter.Options {
  /** Made if it does not exist. */
  readonly directory: string
  /** Default: `always`. */
  readonly sync?: LmdbStore.Sync | undefined
  /** Free bytes of the disk below which nothing is published. Default: `LmdbStore.defaultReserveBytes`. */
  readonly reserveBytes?: number | undefined
}

/** How long the end waits for what was not written yet. */
const closeTimeout: Duration.Input = "10 seconds"

/** Opens the directory, and leaves it when the scope closes. */
export const make = (options: Options): Effect.Effect<Engine["Service"], DataDirectory.DirectoryError, Scope.Scope> =>
  Effect.gen(function* () {
    const { directory, reserveBytes = LmdbStore.defaultReserveBytes, sync = "always" } = options
    const { keys, maxChannels, maxLogged, positionTtl = MemoryEngine.defaultPositionTtl } = options
    Limit.checkedUnsafe({ reserveBytes, maxChannels, maxLogged, windowMs: keys?.windowMs, maxKeys: keys?.maxKeys })
    Limit.durationsUnsafe({ positionTtl })
    const now = yield* Clock.currentTimeMillis
    const store = yield* Effect.try({
      try: () => LmdbStore.openUnsafe({ directory, sync, reserveBytes, now }),
      catch: (cause) =>
        cause instanceof DataDirectory.DirectoryError ? cause : DataDirectory.unusable(directory, cause),
    })
    return yield* fromStore(store, options)
  })

/** `make` as a layer. */
export const layer = (options: Options): Layer.Layer<Engine, DataDirectory.DirectoryError> =>
  Layer.effect(Engine, make(options))

/** An engine on a store that is open, which is closed with the scope. */
export const fromStore = (
  store: LmdbStore.LmdbStore,
  options: LmdbWriter.Options,
): Effect.Effect<Engine["Service"], DataDirectory.DirectoryError, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const failed = yield* Deferred.make<EngineError>()
    const age = LmdbWriter.ageAt(store.state, clock.currentTimeMillisUnsafe())
    const writer = yield* Effect.try({
      try: () =>
        new LmdbWriter.LmdbWriter(store, options, Times.make(clock, age), (error) =>
          Deferred.doneUnsafe(failed, Effect.succeed(error)),
        ),
      catch: (cause) => DataDirectory.unreadable(store.directory, cause),
    }).pipe(Effect.onError(() => Effect.promise(() => store.close(false))))
    yield* Effect.addFinalizer(() =>
      writer.drained.pipe(
        Effect.timeoutOption(closeTimeout),
        Effect.andThen(Effect.promise(() => store.close(writer.close()))),
        Effect.catchCause((cause) => Effect.logWarning("the data directory was not closed in order", cause)),
      ),
    )
    yield* Deferred.await(failed).pipe(
      Effect.flatMap((error) => Effect.logError("the engine stopped writing: restart the server", error)),
      Effect.forkScoped,
    )
    let isTended = true
    const tick = Effect.suspend(() => {
      const isNews = writer.tick()
      isTended = true
      return isNews ? logSpace(store.directory, writer.hasSpace) : Effect.void
    }).pipe(
      // Nobody would notice that nothing is swept any more. Said once: a directory that is gone is so every second.
      Effect.catchCause((cause) => {
        const isNews = isTended
        isTended = false
        return isNews
          ? Effect.logError(`data directory ${store.directory} could not be looked after`, cause)
          : Effect.void
      }),
    )
    yield* Effect.sleep(MemoryEngine.sweepInterval).pipe(Effect.andThen(tick), Effect.forever, Effect.forkScoped)
    if (store.isEarlier)
      yield* Effect.logWarning("the data may lack what was published last: channels have a new epoch")
    return Engine.of({
      name: "lmdb",
      publishUnsafe: (draft, answer) => writer.publish(draft, answer),
      room: writer.room,
      attach: (channel, deliver) => writer.reading(() => writer.attach(channel, deliver)),
      detach: (channel) => Effect.sync(() => writer.detach(channel)),
      read: (channel, range) => writer.reading(() => writer.read(channel, range)),
      position: (channel) => writer.reading(() => writer.position(channel)),
      health: writer.health,
      counts: () => writer.counts(),
    })
  })

const logSpace = (directory: string, hasSpace: boolean) =>
  hasSpace
    ? Effect.logInfo(`the disk of data directory ${directory} has room again: publications are taken`)
    : Effect.logError(
        `the disk of data directory ${directory} is almost full: publications are refused until it has room`,
      )
