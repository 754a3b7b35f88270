/**
 * Makes a program of the code in a document: all its `ts` blocks, in order, as one module. So a document may tell its
 * program in pieces, and none of them can go stale. Refuses what does not type-check under the project's own options.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename } from "node:path"
import { fileURLToPath } from "node:url"

const root = new URL("../../", import.meta.url)
const build = new URL("build/snippets/", root)
const compiler = fileURLToPath(new URL("node_modules/typescript/bin/tsc", root))

/** The blocks of a language in a document, such as `docs/extending.md`. */
export const blocks = (document: string, language: string): ReadonlyArray<string> => {
  const fences = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms")
  return [...readFileSync(new URL(document, root), "utf8").matchAll(fences)].map(([, code]) => code!)
}

/** Compiles the document's program and says what to start; `change` may adapt it, to a free port for one. */
export const compile = (document: string, change: (program: string) => string = (program) => program): string => {
  const name = basename(document, ".md").toLowerCase()
  const config = new URL(`${name}.json`, build)
  mkdirSync(build, { recursive: true })
  writeFileSync(new URL(`${name}.ts`, build), change(blocks(document, "ts").join("\n")))
  const compilerOptions = { noEmit: false, declaration: false, sourceMap: false, noEmitOnError: true, rootDir: "." }
  writeFileSync(
    config,
    JSON.stringify({ extends: "../../tsconfig.json", compilerOptions, files: [`${name}.ts`], include: [] }),
  )
  const { status, stdout } = spawnSync(process.execPath, [compiler, "-p", fileURLToPath(config)], { encoding: "utf8" })
  if (status !== 0) throw new Error(`the code in ${document} does not compile:\n${stdout}`)
  return `snippets/${name}`
}
