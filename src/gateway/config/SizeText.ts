/**
 * Sizes in bytes as an operator writes them: `512`, `64KiB`, `16MiB`, `1GiB`.
 * Refuses fractions, signs, spaces and the decimal units, which mean two things.
 */
import * as Option from "effect/Option"

/** The units, largest first, as `format` tries them. */
const unitsInBytes = [
  ["GiB", 1024 ** 3],
  ["MiB", 1024 ** 2],
  ["KiB", 1024],
  ["", 1],
] as const

/**
 * Reads a whole number of bytes with or without a unit; None for anything else, or beyond safe integers.
 *
 * @example
 * SizeText.parse("64KiB") // Option.some(65536)
 */
export const parse = (text: string): Option.Option<number> => {
  const [, digits, unit] = /^(\d+)((?:[KMG]iB)?)$/.exec(text) ?? []
  const unitBytes = unitsInBytes.find(([name]) => name === unit)?.[1]
  if (digits === undefined || unitBytes === undefined) return Option.none()
  const bytes = Number(digits) * unitBytes
  return Number.isSafeInteger(bytes) ? Option.some(bytes) : Option.none()
}

/**
 * Writes a whole number of bytes in the largest unit that loses nothing, so that `parse` reads it back.
 *
 * @example
 * SizeText.format(65536) // "64KiB"
 */
export const format = (bytes: number): string => {
  const [unit, unitBytes] = unitsInBytes.find(([, unitBytes]) => bytes > 0 && bytes % unitBytes === 0) ?? ["", 1]
  return `${bytes / unitBytes}${unit}`
}
