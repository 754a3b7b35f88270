/**
 * Chance that can be had again: the same seed and name give the same numbers, whatever the others do.
 * Good enough to plan a stress with, and for nothing that must not be guessed.
 */

/** A stream of chance. */
export interface Random {
  /** A number from 0 up to, not including, 1. */
  readonly next: () => number
  /** A whole number from `from` to `to`, both included. */
  readonly between: (from: number, to: number) => number
  /** Whether something happens that has this probability. */
  readonly chance: (probability: number) => boolean
  readonly pick: <A>(items: ReadonlyArray<A>) => A
}

/** The numbers of one actor (mulberry32). */
export const make = (seed: number, actor: string): Random => {
  let state = seed >>> 0
  for (const character of actor) state = Math.imul(state ^ character.codePointAt(0)!, 0x9e3779b1) >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (from: number, to: number) => from + Math.floor(next() * (to - from + 1))
  return {
    next,
    between,
    chance: (probability) => next() < probability,
    pick: (items) => items[between(0, items.length - 1)]!,
  }
}
