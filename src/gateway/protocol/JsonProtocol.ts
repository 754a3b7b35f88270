/**
 * The protocol in JSON: one body is one object (docs/protocol.md, section 2).
 * Fails for what is not one JSON object only; a message that fits no schema is a `Malformed` value, which the session
 * answers.
 */
import * as Result from "effect/Result"
import { CodecError, type Codec } from "../../codec/Codec.ts"
import * as JsonCodec from "../../codec/JsonCodec.ts"
import * as Shown from "../../codec/Shown.ts"
import type * as ClientMessage from "./ClientMessage.ts"
import * as Data from "./Data.ts"
import * as Judge from "./Judge.ts"
import type * as ServerMessage from "./ServerMessage.ts"

/** `{`: no `Envelope` begins with it. */
export const firstByte = 0x7b

/** The gateway's codec for JSON: what a client sends, and what it is sent. */
export const make = (options?: {
  /** How deep arrays and objects may nest. Default: `JsonCodec.defaultMaxDepth`. */
  readonly maxDepth?: number | undefined
}): Codec<ClientMessage.ClientFrame, ServerMessage.ServerMessage> => {
  const maxDepth = options?.maxDepth ?? JsonCodec.defaultMaxDepth
  const connectedText = connectedTextOf()
  return {
    name: "json",
    decode: (body) => {
      // Nothing may come before the object, so its first byte tells it from every other JSON value.
      if (body[0] !== firstByte) return Result.fail(notAnObject(body))
      return Result.map(JsonCodec.parse(body, maxDepth), (object) => frameOf(object as JsonObject))
    },
    // Messages are of our own making and their data came out of a codec: there is nothing left to validate.
    encode: (message) => Result.succeed(message.type === "connected" ? connectedText(message) : textOf(message)),
  }
}

const notAnObject = (body: Uint8Array): CodecError =>
  new CodecError({
    direction: "decode",
    path: "",
    expected: "one JSON object",
    actual: body[0] === undefined ? "an empty body" : `a body that begins with byte 0x${body[0].toString(16)}`,
  })

// --- reading

/** Just parsed and nobody else's, so that its data may be replaced. */
type JsonObject = { [key: string]: unknown }

const frameOf = (object: JsonObject): ClientMessage.ClientFrame => {
  switch (object["type"]) {
    case "publish":
    case "request":
    case "response": {
      const failure = carryData(object)
      if (failure !== undefined) return Judge.malformed(object, failure)
    }
  }
  return Judge.judge(object)
}

/** Puts what the gateway carries in the place of the data that was read; a missing one stays missing. */
const carryData = (object: JsonObject): Judge.Failure | undefined => {
  const { binary, data } = object
  if (binary !== undefined && typeof binary !== "boolean") {
    return { path: "binary", expected: "boolean", actual: Shown.value(binary) }
  }
  if (data === undefined) return undefined
  if (binary !== true) {
    object["data"] = Data.json(data)
    return undefined
  }
  const bytes = typeof data === "string" ? bytesOf(data) : undefined
  if (bytes === undefined) return { path: "data", expected: "base64 with padding", actual: Shown.value(data) }
  object["data"] = Data.binary(bytes)
  return undefined
}

/** Strict: Node reads over what is not base64, and then gives another text back. */
const bytesOf = (base64: string): Uint8Array | undefined => {
  const buffer = Buffer.from(base64, "base64")
  // Copied, since a small one is a view into a pool of 8 KiB.
  return buffer.toString("base64") === base64 ? new Uint8Array(buffer) : undefined
}

// --- writing

/** Data is text already and is put in as it is, wherever it stands: it is stringified once, when it is read. */
const textOf = (message: Exclude<ServerMessage.ServerMessage, ServerMessage.Connected>): string => {
  switch (message.type) {
    case "publication":
    case "request":
    case "response":
      return withData(message)
    case "history":
      return historyText(message)
    case "subscribed":
      return subscribedText(message)
    case "published":
      return publishedText(message)
    default:
      return JSON.stringify(message)
  }
}

/** By hand, half of what `JSON.stringify` takes: it is the answer to most messages there are (Node 20.20). */
const publishedText = ({ duplicate, epoch, id, offset }: ServerMessage.Published): string => {
  const again = duplicate === undefined ? "" : `,"duplicate":true`
  return `{"type":"published","id":${id},"offset":${offset},"epoch":${quoted(epoch)}${again}}`
}

