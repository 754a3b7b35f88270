/**
 * Chance without state: the same seed, subject and number give the same answer, in every worker.
 * Good enough to plan a load with, and for nothing that must not be guessed.
 */

/** A number from 0 up to, not including, 1. */
export const at = (seed: number, subject: string, n: number): number => {
  let state = seed >>> 0
  for (let i = 0; i < subject.length; i++) state = Math.imul(state ^ subject.charCodeAt(i), 0x9e3779b1) >>> 0
  // mulberry32, with the number as its position
  state = (state + Math.imul(n, 0x6d2b79f5)) >>> 0
  let mixed = Math.imul(state ^ (state >>> 15), state | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
}

/** A whole number from 0 up to, not including, `count`. */
export const below = (count: number, seed: number, subject: string, n: number): number =>
  Math.floor(at(seed, subject, n) * count)
