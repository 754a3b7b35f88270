import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as DataSchema from "../../src/gateway/config/DataSchema.ts"
import * as Data from "../../src/gateway/protocol/Data.ts"

const judge = (schema: unknown, value: unknown) => Result.getOrThrow(DataSchema.compile(schema))(Data.json(value))

const order = {
  type: "object",
  properties: {
    items: {
      type: "array",
      maxItems: 3,
      items: {
        type: "object",
        properties: { price: { type: "number", minimum: 0 }, currency: { enum: ["EUR", "CHF"] } },
        required: ["price"],
        additionalProperties: false,
      },
    },
    kind: { const: "order" },
    "a/b~c": { type: "boolean" },
    "0": { type: "string" },
    by: { anyOf: [{ type: "string" }, { type: "null" }] },
    note: { type: "string", maxLength: 5, pattern: "^[a-z]*$" },
  },
  propertyNames: { maxLength: 20 },
  patternProperties: { "^x-": { type: "string" } },
  unevaluatedProperties: false,
}

describe("a data schema", () => {
  it.each([
    [{ items: [{ price: 1 }, { price: 0.5, currency: "EUR" }], kind: "order", by: null, note: "abc" }],
    [{}],
    [{ "x-1": "y", "a/b~c": true, "0": "z" }],
  ])("lets %j through", (value) => {
    assert.isUndefined(judge(order, value))
  })

  it.each([
    [[], "", "must be object; it is array of 0"],
    ["x", "", `must be object; it is "x"`],
    [{ items: [{ price: 1 }, { price: "2" }] }, "items[1].price", `must be number; it is "2"`],
    [{ items: [{ price: -1 }] }, "items[0].price", "must be >= 0; it is -1"],
    [{ items: [{}] }, "items[0].price", "is missing"],
    [{ items: [{ price: 1, tax: 2 }] }, "items[0].tax", "is not allowed"],
    [{ items: [{ price: 1, currency: "USD" }] }, "items[0].currency", `must be one of ["EUR","CHF"]`],
    [{ items: [1, 2, 3, 4] }, "items", "must not have more than 3 items; it is array of 4"],
    [{ kind: "bill" }, "kind", `must be "order"`],
    [{ "a/b~c": 1 }, `["a/b~c"]`, "must be boolean; it is 1"],
    [{ "0": 1 }, `["0"]`, "must be string; it is 1"],
    [{ by: 7 }, "by", "must match a schema in anyOf; it is 7"],
    [{ note: "longer" }, "note", `must not have more than 5 characters; it is "longer"`],
    [{ note: "A" }, "note", `must match pattern "^[a-z]*$"; it is "A"`],
    [{ "x-y": 1 }, `["x-y"]`, "must be string; it is 1"],
    [{ extra: 1 }, "extra", "is not allowed"],
    [JSON.parse(`{"items": [{ "price": 1, "__proto__": 1 }] }`), "", "must not have a key __proto__"],
  ])("refuses %j with the place and a sentence", (value, path, message) => {
    assert.deepStrictEqual(judge(order, value), { path, message })
  })

  it.each([
    [
      { type: "object", propertyNames: { type: "string", maxLength: 2 } },
      { abc: 1 },
      "abc",
      "is not allowed as a name",
    ],
    [{ type: "object", dependentRequired: { a: ["b"] } }, { a: 1 }, "b", "is missing"],
    [{ type: "object", properties: { toString: true }, required: ["toString"] }, {}, "toString", "is missing"],
    [
      JSON.parse(`{ "if": { "type": "string" }, "then": { "type": "string", "maxLength": 1 } }`),
      "ab",
      "",
      `must not have more than 1 characters; it is "ab"`,
    ],
    [
      { $defs: { tree: { type: "object", properties: { left: { $ref: "#/$defs/tree" } } } }, $ref: "#/$defs/tree" },
      { left: { left: 1 } },
      "left.left",
      "must be object; it is 1",
    ],
    [
      { type: "array", prefixItems: [{ type: "string" }], minItems: 1, items: false },
      ["a", 1],
      "",
      "must not have more than 1 items; it is array of 2",
    ],
  ])("%j finds what is wrong with %j", (schema, value, path, message) => {
    assert.deepStrictEqual(judge(schema, value), { path, message })
  })

  it("bytes never match", () => {
    const isValid = Result.getOrThrow(DataSchema.compile({}))
    assert.deepStrictEqual(isValid({ type: "binary", bytes: new Uint8Array(3) }), {
      path: "",
      message: "must be JSON; it is bytes",
    })
    assert.isUndefined(isValid(Data.json(3)))
  })

  it("a complaint is short, whatever the data is", () => {
    const long = "x".repeat(100_000)
    const mismatch = judge({ type: "object", additionalProperties: { type: "number" } }, { [long]: long })
    assert.deepStrictEqual([mismatch?.path.length, mismatch?.message.length], [200, 200])
  })

  it("no JSON value makes it throw, and every complaint has a message", () => {
    const isValid = Result.getOrThrow(DataSchema.compile(order))
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const mismatch = isValid(Data.json(value))
        assert.notStrictEqual(mismatch?.message, "")
      }),
    )
  })
})

