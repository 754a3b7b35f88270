/** Both encodings against each other: a message is the same message, well formed or not, whichever it came in or goes out by. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as ClientJson from "../../../src/client/ClientJson.ts"
import * as ClientProtobuf from "../../../src/client/ClientProtobuf.ts"
import type { Outbound } from "../../../src/client/Message.ts"
import * as Data from "../../../src/gateway/protocol/Data.ts"
import * as JsonProtocol from "../../../src/gateway/protocol/JsonProtocol.ts"
import * as ProtobufProtocol from "../../../src/gateway/protocol/ProtobufProtocol.ts"
import * as ServerMessage from "../../../src/gateway/protocol/ServerMessage.ts"
import * as Envelopes from "../../support/envelopes.ts"

const json = JsonProtocol.make()
const protobuf = ProtobufProtocol.make()
const clientProtobuf = ClientProtobuf.make()

const data: fc.Arbitrary<Data.Data> = fc.oneof(
  fc.jsonValue().map(Data.json),
  fc.uint8Array({ maxLength: 20 }).map(Data.binary),
)

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !(value instanceof Uint8Array)

/** As it stands in JSON: data by its value, or in base64. */
const inJson = (message: object): object => {
  if (!("data" in message)) return message
  const carried = message.data as Data.Data
  return carried.type === "json"
    ? { ...message, data: JSON.parse(carried.text) as unknown }
    : { ...message, data: Buffer.from(carried.bytes).toString("base64"), binary: true }
}

describe("what a client sends", () => {
  const text = fc.oneof(
    fc.constantFrom("", "a", "\u0000", "é".repeat(127), "é".repeat(128)),
    fc.string({ unit: "binary", maxLength: 8 }),
  )
  const uint32 = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(1, 5, 100, 200) },
    fc.constantFrom(0, 99, 999, 1000, 3_600_000, 3_600_001, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
  )
  const uint64 = fc.oneof(fc.constantFrom(0, 1, 2 ** 53 - 1, 2 ** 53, 2 ** 63), fc.maxSafeNat())
  const position = fc.record({ offset: uint64, epoch: text })
  const mode = fc.constantFrom("stream", "latest", "live")
  const record = (type: string, required: Record<string, fc.Arbitrary<unknown>>, optional = {}) =>
    fc
      .record<Record<string, unknown>>({ ...required, ...optional }, { requiredKeys: Object.keys(required) })
      .map((fields) => ({ type, ...fields }))
  const subscription = { position, mode, presence: fc.boolean() }
  const tags = fc.dictionary(text, text, { minKeys: 1, maxKeys: 3 })
  const message = fc.oneof(
    record(
      "connect",
      { id: uint32, version: uint32 },
      {
        token: text,
        session: fc.record({ id: text, key: text }),
        client: fc.record({ name: text, version: text }),
        subscriptions: fc.array(fc.record({ channel: text, ...subscription }, { requiredKeys: ["channel"] }), {
          minLength: 1,
          maxLength: 3,
        }),
      },
    ),
    record("subscribe", { id: uint32, channel: text }, subscription),
    record("unsubscribe", { id: uint32, channel: text }),
    record("publish", { channel: text, data }, { id: uint32, key: text, tags, echo: fc.boolean() }),
    record("history", { id: uint32, channel: text }, { since: position, limit: uint32, reverse: fc.boolean() }),
    record("presence", { id: uint32, channel: text }),
    record("request", { id: uint32, service: text, data }, { timeoutMs: uint32 }),
    record("serve", { id: uint32, service: text }),
    record("unserve", { id: uint32, service: text }),
    record("response", { id: uint32, data }),
    record("error", { id: uint32, code: uint32, message: text }, { retry: fc.boolean() }),
    record("cancel", { id: uint32 }),
    record("refresh", { id: uint32, token: text }),
  )

  it("is the same frame in both encodings, with the same words where it is malformed", () => {
    fc.assert(
      fc.property(message, (message) => {
        const fromJson = json.decode(Buffer.from(JSON.stringify(inJson(message))))
        const fromProtobuf = protobuf.decode(Envelopes.write(message))
        assert.deepStrictEqual(Result.getOrThrow(fromProtobuf), Result.getOrThrow(fromJson))
        const byClients = [ClientJson.codec, clientProtobuf].map(({ encode }) =>
          Buffer.from(Result.getOrThrow(encode(message as Outbound))),
        )
        assert.deepStrictEqual(json.decode(byClients[0]!), fromJson)
        assert.deepStrictEqual(protobuf.decode(byClients[1]!), fromProtobuf)
      }),
      { numRuns: 1000 },
    )
  })
})

