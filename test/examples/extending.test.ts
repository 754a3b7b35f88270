/** The code in docs/extending.md compiles, runs, and prints what the document says. Needs a build. */
import { assert, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { onTestFinished } from "vitest"
import { frame } from "../support/frames.ts"
import * as Spawned from "../support/spawned.ts"
import * as Snippets from "./snippets.ts"
import { dial, startFile } from "./support.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

it("docs/extending.md prints what it says", async () => {
  const program = fileURLToPath(new URL(`../../build/${Snippets.compile("docs/extending.md")}.js`, import.meta.url))
  const run = Spawned.start(process.execPath, [program])
  const { code } = await run.exited
  assert.deepStrictEqual(
    { code, lines: run.lines, errors: run.errorLines },
    { code: 0, lines: Snippets.blocks("docs/extending.md", "text").join("").trimEnd().split("\n"), errors: [] },
  )
})

it("docs/extending.md's command makes one file of a server, which serves", async () => {
  // Under the root, where a program finds the packages that are left out of its bundle.
  const folder = mkdtempSync(join(root, "build", "bundle-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [command = ""] = Snippets.blocks("docs/extending.md", "sh").flatMap(
    (block) => block.match(/^npx rolldown .*(?= {4}#)/m) ?? [],
  )
  const words = command
    .replace("server.ts", "examples/echo.ts")
    .replace(/bundle$/, folder)
    .split(" ")
  execFileSync(words[0]!, words.slice(1), { cwd: root, stdio: "ignore" })
  assert.deepStrictEqual(readdirSync(folder), ["echo.js"])

  const server = await startFile(join(folder, "echo.js"))
  const peer = await dial(server.port)
  peer.write(frame("hello"))
  assert.deepStrictEqual(await peer.read(9), frame("hello"))
  peer.end()
  assert.deepStrictEqual(await server.stop(), { code: 0, signal: null })
})
