/**
 * Which of some names somebody may have meant. Reads nothing and knows no setting.
 */

/** Letters that may be wrong in a name that is still a guess. */
const maxSlips = 2

/**
 * The names that come nearest to a text: those with the fewest slips, at most two and fewer than half of the letters.
 * A name that has the text as a whole segment (`listen.port` for `port`) is as near as one with a slip.
 *
 * @example
 * Nearest.of("hartbeat", ["heartbeat", "log"]) // ["heartbeat"]
 */
export const of = (text: string, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const slips = new Map(names.map((name) => [name, distance(text, name)]))
  const least = Math.min(maxSlips, Math.ceil(text.length / 2) - 1, ...slips.values())
  return names.filter((name) => slips.get(name)! <= least)
}

const distance = (text: string, name: string): number =>
  name.split(".").includes(text) ? Math.min(1, slips(text, name)) : slips(text, name)

/** Letters to insert, leave out, replace, or exchange with their neighbour. Capitals are no difference. */
const slips = (one: string, other: string): number => {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()]
  // A key may be long, a name of ours is not: too long a text is no slip.
  if (Math.abs(a.length - b.length) > maxSlips) return maxSlips + 1
  const rows: Array<Array<number>> = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(
        Math.min(
          rows[i - 1]![j]! + 1,
          row[j - 1]! + 1,
          rows[i - 1]![j - 1]! + same,
          swapped ? rows[i - 2]![j - 2]! + 1 : Infinity,
        ),
      )
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}
