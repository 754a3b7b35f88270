/**
 * The program, `dist/main.js` and what it loads when it is asked for in `dist/main/`. Longline's own modules and those of
 * Effect are in it, as far as they are used; every other dependency stays the package that npm installed.
 *
 * Bundled it starts in half the time and with two thirds of the memory, and V8 has half the heap to look through
 * (docs/adr/0009-bundle.md). Not minified, so that a stack trace names places that can be read.
 */
import { readFileSync } from "node:fs"

/** Effect is copied, so its licence goes with it. */
const licence = {
  name: "licence",
  generateBundle() {
    const source = readFileSync(new URL("node_modules/effect/LICENSE", import.meta.url))
    this.emitFile({ type: "asset", fileName: "main/LICENSE-effect", source })
  },
}

export default {
  input: { main: "src/main.ts", BenchWorker: "src/cli/BenchWorker.ts" },
  platform: "node",
  external: (id) => /^[@a-z]/.test(id) && !/^(@effect|effect)\//.test(id),
  plugins: [licence],
  output: {
    dir: "dist",
    entryFileNames: ({ name }) => (name === "main" ? "main.js" : `main/${name}.js`),
    chunkFileNames: "main/[name].js",
    comments: false,
  },
}
