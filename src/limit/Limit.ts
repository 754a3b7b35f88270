/**
 * Judges the numbers and durations that a program sets as limits. Knows none of them: each stands beside its default.
 */
import * as Duration from "effect/Duration"
import * as Record from "effect/Record"

/**
 * Limits as they are, or a RangeError for the first that is no number from 0 on: `Number(undefined)` of a missing variable
 * would pass every comparison, and be no limit at all. One that is undefined was not set.
 */
export const checkedUnsafe = <Limits extends Readonly<Record<string, number | undefined>>>(limits: Limits): Limits => {
  for (const [name, limit] of Object.entries(limits)) {
    if (limit !== undefined && !(limit >= 0)) throw new RangeError(`${name} is ${limit}; it must be a number from 0 on`)
  }
  return limits
}

/**
 * Durations as Effect reads them, or a RangeError for the first that is none from 0 on: of what is no number Effect makes
 * a duration of nothing. A `Duration` that was made of one before is nothing here, too.
 */
export const durationsUnsafe = <Name extends string>(
  inputs: Readonly<Record<Name, Duration.Input>>,
): Record<Name, Duration.Duration> =>
  Record.map(inputs, (input, name) => {
    const duration = Duration.fromInputUnsafe(input)
    const isNumber = !partsOf(input).some(Number.isNaN)
    if (isNumber && !Duration.isNegative(duration)) return duration
    throw new RangeError(`${name} is ${isNumber ? Duration.format(duration) : NaN}; it must be a duration from 0 on`)
  })

/** The numbers that an input is written in: itself, or those of a pair or an object. */
const partsOf = (input: Duration.Input): ReadonlyArray<unknown> =>
  typeof input === "object" ? Object.values(input) : [input]