describe("what the gateway sends", () => {
  type Fields = { readonly [name: string]: unknown }

  /** Every message that has data, replaced, wherever it stands. */
  const replace = (message: Fields, change: (message: Fields) => Fields): Fields => {
    const { publications, subscriptions } = message
    return {
      ...("data" in message ? change(message) : message),
      ...(Array.isArray(publications) && { publications: publications.map((each: Fields) => replace(each, change)) }),
      ...(isObject(subscriptions) && {
        subscriptions: Object.fromEntries(
          Object.entries(subscriptions).map(([channel, answer]) => [channel, replace(answer as Fields, change)]),
        ),
      }),
    }
  }

  /** Texts that have UTF-8, and numbers that are codes. */
  const sayable = (value: unknown): unknown => {
    if (typeof value === "string") return value.replaceAll(/\p{Cs}/gu, "?")
    if (typeof value === "number") return Math.abs(value)
    if (Array.isArray(value)) return value.map(sayable)
    if (!isObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [String(sayable(name)), sayable(each)]))
  }

  const unnamed = (each: Fields) => Object.fromEntries(Object.entries(each).filter(([name]) => name !== "type"))

  /** As Protobuf has it: what is empty is absent, and a publication in a list needs no name. */
  const withoutEmpty = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map((each: Fields) => withoutEmpty(unnamed(each)))
    if (!isObject(value) || ("type" in value && (value["type"] === "json" || value["type"] === "binary"))) return value
    const isEmpty = (each: unknown) => typeof each === "object" && each !== null && Object.keys(each).length === 0
    const kept = Object.entries(value).filter(([, each]) => !isEmpty(each))
    return Object.fromEntries(kept.map(([name, each]) => [name, withoutEmpty(each)]))
  }

  /** Tags and answers that are none: all that a client hears differently. */
  const withoutEmptyMaps = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(withoutEmptyMaps)
    if (!isObject(value)) return value
    const isMap = (name: string) => name === "tags" || name === "subscriptions"
    const kept = Object.entries(value).filter(
      ([name, each]) => !(isMap(name) && Object.keys(each as Fields).length === 0),
    )
    return Object.fromEntries(kept.map(([name, each]) => [name, name === "data" ? each : withoutEmptyMaps(each)]))
  }

  const fromJson = (text: string): unknown =>
    replace(JSON.parse(text) as Fields, ({ binary, data, ...rest }) => ({
      ...rest,
      data: binary === true ? Data.binary(Uint8Array.from(Buffer.from(data as string, "base64"))) : Data.json(data),
    }))

  it.prop(
    "is the same message in both encodings",
    [ServerMessage.ServerMessage, Schema.Json, Schema.Uint8Array, Schema.Boolean],
    ([drawn, value, bytes, isBinary]) => {
      const data = isBinary ? Data.binary(bytes) : Data.json(value)
      const message = replace(sayable(replace(drawn, (each) => ({ ...each, data: null }))) as Fields, (each) => ({
        ...each,
        data,
      })) as unknown as ServerMessage.ServerMessage
      const inText = Result.getOrThrow(json.encode(message))
      const inBytes = Result.getOrThrow(protobuf.encode(message))
      assert.deepStrictEqual(fromJson(inText as string), message)
      assert.deepStrictEqual(Envelopes.read(inBytes as Uint8Array), withoutEmpty(message))
      const heard = Result.getOrThrow(ClientJson.codec.decode(Buffer.from(inText)))
      assert.deepStrictEqual(
        withoutEmptyMaps(Result.getOrThrow(clientProtobuf.decode(inBytes as Uint8Array))),
        withoutEmptyMaps(heard),
      )
    },
    { arbitrary: { runs: 1000 } },
  )
})
