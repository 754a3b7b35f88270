/**
 * Judges the HTTP request that asks for a WebSocket, and writes the answer (RFC 6455, section 4.2).
 * Opens and closes nothing.
 */
import { createHash } from "node:crypto"
import { type IncomingMessage, STATUS_CODES } from "node:http"
import type { Subprotocols } from "./Transport.ts"
import * as Deflate from "./WebSocketDeflate.ts"
import type { Agreed } from "./WebSocketWire.ts"

/** Whom to let in. */
export interface Policy {
  readonly path: string
  readonly origins: ReadonlyArray<string>
  readonly subprotocols: Subprotocols
  /** What compresses messages, where that is wanted and a client offers it. */
  readonly deflater: Deflate.Deflater | undefined
}

/** Why a request is refused, as HTTP says it. */
export interface Refusal {
  readonly status: number
  /** One sentence for a person. */
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A refusal, or what was agreed on and the answer that says so. */
export type Judgement =
  | { readonly refusal: Refusal }
  | { readonly refusal?: undefined; readonly agreed: Agreed; readonly response: string }

/** Judges a request to upgrade. */
export const judge = (request: IncomingMessage, policy: Policy): Judgement => {
  const { headers } = request
  if (!isAt(request, policy.path)) return { refusal: notHere(policy.path) }
  if (request.method !== "GET") return { refusal: wrongMethod }
  if (headers.upgrade?.toLowerCase() !== "websocket") return { refusal: upgradeRequired }
  if (headers["sec-websocket-version"] !== "13") {
    return refuse(426, "only version 13 of WebSocket is spoken here", { "Sec-WebSocket-Version": "13" })
  }
  const key = headers["sec-websocket-key"]
  if (key === undefined || !/^[+/0-9A-Za-z]{22}==$/.test(key)) {
    return refuse(400, "Sec-WebSocket-Key must be 16 bytes in base64")
  }
  if (headers.origin !== undefined && !isAllowed(headers.origin, policy.origins)) {
    return refuse(403, `pages of ${headers.origin} may not connect: list that origin among those allowed`)
  }
  const agreed = agree(headers["sec-websocket-protocol"], policy.subprotocols)
  if (agreed === undefined) {
    const known = Object.keys(policy.subprotocols).join(" or ")
    return refuse(400, `ask for a subprotocol that is spoken here: ${known}`)
  }
  const deflate = policy.deflater && Deflate.agree(headers["sec-websocket-extensions"], policy.deflater)
  return { agreed: { ...agreed, deflate }, response: accepted(key, agreed.subprotocol, deflate?.header) }
}

/** Judges a request that asks for no upgrade: there is nothing else here. */
export const judgePlain = (request: IncomingMessage, policy: Policy): Refusal => {
  if (!isAt(request, policy.path)) return notHere(policy.path)
  return request.method === "GET" ? upgradeRequired : wrongMethod
}

/** The answer to what is no HTTP request, or one whose headers are too large. */
export const unreadable = (code: string): Refusal =>
  code === "HPE_HEADER_OVERFLOW"
    ? { status: 431, message: "the headers are too large" }
    : { status: 400, message: "this is no HTTP request" }

/** A whole answer that refuses, after which the connection ends. */
export const response = ({ headers, message, status }: Refusal): string => {
  const body = `${message}\n`
  return lines(status, {
    Connection: "close",
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": String(Buffer.byteLength(body)),
    ...headers,
  }).concat(body)
}

/** The key that proves to a client that its request for an upgrade was understood. */
export const acceptOf = (key: string): string =>
  createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")

const accepted = (key: string, subprotocol: string | undefined, extensions: string | undefined): string =>
  lines(101, {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Accept": acceptOf(key),
    ...(subprotocol === undefined ? {} : { "Sec-WebSocket-Protocol": subprotocol }),
    ...(extensions === undefined ? {} : { "Sec-WebSocket-Extensions": extensions }),
  })

const lines = (status: number, headers: Readonly<Record<string, string>>): string => {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${fields.join("")}\r\n`
}

/** The client's first choice that is spoken here; where nothing is to be agreed on, binary messages and no name for it. */
const agree = (offered: string | undefined, spoken: Subprotocols): Omit<Agreed, "deflate"> | undefined => {
  const kinds = new Map(Object.entries(spoken))
  if (kinds.size === 0) return { subprotocol: undefined, kind: "binary" }
  for (const part of offered?.split(",") ?? []) {
    const subprotocol = part.trim()
    const kind = kinds.get(subprotocol)
    if (kind !== undefined) return { subprotocol, kind }
  }
  return undefined
}

/** The query is the client's own. */
const isAt = ({ url = "" }: IncomingMessage, path: string): boolean => url === path || url.startsWith(`${path}?`)

/** Browsers write an origin in lower case, without a path. */
const isAllowed = (origin: string, origins: ReadonlyArray<string>): boolean =>
  origins.includes("*") || origins.includes(origin)

const refuse = (status: number, message: string, headers?: Refusal["headers"]): Judgement => ({
  refusal: headers === undefined ? { status, message } : { status, message, headers },
})

const notHere = (path: string): Refusal => ({ status: 404, message: `there is nothing here but ${path}` })

const wrongMethod: Refusal = { status: 405, message: "only GET is answered here", headers: { Allow: "GET" } }

const upgradeRequired: Refusal = {
  status: 426,
  message: "this is a WebSocket: ask for an upgrade",
  headers: { Upgrade: "websocket" },
}
