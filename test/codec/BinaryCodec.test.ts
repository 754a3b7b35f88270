import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as BinaryCodec from "../../src/codec/BinaryCodec.ts"
import { Chat, failureOf, hex } from "./fixtures.ts"

const chat = BinaryCodec.make()({ inbound: Chat, outbound: Chat })
const leave = { type: "leave", at: new Date(0) } as const

const bodyOf = (result: Result.Result<Uint8Array | string, unknown>): Uint8Array => {
  const body = Result.getOrThrow(result)
  assert.instanceOf(body, Uint8Array)
  return body
}

it("is called binary", () => {
  assert.strictEqual(chat.name, "binary")
})

describe("a body", () => {
  const whole = bodyOf(chat.encode(leave))
  const refusal = (expected: string, actual: string) => ({ direction: "decode", path: "", expected, actual })

  it("holds one message", () => {
    assert.deepStrictEqual(chat.decode(whole), Result.succeed(leave))
  })

  it("is refused when empty", () => {
    assert.deepStrictEqual(failureOf(chat.decode(hex(""))), refusal("complete value", "0 bytes"))
  })

  it("is refused at every cut", () => {
    for (let end = 0; end < whole.length; end++) assert.isTrue(Result.isFailure(chat.decode(whole.subarray(0, end))))
  })

  it("is refused with a byte too many", () => {
    const longer = Uint8Array.from([...whole, 0])
    assert.deepStrictEqual(failureOf(chat.decode(longer)), refusal("no leftover bytes", `${longer.length} bytes`))
  })

  it("is not changed by what is encoded later, nor by a failure", () => {
    const text = (length: number) => ({ type: "say", text: "x".repeat(length), data: { items: [] } }) as const
    const bodies = Array.from({ length: 600 }, (_, length) => {
      const body = chat.encode(text(length % 300))
      chat.encode(text(301))
      return bodyOf(body)
    })
    const decoded = bodies.map((body) => chat.decode(body))
    assert.deepStrictEqual(
      decoded,
      bodies.map((_, length) => Result.succeed(text(length % 300))),
    )
  })

  it("is not kept by the message decoded from it", () => {
    const Blob = Schema.Struct({ data: Schema.Uint8Array, text: Schema.String })
    const blobs = BinaryCodec.make()({ inbound: Blob, outbound: Blob })
    const message = { data: hex("010203"), text: "abc" }
    const body = bodyOf(blobs.encode(message)).slice()
    const decoded = Result.getOrThrow(blobs.decode(body))
    body.fill(0)
    assert.deepStrictEqual(decoded, message)
  })
})

describe("a message", () => {
  it("that does not fit its schema is refused with its path, both ways", () => {
    const Loose = Schema.Struct({ tags: Schema.Array(Schema.String) })
    const Tight = Schema.Struct({ tags: Schema.Array(Schema.String.check(Schema.isMaxLength(3))) })
    const loose = BinaryCodec.make()({ inbound: Loose, outbound: Loose })
    const tight = BinaryCodec.make()({ inbound: Tight, outbound: Tight })
    const message = { tags: ["abc", "abcd"] }
    const failure = { path: "tags[1]", expected: "a value with a length of at most 3", actual: '"abcd"' }
    assert.deepStrictEqual(failureOf(tight.encode(message)), { direction: "encode", ...failure })
    const body = bodyOf(loose.encode(message))
    assert.deepStrictEqual(failureOf(tight.decode(body)), { direction: "decode", ...failure })
  })
})

describe("peers of another version", () => {
  const Old = Schema.Struct({ name: Schema.String })
  const New = Schema.Struct({ name: Schema.String, age: Schema.optionalKey(Schema.Finite) })

  it("understand each other when evolvable", () => {
    const old = BinaryCodec.make()({ inbound: Old, outbound: Old })
    const young = BinaryCodec.make()({ inbound: New, outbound: New })
    assert.deepStrictEqual(young.decode(bodyOf(old.encode({ name: "Ada" }))), Result.succeed({ name: "Ada" }))
    assert.deepStrictEqual(old.decode(bodyOf(young.encode({ name: "Ada", age: 36 }))), Result.succeed({ name: "Ada" }))
  })

  it("are refused when they should be identical", () => {
    const old = BinaryCodec.make({ peers: "identical" })({ inbound: Old, outbound: Old })
    const young = BinaryCodec.make({ peers: "identical" })({ inbound: New, outbound: New })
    assert.deepStrictEqual(old.decode(bodyOf(old.encode({ name: "Ada" }))), Result.succeed({ name: "Ada" }))
    assert.isTrue(Result.isFailure(young.decode(bodyOf(old.encode({ name: "Ada" })))))
  })
})
