/** The code in docs/client.md compiles, runs, and prints what the document says. Needs a build. */
import { assert, it } from "@effect/vitest"
import { fileURLToPath } from "node:url"
import * as Spawned from "../support/spawned.ts"
import * as Snippets from "./snippets.ts"

it("docs/client.md prints what it says", async () => {
  const program = fileURLToPath(new URL(`../../build/${Snippets.compile("docs/client.md")}.js`, import.meta.url))
  const run = Spawned.start(process.execPath, [program])
  const { code } = await run.exited
  assert.deepStrictEqual(
    { code, lines: run.lines, errors: run.errorLines },
    { code: 0, lines: Snippets.blocks("docs/client.md", "text").join("").trimEnd().split("\n"), errors: [] },
  )
})
