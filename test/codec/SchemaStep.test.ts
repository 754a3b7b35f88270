import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as SchemaStep from "../../src/codec/SchemaStep.ts"
import { failureOf } from "./fixtures.ts"

describe("the compiler", () => {
  const original = globalThis.Function
  let sources: Array<string> = []

  // The compiler makes its parsers with `Function`, which is the only outward sign of it.
  const watch = (construct: (...args: Array<string>) => unknown): void => {
    globalThis.Function = new Proxy(original, { apply: (_, __, args: Array<string>) => construct(...args) })
  }
  beforeEach(() => {
    sources = []
    watch((...args) => {
      sources.push(String(args.at(-1)))
      return original(...args)
    })
  })
  afterEach(() => {
    globalThis.Function = original
  })
  const compiled = (key: string): boolean => sources.some((source) => source.includes(key))

  it("compiles decoding and encoding, although the schema was interpreted before", () => {
    const schema = Schema.Struct({ keyOfThisTest: Schema.Finite })
    Schema.decodeUnknownSync(schema)({ keyOfThisTest: 1 })
    Schema.encodeSync(schema)({ keyOfThisTest: 1 })
    assert.isFalse(compiled("keyOfThisTest"))
    assert.deepStrictEqual(SchemaStep.decoder(schema)({ keyOfThisTest: 1 }), Result.succeed({ keyOfThisTest: 1 }))
    assert.isTrue(compiled("keyOfThisTest"))
    sources = []
    assert.deepStrictEqual(SchemaStep.encoder(schema)({ keyOfThisTest: 1 }), Result.succeed({ keyOfThisTest: 1 }))
    assert.isTrue(compiled("keyOfThisTest"))
  })

  it("leaves other schemas to be interpreted", () => {
    SchemaStep.decoder(Schema.Struct({ ours: Schema.Finite }))({ ours: 1 })
    Schema.decodeUnknownSync(Schema.Struct({ theirs: Schema.Finite }))({ theirs: 1 })
    assert.deepStrictEqual([compiled("ours"), compiled("theirs")], [true, false])
  })

  it("steps aside where code generation is forbidden", () => {
    watch(() => {
      throw new EvalError("Code generation from strings disallowed for this context")
    })
    const decode = SchemaStep.decoder(Schema.Struct({ a: Schema.Finite }))
    assert.deepStrictEqual(decode({ a: 1 }), Result.succeed({ a: 1 }))
    assert.deepStrictEqual(failureOf(decode({ a: "x" })), {
      direction: "decode",
      path: "a",
      expected: "number",
      actual: '"x"',
    })
  })
})

describe("a transformation that does not keep its word is a failure, not a throw", () => {
  const boom = new Error("boom")
  const throwing = Schema.String.pipe(
    Schema.decodeTo(
      Schema.String,
      SchemaTransformation.transform({
        decode: (): string => {
          throw boom
        },
        encode: (): string => {
          throw boom
        },
      }),
    ),
  )
  const slow = Schema.String.pipe(
    Schema.decodeTo(
      Schema.String,
      SchemaTransformation.transformEffect({
        decode: (text: string) => Effect.promise(() => Promise.resolve(text)),
        encode: (text: string) => Effect.promise(() => Promise.resolve(text)),
      }),
    ),
  )
  it("when it throws while decoding", () => {
    const failure = Result.getOrThrow(Result.flip(SchemaStep.decoder(throwing)("a")))
    assert.strictEqual(failure.message, "cannot decode message: expected a schema that does not throw, got Error: boom")
    assert.strictEqual(failure.cause, boom)
  })

  it("when it throws while encoding", () => {
    const failure = Result.getOrThrow(Result.flip(SchemaStep.encoder(throwing)("a")))
    assert.strictEqual(failure.message, "cannot encode message: expected a schema that does not throw, got Error: boom")
    assert.strictEqual(failure.cause, boom)
  })

  it("when it is asynchronous", () => {
    assert.deepStrictEqual([SchemaStep.decoder(slow)("a"), SchemaStep.encoder(slow)("a")].map(Result.isFailure), [
      true,
      true,
    ])
  })
})
