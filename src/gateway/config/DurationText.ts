/**
 * Durations as an operator writes them: `500ms`, `25s`, `2m`, `1h`.
 * Refuses fractions, signs, spaces, sums and numbers without a unit.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** The units, largest first, as `format` tries them. */
const unitsInMs = [
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
] as const

/**
 * Reads a whole number with its unit; None for anything else, or beyond safe integers of milliseconds.
 *
 * @example
 * DurationText.parse("2m") // Option.some(Duration.minutes(2))
 * DurationText.parse("25") // Option.none(): 25 of what?
 */
export const parse = (text: string): Option.Option<Duration.Duration> => {
  const [, digits, unit] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? []
  const unitMs = unitsInMs.find(([name]) => name === unit)?.[1]
  if (digits === undefined || unitMs === undefined) return Option.none()
  const millis = Number(digits) * unitMs
  return Number.isSafeInteger(millis) ? Option.some(Duration.millis(millis)) : Option.none()
}

/**
 * Writes a duration of whole milliseconds in the largest unit that loses nothing, so that `parse` reads it back.
 *
 * @example
 * DurationText.format(Duration.seconds(90)) // "90s"
 */
export const format = (duration: Duration.Duration): string => {
  const millis = Duration.toMillis(duration)
  const [unit, unitMs] = unitsInMs.find(([, unitMs]) => millis > 0 && millis % unitMs === 0) ?? ["ms", 1]
  return `${millis / unitMs}${unit}`
}
