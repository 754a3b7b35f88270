/**
 * Typed facts that an application pins to a connection: a user, a room, a counter.
 * Knows no connection: a key, and a small map.
 */

/** A key, told apart by identity and not by name. */
export interface Attribute<in out A> {
  readonly name: string
  /** Never set: carries the type. */
  readonly _A?: (_: A) => A
}

/** A new key; the name is for people only. */
export const make = <A>(name: string): Attribute<A> => ({ name })

/** The facts of one connection. They live as long as it does. */
export class Attributes {
  readonly #values = new Map<Attribute<never>, unknown>()

  get<A>(key: Attribute<A>): A | undefined {
    return this.#values.get(key as unknown as Attribute<never>) as A | undefined
  }

  set<A>(key: Attribute<A>, value: A): void {
    this.#values.set(key as unknown as Attribute<never>, value)
  }
}
