/** What the README promises: its server has 15 lines, compiles and runs; its flags are the program's. Needs a build. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Snippets from "./snippets.ts"
import { dial, start } from "./support.ts"

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")

describe("README", () => {
  it("its server has at most 15 lines, and sends what one peer says to every peer", async () => {
    const [server, ...others] = Snippets.blocks("README.md", "ts")
    assert.deepStrictEqual(others, [])
    const lines = server!.split("\n").filter((line) => line !== "")
    assert.isAtMost(lines.length, 15)

    const running = await start(Snippets.compile("README.md", (program) => program.replace("port: 7000", "port: 0")))
    try {
      const first = await dial(running.port)
      first.say({ type: "say", text: "alone" })
      assert.deepStrictEqual(await first.hear(), { type: "say", text: "alone" })
      const second = await dial(running.port)
      second.say({ type: "say", text: "both" })
      for (const peer of [first, second]) {
        assert.deepStrictEqual(await peer.hear(), { type: "say", text: "both" })
        peer.end()
      }
    } finally {
      await running.stop("SIGKILL")
    }
  })

  it("its flags have the defaults of --help", () => {
    const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url))
    const { stdout } = spawnSync(process.execPath, [main, "--help"], { encoding: "utf8" })
    const helped = [...stdout.matchAll(/^ {2}--([a-z-]+) .*\[LONGLINE_\w+(?:, default (.*))?\]$/gm)]
    const rows = [...readme.matchAll(/^\| (`--[^|]+) \| ([^|]*) ?\|/gm)]
    const told = rows.flatMap(([, flags, fallback]) =>
      [...flags!.matchAll(/`--([a-z-]+)`/g)].map(([, flag]) => [
        flag,
        fallback!.trim().replace("else json", "json otherwise"),
      ]),
    )
    const all = new Map(helped.map(([, flag, fallback]) => [flag, fallback ?? ""]))
    const settings = told.filter(([flag]) => flag !== "help" && flag !== "version")
    assert.isAbove(settings.length, 15)
    assert.deepStrictEqual(
      settings,
      settings.map(([flag]) => [flag, all.get(flag)]),
    )
  })
})
