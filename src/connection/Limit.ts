/**
 * Judges the numbers that a program sets as limits. Knows none of them: each stands beside its default.
 */

/**
 * Limits as they are, or a RangeError for the first that is no number from 0 on: `Number(undefined)` of a missing variable
 * would pass every comparison, and be no limit at all.
 */
export const checkedUnsafe = <Limits extends Readonly<Record<string, number>>>(limits: Limits): Limits => {
  for (const [name, limit] of Object.entries(limits)) {
    if (!(limit >= 0)) throw new RangeError(`${name} is ${limit}; it must be a number from 0 on`)
  }
  return limits
}
