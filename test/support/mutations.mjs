/**
 * Plants every recorded bug in a copy of the tree and expects the tests named beside it to fail: a test that no bug can
 * break says nothing. Changes nothing in the tree itself, and is no part of `npm test`, being minutes long.
 *
 *   node test/support/mutations.mjs              all records, test/**\/*.mutations.json
 *   node test/support/mutations.mjs FrameDecoder those whose path contains the word
 *
 * A record is an array of `{ rule, file, find, replace, test }`: `rule` says in words what the bug breaks, `find` occurs
 * exactly once in `file`, and `test` is what vitest runs. Paths are from the root of the tree.
 */
import { spawn } from "node:child_process"
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"

const root = resolve(import.meta.dirname, "../..")

/** The least time that a run may take before its bug counts as found: a loop without an end is one. */
const leastLimitMs = 30_000

/** Every recorded mutation, with the record it stands in. */
export const readRecords = (filter = "") =>
  readdirSync(join(root, "test"), { recursive: true })
    .filter((path) => path.endsWith(".mutations.json") && path.includes(filter))
    .toSorted()
    .flatMap((path) =>
      JSON.parse(readFileSync(join(root, "test", path), "utf8")).map((mutation) => ({ ...mutation, record: path })),
    )

/** The source with the bug in it; throws if it is not clear where the bug belongs. */
export const mutate = (source, { find, replace, rule }) => {
  const parts = source.split(find)
  if (parts.length !== 2) throw new Error(`"${rule}": its find occurs ${parts.length - 1} times, not once: ${find}`)
  return parts.join(replace)
}

/** Runs one test file in the copy: `passed`, `failed` (some test did), `broken` (none could), or `endless`. */
const run = (copy, test, limitMs) =>
  new Promise((done) => {
    const report = join(copy, "report.json")
    rmSync(report, { force: true })
    // Threads end with their process, so that one kill ends a loop without an end.
    const args = ["run", test, "--pool=threads", "--reporter=json", `--outputFile=${report}`]
    const vitest = spawn(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), ...args], {
      cwd: copy,
      stdio: "ignore",
    })
    let verdict
    const timer = setTimeout(() => {
      verdict = "endless"
      vitest.kill("SIGKILL")
    }, limitMs)
    vitest.once("exit", (code) => {
      clearTimeout(timer)
      verdict ??= code === 0 ? "passed" : failedTests(report) > 0 ? "failed" : "broken"
      done(verdict)
    })
  })

const failedTests = (report) => {
  try {
    return JSON.parse(readFileSync(report, "utf8")).numFailedTests
  } catch {
    return 0
  }
}

const main = async (filter) => {
  const mutations = readRecords(filter)
  const copy = mkdtempSync(join(tmpdir(), "longline-mutations-"))
  try {
    for (const path of ["src", "test", "package.json", "tsconfig.json", "vitest.config.ts"]) {
      cpSync(join(root, path), join(copy, path), { recursive: true })
    }
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))

    let limitMs = leastLimitMs
    for (const test of new Set(mutations.map((mutation) => mutation.test))) {
      const start = performance.now()
      const verdict = await run(copy, test, 10 * leastLimitMs)
      if (verdict !== "passed") throw new Error(`${test} without a bug: ${verdict}`)
      limitMs = Math.max(limitMs, 10 * (performance.now() - start))
    }

    let survivors = 0
    for (const mutation of mutations) {
      const path = join(copy, mutation.file)
      const source = readFileSync(path, "utf8")
      writeFileSync(path, mutate(source, mutation))
      const verdict = await run(copy, mutation.test, limitMs)
      writeFileSync(path, source)
      const killed = verdict === "failed" || verdict === "endless"
      if (!killed) survivors++
      console.log(`${killed ? "killed  " : "SURVIVED"} ${verdict.padEnd(7)} ${mutation.file}: ${mutation.rule}`)
    }
    console.log(`${mutations.length - survivors} of ${mutations.length} killed`)
    return survivors === 0 && mutations.length > 0 ? 0 : 1
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.exitCode = await main(process.argv[2])
