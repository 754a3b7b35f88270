import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Heartbeat from "../../src/connection/Heartbeat.ts"
import * as Outbox from "../../src/connection/Outbox.ts"
import * as Data from "../../src/gateway/protocol/Data.ts"
import { type Client, codeOf, gateway, lastOf, type Message } from "../support/clients.ts"
import { frame } from "../support/frames.ts"

const connect = { type: "connect", id: 1, version: 1 }

/** A gateway and a connected client of each encoding. */
const bothOf = Effect.fnUntraced(function* (...args: Parameters<typeof gateway>) {
  const { connect: connectJson, dialProtobuf } = yield* gateway(...args)
  const json = yield* connectJson()
  const protobuf = yield* dialProtobuf
  const connected = (yield* protobuf.ask(connect)) as Message
  return { json, protobuf: { ...protobuf, connected } }
})

const both = bothOf()

/** Without what differs every time. */
const heard = (client: Client) =>
  Effect.map(client.next, (message) => {
    const { epoch: _, from: __, time: ___, ...rest } = message as Message
    return rest
  })

type Told = Message & { readonly publications: ReadonlyArray<Readonly<Record<string, unknown>>> }

/** What a publication has of data. */
const dataOf = ({ binary, data }: Readonly<Record<string, unknown>>) =>
  binary === undefined ? { data } : { data, binary }

/** What a publication has beside it. */
const placeOf = ({ channel, epoch, from, offset, previous, tags, time }: Readonly<Record<string, unknown>>) => ({
  channel,
  epoch,
  from,
  offset,
  previous,
  tags,
  time,
})

describe("a client's first body", () => {
  it.effect("in Protobuf is answered in Protobuf, with everything a client needs", () =>
    Effect.gen(function* () {
      const { json, protobuf } = yield* both
      const shape = (message: Message): object => ({ ...message, connection: "", session: "", time: 0 })
      assert.deepStrictEqual(shape(protobuf.connected), shape(json.connected))
    }),
  )

  it.effect("is answered in both with the largest number in place of what is not limited", () =>
    Effect.gen(function* () {
      const unlimited = Layer.merge(
        Heartbeat.layer({ interval: Duration.infinity, timeout: Duration.infinity }),
        Outbox.layer({ maxBytes: Infinity }),
      )
      const { json, protobuf } = yield* bothOf(
        { commandsPerSecond: Infinity, maxSubscriptions: Infinity, sessionTtl: Duration.infinity },
        { settings: unlimited },
      )
      const largest = Number.MAX_SAFE_INTEGER
      for (const { heartbeat, limits, session } of [json.connected, protobuf.connected]) {
        assert.deepStrictEqual(heartbeat, { intervalMs: largest, timeoutMs: largest })
        const all = { subscriptions: largest, commandsPerSecond: largest, outboxBytes: largest }
        assert.deepStrictEqual(limits, { frameBytes: 65_536, ...all })
        assert.propertyVal(session, "ttlMs", largest)
      }
    }),
  )

  it.effect("chooses for the whole connection: JSON is no Envelope, an Envelope is no JSON", () =>
    Effect.gen(function* () {
      const { json, protobuf } = yield* both
      protobuf.wire.writeUnsafe([frame('{"type":"cancel","id":1}')])
      json.wire.writeUnsafe([frame(Uint8Array.of(0x22, 0x02, 0x08, 0x01))])
      for (const client of [protobuf, json]) assert.deepStrictEqual(codeOf(yield* lastOf(client)), ["bye", 4501])
    }),
  )

  it.effect("that is neither is told bye 4501 in Protobuf", () =>
    Effect.gen(function* () {
      const { dialProtobuf } = yield* gateway()
      for (const body of ["[]", " {}", "\ufeff{}", "hello"]) {
        const client = yield* dialProtobuf
        client.wire.writeUnsafe([frame(body)])
        assert.deepStrictEqual(codeOf(yield* lastOf(client)), ["bye", 4501], body)
      }
    }),
  )

  it.effect("in Protobuf that is no connect is told bye 4501, and another version bye 4506", () =>
    Effect.gen(function* () {
      const { dialProtobuf } = yield* gateway()
      const [early, other] = [yield* dialProtobuf, yield* dialProtobuf]
      early.send({ type: "cancel", id: 1 })
      assert.deepStrictEqual(codeOf(yield* lastOf(early)), ["bye", 4501])
      other.send({ ...connect, version: 2 })
      assert.deepStrictEqual(yield* lastOf(other), {
        type: "bye",
        code: 4506,
        message: "version 2 is not supported, this server speaks 1",
        retry: "never",
      })
    }),
  )
})