/** The JSON text of a short string, which is plain nearly always: to see that takes a third of `JSON.stringify`. */
const quoted = (text: string): string => (plain.test(text) ? `"${text}"` : JSON.stringify(text))

/** ASCII that JSON does not escape. */
const plain = /^[ !#-[\]-~]*$/

const withData = (message: ServerMessage.Publication | ServerMessage.Request | ServerMessage.Response): string => {
  const data = dataMembers(message.data)
  switch (message.type) {
    case "publication": {
      // By hand, 0.8 µs: the others' way takes 1.4, and every publication that is heard comes by here (Node 20.20).
      const { channel, epoch, from, offset, previous, tags, time } = message
      const sender = from === undefined ? "" : `,"from":${JSON.stringify(from)}`
      const labels = tags === undefined ? "" : `,"tags":${JSON.stringify(tags)}`
      const place = `"offset":${offset},"previous":${previous},"epoch":${quoted(epoch)},"time":${time}`
      return `{"type":"publication","channel":${quoted(channel)},${place},${data}${sender}${labels}}`
    }
    default: {
      const { data: _, ...rest } = message
      return withMembers(rest, data)
    }
  }
}

const dataMembers = (data: Data.Data): string =>
  data.type === "json" ? `"data":${data.text}` : `"binary":true,"data":"${Buffer.from(data.bytes).toString("base64")}"`

const historyText = ({ publications, ...rest }: ServerMessage.History): string =>
  withMembers(rest, publicationsMember(publications))

const publicationsMember = (publications: ReadonlyArray<ServerMessage.Publication>): string =>
  publications.length === 0 ? `"publications":[]` : `"publications":[${publications.map(withData).join()}]`

const subscribedText = (
  message: Extract<ServerMessage.SubscriptionAnswer, { type: "subscribed" }> & { id?: number },
) => {
  const { channel, id, more, position, publications, recovered } = message
  const asked = id === undefined ? "" : `,"id":${id}`
  const place = `"position":{"offset":${position.offset},"epoch":${quoted(position.epoch)}}`
  const rest = more === undefined ? "" : `,"more":${more}`
  const said = `"channel":${quoted(channel)},${place},"recovered":"${recovered}"`
  return `{"type":"subscribed"${asked},${said}${rest},${publicationsMember(publications)}}`
}

/**
 * By hand, 2 µs less than `JSON.stringify` in a storm of clients, of which each waits for it (bench, connect). What the
 * gateway tells everybody is stringified when it is another object, which it never is while it runs.
 */
const connectedTextOf = (): ((message: ServerMessage.Connected) => string) => {
  const [heartbeatText, limitsText, serverText] = [remembering(), remembering(), remembering()]
  return (message) => {
    const { connection, expiresAt, heartbeat, id, limits, resumed, server, subscriptions, time, user } = message
    const { id: sessionId, key, ttlMs } = message.session
    const opened = `{"id":${quoted(sessionId)},"key":${quoted(key)},"ttlMs":${ttlMs}}`
    const session = `"connection":${quoted(connection)},"session":${opened},"resumed":${resumed}`
    const who = user === undefined ? "" : `,"user":${quoted(user)}`
    const until = expiresAt === undefined ? "" : `,"expiresAt":${expiresAt}`
    const rules = `"heartbeat":${heartbeatText(heartbeat)},"limits":${limitsText(limits)},"server":${serverText(server)}`
    const answers = subscriptions === undefined ? "" : `,"subscriptions":{${answersText(subscriptions)}}`
    return `{"type":"connected","id":${id},${session},${rules},"time":${time}${who}${until}${answers}}`
  }
}

const answersText = (answers: NonNullable<ServerMessage.Connected["subscriptions"]>): string => {
  let text = ""
  for (const [channel, answer] of Object.entries(answers)) {
    const own = answer.type === "subscribed" ? subscribedText(answer) : JSON.stringify(answer)
    text += `${text === "" ? "" : ","}${quoted(channel)}:${own}`
  }
  return text
}

/** The text of an object that is nearly always the one before. */
const remembering = (): ((object: object) => string) => {
  let last: object | undefined
  let text = ""
  return (object) => {
    if (object !== last) text = JSON.stringify((last = object))
    return text
  }
}

/** The object, which has a member at least, with more that are text already. */
const withMembers = (object: object, members: string): string => `${JSON.stringify(object).slice(0, -1)},${members}}`
