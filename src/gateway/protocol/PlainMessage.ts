/**
 * Protobuf messages ⇄ the plain objects that the schemas judge and the gateway sends, by a message's descriptor. Knows no
 * message of the gateway but `Data`, and judges nothing: a number out of range is one here too.
 *
 * What is alike: names, and the fields in them. What differs: an oneof of messages is the one of them with its name as
 * `type`; an enum is its name in small letters; 64 bits are a number. What Protobuf cannot say is absent: a field with
 * presence that is unset, an enum's zero, an empty list or map.
 */
import { type DescEnum, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf"
import type * as Carried from "./Data.ts"
import { type Data, DataSchema } from "./gen/longline_pb.ts"

/** An object whose fields are known by name only. */
export type Fields = { [name: string]: unknown }

/** Both ways for one message, made of its descriptor once. */
export interface Converter {
  readonly toPlain: (message: Message) => unknown
  /** Every required field must be there, as its type says. */
  readonly fromPlain: (plain: unknown) => Message
}

/** Converters for a message and all messages in it. A message that contains itself has none. */
export const converter = (desc: DescMessage): Converter => {
  if (desc.typeName === DataSchema.typeName) return data
  const [oneof] = desc.oneofs
  return oneof === undefined ? struct(desc) : choice(desc.typeName, oneof.localName, oneof.fields)
}

/** One field, both ways. Undefined is absent. */
interface Step {
  readonly name: string
  readonly toPlain: (value: unknown) => unknown
  readonly fromPlain: (value: unknown) => unknown
  /** What stands in a message for an absent field. */
  readonly absent: () => unknown
}

const struct = (desc: DescMessage): Converter => {
  const steps = desc.fields.map(step)
  return {
    toPlain: (message) => {
      const plain: Fields = {}
      for (const { name, toPlain } of steps) {
        const value = (message as unknown as Fields)[name]
        const converted = value === undefined ? undefined : toPlain(value)
        if (converted !== undefined) plain[name] = converted
      }
      return plain
    },
    fromPlain: (plain) => {
      const message: Fields = { $typeName: desc.typeName }
      for (const { absent, fromPlain, name } of steps) {
        const value = (plain as Fields)[name]
        message[name] = value === undefined ? absent() : fromPlain(value)
      }
      return message as unknown as Message
    },
  }
}

const choice = (typeName: string, name: string, fields: ReadonlyArray<DescField>): Converter => {
  const converters = new Map(
    fields.flatMap((field) => (field.fieldKind === "message" ? [[field.localName, converter(field.message)]] : [])),
  )
  return {
    toPlain: (message) => {
      const { case: type, value } = (message as unknown as Fields)[name] as { case?: string; value?: Message }
      if (type === undefined) return {}
      return Object.assign(converters.get(type)!.toPlain(value!) as Fields, { type })
    },
    fromPlain: (plain) => {
      const type = (plain as Fields)["type"] as string
      const value = converters.get(type)!.fromPlain(plain)
      return { $typeName: typeName, [name]: { case: type, value } }
    },
  }
}

const data: Converter = {
  toPlain: (message): Carried.Data | undefined => {
    const { kind } = message as Data
    // Copied: what was read is a view into the frame.
    if (kind.case === "binary") return { type: "binary", bytes: Uint8Array.from(kind.value) }
    return kind.case === "json" ? { type: "json", text: kind.value } : undefined
  },
  fromPlain: (plain): Data => {
    const carried = plain as Carried.Data
    return carried.type === "json"
      ? { $typeName: "longline.v1.Data", kind: { case: "json", value: carried.text } }
      : { $typeName: "longline.v1.Data", kind: { case: "binary", value: carried.bytes } }
  },
}

const step = (field: DescField): Step => ({ name: field.localName, absent: () => undefined, ...valueStep(field) })

const valueStep = (field: DescField): Omit<Step, "name" | "absent"> & Partial<Pick<Step, "absent">> => {
  switch (field.fieldKind) {
    case "message":
      return converter(field.message) as Omit<Step, "name" | "absent">
    case "enum":
      return enumStep(field.enum)
    case "scalar":
      return field.scalar === ScalarType.UINT64 ? uint64 : same
    case "list": {
      const { fromPlain, toPlain } = converter(field.message!)
      return {
        toPlain: (list) => ((list as Array<Message>).length === 0 ? undefined : (list as Array<Message>).map(toPlain)),
        fromPlain: (list) => (list as Array<unknown>).map(fromPlain),
        absent: () => [],
      }
    }
    case "map": {
      const values = field.mapKind === "message" ? (converter(field.message) as typeof same) : same
      const each = (convert: (value: unknown) => unknown) => (map: unknown) =>
        Object.fromEntries(Object.entries(map as Fields).map(([key, value]) => [key, convert(value)]))
      const toPlain = each(values.toPlain)
      return {
        toPlain: (map) => (Object.keys(map as Fields).length === 0 ? undefined : toPlain(map)),
        fromPlain: each(values.fromPlain),
        absent: () => ({}),
      }
    }
  }
}

const same = { toPlain: (value: unknown) => value, fromPlain: (value: unknown) => value }

// Above 2^53 - 1 what is read is another number, but none that a schema takes for an offset or a time. What is written is
// the nearest number: a configured duration may be a fraction or infinite, and its message must be sent all the same.
const uint64 = {
  toPlain: Number,
  fromPlain: (value: unknown) => BigInt(value === Infinity ? Number.MAX_SAFE_INTEGER : Math.round(value as number)),
}

const enumStep = ({ values }: DescEnum) => {
  const named = values.filter(({ number }) => number !== 0)
  const names = new Map(named.map(({ localName, number }) => [number, localName.toLowerCase()]))
  const numbers = new Map(named.map(({ localName, number }) => [localName.toLowerCase(), number]))
  return {
    // A number without a name is left to the schema, which refuses it.
    toPlain: (value: unknown) => (value === 0 ? undefined : (names.get(value as number) ?? value)),
    fromPlain: (value: unknown) => numbers.get(value as string),
    absent: () => 0,
  }
}
