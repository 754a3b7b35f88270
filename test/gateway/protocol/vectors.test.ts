/** The test vectors of `vectors/`, which other implementations are judged by: both ends and both encodings of ours, both ways. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { codec as clientCodec } from "../../../src/client/ClientJson.ts"
import type { Outbound } from "../../../src/client/Message.ts"
import type { Codec } from "../../../src/codec/Codec.ts"
import * as CloseReason from "../../../src/connection/CloseReason.ts"
import * as FrameDecoder from "../../../src/frame/FrameDecoder.ts"
import * as FrameEncoder from "../../../src/frame/FrameEncoder.ts"
import * as FrameLayout from "../../../src/frame/FrameLayout.ts"
import * as WrongProtocol from "../../../src/frame/WrongProtocol.ts"
import * as ByeCode from "../../../src/gateway/protocol/ByeCode.ts"
import type { ClientFrame } from "../../../src/gateway/protocol/ClientMessage.ts"
import * as Data from "../../../src/gateway/protocol/Data.ts"
import * as ErrorCode from "../../../src/gateway/protocol/ErrorCode.ts"
import * as JsonProtocol from "../../../src/gateway/protocol/JsonProtocol.ts"
import * as ProtobufProtocol from "../../../src/gateway/protocol/ProtobufProtocol.ts"
import type { ServerMessage } from "../../../src/gateway/protocol/ServerMessage.ts"
import { gateway, lastOf, type Message } from "../../support/clients.ts"
import * as Envelopes from "../../support/envelopes.ts"
import { frame } from "../../support/frames.ts"
import * as Vectors from "../../support/vectors.ts"

const bytes = (base64: unknown) => new Uint8Array(Buffer.from(base64 as string, "base64"))

const mapValues = (record: object, change: (value: Vectors.Message) => unknown): object =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value as Vectors.Message)]))

/** The message with each `data` in it replaced. */
const withData = (
  message: Vectors.Message,
  replace: (data: unknown, isBinary: boolean) => unknown,
): Vectors.Message => {
  const { binary, data, publications, subscriptions, ...rest } = message
  const each = (item: Vectors.Message) => withData(item, replace)
  return {
    ...rest,
    ...("data" in message && { data: replace(data, binary === true) }),
    ...(publications !== undefined && { publications: (publications as []).map(each) }),
    // Those of a `connect` have no data.
    ...(subscriptions !== undefined && {
      subscriptions: Array.isArray(subscriptions) ? subscriptions : mapValues(subscriptions as object, each),
    }),
  }
}

/** A message as the gateway holds it, whichever way it goes. */
const carried = (message: Vectors.Message): Vectors.Message =>
  withData(message, (data, isBinary) => (isBinary ? Data.binary(bytes(data)) : Data.json(data)))

/** A client's message as the gateway's codecs give it. */
const received = (message: Vectors.Message): object => {
  const { subscriptions, ...rest } = carried(message)
  return subscriptions === undefined ? rest : { ...rest, subscriptions: (subscriptions as []).map(Result.succeed) }
}

/** The bodies of a vector, by encoding. */
const bodies = ({ json, protobuf }: Vectors.BodyVector) => [
  ...(json === undefined ? [] : [["json", Vectors.bytesOf(json)] as const]),
  ...(protobuf === undefined ? [] : [["protobuf", Vectors.bytesOf(protobuf)] as const]),
]

const codecs: Readonly<Record<"json" | "protobuf", Codec<ClientFrame, ServerMessage>>> = {
  json: JsonProtocol.make(),
  protobuf: ProtobufProtocol.make(),
}

describe("vectors/frames.json", () => {
  it.each(Vectors.frames)("$name", ({ chunks, end, frames, maxFrameBytes }) => {
    const layout = FrameLayout.makeUnsafe({ maxFrameBytes })
    const decoder = FrameDecoder.make(layout)
    const decoded = chunks.flatMap((chunk) => decoder.push(Vectors.bytesOf(chunk)))
    assert.deepStrictEqual(decoded.map(Vectors.hexOf), frames)
    const error = decoder.end()
    if (end.clean) {
      assert.isUndefined(error)
      const encoded = frames.map((body) => FrameEncoder.make(layout).encode(Vectors.bytesOf(body)))
      assert.strictEqual(Vectors.hexOf(Buffer.concat(encoded.map(Result.getOrThrow))), chunks.join(""))
    } else if (end.truncated) {
      assert.strictEqual(error?.reason._tag, "FrameTruncated")
    } else {
      const { failure, failureHead } = decoder
      const stranger = failureHead && WrongProtocol.diagnose(failureHead, layout)
      const reason = stranger
        ? CloseReason.WrongProtocol({ stranger, error: failure! })
        : CloseReason.BadFrame({ error: failure! })
      assert.strictEqual(ByeCode.of(reason)?.code, end.bye)
    }
  })
})

