/** What docs/authentication.md says of patterns, pattern by pattern. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"
import * as Pattern from "../../src/gateway/auth/Pattern.ts"

const text = readFileSync(new URL("../../docs/authentication.md", import.meta.url), "utf8")
const table = text.slice(text.indexOf("| segment of a pattern |")).split("\n\n", 1)[0]!
const namesIn = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)

describe("docs/authentication.md", () => {
  it("says of each pattern what it matches and what it does not", () => {
    const rows = table.split("\n").slice(2)
    assert.strictEqual(rows.length, 4)
    for (const row of rows) {
      const [, , , pattern, matched, unmatched] = row.split("|")
      const { matches } = Result.getOrThrow(Pattern.parse(namesIn(pattern!)[0]!, "ann"))
      const [first, ...others] = namesIn(matched!)
      assert.isTrue(matches(first!), row)
      // The last cell may end with whose user it is: "`chat:ann` for `ann`".
      assert.isTrue(
        others.every((name) => name === "ann" || matches(name)),
        row,
      )
      assert.isFalse(namesIn(unmatched!).some(matches), row)
    }
  })
})
