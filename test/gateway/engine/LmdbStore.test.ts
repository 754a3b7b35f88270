import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { open } from "lmdb"
import { vi } from "vitest"
import * as LmdbEngine from "../../../src/gateway/engine/LmdbEngine.ts"
import * as LmdbStore from "../../../src/gateway/engine/LmdbStore.ts"
import { turn } from "../../support/wires.ts"
import { freshDirectory } from "./directories.ts"
import { draft, publish } from "./publishing.ts"

/** Holds the place of the one who writes to the store of a directory, as a disk that hangs would, until the scope closes. */
const heldUp = Effect.fnUntraced(function* (directory: string) {
  const begun = yield* Deferred.make<void>()
  const released = yield* Deferred.make<void>()
  const root = open<Buffer, Buffer>({ path: directory, noSubdir: false, encoding: "binary", keyEncoding: "binary" })
  const held = root.transaction(() => {
    Deferred.doneUnsafe(begun, Effect.void)
    return Effect.runPromise(Deferred.await(released))
  })
  yield* Effect.addFinalizer(() =>
    Deferred.succeed(released, undefined).pipe(
      Effect.andThen(Effect.promise(() => held)),
      Effect.andThen(Effect.promise(() => root.close())),
    ),
  )
  yield* Deferred.await(begun)
})

/** Timers that stand still unless they are told. */
const frozen = Effect.acquireRelease(
  Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })),
  () => Effect.sync(() => vi.useRealTimers()),
)

/** More than a transaction takes that waits for no disk. */
const turns = Effect.repeat(turn, { times: 5 })

describe("LMDB store: a transaction", () => {
  it.effect("that is not written after 30 s has failed, and ends publishing", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const engine = yield* LmdbEngine.make({ directory, retention: () => ({ size: 10, ageMs: 600_000 }) })
      yield* publish(engine, draft("a"))
      yield* heldUp(directory)
      yield* frozen
      const published = yield* Effect.forkChild(Effect.flip(publish(engine, draft("a"))), { startImmediately: true })
      yield* turns
      vi.advanceTimersByTime(LmdbStore.commitTimeoutMs - 1)
      yield* turns
      yield* engine.health
      assert.strictEqual(published.pollUnsafe(), undefined)
      vi.advanceTimersByTime(1)
      yield* turns
      assert.isDefined(published.pollUnsafe())
      const error = yield* Fiber.join(published)
      assert.deepInclude(error, { reason: "Unavailable", detail: "the store could not be written" })
      assert.strictEqual(String(error.cause), "Error: not written after 30000 ms")
      assert.strictEqual(yield* Effect.flip(engine.health), error)
    }),
  )
})
