/**
 * Bundles for a browser, as an application's bundler does. Hides nothing that would not run there: what it warns of is an
 * error. Needs a build, since it takes the package as it is published.
 */
import { fileURLToPath } from "node:url"
import { rolldown, type OutputChunk, VERSION } from "rolldown"

/** Names that a browser does not have. */
export const namesOfNode = ["Buffer", "process", "setImmediate", "clearImmediate", "require", "global", "__dirname"]

/** What stands in the bundle where one of them was meant as a global. */
export const markerOf = (name: string): string => `NODE_ONLY_${name}`

/** One bundle. */
export interface Bundle {
  /** What a page loads first. */
  readonly entry: string
  /** The code of every file by its name: the entry's, and what is loaded when it is asked for. */
  readonly files: ReadonlyMap<string, string>
  /** What it imports beside those. */
  readonly imports: ReadonlyArray<string>
}

const root = fileURLToPath(new URL("../../", import.meta.url))

/** Bundles the code of an ES module. It may import this package by its name. */
export const bundle = async (source: string, { minify = false } = {}): Promise<Bundle> => {
  const warnings: Array<string> = []
  const built = await rolldown({
    input: "entry",
    cwd: root,
    platform: "browser",
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === "entry" ? `${root}entry.js` : undefined),
        load: (id) => (id === `${root}entry.js` ? source : undefined),
      },
    ],
    transform: { define: Object.fromEntries(namesOfNode.map((name) => [name, markerOf(name)])) },
    onLog: (level, { message }) => void (level === "warn" && warnings.push(message)),
  })
  const { output } = await built.generate({ format: "esm", minify })
  await built.close()
  if (warnings.length > 0) throw new Error(`rolldown ${VERSION} warns:\n${warnings.join("\n")}`)
  const chunks = output.filter((part): part is OutputChunk => part.type === "chunk")
  const files = new Map(chunks.map(({ code, fileName }) => [fileName, code]))
  return {
    entry: chunks.find(({ isEntry }) => isEntry)!.fileName,
    files,
    imports: chunks
      .flatMap(({ dynamicImports, imports }) => [...imports, ...dynamicImports])
      .filter((name) => !files.has(name)),
  }
}
