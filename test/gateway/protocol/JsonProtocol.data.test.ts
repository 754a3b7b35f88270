import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Data from "../../../src/gateway/protocol/Data.ts"
import * as JsonProtocol from "../../../src/gateway/protocol/JsonProtocol.ts"
import type { Connected, ServerMessage } from "../../../src/gateway/protocol/ServerMessage.ts"

const codec = JsonProtocol.make()
const decodeText = (text: string) => Result.getOrThrow(codec.decode(new TextEncoder().encode(text)))

describe("reading data", () => {
  const publish = (members: string) => decodeText(`{"type":"publish","channel":"a",${members}}`)
  const dataOf = (frame: ReturnType<typeof decodeText>) => ("data" in frame ? frame.data : frame)
  const binary = (data: unknown) => publish(`"binary":true,"data":${JSON.stringify(data)}`)
  const pathOf = (frame: ReturnType<typeof decodeText>) => ("path" in frame ? frame.path : frame)

  it("it is carried as one text, however it was written", () => {
    const text = String.raw`{"text":"ä\ud800","list":[null,1.5,100],"__proto__":{}}`
    const other = String.raw` { "text":"\u00e4\ud800", "list":[null, 1.50, 1e2], "__proto__": {} } `
    assert.deepStrictEqual(dataOf(publish(`"data":${text}`)), { type: "json", text })
    assert.deepStrictEqual(dataOf(publish(`"data":${other}`)), { type: "json", text })
  })

  it("a number is the double nearest to it, and null where there is none", () => {
    const written = "[9007199254740993,12345678901234567890,1e-999,-0,1e308,1e309,-1e309]"
    const text = "[9007199254740992,12345678901234567000,0,0,1e+308,null,null]"
    assert.deepStrictEqual(dataOf(publish(`"data":${written}`)), { type: "json", text })
  })

  it("of a name that stands twice the last counts, in data and in a message", () => {
    const text = '{"a":{"c":3}}'
    assert.deepStrictEqual(dataOf(publish('"data":{"a":{"b":1},"a":{"c":3}}')), { type: "json", text })
    const twice = publish('"data":1,"channel":5,"channel":"b","data":2')
    assert.deepStrictEqual<object>(twice, { type: "publish", channel: "b", data: Data.json(2) })
    assert.strictEqual(pathOf(publish('"data":1,"channel":5')), "channel")
  })

  it("data that looks like carried data is data", () => {
    const value = { type: "json", text: "1" }
    assert.deepStrictEqual(dataOf(publish(`"data":${JSON.stringify(value)}`)), Data.json(value))
  })

  it("where the message says binary, it is bytes in base64", () => {
    const every = Array.from({ length: 256 }, (_, byte) => byte)
    for (const bytes of [[], [0], [0xff, 0xfe], [1, 2, 3], every]) {
      const base64 = Buffer.from(bytes).toString("base64")
      assert.deepStrictEqual(dataOf(binary(base64)), { type: "binary", bytes: Uint8Array.from(bytes) })
      assert.deepStrictEqual(dataOf(publish(`"binary":false,"data":"${base64}"`)), Data.json(base64))
    }
  })

  it("bytes keep nothing else in memory", () => {
    const data = dataOf(binary("AQID"))
    assert.strictEqual("bytes" in data && data.bytes.buffer.byteLength, 3)
  })

  it("base64 is strict and never repaired", () => {
    for (const data of ["A", "AQI", "AQJ=", "AQI=\n", "_-8=", " AQI=", "AQI==", 1, null, {}]) {
      assert.strictEqual(pathOf(binary(data)), "data")
    }
    assert.deepStrictEqual(decodeText('{"type":"request","id":7,"service":"s","binary":true,"data":"%"}'), {
      type: "malformed",
      id: 7,
      path: "data",
      message: 'expected base64 with padding at data, got "%"',
    })
  })

  it("saying binary does not replace data", () => assert.strictEqual(pathOf(publish('"binary":true')), "data"))

  it("binary is true or false", () => {
    for (const other of ['"true"', "1", "null", "{}"]) {
      assert.strictEqual(pathOf(publish(`"data":"AQI=","binary":${other}`)), "binary")
    }
  })

  it("in a message without data, binary is an unknown field", () => {
    assert.deepStrictEqual(decodeText('{"type":"cancel","id":1,"binary":1}'), { type: "cancel", id: 1 })
  })
})