describe("a schema that is refused", () => {
  const problem = (schema: unknown) =>
    Result.match(DataSchema.compile(schema), { onFailure: (problem) => problem, onSuccess: () => "none" })

  it.each([
    [{ typ: "string" }, `strict mode: unknown keyword: "typ"`],
    [{ type: "text" }, "schema is invalid: data/type must be equal to one of the allowed values"],
    [{ type: "string", format: "email" }, `unknown format "email" ignored in schema`],
    [{ $ref: "https://example.com/schema.json" }, "can't resolve reference https://example.com/schema.json"],
    [
      { $schema: "http://json-schema.org/draft-07/schema#" },
      `no schema with key or ref "http://json-schema.org/draft-07/schema#"`,
    ],
    [{ type: "string", pattern: "(" }, "Invalid regular expression: /(/u"],
    [{ $async: true, type: "string" }, "$async means nothing here"],
    [{ type: "object", required: ["a"] }, `strict mode: required property "a" is not defined`],
    [{ type: "string", pattern: "a" }, "pattern needs maxLength beside it"],
    [{ type: "array", uniqueItems: true }, "uniqueItems needs maxItems beside it"],
    [{ type: "object", properties: { a: { anyOf: [{ type: "string", pattern: "a" }] } } }, "pattern needs maxLength"],
    [{ type: "array", items: { type: "string", pattern: "a" } }, "pattern needs maxLength"],
    [{ $defs: { a: { type: "array", uniqueItems: true } } }, "uniqueItems needs maxItems"],
    [
      { type: "object", patternProperties: { a: true } },
      "patternProperties needs propertyNames with maxLength beside it",
    ],
    [{ type: "object", patternProperties: { a: true }, propertyNames: { minLength: 1 } }, "patternProperties needs"],
    ["string", "it has to be an object"],
    [null, "it has to be an object"],
    [[], "schema is invalid: data must be object,boolean"],
  ])("%j: the problem is named", (schema, message) => {
    assert.include(problem(schema), message)
  })

  it.each([
    [{ type: "object", properties: { pattern: true, uniqueItems: true } }],
    [{ type: "object", const: { pattern: "a" }, default: { uniqueItems: true } }],
    [{ type: "string", pattern: "a", maxLength: 9 }],
    [{ type: "array", uniqueItems: true, maxItems: 9 }],
    [{ type: "object", patternProperties: { a: true }, propertyNames: { maxLength: 9 } }],
    [{ type: "array", uniqueItems: false }],
  ])("%j is not: it has its bounds, or the word is a name", (schema) => {
    assert.strictEqual(problem(schema), "none")
  })

  it("a bound is looked at before the check that it bounds", () => {
    const slow = { type: "string", maxLength: 10, pattern: "^(a+)+$" }
    assert.deepStrictEqual(
      judge(slow, "a".repeat(50_000) + "!")?.message.slice(0, 41),
      "must not have more than 10 characters; it",
    )
  })

  it("a name's bound is looked at before the patterns of names", () => {
    const slow = { type: "object", propertyNames: { maxLength: 10 }, patternProperties: { "^(a+)+$": true } }
    assert.strictEqual(judge(slow, { ["a".repeat(50_000) + "!"]: 1 })?.message, "is not allowed as a name")
  })

  it("one that contains itself does not hang", () => {
    const schema: { type: string; properties: Record<string, unknown> } = { type: "object", properties: {} }
    schema.properties["again"] = schema
    assert.isTrue(Result.isFailure(DataSchema.compile(schema)))
  })
})
