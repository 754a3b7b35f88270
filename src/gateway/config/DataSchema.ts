/**
 * Compiles JSON Schema 2020-12 once, and judges application data by it.
 * Refuses what would not be checked (unknown keywords, formats), what would have to be loaded from elsewhere, and what has
 * no bound. Never throws for data.
 */
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js"
import * as Result from "effect/Result"
import * as Shown from "../../codec/Shown.ts"
import type { Mismatch } from "../Policy.ts"
import type { Data } from "../protocol/Data.ts"
import * as SchemaBounds from "./SchemaBounds.ts"

/** Judges data; undefined if it is as it must be. */
export type Validate = (data: Data) => Mismatch | undefined

/** Makes the judge of a schema, or says in a few words what is wrong with the schema. */
export const compile = (schema: unknown): Result.Result<Validate, string> =>
  Result.try({
    try: () => validateWith(compileUnsafe(schema)),
    catch: (error) => Shown.text(error instanceof Error ? error.message : String(error)),
  })

const compileUnsafe = (schema: unknown) => {
  if (typeof schema !== "object" || schema === null) throw new Error("it has to be an object")
  // A required `toString` is not there because every object has one; nothing is said on standard error.
  const isMatch = new Ajv2020({ strict: true, ownProperties: true, logger: false }).compile(schema)
  const unbounded = SchemaBounds.missing(schema)
  if (unbounded !== undefined) throw new Error(unbounded)
  if ("$async" in isMatch) throw new Error("$async means nothing here")
  return isMatch
}

const validateWith =
  (isMatch: ReturnType<typeof compileUnsafe>): Validate =>
  (data) => {
    if (data.type === "binary") return { path: "", message: "must be JSON; it is bytes" }
    // A closed schema may let this one name through: ajv notes the names that it has seen in an ordinary object.
    if (data.text.includes(`"__proto__":`)) return { path: "", message: "must not have a key __proto__" }
    const value: unknown = JSON.parse(data.text)
    return isMatch(value) ? undefined : mismatchOf(isMatch.errors ?? [], value)
  }

/** The first failure. Of a choice (`anyOf` …) that is the choice, which comes after what failed inside. */
const mismatchOf = (errors: ReadonlyArray<ErrorObject>, value: unknown): Mismatch => {
  const error = errors.at(-1)
  if (error === undefined) return { path: "", message: "must match the schema" }
  const { path, seen } = follow(error.instancePath, value)
  const { key, message } = sentence(error, seen)
  return { path: Shown.path(key === undefined ? path : [...path, key]), message: Shown.text(message) }
}

/** What is wrong, and with which key of the place if with one. */
const sentence = (
  { keyword, params, message = "must match the schema" }: ErrorObject,
  seen: unknown,
): { readonly key?: string; readonly message: string } => {
  switch (keyword) {
    case "required":
    case "dependentRequired":
      return { key: params["missingProperty"], message: "is missing" }
    case "additionalProperties":
      return { key: params["additionalProperty"], message: "is not allowed" }
    case "unevaluatedProperties":
      return { key: params["unevaluatedProperty"], message: "is not allowed" }
    case "propertyNames":
      return { key: params["propertyName"], message: "is not allowed as a name" }
    case "enum":
      return { message: `must be one of ${Shown.text(JSON.stringify(params["allowedValues"]))}` }
    case "const":
      return { message: `must be ${Shown.text(JSON.stringify(params["allowedValue"]))}` }
    default:
      return { message: `${message.replace("must NOT", "must not")}; it is ${Shown.value(seen)}` }
  }
}

/** Follows a JSON Pointer (RFC 6901) into a value that has it: whether a digit is an index, only the value knows. */
const follow = (pointer: string, value: unknown) => {
  const path: Array<string | number> = []
  let seen = value
  for (const token of pointer.split("/").slice(1)) {
    const key = token.replaceAll("~1", "/").replaceAll("~0", "~")
    path.push(Array.isArray(seen) ? Number(key) : key)
    seen = typeof seen === "object" && seen !== null ? Reflect.get(seen, key) : undefined
  }
  return { path, seen }
}
