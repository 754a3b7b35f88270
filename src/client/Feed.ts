/**
 * What waits for the reader of one Stream: taken as one array, with a mark above which the connection stops reading.
 * Drops nothing and makes nobody wait: who fills it looks at `isFull`.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"

/** So many times its mark may wait for a reader while somebody waits for an answer behind it. */
export const brim = 8

/** Whose items they are: held as it is, since there are many of them. */
export interface Owner {
  /** The reader has taken what waited. */
  taken(): void
}

/** The items between one connection and one reader. */
export class Feed<A, E> {
  readonly #mark: number
  readonly #owner: Owner
  #items: Array<A> = []
  #end: Exit.Exit<never, E | Cause.Done> | undefined
  #reader: Deferred.Deferred<void> | undefined

  constructor(mark: number, owner: Owner) {
    this.#mark = mark
    this.#owner = owner
  }

  /** Whether more waits than the reader should be given. */
  get isFull(): boolean {
    return this.#items.length >= this.#mark
  }

  /** Whether so much waits that even answers have to: `brim` times the mark. */
  get isBrimming(): boolean {
    return this.#items.length >= this.#mark * brim
  }

  offer(item: A): void {
    if (this.#end !== undefined) return
    if (this.#items.push(item) > 1 || this.#reader === undefined) return
    // Not at once: what one read brought is one array for the reader then, and one turn of its fiber (bench, client).
    queueMicrotask(() => this.#wake())
  }

  /** No item comes any more: those that wait are still read. */
  end(exit: Exit.Exit<never, E | Cause.Done>): void {
    this.#end ??= exit
    this.#wake()
  }

  /** What waits, or the first that comes. */
  readonly pull: Pull.Pull<Arr.NonEmptyReadonlyArray<A>, E> = Effect.suspend(() => {
    const items = this.#items
    if (Arr.isArrayNonEmpty(items)) {
      this.#items = []
      this.#owner.taken()
      return Effect.succeed(items)
    }
    if (this.#end !== undefined) return this.#end
    this.#reader ??= Deferred.makeUnsafe()
    return Effect.flatMap(Deferred.await(this.#reader), () => this.pull)
  })

  #wake(): void {
    const reader = this.#reader
    this.#reader = undefined
    if (reader !== undefined) Deferred.doneUnsafe(reader, Exit.void)
  }
}
