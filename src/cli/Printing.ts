/**
 * How publications are printed: by a template, as bare data, or as JSON, a line each.
 * Reads nothing; what is no publication is told to the person, and printed as JSON only.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Publication } from "../client/Message.ts"
import type { Item } from "../client/Subscription.ts"
import { complain, mistaken } from "./Complaint.ts"
import * as Judged from "./Judged.ts"
import * as Look from "./Look.ts"
import * as Output from "./Output.ts"
import * as PayloadText from "./PayloadText.ts"
import * as Template from "./Template.ts"

/** One JSON object a line. */
export const json = Judged.toggle("json", "print JSON, one object a line")

/** Data without quotes. */
export const raw = Judged.toggle("raw", "print nothing but data: text without quotes, bytes as they are")

/** The flags of commands that print publications. */
export const flags = {
  template: Judged.text(
    "template",
    "<text>",
    `a line of each publication, with {${Template.names.join("}, {")}} [default ${Template.standard}]`,
  ),
  raw,
  json,
}

/** Prints some items of channels. */
export type Printer = (items: ReadonlyArray<Item>) => Effect.Effect<void, Output.Failure>

/** The printer that the flags ask for. */
export const make = Effect.fnUntraced(function* (given: {
  readonly template: Option.Option<string>
  readonly raw: boolean
  readonly json: boolean
}) {
  if (Number(Option.isSome(given.template)) + Number(given.raw) + Number(given.json) > 1)
    return yield* mistaken("--template, --raw and --json exclude each other")
  if (given.json) return printJson
  const look = yield* Look.current
  if (given.raw) return printing(look, (publications) => writeRaw(look, publications))
  const template = Template.parse(
    Option.getOrElse(given.template, () => Template.standard),
    look,
  )
  if (Result.isFailure(template)) {
    return yield* mistaken(`--template has {${template.failure}}; there is {${Template.names.join("}, {")}}`)
  }
  return printing(look, (publications) => Output.lines(publications.map(template.success)))
})

const printJson: Printer = (items) =>
  Output.lines(items.map((item) => JSON.stringify(item.type === "publication" ? jsonOf(item) : item)))

/** A publication as one object, whose bytes are in base64 as in the protocol. */
export const jsonOf = ({ data, ...publication }: Publication): object => ({
  ...publication,
  ...PayloadText.fields(data),
})

const printing =
  (
    look: Look.Look,
    print: (publications: ReadonlyArray<Publication>) => Effect.Effect<void, Output.Failure>,
  ): Printer =>
  (items) =>
    Effect.andThen(
      Effect.forEach(items, (item) => tell(look, item), { discard: true }),
      print(items.filter((item) => item.type === "publication")),
    )

/** One piece of data; what a person would see on a terminal does nothing to it. */
export const rawOf = (look: Look.Look, data: unknown): Uint8Array => {
  const raw = PayloadText.raw(data)
  return typeof raw === "string" || look.isTerminal
    ? Buffer.from(`${Look.safe(look, Buffer.from(raw).toString("utf8"))}\n`)
    : raw
}

const writeRaw = (look: Look.Look, publications: ReadonlyArray<Publication>) =>
  publications.length === 0
    ? Effect.void
    : Output.write(Buffer.concat(publications.map(({ data }) => rawOf(look, data))))

/** Tells the person of an item that is no publication: what is missing is never missing silently. */
export const tell = ({ isTerminal }: Look.Look, item: Item): Effect.Effect<void> => {
  switch (item.type) {
    case "gap":
      return complain(`${item.channel}: ${item.count} publications were dropped, ${item.from} to ${item.to}`)
    case "subscribed":
      if (item.recovered === "no")
        return complain(
          `${item.channel}: what was published in between is lost; it goes on behind offset ${item.position.offset}`,
        )
      return isTerminal ? complain(`subscribed to ${item.channel}, at offset ${item.position.offset}`) : Effect.void
    default:
      return Effect.void
  }
}
