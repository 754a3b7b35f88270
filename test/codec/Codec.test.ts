import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as BytesCodec from "../../src/codec/BytesCodec.ts"
import * as Codec from "../../src/codec/Codec.ts"
import { failureOf, hex, utf8 } from "./fixtures.ts"

describe("an error says in one sentence", () => {
  it("where in the message", () => {
    const error = new Codec.CodecError({ direction: "decode", path: "a[0].b", expected: "string", actual: "1" })
    assert.strictEqual(error.message, "cannot decode message: expected string at a[0].b, got 1")
  })

  it("nothing about where for the whole message", () => {
    const error = new Codec.CodecError({ direction: "encode", path: "", expected: "bytes", actual: "1" })
    assert.strictEqual(error.message, "cannot encode message: expected bytes, got 1")
  })
})

describe("raw bytes", () => {
  it("are the body, both ways, and not a copy", () => {
    const body = hex("00ff")
    assert.strictEqual(Codec.bytes.name, "bytes")
    assert.strictEqual(Result.getOrThrow(Codec.bytes.decode(body)), body)
    assert.strictEqual(Result.getOrThrow(Codec.bytes.encode(body)), body)
    assert.strictEqual(Result.getOrThrow(Codec.bytes.encode("text")), "text")
  })
})

describe("schemas of bytes", () => {
  const Datagram = Schema.Uint8Array.check(Schema.makeFilter((body) => body.length >= 4 || "a header of 4 bytes"))

  it("leave the bytes as they are", () => {
    const codec = BytesCodec.make()({ inbound: Schema.Uint8Array, outbound: Schema.Uint8Array })
    const body = hex("00ff")
    assert.strictEqual(codec.name, "bytes")
    assert.strictEqual(Result.getOrThrow(codec.decode(body)), body)
    assert.strictEqual(Result.getOrThrow(codec.encode(body)), body)
  })

  it("check them in both directions", () => {
    const codec = BytesCodec.make()({ inbound: Datagram, outbound: Datagram })
    const failure = { path: "", expected: "a header of 4 bytes", actual: "3 bytes" }
    assert.deepStrictEqual(codec.decode(hex("01020304")), Result.succeed(hex("01020304")))
    assert.deepStrictEqual(failureOf(codec.decode(hex("010203"))), { direction: "decode", ...failure })
    assert.deepStrictEqual(codec.encode(hex("01020304")), Result.succeed(hex("01020304")))
    assert.deepStrictEqual(failureOf(codec.encode(hex("010203"))), { direction: "encode", ...failure })
  })

  it("may be a format of one's own", () => {
    const FirstByte = Schema.Uint8Array.pipe(
      Schema.decodeTo(
        Schema.Finite,
        SchemaTransformation.transformEffect({
          decode: (body: Uint8Array) => Effect.succeed(body[0] ?? -1),
          encode: (n: number) => Effect.succeed(Uint8Array.of(n)),
        }),
      ),
    )
    const codec = BytesCodec.make()({ inbound: FirstByte, outbound: FirstByte })
    assert.deepStrictEqual(codec.decode(hex("07")), Result.succeed(7))
    assert.deepStrictEqual(codec.encode(7), Result.succeed(hex("07")))
  })

  it("may end in a string on the way out", () => {
    const codec = BytesCodec.make()({ inbound: Schema.Uint8Array, outbound: Schema.String })
    assert.deepStrictEqual(codec.encode("text"), Result.succeed("text"))
  })

  it("are refused on first use when they do not end in bytes", () => {
    const codec = BytesCodec.make()({ inbound: Schema.Struct({}), outbound: Schema.Struct({ n: Schema.Finite }) })
    assert.deepStrictEqual(failureOf(codec.encode({ n: 1 })), {
      direction: "encode",
      path: "",
      expected: "a schema that encodes to bytes",
      actual: "object with keys n",
    })
    const strings = BytesCodec.make()({ inbound: Schema.String, outbound: Schema.String })
    assert.deepStrictEqual(failureOf(strings.decode(utf8("text"))), {
      direction: "decode",
      path: "",
      expected: "string",
      actual: "4 bytes",
    })
  })
})