describe("vectors/client-messages.json", () => {
  for (const vector of Vectors.good(Vectors.clientMessages)) {
    const { message, name, readOnly } = vector
    it(`${name}: is read as the message`, () => {
      for (const [encoding, body] of bodies(vector)) {
        assert.deepStrictEqual<unknown>(Result.getOrThrow(codecs[encoding].decode(body)), received(message), encoding)
      }
    })
    if (readOnly) continue
    it(`${name}: is written as the message, in Protobuf with these bytes`, () => {
      const written = Result.getOrThrow(clientCodec.encode(carried(message) as unknown as Outbound))
      assert.deepStrictEqual(JSON.parse(Buffer.from(written).toString()), message)
      assert.strictEqual(Vectors.hexOf(Envelopes.write(carried(message))), vector.protobuf)
    })
  }

  for (const vector of Vectors.bad(Vectors.clientMessages)) {
    const { expect, name, when } = vector
    for (const [encoding, body] of bodies(vector)) {
      it.effect(`${when}, ${encoding}, ${name}: ${JSON.stringify(expect)}`, () =>
        Effect.gen(function* () {
          const { dial, dialProtobuf } = yield* gateway()
          const client = yield* encoding === "json" ? dial : dialProtobuf
          if (when === "connected") yield* client.ask({ type: "connect", id: 1, version: 1 })
          client.wire.writeUnsafe([frame(body)])
          if (expect.bye !== undefined) {
            const { code, type } = (yield* lastOf(client)) as Message
            return assert.deepStrictEqual({ type, code }, { type: "bye", code: expect.bye })
          }
          const { code, id, message, type } = (yield* client.next) as Message
          assert.deepStrictEqual({ type, code, id }, { type: "error", code: expect.error, id: expect.id })
          assert.include(message, ` at ${expect.path}, got `)
          assert.strictEqual(((yield* client.ask({ type: "serve", id: 99, service: "s" })) as Message).type, "serving")
        }),
      )
    }
  }
})

describe("vectors/server-messages.json", () => {
  const readJson = (json: string) => clientCodec.decode(Vectors.bytesOf(json))

  for (const vector of Vectors.good(Vectors.serverMessages)) {
    const { message, name, readOnly } = vector
    it(`${name}: is read as the message`, () => {
      const values = withData(message, (data, isBinary) => (isBinary ? bytes(data) : data))
      assert.deepStrictEqual<unknown>(Result.getOrThrow(readJson(vector.json!)), values)
      const envelope = Envelopes.read(Vectors.bytesOf(vector.protobuf!))
      assert.deepStrictEqual<unknown>(envelope, enveloped(carried(message)))
    })
    if (readOnly) continue
    it(`${name}: is written as the message, in Protobuf with these bytes`, () => {
      const encode = (encoding: "json" | "protobuf") =>
        Buffer.from(Result.getOrThrow(codecs[encoding].encode(carried(message) as unknown as ServerMessage)))
      assert.deepStrictEqual(JSON.parse(encode("json").toString()), message)
      assert.strictEqual(Vectors.hexOf(encode("protobuf")), vector.protobuf)
    })
  }

  it.each(Vectors.bad(Vectors.serverMessages).filter(({ json }) => json !== undefined))(
    "$name: $expect",
    ({ expect, json }) => {
      const read = readJson(json!)
      if (expect.ignored) assert.deepStrictEqual(read, Result.succeed({ type: "unknown" }))
      else assert.isTrue(Result.isFailure(read))
    },
  )

  it("has every type of message, and so does the file of the client's", () => {
    const types = (vectors: ReadonlyArray<Vectors.BodyVector>) =>
      new Set(Vectors.good(vectors).map((v) => v.message.type))
    assert.strictEqual(types(Vectors.clientMessages).size, 13)
    assert.strictEqual(types(Vectors.serverMessages).size, 18)
  })
})

/** A message as Protobuf has it: a list that is empty is absent, and a publication in one has no `type`. */
const enveloped = ({ publications, subscriptions, ...rest }: Vectors.Message): object => ({
  ...rest,
  ...((publications as [])?.length > 0 && { publications: (publications as []).map(untyped) }),
  ...(subscriptions !== undefined && { subscriptions: mapValues(subscriptions as object, enveloped) }),
})

const untyped = (publication: Vectors.Message): object =>
  Object.fromEntries(Object.entries(publication).filter(([name]) => name !== "type"))

describe("vectors/codes.json", () => {
  it("has every error and every bye of the gateway, with its advice", () => {
    const facts = (code: Vectors.CodeVector, value: number | undefined) => {
      const { message, retry, waitMs } = code
      return { code: value, message, retry, ...(waitMs !== undefined && { waitMs }) }
    }
    const known = Vectors.codes.filter(({ message }) => message !== undefined)
    const errors = known.flatMap((code) => (code.error === undefined ? [] : [facts(code, code.error)]))
    const byes = known.flatMap((code) => (code.bye === undefined ? [] : [facts(code, code.bye)]))
    assert.deepStrictEqual<unknown>(errors, Object.values(ErrorCode.table))
    assert.deepStrictEqual<unknown>(byes, Object.values(ByeCode.table))
  })

  it("says what a code means that is in no table", () => {
    for (const { bye, message, retry } of Vectors.codes) {
      if (bye !== undefined && message === undefined) assert.strictEqual(ByeCode.retryOf(bye), retry)
    }
  })
})