describe("writing data", () => {
  const json = String.raw`{"text":"ä\ud800","list":[null,1.5]}`
  const textOf = (message: ServerMessage) => String(Result.getOrThrow(codec.encode(message)))
  const written = (message: ServerMessage): unknown => JSON.parse(textOf(message))
  const publication = {
    type: "publication",
    channel: "a",
    offset: 2,
    previous: 1,
    epoch: "e",
    from: { connection: "c" },
    tags: { x: "y" },
    time: 5,
  } as const
  const publications = [
    { ...publication, data: Data.json(JSON.parse(json)) },
    { ...publication, data: Data.binary(Uint8Array.of(1, 2)) },
  ]
  const expected = [
    { ...publication, data: JSON.parse(json) as unknown },
    { ...publication, data: "AQI=", binary: true },
  ]
  const position = { offset: 3, epoch: "e" }
  const subscribed = { type: "subscribed", channel: "a", position, recovered: "yes", more: true } as const

  it("JSON is put in as it is carried", () => {
    assert.strictEqual(
      textOf({ type: "response", id: 1, data: { type: "json", text: json } }),
      `{"type":"response","id":1,"data":${json}}`,
    )
  })

  it("bytes are written in base64, and the message says so", () => {
    assert.strictEqual(
      textOf({ type: "response", id: 1, data: Data.binary(Uint8Array.of(1, 2)) }),
      '{"type":"response","id":1,"binary":true,"data":"AQI="}',
    )
  })

  it("what stands beside the data stays", () => {
    assert.deepStrictEqual(publications.map(written), expected)
    const request = { type: "request", id: 1, service: "s", from: { connection: "c" }, timeoutMs: 10 } as const
    assert.deepStrictEqual(written({ ...request, data: Data.json(1) }), { ...request, data: 1 })
  })

  it("publications inside of other messages are written as they are alone", () => {
    const history = { type: "history", id: 1, channel: "a", position } as const
    for (const count of [0, 1, 2]) {
      const [given, seen] = [publications.slice(0, count), expected.slice(0, count)]
      assert.deepStrictEqual(written({ ...history, publications: given }), { ...history, publications: seen })
      assert.deepStrictEqual(written({ ...subscribed, id: 1, publications: given }), {
        ...subscribed,
        id: 1,
        publications: seen,
      })
    }
  })

  it("and so are those of subscriptions that ride along", () => {
    const connected = {
      type: "connected",
      id: 1,
      connection: "c",
      session: { id: "s", key: "k", ttlMs: 60_000 },
      resumed: false,
      heartbeat: { intervalMs: 25_000, timeoutMs: 10_000 },
      limits: { frameBytes: 65_536, subscriptions: 1000, commandsPerSecond: 100, outboxBytes: 1_048_576 },
      server: { name: "longline", version: "0.1.0", node: "n" },
      time: 5,
    } as const
    const error = { type: "error", code: 106, message: "limit reached", retry: false } as const
    const answers = (inside: typeof publications) => ({
      'a"': { ...subscribed, publications: inside },
      b: error,
    })
    assert.deepStrictEqual(written(connected), connected)
    assert.deepStrictEqual(written({ ...connected, subscriptions: {} }), { ...connected, subscriptions: {} })
    assert.deepStrictEqual(written({ ...connected, subscriptions: answers(publications) }), {
      ...connected,
      subscriptions: { 'a"': { ...subscribed, publications: expected }, b: error },
    })
  })
})

describe("what is written by hand", () => {
  const texts = ["", " !#[]~", '"', "\\", "\u0000", "\u001f", "\u007f", "ä", "\u2028", "\ud800"]

  it.each(texts)("is what JSON.stringify writes: %j", (text) => {
    const published = { type: "published", id: 1, offset: 2, epoch: text } as const
    const place = { type: "publication", channel: text, offset: 2, previous: 1, epoch: text, time: 3 } as const
    for (const message of [published, { ...published, duplicate: true } as const]) {
      assert.strictEqual(Result.getOrThrow(codec.encode(message)), JSON.stringify(message))
    }
    assert.strictEqual(
      Result.getOrThrow(codec.encode({ ...place, data: Data.json(4) })),
      JSON.stringify({ ...place, data: 4 }),
    )
  })

  const connected = (text: string, count: number): Connected => ({
    type: "connected",
    id: count,
    connection: text,
    session: { id: text, key: text, ttlMs: count },
    resumed: count > 1,
    heartbeat: { intervalMs: count, timeoutMs: count },
    limits: { frameBytes: count, subscriptions: count, commandsPerSecond: count, outboxBytes: count },
    server: { name: text, version: text, node: text },
    time: count,
  })
  const subscribed = (text: string) =>
    ({
      type: "subscribed",
      channel: text,
      position: { offset: 1, epoch: text },
      recovered: "no",
      publications: [],
    }) as const

  it.each(texts)("says in connected and subscribed what JSON.stringify says: %j", (text) => {
    const error = { type: "error", code: 106, message: text, retry: false } as const
    const messages: ReadonlyArray<ServerMessage> = [
      connected(text, 1),
      // What the first one was told about the server is not what the second one is.
      connected(`${text}2`, 2),
      { ...connected(text, 1), user: text, expiresAt: 3, subscriptions: {} },
      { ...connected(text, 1), subscriptions: { [text]: subscribed(text), b: error } },
      { ...connected(text, 1), subscriptions: { a: { ...subscribed(text), more: true } } },
      { ...subscribed(text), id: 1 },
      { ...subscribed(text), id: 1, more: true },
    ]
    for (const message of messages) {
      assert.deepStrictEqual(JSON.parse(Result.getOrThrow(codec.encode(message)) as string), message)
    }
  })
})
