/**
 * Samples of the frame layer: bytes to frames and back. Body sizes from a chat line to a file.
 */
import { FrameDecoder, FrameEncoder, FrameLayout } from "longline"
import type { Sample } from "./Sample.ts"

const layout = FrameLayout.makeUnsafe({ maxFrameBytes: 1024 * 1024 })
const encoder = FrameEncoder.make(layout)

/** As much as one read of a socket gives. */
const chunkBytes = 64 * 1024

const bodySizes = [16, 64, 256, 1024, 16 * 1024, 1024 * 1024]

const framesOf = (bodyBytes: number): { readonly count: number; readonly bytes: Buffer } => {
  const count = Math.max(1, Math.floor(chunkBytes / (4 + bodyBytes)))
  const frame = Buffer.alloc(4 + bodyBytes, "longline")
  encoder.writeHeader(frame, 0, bodyBytes)
  return { count, bytes: Buffer.concat(Array.from({ length: count }, () => frame)) }
}

/** The decoder, given its bytes in chunks of a size. */
const decode = (bodyBytes: number, pieceBytes: number): Sample => {
  const { bytes, count } = framesOf(bodyBytes)
  const decoder = FrameDecoder.make(layout)
  const pieces: Array<Buffer> = []
  for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes))
  return {
    name: pieceBytes === chunkBytes ? "decode" : `decode, pieces of ${pieceBytes} B`,
    size: `${bodyBytes} B`,
    count,
    run: () => {
      let frames = 0
      for (const piece of pieces) frames += decoder.push(piece).length
      return frames
    },
  }
}

const encode = (bodyBytes: number): Sample => {
  const body = Buffer.alloc(bodyBytes, "longline")
  const count = 64
  return {
    name: "encode",
    size: `${bodyBytes} B`,
    count,
    run: () => {
      let written = 0
      for (let i = 0; i < count; i++) if (encoder.encode(body)._tag === "Success") written++
      return written
    },
  }
}

/** All of them. */
export const samples: ReadonlyArray<Sample> = [
  ...bodySizes.map((bytes) => decode(bytes, chunkBytes)),
  ...[64, 16 * 1024].map((bytes) => decode(bytes, 100)),
  ...bodySizes.map(encode),
]
