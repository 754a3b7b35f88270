import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { mutate, readRecords } from "./mutations.mjs"

// The bugs themselves are planted by `node test/support/mutations.mjs`, which takes minutes.
describe("A recorded mutation", () => {
  const root = join(import.meta.dirname, "../..")
  for (const mutation of readRecords()) {
    it(`has one place in ${mutation.file}: ${mutation.rule}`, () => {
      const source = readFileSync(join(root, mutation.file), "utf8")
      assert.notStrictEqual(mutate(source, mutation), source)
      assert.isAbove(readFileSync(join(root, mutation.test), "utf8").length, 0)
    })
  }
})
