/**
 * Lines of publications as their reader wants them: a template with names in braces.
 * Knows no channel and writes nothing. What is no name in braces stands for itself.
 */
import * as Result from "effect/Result"
import type { Publication } from "../client/Message.ts"
import * as Look from "./Look.ts"
import * as PayloadText from "./PayloadText.ts"
import * as Position from "./Position.ts"

/** What may stand in braces, and what stands there then. */
const values: Readonly<Record<string, (publication: Publication) => string>> = {
  channel: ({ channel }) => channel,
  offset: ({ offset }) => String(offset),
  epoch: ({ epoch }) => epoch,
  position: Position.format,
  data: ({ data }) => PayloadText.format(data),
  raw: ({ data }) => Buffer.from(PayloadText.raw(data)).toString("utf8"),
  time: ({ time }) => new Date(time).toISOString(),
  connection: ({ from }) => from?.connection ?? "",
  user: ({ from }) => from?.user ?? "",
  tags: ({ tags = {} }) => JSON.stringify(tags),
}

/** What is said by data, and not about it. */
const isData = (name: string): boolean => name === "data" || name === "raw"

/** The line of one publication. */
export type Template = (publication: Publication) => string

/** The names that mean something in braces. */
export const names = Object.keys(values)

/** Without another template. */
export const standard = "{channel} {offset} {data}"

/** Reads a template; `\n` and `\t` stand for a line break and a tab. The failure is the name that means nothing. */
export const parse = (text: string, look: Look.Look): Result.Result<Template, string> => {
  const parts: Array<Template> = []
  // Every second part is a name.
  for (const [i, part] of text
    .replaceAll("\\n", "\n")
    .replaceAll("\\t", "\t")
    .split(/\{(\w+)\}/)
    .entries()) {
    const value = Object.hasOwn(values, part) ? values[part] : undefined
    if (i % 2 === 0) parts.push(() => part)
    else if (value === undefined) return Result.fail(part)
    else if (isData(part)) parts.push((publication) => Look.safe(look, value(publication)))
    else parts.push((publication) => Look.dim(look, Look.safe(look, value(publication))))
  }
  return Result.succeed((publication) => parts.map((part) => part(publication)).join(""))
}
