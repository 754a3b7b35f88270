/** The client's bundle for browsers: what is in it, and how large it is. Needs a build. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import { bundle, markerOf, namesOfNode } from "./bundle.ts"

/** Bytes, minified and compressed, that a page has to load. What they are today is in docs/client.md. */
const maxGzipBytes = 82_000
const maxGzipBytesOfProtobuf = 25_000

const client = `
  export * as Client from "longline/client/browser"
  export * as Plain from "longline/client/promise"
`

/** Lines that mean a global of Node without having looked whether it is there. */
const careless = (files: ReadonlyMap<string, string>) =>
  [...files.values()]
    .flatMap((code) => code.split("\n"))
    .filter((line) => namesOfNode.some((name) => hasMarker(line, name) && !line.includes(`typeof ${markerOf(name)}`)))

const hasMarker = (line: string, name: string) => line.includes(markerOf(name))

describe("the bundle for browsers", () => {
  it("imports nothing, and means nothing of Node", async () => {
    const { files, imports } = await bundle(client)
    assert.deepStrictEqual(imports, [])
    assert.deepStrictEqual(careless(files), [])
    for (const code of files.values()) assert.notMatch(code, /\bfrom "node:|\bimport\("node:/)
  })

  it("looks for what only Node has in few places, and goes on without", async () => {
    const { files } = await bundle(client)
    const code = [...files.values()].join("\n")
    const looks = code.matchAll(/\bglobalThis\.(\w+)|"(\w+)" in globalThis|typeof NODE_ONLY_(\w+)/g)
    const names = new Set(Array.from(looks, (groups) => groups.slice(1).find((name) => name !== undefined)))
    const nodeOnly = namesOfNode.filter((name) => names.has(name))
    assert.deepStrictEqual(nodeOnly, ["Buffer", "process", "setImmediate", "clearImmediate"])
  })

  it("would be found out", async () => {
    const { files } = await bundle("export const size = () => Buffer.byteLength('') + globalThis.Buffer.length")
    assert.strictEqual(careless(files).length, 1)
    const refused = await bundle('import "node:fs"').catch(String)
    assert.match(JSON.stringify(refused), /node:fs/)
  })

  it(`is at most ${maxGzipBytes} bytes, minified and compressed, and Protobuf, when asked for, ${maxGzipBytesOfProtobuf}`, async () => {
    const { entry, files } = await bundle(client, { minify: true })
    const sizes = { first: 0, later: 0 }
    const loadedFirst = [entry, ...staticImports(files.get(entry)!)]
    for (const [name, code] of files) sizes[loadedFirst.includes(name) ? "first" : "later"] += gzipSync(code).length
    console.log("the client for browsers, in bytes:", sizes)
    assert.isAtMost(sizes.first, maxGzipBytes)
    assert.isAtMost(sizes.later, maxGzipBytesOfProtobuf)
  })
})

describe("the modules it is made of", () => {
  it("bring their sources in their maps, for the package has none to look them up in", () => {
    const map = readFileSync(new URL("../../dist/client/Core.js.map", import.meta.url), "utf8")
    const { sourcesContent } = JSON.parse(map) as { readonly sourcesContent?: ReadonlyArray<string> }
    assert.deepStrictEqual(sourcesContent, [readFileSync(new URL("../../src/client/Core.ts", import.meta.url), "utf8")])
  })
})

/** The files that a file imports at once. */
const staticImports = (code: string) => Array.from(code.matchAll(/\bfrom\s*["`]\.\/([^"`]+)["`]/g), ([, name]) => name)