describe("clients of both encodings", () => {
  it.effect("hear the same publications of a channel, each in its own encoding, in one order", () =>
    Effect.gen(function* () {
      const { json, protobuf } = yield* both
      for (const client of [json, protobuf]) yield* client.ask({ type: "subscribe", id: 2, channel: "a" })
      const bytes = Uint8Array.of(0, 255, 1)
      const publish = { type: "publish", channel: "a" }
      json.send({ ...publish, data: { x: [1, null] }, tags: { t: "v" } }, { ...publish, data: "AP8B", binary: true })
      yield* heard(json)
      yield* heard(json)
      protobuf.send({ ...publish, data: { type: "json", text: ' "ä" ' } }, { ...publish, data: Data.binary(bytes) })
      yield* heard(json)
      yield* heard(json)

      const place = (offset: number) => ({ type: "publication", channel: "a", offset, previous: offset - 1 })
      assert.deepStrictEqual(
        [yield* heard(protobuf), yield* heard(protobuf), yield* heard(protobuf), yield* heard(protobuf)],
        [
          { ...place(1), data: Data.json({ x: [1, null] }), tags: { t: "v" } },
          { ...place(2), data: Data.binary(bytes) },
          { ...place(3), data: Data.json("ä") },
          { ...place(4), data: Data.binary(bytes) },
        ],
      )
    }),
  )

  it.effect("ask and serve each other", () =>
    Effect.gen(function* () {
      const { json, protobuf } = yield* both
      yield* protobuf.ask({ type: "serve", id: 2, service: "s" })
      json.send({ type: "request", id: 3, service: "s", data: "AQI=", binary: true })
      const asked = (yield* protobuf.next) as Message
      assert.deepStrictEqual(
        [asked.type, asked["service"], asked["data"], asked["timeoutMs"]],
        ["request", "s", Data.binary(Uint8Array.of(1, 2)), 10_000],
      )
      protobuf.send({ type: "response", id: asked["id"], data: Data.json({ ok: true }) })
      assert.deepStrictEqual(yield* json.next, { type: "response", id: 3, data: { ok: true } })
    }),
  )

  it.effect("repeat a publish of each other's under the same key, if the data is the same", () =>
    Effect.gen(function* () {
      const { json, protobuf } = yield* both
      const publish = { type: "publish", id: 2, channel: "a", key: "k" }
      yield* json.ask({ ...publish, data: { a: 1, b: 2 } })
      const again = yield* protobuf.ask({ ...publish, data: { type: "json", text: '{ "b": 2, "a": 1.0 }' } })
      assert.deepInclude(again as Message, { type: "published", offset: 1, duplicate: true })
      const other = yield* protobuf.ask({ ...publish, data: Data.binary(Buffer.from('{"a":1,"b":2}')) })
      assert.deepStrictEqual(codeOf(other), ["error", 118])
    }),
  )

  it.effect("are told the same about the same mistakes, and go on", () =>
    Effect.gen(function* () {
      const { json, protobuf } = yield* both
      const mistakes = [
        { type: "subscribe", id: 2, channel: "" },
        { type: "request", id: 3, service: "nobody", data: 1 },
        { type: "subscribe", id: 4, channel: "a", position: { offset: 2 ** 53, epoch: "" } },
      ]
      for (const mistake of mistakes) {
        const carried = "data" in mistake ? { ...mistake, data: Data.json(mistake.data) } : mistake
        assert.deepStrictEqual(yield* protobuf.ask(carried), yield* json.ask(mistake))
      }
      assert.deepStrictEqual(codeOf(yield* protobuf.ask({ type: "serve", id: 5, service: "s" })), [
        "serving",
        undefined,
      ])
    }),
  )

  it.effect("recover and read the same history", () =>
    Effect.gen(function* () {
      const { json, protobuf } = yield* both
      const bytes = Data.binary(Uint8Array.of(1, 2))
      const first = (yield* json.ask({ type: "publish", id: 2, channel: "a", data: 1 })) as Message
      yield* protobuf.ask({ type: "publish", id: 2, channel: "a", data: bytes, tags: { t: "v" } })
      yield* json.ask({ type: "publish", id: 2, channel: "a", data: { x: [] } })
      const position = { offset: 1, epoch: first["epoch"] }
      const inProtobuf = [{ data: bytes }, { data: Data.json({ x: [] }) }]
      const inJson = [{ data: "AQI=", binary: true }, { data: { x: [] } }]
      const questions = [
        { type: "subscribe", id: 3, channel: "a", position },
        { type: "history", id: 4, channel: "a", since: position, limit: 2 },
      ]
      for (const question of questions) {
        const told = (yield* json.ask(question)) as Told
        const toldInProtobuf = (yield* protobuf.ask(question)) as Told
        const places = [told, toldInProtobuf].map((each) => ({ ...each, publications: each.publications.map(placeOf) }))
        assert.deepStrictEqual(places[1], places[0])
        assert.deepStrictEqual(told.publications.map(dataOf), inJson)
        assert.deepStrictEqual(toldInProtobuf.publications.map(dataOf), inProtobuf)
      }
    }),
  )

  it.effect("see each other in a channel", () =>
    Effect.gen(function* () {
      const { json, protobuf } = yield* both
      for (const client of [json, protobuf])
        yield* client.ask({ type: "subscribe", id: 2, channel: "a", presence: true })
      const question = { type: "presence", id: 3, channel: "a" }
      const told = (yield* protobuf.ask(question)) as Message
      assert.deepInclude(told, { type: "presence", id: 3, channel: "a", count: 2 })
      assert.deepStrictEqual(told, yield* json.ask(question))
    }),
  )
})
