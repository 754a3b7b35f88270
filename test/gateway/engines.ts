/**
 * The engines that the gateway's tests run on, and one that waits where a test tells it to.
 * Stores nothing itself.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Access from "../../src/gateway/Access.ts"
import * as Defaults from "../../src/gateway/Defaults.ts"
import { Engine, EngineError } from "../../src/gateway/engine/Engine.ts"
import * as LmdbEngine from "../../src/gateway/engine/LmdbEngine.ts"
import { Policies } from "../../src/gateway/Policy.ts"
import { freshDirectory } from "./engine/directories.ts"

const layerLmdb = (sync: "always" | "os") =>
  Layer.effect(
    Engine,
    Effect.gen(function* () {
      const retention = Access.retentionOf(yield* Policies)
      return yield* LmdbEngine.make({ directory: yield* freshDirectory, sync, retention })
    }),
  ).pipe(Layer.orDie)

/** Each with the policies' retention. */
export const engines: Readonly<Record<string, Layer.Layer<Engine, never, Policies>>> = {
  Memory: Defaults.layerMemory,
  "LMDB (sync: always)": layerLmdb("always"),
  "LMDB (sync: os)": layerLmdb("os"),
}

/** A place where an engine waits while it is closed, and how often it was passed. */
export class Gate {
  passed = 0
  #opened: Deferred.Deferred<void> | undefined
  #waiting = 0

  close(): void {
    this.#opened ??= Deferred.makeUnsafe()
  }

  open(): void {
    const opened = this.#opened
    this.#opened = undefined
    if (opened !== undefined) Deferred.doneUnsafe(opened, Exit.void)
  }

  /** How many wait here. */
  get waiting(): number {
    return this.#waiting
  }

  get pass(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.passed++
      if (this.#opened === undefined) return Effect.void
      this.#waiting++
      return Effect.ensuring(
        Deferred.await(this.#opened),
        Effect.sync(() => this.#waiting--),
      )
    })
  }
}

/** The gates of an engine. */
export interface Gates {
  /** Before a channel is attached, and after it was. */
  readonly attach: Gate
  readonly attached: Gate
  readonly detach: Gate
  /** Before anything is read, and after it was read. */
  readonly read: Gate
  readonly answer: Gate
  /** Everything fails as unavailable while it is. */
  isDown: boolean
}

/** An engine behind gates. */
export const gated = (
  inner: Layer.Layer<Engine, never, Policies> = Defaults.layerMemory,
): { readonly gates: Gates; readonly layer: Layer.Layer<Engine, never, Policies> } => {
  const gates: Gates = {
    attach: new Gate(),
    attached: new Gate(),
    detach: new Gate(),
    read: new Gate(),
    answer: new Gate(),
    isDown: false,
  }
  const unlessDown = <A>(effect: Effect.Effect<A, EngineError>) =>
    Effect.suspend(() =>
      gates.isDown ? Effect.fail(new EngineError({ reason: "Unavailable", detail: "down" })) : effect,
    )
  const wrap = (engine: Engine["Service"]): Engine["Service"] => ({
    ...engine,
    publishUnsafe: (draft, answer) => {
      if (!gates.isDown) return engine.publishUnsafe(draft, answer)
      answer(Result.fail(new EngineError({ reason: "Unavailable", detail: "down" })))
    },
    attach: (channel, deliver) =>
      gates.attach.pass.pipe(
        Effect.andThen(unlessDown(engine.attach(channel, deliver))),
        Effect.tap(() => gates.attached.pass),
      ),
    detach: (channel) => Effect.andThen(gates.detach.pass, engine.detach(channel)),
    read: (channel, range) =>
      gates.read.pass.pipe(
        Effect.andThen(unlessDown(engine.read(channel, range))),
        Effect.tap(() => gates.answer.pass),
      ),
  })
  return { gates, layer: Layer.effect(Engine, Effect.map(Engine, wrap)).pipe(Layer.provide(inner)) }
}
