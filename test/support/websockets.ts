/**
 * A client that writes WebSocket frames byte by byte, well-formed or not, and reads what comes back. Refuses nothing.
 */
import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import type { Transport } from "../../src/transport/Transport.ts"
import { rawClient, until } from "./wires.ts"

/** The key of the example in RFC 6455, section 1.3. */
export const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

/** A request that is let in, with other headers in place of its own; undefined leaves one out. */
export const request = (
  headers: Readonly<Record<string, string | undefined>> = {},
  { method = "GET", path = "/connect" } = {},
): string => {
  const fields = Object.entries({
    Host: "localhost",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": sampleKey,
    ...headers,
  }).map(([name, value]) => (value === undefined ? "" : `${name}: ${value}\r\n`))
  return `${method} ${path} HTTP/1.1\r\n${fields.join("")}\r\n`
}

/** How a frame differs from a final, masked one of text. */
export interface FrameOptions {
  readonly fin?: boolean
  readonly opcode?: number
  readonly rsv?: number
  readonly masked?: boolean
  /** What the header says instead of the payload's length. */
  readonly declared?: number
}

const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

/** One frame as a client sends it. */
export const frame = (payload: string | Uint8Array, options: FrameOptions = {}): Buffer => {
  const { fin = true, masked = true, opcode = 1, rsv = 0 } = options
  const bytes = Buffer.from(payload)
  const length = options.declared ?? bytes.length
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode]
  const bit = masked ? 0x80 : 0
  if (length < 126) head.push(bit | length)
  else if (length < 65_536) head.push(bit | 126, length >> 8, length & 0xff)
  else head.push(bit | 127, ...Buffer.from(BigInt(length).toString(16).padStart(16, "0"), "hex"))
  if (masked) return Buffer.concat([Buffer.from(head), mask, bytes.map((byte, i) => byte ^ mask[i % 4]!)])
  return Buffer.concat([Buffer.from(head), bytes])
}

/** What a server sent: frames as `[opcode, payload]`, payloads in UTF-8. */
export const framesOf = (bytes: Buffer): Array<readonly [number, string]> => {
  const frames: Array<readonly [number, string]> = []
  for (let at = 0; at < bytes.length;) {
    const short = bytes[at + 1]!
    const from = at + (short < 126 ? 2 : short === 126 ? 4 : 10)
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : bytes.readUIntBE(at + 4, 6)
    frames.push([bytes[at]! & 0x0f, bytes.toString("utf8", from, from + length)])
    at = from + length
  }
  return frames
}

/** The code of a close frame. */
export const codeOf = (bytes: Buffer): number => (bytes[0] === 0x88 ? bytes.readUInt16BE(2) : 0)

/** A client that has connected and asked for nothing yet. */
export interface Hostile {
  readonly socket: Net.Socket
  /** All that came. */
  readonly received: () => Buffer
  /** Waits for the answer to a request, and takes it away. */
  readonly answer: Effect.Effect<string>
  /** Waits for so many bytes, and takes them away. */
  readonly take: (bytes: number) => Effect.Effect<Buffer>
  /** Waits until the server has ended its side or reset the connection. */
  readonly ended: Effect.Effect<void>
}

/** Connects. */
export const hostile = (transport: Transport["Service"]) =>
  Effect.map(rawClient(transport), (socket): Hostile => {
    let received = Buffer.alloc(0)
    let ended = false
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk])
    })
    socket.on("end", () => (ended = true)).on("close", () => (ended = true))
    const take = (bytes: number) =>
      Effect.map(
        until(() => received.length >= bytes),
        () => {
          const taken = received.subarray(0, bytes)
          received = received.subarray(bytes)
          return taken
        },
      )
    const headEnd = () => received.indexOf("\r\n\r\n") + 4
    return {
      socket,
      received: () => received,
      answer: Effect.flatMap(
        until(() => received.includes("\r\n\r\n")),
        () => Effect.map(take(headEnd()), String),
      ),
      take,
      ended: until(() => ended),
    }
  })
