/** The client's bundle for browsers: what is in it, and how large it is. Needs a build. */
import { assert, describe, it } from "@effect/vitest"
import { gzipSync } from "node:zlib"
import { bundle, markerOf, namesOfNode } from "./bundle.ts"

/** Bytes, minified and compressed, that a page has to load. What they are today is in docs/client.md. */
const maxGzipBytes = 80_000

const client = `
  export * as Client from "longline/client/browser"
  export * as Plain from "longline/client/promise"
`

describe("the bundle for browsers", () => {
  it("imports nothing, and means nothing of Node", async () => {
    const { code, imports } = await bundle(client)
    assert.deepStrictEqual(imports, [])
    assert.deepStrictEqual(
      namesOfNode.filter((name) => code.includes(markerOf(name))),
      [],
    )
    assert.notMatch(code, /\bfrom "node:|\bimport\("node:/)
  })

  it("looks for what only Node has in few places, and goes on without", async () => {
    const { code } = await bundle(client)
    const looks = code.matchAll(/\bglobalThis\.(\w+)|"(\w+)" in globalThis/g)
    const names = new Set(Array.from(looks, ([, member, key]) => member ?? key))
    const nodeOnly = namesOfNode.filter((name) => names.has(name))
    assert.deepStrictEqual(nodeOnly, ["Buffer", "process", "setImmediate", "clearImmediate"])
  })

  it("would be found out", async () => {
    const { code } = await bundle("export const size = () => Buffer.byteLength('') + globalThis.Buffer.length")
    assert.include(code, `${markerOf("Buffer")}.byteLength`)
    const refused = await bundle('import "node:fs"').catch(String)
    assert.match(JSON.stringify(refused), /node:fs/)
  })

  it(`is at most ${maxGzipBytes} bytes, minified and compressed`, async () => {
    const { code } = await bundle(client, { minify: true })
    const { length } = gzipSync(code)
    console.log(`the client for browsers: ${code.length} bytes minified, ${length} compressed`)
    assert.isAtMost(length, maxGzipBytes)
  })
})
