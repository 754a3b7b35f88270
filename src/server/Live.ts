/**
 * The connections of a server that are not over: those with a seat, those being refused, those saying goodbye.
 * Decides nothing about them: a drain waits here until they are gone, or resets them.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Lifetime from "../connection/Lifetime.ts"

/** What is under way. */
export class Live implements Lifetime.Owner {
  readonly #lifetimes = new Set<Lifetime.Lifetime>()
  #empty: Deferred.Deferred<void> | undefined

  get size(): number {
    return this.#lifetimes.size
  }

  /** What is under way, in the order in which it began. */
  get lifetimes(): Iterable<Lifetime.Lifetime> {
    return this.#lifetimes
  }

  /** Starts a connection and holds it until it is over. */
  startUnsafe<In, Out, R>(
    options: Lifetime.Options<In, Out>,
    handler: Lifetime.Handler<In, Out, R>,
    services: Context.Context<Exclude<R, Scope.Scope>>,
  ): void {
    const lifetime = Lifetime.makeUnsafe(options, handler, services, this)
    this.#lifetimes.add(lifetime)
    lifetime.startUnsafe()
  }

  /** Completes when nothing is under way. */
  get empty(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#lifetimes.size === 0) return Effect.void
      this.#empty ??= Deferred.makeUnsafe()
      return Deferred.await(this.#empty)
    })
  }

  closedUnsafe(lifetime: Lifetime.Lifetime): void {
    this.#lifetimes.delete(lifetime)
    if (this.#lifetimes.size > 0 || this.#empty === undefined) return
    Deferred.doneUnsafe(this.#empty, Exit.void)
    this.#empty = undefined
  }

  /** Resets those whose handshake is not done, which may never be. Waits for nothing. */
  abortUnopenedUnsafe(): void {
    for (const lifetime of this.#lifetimes) if (!lifetime.hasOpened) lifetime.abortUnsafe()
  }

  /** Resets what is left. Waits for nothing. */
  abortUnsafe(): void {
    for (const lifetime of this.#lifetimes) lifetime.abortUnsafe()
  }
}
