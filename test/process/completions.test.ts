/** Completions as shells use them: zsh and fish where they are installed, and always in CI. Needs a build. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { failed, run } from "../support/commands.ts"

const scripts = new Map<string, string>()
const hasShell = (shell: string) => spawnSync(shell, ["-c", "exit 0"]).status === 0

const folder = mkdtempSync(join(tmpdir(), "longline-"))
afterAll(() => rmSync(folder, { recursive: true }))

beforeAll(async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stderr, stdout } = await run(["completions", shell])
    assert.deepStrictEqual([code, stderr], [0, ""])
    scripts.set(shell, stdout)
  }
})

/** What bash offers for the last word of a line. */
const offered = (...words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const line = words.join(" ")
  const quoted = words.map((word) => `'${word}'`).join(" ")
  const ask = [
    scripts.get("bash")!,
    `COMP_WORDS=(${quoted}) COMP_CWORD=${words.length - 1} COMP_LINE='${line}' COMP_POINT=${line.length}`,
    `_longline longline '${words.at(-1)}' '${words.at(-2)}'`,
    `printf '%s\\n' "\${COMPREPLY[@]}"`,
  ].join("\n")
  const { status, stderr, stdout } = spawnSync("bash", ["--norc", "-c", ask], { encoding: "utf8" })
  assert.deepStrictEqual([status, stderr], [0, ""])
  return stdout.trimEnd().split("\n")
}

describe("completions", () => {
  it.each(["bash", "zsh", "fish"])("for %s are a script that it can read", (shell) => {
    const script = scripts.get(shell)!
    assert.include(script, `longline completions ${shell}`)
    assert.notInclude(script, "--completions")
    if (!hasShell(shell) && process.env.CI === undefined) return
    const file = join(folder, shell)
    writeFileSync(file, script)
    const { status, stderr } = spawnSync(shell, ["-n", file], { encoding: "utf8" })
    assert.deepStrictEqual([status, stderr], [0, ""])
  })

  it("offer commands, their flags, and the values of flags", () => {
    assert.deepStrictEqual(offered("longline", "p"), ["print-config", "pub", "pres"])
    assert.deepStrictEqual(offered("longline", "context", "s"), ["save", "show", "select"])
    assert.deepStrictEqual(offered("longline", "sub", "news", "--t"), [
      "--timeout",
      "--template",
      "--token-file",
      "--tls-cert",
      "--tls-key",
    ])
    assert.deepStrictEqual(offered("longline", "sub", "news", "--mode", "l"), ["latest", "live"])
    assert.deepStrictEqual(offered("longline", "completions", ""), ["bash", "zsh", "fish"])
  })

  it("offer no flag a second time", () => {
    assert.deepStrictEqual(offered("longline", "rtt", "--json", "--j"), [""])
  })

  it("are for three shells", async () => {
    assert.deepStrictEqual(
      await run(["completions", "tcsh"]),
      failed(2, `<shell> is "tcsh"; it must be "bash" | "zsh" | "fish"`),
    )
  })
})
