/**
 * The fields that messages of both directions are made of, and their limits (docs/protocol.md, section 4).
 * Defines no message. What is refused as too large rather than as malformed (key, tags) is bounded elsewhere.
 */
import * as Schema from "effect/Schema"
import type * as Carried from "./Data.ts"

/** The largest `id`: ids are positive and below 2^31. */
export const maxId = 2 ** 31 - 1

/** Bytes of UTF-8 that a channel or service name may have. */
export const maxNameBytes = 255

/** The longest that a `request` may ask to wait, in milliseconds: one hour. */
export const maxTimeoutMs = 3_600_000

/** How long a `request` waits that does not say, in milliseconds. */
export const defaultTimeoutMs = 10_000

/** Publications that one `history` may ask for. */
export const maxHistoryLimit = 1000

// `\p{Cc}` is exactly C0, DEL and C1; `\p{Cs}` matches a lone surrogate only, which has no UTF-8.
const nameCharacters = /^[^\p{Cc}\p{Cs}]+$/u

/** No unit of a text is more than three bytes: nearly all names need not be measured. */
const shortNameUnits = maxNameBytes / 3

const utf8 = new TextEncoder()

/** Whether `name` may name a channel or a service: 1 to 255 bytes of UTF-8 without control characters. */
export const isName = (name: string): boolean =>
  (name.length <= shortNameUnits || (name.length <= maxNameBytes && utf8.encode(name).length <= maxNameBytes)) &&
  nameCharacters.test(name)

/** The name of a channel or of a service. */
export const Name = Schema.String.check(
  Schema.makeFilter(isName, {
    expected: `a name of 1 to ${maxNameBytes} bytes of UTF-8 without control characters`,
  }),
)

/** What an asker picks so that it knows the answer again. */
export const Id = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxId }))

/**
 * Application data. A codec has made it of its own form before schemas see it, so that there is nothing left to judge but
 * whether it is there: looking into it costs a publish 1 µs.
 */
export const Data: Schema.Codec<Carried.Data> = Schema.Any.annotateKey({ messageMissingKey: "any JSON value" })

/** A publication's labels. Their sizes are judged when publishing (error 116), not here. */
export const Tags = Schema.Record(Schema.String, Schema.String)
export type Tags = typeof Tags.Type

/** Milliseconds, or an offset: a whole number from 0 to 2^53 - 1. */
export const Count = Schema.Natural

/** A place in a channel: the offset last seen, and the epoch that it belongs to. */
export const Position = Schema.Struct({ offset: Count, epoch: Schema.String })
export type Position = typeof Position.Type

/** Who a publication or a request is from. */
export const Sender = Schema.Struct({ connection: Schema.String, user: Schema.optionalKey(Schema.String) })
export type Sender = typeof Sender.Type

/** Somebody present in a channel, since `joinedAt`. */
export const Member = Schema.Struct({ ...Sender.fields, joinedAt: Count })
export type Member = typeof Member.Type
