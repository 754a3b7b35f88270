/** What the documents point to is there: files, tests, constants, codes. Reads them only. */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { posix } from "node:path"
import * as ByeCode from "../../src/gateway/protocol/ByeCode.ts"
import * as ClientMessage from "../../src/gateway/protocol/ClientMessage.ts"
import * as ErrorCode from "../../src/gateway/protocol/ErrorCode.ts"

const root = new URL("../../", import.meta.url)
const textOf = (file: string) => readFileSync(new URL(file, root), "utf8")
const isThere = (path: string) => existsSync(new URL(path, root))

const inDocs = readdirSync(new URL("docs/", root), { recursive: true, encoding: "utf8" })
const documents = [
  "README.md",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  ...inDocs.filter((file) => file.endsWith(".md")).map((file) => `docs/${file}`),
]

describe("documents", () => {
  for (const document of documents) {
    it(`${document} points to files that are there`, () => {
      const text = textOf(document)
      const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, path]) =>
        posix.join(posix.dirname(document), path!),
      )
      const named = [...text.matchAll(/`((?:src|test|docs|examples|bench)\/[\w./-]*\w)`/g)].map(([, path]) => path!)
      assert.deepStrictEqual(
        [...links, ...named].filter((path) => !isThere(path)),
        [],
      )
    })
  }

  it("ARCHITECTURE.md names constants that stand where it says", () => {
    const rows = [...textOf("ARCHITECTURE.md").matchAll(/^\|.*\| `(\w+)` \| `(src\/[\w./]+)` \|$/gm)]
    assert.isAbove(rows.length, 30)
    const gone = rows.filter(([, name, file]) => !new RegExp(`\\b${name}\\b`).test(textOf(file!)))
    assert.deepStrictEqual(
      gone.map(([row]) => row),
      [],
    )
  })

  it("docs/protocol.md knows every code, and every message of a client", () => {
    const text = textOf("docs/protocol.md")
    const codes = [...Object.values(ErrorCode.table), ...Object.values(ByeCode.table)].map(({ code }) => code)
    const types = Object.keys(ClientMessage.schemas).map((type) => `\`${type}\``)
    assert.deepStrictEqual(
      [
        ...codes.filter((code) => !new RegExp(`\\b${code}\\b`).test(text)),
        ...types.filter((type) => !text.includes(type)),
      ],
      [],
    )
  })

  it("docs/protocol.md gives each bye that is sent the advice of the table", () => {
    const rows = [...textOf("docs/protocol.md").matchAll(/^\| (4\d\d\d) \| .* \| `(\w+)`/gm)]
    assert.isAbove(rows.length, 10)
    assert.deepStrictEqual(
      rows.map(([, code, retry]) => [code, retry]),
      rows.map(([, code]) => [code, ByeCode.retryOf(Number(code))]),
    )
  })
})
