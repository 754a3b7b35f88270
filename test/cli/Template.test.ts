import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as PayloadText from "../../src/cli/PayloadText.ts"
import * as Position from "../../src/cli/Position.ts"
import * as Template from "../../src/cli/Template.ts"
import type { Publication } from "../../src/client/Message.ts"

const pipe = { isTerminal: false, canColor: false }
const publication: Publication = {
  type: "publication",
  channel: "news",
  offset: 12,
  previous: 11,
  epoch: "k3v9",
  data: { a: "\u009b2J" },
  from: { connection: "c1", user: "ann" },
  tags: { lang: "en" },
  time: 0,
}
const line = (template: string, changes: Partial<Publication> = {}, look = pipe) =>
  Result.getOrThrow(Template.parse(template, look))({ ...publication, ...changes })

describe("a template", () => {
  it("puts in what it names, and leaves all else as it is", () => {
    assert.strictEqual(
      line("{channel} {offset} {epoch} {position} {time} {connection} {user} {tags}"),
      'news 12 k3v9 12@k3v9 1970-01-01T00:00:00.000Z c1 ann {"lang":"en"}',
    )
    assert.strictEqual(line("{}\\t{ channel }\\n{{offset}}{"), "{}\t{ channel }\n{12}{")
  })

  it("has data as JSON or bare", () => {
    const data = (data: unknown) => [line("{data}", { data }), line("{raw}", { data })]
    assert.deepStrictEqual(data("text"), ['"text"', "text"])
    assert.deepStrictEqual(data({ a: [1, null] }), ['{"a":[1,null]}', '{"a":[1,null]}'])
    assert.deepStrictEqual(data(new Uint8Array([104, 105])), ["aGk=", "hi"])
  })

  it("has nothing for what a publication lacks", () => {
    const { from, tags, ...bare } = publication
    void [from, tags]
    assert.strictEqual(Result.getOrThrow(Template.parse("{connection}|{user}|{tags}", pipe))(bare), "||{}")
  })

  it("is refused with the name that means nothing", () => {
    assert.deepStrictEqual(
      ["{what}", "{offset}{constructor}"].map((text) => Result.flip(Template.parse(text, pipe))),
      [Result.succeed("what"), Result.succeed("constructor")],
    )
  })

  it("lets no control character reach a terminal, and changes nothing elsewhere", () => {
    assert.strictEqual(line("{data}"), '{"a":"\u009b2J"}')
    assert.strictEqual(line("{data}", {}, { isTerminal: true, canColor: false }), '{"a":"\\u009b2J"}')
    const raw = line("{raw}", { data: "a\u001b[2J\nb" }, { isTerminal: true, canColor: false })
    assert.strictEqual(raw, "a\\u001b[2J\nb")
  })

  it("has what is said about data in faint letters, where there are colours", () => {
    assert.strictEqual(
      line("{offset} {data}", { data: 1 }, { isTerminal: true, canColor: true }),
      "\u001b[2m12\u001b[22m 1",
    )
  })
})

describe("data on a command line", () => {
  it.each<readonly [text: string, form: PayloadText.Form, value: unknown]>([
    ['{"a":1}', "auto", { a: 1 }],
    ["42", "auto", 42],
    ["hello", "auto", "hello"],
    ['"42"', "auto", "42"],
    ["", "auto", ""],
    ["{a:1}", "auto", "{a:1}"],
    ["1e308", "auto", 1e308],
    ["1e309", "auto", "1e309"],
    ['{"a":[-1e309]}', "auto", '{"a":[-1e309]}'],
    ['{"a":1}', "text", '{"a":1}'],
    ["ä", "binary", new Uint8Array([0xc3, 0xa4])],
  ])("%j as %s", (text, form, value) => {
    assert.deepStrictEqual(PayloadText.valueOf(text, form), value)
  })

  it("loses the line break that ends a file, and bytes lose nothing", () => {
    const bytes = Buffer.from("a\n\r\n")
    const given = (["auto", "text", "binary"] as const).map((form) => PayloadText.givenOf(bytes, form))
    assert.deepStrictEqual(given, ["a\n", "a\n", bytes])
    assert.strictEqual(PayloadText.valueOf(bytes, "binary"), bytes)
  })

  it("is no text that is not UTF-8, and may be bytes", () => {
    const bytes = Buffer.from([0x61, 0xff])
    const given = (["auto", "text", "binary"] as const).map((form) => PayloadText.givenOf(bytes, form))
    assert.deepStrictEqual(given, [undefined, undefined, bytes])
  })
})

describe("a position", () => {
  it.each(["0@e", "12@k3v9", "7@e@f"])("%s is read and written back", (text) => {
    assert.strictEqual(Position.format(Position.parse(text)), text)
  })

  it.each(["", "12", "@e", "12@", "a@e", "-1@e", "1234567890123456@e"])("%j is none", (text) => {
    const { accept, plainOf } = Position.setting("position", "")
    assert.strictEqual(accept(plainOf(text))._tag, "None")
  })
})
