/** The bytes in docs/protocol.md are those of the test vectors, which everything else is tested by. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { frame } from "../support/frames.ts"
import * as Vectors from "../support/vectors.ts"
import * as Snippets from "./snippets.ts"

const document = "docs/protocol.md"
const section = readFileSync(new URL(`../../${document}`, import.meta.url), "utf8").split("\n## 11. Bytes\n")[1]!

/** The example of each message is the vector that has the name of its type. */
const examples = (vectors: ReadonlyArray<Vectors.BodyVector>) =>
  Vectors.good(vectors).filter(({ message, name }) => name === message.type)

const framed = (hex: string | undefined): string => Vectors.hexOf(frame(Vectors.bytesOf(hex!)))

/** Two lines a message: the length in hex and the text, then all of the Protobuf in hex. */
const textOf = ({ json, name, protobuf }: Vectors.GoodVector): string => {
  const [length, text] = [framed(json).slice(0, 8), Vectors.bytesOf(json!).toString()]
  const lines = framed(protobuf)
    .replace(/^.{8}/, "$& ")
    .match(/.{1,120}/g)!
  return `${name}\n  ${length} ${text}\n  ${lines.join("\n  ")}\n`
}

/** The bytes in the first column of a table, from its row of dashes to its end. */
const bytesOfTable = (table: string): string =>
  table
    .split("\n\n", 1)[0]!
    .split("\n")
    .map((row) => /^\| `([0-9a-f ]+)` \|/.exec(row)?.[1]?.replaceAll(" ", "") ?? "")
    .join("")

describe(document, () => {
  const [, json, protobuf] = section.split("|---|---|\n")
  const publish = examples(Vectors.clientMessages).find(({ name }) => name === "publish")!

  it("takes a frame in JSON to pieces, and leaves no byte out", () => {
    assert.strictEqual(bytesOfTable(json!), framed(publish.json))
  })

  it("takes a frame in Protobuf to pieces, and leaves no byte out", () => {
    assert.strictEqual(bytesOfTable(protobuf!), framed(publish.protobuf))
  })

  it("has an example of every message, in both encodings", () => {
    const [toGateway, fromGateway, ...others] = Snippets.blocks(document, "hex")
    assert.deepStrictEqual(others, [])
    assert.strictEqual(toGateway, examples(Vectors.clientMessages).map(textOf).join(""))
    assert.strictEqual(fromGateway, examples(Vectors.serverMessages).map(textOf).join(""))
  })
})
