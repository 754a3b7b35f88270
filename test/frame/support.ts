/**
 * Layouts, payloads and cuts for properties, and a second encoder that shares no code with the first.
 * Small on purpose: a case must cross header, buffer and frame boundaries often.
 */
import * as fc from "fast-check"
import type { FrameDecoder } from "../../src/frame/FrameDecoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"

export const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ""), "hex")

export const hexOf = (frames: ReadonlyArray<Uint8Array>): ReadonlyArray<string> =>
  frames.map((frame) => Buffer.from(frame).toString("hex"))

/** The largest body in a property: several times the largest initial buffer, several headers long. */
export const maxBodyBytes = 100

const widths: ReadonlyArray<FrameLayout.Width> = [1, 2, 3, 4, 8, "varint"]

/** Around zero; and so far below that lengths cross from one byte to two and to three, whatever the body. */
const adjustmentsOf = (width: FrameLayout.Width): fc.Arbitrary<number> => {
  const least = width === 1 ? -150 : width === 2 ? -65_400 : -70_000
  return fc.oneof(
    fc.integer({ min: -20, max: 20 }),
    fc.integer({ min: -150, max: 0 }),
    fc.integer({ min: least, max: 0 }),
  )
}

/** Every width, order, offset, adjustment and strip, with a limit of `maxBodyBytes`. */
export const layouts: fc.Arbitrary<FrameLayout.FrameLayout> = fc.constantFrom(...widths).chain((width) =>
  fc
    .record({
      byteOrder: fc.constantFrom("big" as const, "little" as const),
      lengthOffset: fc.nat({ max: 5 }),
      adjustment: adjustmentsOf(width),
      keep: fc.option(fc.nat({ max: 5 })),
      prefix: fc.uint8Array({ minLength: 5, maxLength: 5 }),
    })
    .map(({ keep, prefix, ...options }) => {
      const strip = keep === null ? "header" : Math.min(keep, options.lengthOffset)
      return FrameLayout.makeUnsafe({
        ...options,
        width,
        strip,
        prefix: prefix.subarray(0, strip === "header" ? options.lengthOffset : strip),
        maxFrameBytes: maxBodyBytes,
      })
    }),
)

/** One frame: what was before the length field, bytes that a varint has too many, and the body. */
export interface Parts {
  readonly before: Uint8Array
  readonly padding: number
  readonly body: Uint8Array
}

const partsOf = (layout: FrameLayout.FrameLayout): fc.Arbitrary<Parts> =>
  fc.record({
    before: fc.uint8Array({ minLength: layout.lengthOffset, maxLength: layout.lengthOffset }),
    padding: fc.nat({ max: layout.width === "varint" ? 4 : 0 }),
    body: fc.uint8Array({ minLength: layout.minBodyBytes, maxLength: maxBodyBytes }),
  })

/** A layout and frames that fit it. */
export const layoutsAndFrames: fc.Arbitrary<readonly [FrameLayout.FrameLayout, ReadonlyArray<Parts>]> = layouts.chain(
  (layout) => fc.tuple(fc.constant(layout), fc.array(partsOf(layout), { maxLength: 8 })),
)

/** Sizes of pieces, used in a circle. Mostly tiny, sometimes a whole frame, sometimes all. */
export const cuts: fc.Arbitrary<ReadonlyArray<number>> = fc.array(
  fc.oneof(
    { arbitrary: fc.integer({ min: 1, max: 5 }), weight: 3 },
    { arbitrary: fc.integer({ min: 6, max: 400 }), weight: 1 },
  ),
  { minLength: 1, maxLength: 6 },
)

/** Capacities that a frame of a property outgrows several times. */
export const initialBuffers: fc.Arbitrary<number> = fc.integer({ min: 0, max: 8 })

export const cut = (bytes: Uint8Array, sizes: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!
    // A copy: a decoder that kept a view into its past would read another's bytes in the process, and here too.
    pieces.push(Uint8Array.from(bytes.subarray(at, at + size)))
    at += size
  }
  return pieces
}

/** Pushes every piece, and overwrites it afterwards if the frames made of it do not need it. */
export const pushAll = (decoder: FrameDecoder, pieces: ReadonlyArray<Uint8Array>): ReadonlyArray<string> => {
  const frames: Array<string> = []
  for (const piece of pieces) {
    frames.push(...hexOf(decoder.push(piece)))
    piece.fill(0xee)
  }
  return frames
}

/** The header by BigInt. */
export const headerOf = (layout: FrameLayout.FrameLayout, { before, body, padding }: Parts): Buffer => {
  let rest = BigInt(body.length - layout.adjustment)
  const bytes: Array<number> = []
  if (layout.width === "varint") {
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
    bytes.push(Number(rest))
    for (let i = 0; i < padding; i++) bytes.push(bytes.pop()! | 0x80, 0)
    return Buffer.from([...before, ...bytes])
  }
  for (; bytes.length < layout.width; rest >>= 8n) bytes.push(Number(rest & 0xffn))
  return Buffer.from([...before, ...(layout.byteOrder === "big" ? bytes.toReversed() : bytes)])
}

export const wireOf = (layout: FrameLayout.FrameLayout, parts: Parts): Buffer =>
  Buffer.concat([headerOf(layout, parts), parts.body])

/** What a decoder of this layout delivers of a frame on the wire. */
export const deliveredOf = (layout: FrameLayout.FrameLayout, parts: Parts): Buffer =>
  layout.strip === "header" ? Buffer.from(parts.body) : wireOf(layout, parts).subarray(layout.strip)
