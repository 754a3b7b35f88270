/**
 * The connection of the moment, and the wait for one. Bounded: who finds nothing and no place to wait is refused at once.
 * Connects nothing itself.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Link } from "./Asking.ts"
import * as ClientError from "./ClientError.ts"

/** Where a client's messages go. */
export class Line {
  readonly #maxWaiting: number
  #waiting = 0
  #link: Link | undefined
  #ended: ClientError.ClientError | undefined
  #next: Deferred.Deferred<Link, ClientError.ClientError> = Deferred.makeUnsafe()

  /** `maxWaiting`: how many may wait for a connection. */
  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting
  }

  /** The connection, if there is one. */
  get link(): Link | undefined {
    return this.#link
  }

  /** Why there will be none any more. */
  get ended(): ClientError.ClientError | undefined {
    return this.#ended
  }

  /** The connection, or a place to wait for it, or `Offline`. */
  readonly current: Effect.Effect<Link, ClientError.ClientError> = Effect.suspend(() => {
    if (this.#link !== undefined || this.#ended !== undefined) return this.next
    if (this.#waiting >= this.#maxWaiting) {
      return Effect.fail(ClientError.of(new ClientError.Offline({ maxWaiting: this.#maxWaiting })))
    }
    this.#waiting++
    return Effect.ensuring(
      this.next,
      Effect.sync(() => void this.#waiting--),
    )
  })

  /** The connection, however long it takes: for what was begun on one before. Its caller sets the deadline. */
  readonly next: Effect.Effect<Link, ClientError.ClientError> = Effect.suspend(() => {
    if (this.#ended !== undefined) return Effect.fail(this.#ended)
    return this.#link === undefined ? Deferred.await(this.#next) : Effect.succeed(this.#link)
  })

  /** There is a connection: whoever waits goes on. */
  up(link: Link): void {
    this.#link = link
    const waiting = this.#next
    this.#next = Deferred.makeUnsafe()
    Deferred.doneUnsafe(waiting, Exit.succeed(link))
  }

  /** The connection has ended. */
  down(): void {
    this.#link = undefined
  }

  /** There will be none any more. */
  end(error: ClientError.ClientError): void {
    this.#link = undefined
    this.#ended ??= error
    Deferred.doneUnsafe(this.#next, Exit.fail(error))
  }
}
