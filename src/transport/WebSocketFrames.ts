/**
 * What a wire writes, as WebSocket messages: a message for each frame of the protocol, or bytes as they are.
 * Frames and masks nothing by itself (`ws` does), and writes to no socket.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Deflate from "./WebSocketDeflate.ts"
import { Sender } from "./WsParts.ts"

/** The kinds of frames of RFC 6455 that are written here. */
export const opcodes = { text: 1, binary: 2, close: 8, pong: 10 } as const

/** The bytes in front of a body where frames are messages: its length, unsigned and big-endian. */
export const lengthBytes = 4

/** What one message holds at most where bytes are written as they are. */
export const maxBytesPerMessage = 64 * 1024

/** Below, the frames of one write are copied side by side: cheaper than further entries of a gathering write. */
const copiedBytes = 16 * 1024

type Chunks = [Uint8Array, ...Array<Uint8Array>]

/** How messages leave. */
export interface Style {
  readonly messages: "frames" | "bytes"
  readonly kind: "text" | "binary"
  /** Whether this side is the client. */
  readonly mask: boolean
  /** What was agreed on for compressing; undefined compresses nothing. */
  readonly deflate: Deflate.Agreed | undefined
}

/** One control frame. */
export const control = (opcode: 8 | 10, payload: Uint8Array, mask: boolean): Chunks =>
  Sender.frame(payload, { fin: true, opcode, mask, readOnly: true, rsv1: false }) as Chunks

/** The payload of a close frame: the code, and as much of the text as fits. */
export const closing = (code: number, text: string): Uint8Array => {
  // A control frame holds 125 bytes at most. The encoder cuts between characters, as a close frame has to be UTF-8.
  const payload = Buffer.allocUnsafe(125)
  payload.writeUInt16BE(code, 0)
  const { written } = new TextEncoder().encodeInto(text, payload.subarray(2))
  return payload.subarray(0, 2 + written)
}

/** The chunks of a write as messages. With `frames` they hold whole frames, as an outbox writes them. */
export const messages = (
  chunks: NonEmptyReadonlyArray<Uint8Array>,
  { deflate, kind, mask, messages }: Style,
): Chunks => {
  const options = { fin: true, opcode: opcodes[kind], mask, readOnly: true } as const
  const parts: Array<Uint8Array> = []
  let total = 0
  const add = (body: Uint8Array): void => {
    const compressed = deflate?.deflater.deflate(body, deflate.windowBits)
    for (const part of Sender.frame(compressed ?? body, { ...options, rsv1: compressed !== undefined })) {
      parts.push(part)
      total += part.length
    }
  }
  if (messages === "frames") eachBody(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks), add)
  else for (const chunk of chunks) eachPiece(chunk, add)
  return (parts.length > 2 && total <= copiedBytes ? [Buffer.concat(parts, total)] : parts) as Chunks
}

const eachBody = (frames: Uint8Array, add: (body: Uint8Array) => void): void => {
  for (let at = 0; at < frames.length;) {
    const from = at + lengthBytes
    // Without a sign: lengths of 2 GiB and more are refused long before.
    const length = (frames[at]! << 24) | (frames[at + 1]! << 16) | (frames[at + 2]! << 8) | frames[at + 3]!
    at = from + length
    add(frames.subarray(from, at))
  }
}

const eachPiece = (chunk: Uint8Array, add: (piece: Uint8Array) => void): void => {
  for (let at = 0; at < chunk.length; at += maxBytesPerMessage) add(chunk.subarray(at, at + maxBytesPerMessage))
}

/** Bodies that arrived, with their lengths in front: what the connection above cuts again. */
export const prefixed = (bodies: ReadonlyArray<Uint8Array>): Buffer => {
  let total = 0
  for (let i = 0; i < bodies.length; i++) total += lengthBytes + bodies[i]!.length
  // Its own: a small one would keep 8 KiB of a pool for as long as what is decoded from it lives.
  const frames = Buffer.allocUnsafeSlow(total)
  for (let i = 0, at = 0; i < bodies.length; i++) {
    const body = bodies[i]!
    at = frames.writeUInt32BE(body.length, at)
    frames.set(body, at)
    at += body.length
  }
  return frames
}
