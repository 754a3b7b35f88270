/**
 * The token of one client: had anew for every connection, and refreshed in place before it expires.
 * Verifies nothing, and gives up on nothing: a token that cannot be had now is asked for again.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Connected } from "./Message.ts"

/** The part of a token's life after which a new one is asked for. */
export const refreshAfter = 0.8

/** How long to wait before a token that could not be had is asked for again. */
export const retryMs = 5_000

/** What keeping a token takes. */
export interface Owner {
  readonly now: () => number
  /** Has a new token, and has the gateway take it: until when it is good, if it expires. */
  readonly refresh: Effect.Effect<number | undefined, unknown>
  readonly onFailed: (error: unknown) => void
}

/** When to refresh. */
export class Tokens {
  #urgent: Deferred.Deferred<void> = Deferred.makeUnsafe()

  /** The gateway has said that the token expires now. */
  urge(): void {
    Deferred.doneUnsafe(this.#urgent, Exit.void)
  }

  /** Refreshes for as long as it runs, beginning with the token that this answer tells of. */
  keep({ now, onFailed, refresh }: Owner, { expiresAt, time }: Connected): Effect.Effect<void> {
    // Expiry is on the gateway's clock, which is not this one's.
    const ahead = time - now()
    const step = (expiresAt: number | undefined): Effect.Effect<void> => {
      if (expiresAt === undefined) return Effect.void
      this.#urgent = Deferred.makeUnsafe()
      const dueMs = Math.max(0, (expiresAt - ahead - now()) * refreshAfter)
      return Effect.sleep(dueMs).pipe(
        Effect.raceFirst(Deferred.await(this.#urgent)),
        Effect.andThen(Effect.suspend(() => again)),
        Effect.flatMap(step),
      )
    }
    // What dies is a bug of the application's, and no reason to let the token expire in silence.
    const attempt = Effect.catchDefect(refresh, Effect.fail)
    const again: Effect.Effect<number | undefined> = Effect.catch(attempt, (error) => {
      onFailed(error)
      return Effect.delay(again, retryMs)
    })
    return step(expiresAt)
  }
}
