/**
 * Puts the header before a frame: the exact inverse of a decoder of the same layout.
 * Refuses what that decoder would refuse, and never shortens, splits or corrects a frame.
 */
import * as Result from "effect/Result"
import * as Bytes from "./Bytes.ts"
import type { FrameLayout } from "./FrameLayout.ts"
import { FrameError, FrameTooLarge, LengthMismatch, LengthNotExpressible } from "./FrameError.ts"
import * as LengthField from "./LengthField.ts"

/**
 * Writes frames of one layout. A frame is what the decoder delivers: the body if the whole header is stripped, otherwise
 * the bytes after the stripped ones, whose length must then be right. Stateless: one serves every connection.
 */
export interface FrameEncoder {
  readonly layout: FrameLayout
  /** The frame as it goes over the wire, in one new buffer. */
  readonly encode: (frame: Uint8Array) => Result.Result<Uint8Array, FrameError>
  /**
   * Why this frame cannot be sent, if it cannot. For bodies their number of bytes will do; of a frame that carries its
   * own header a number shows no header, so it is refused.
   */
  readonly refuse: (frame: Uint8Array | number) => FrameError | undefined
  /** Bytes on the wire of a frame that was not refused. */
  readonly sizeOf: (frameBytes: number) => number
  /** Writes into `target` at `at` what goes before a frame that was not refused, and says how many bytes that was. */
  readonly writeHeader: (target: Uint8Array, at: number, frameBytes: number) => number
}

/** An encoder for a layout. */
export const make = (layout: FrameLayout): FrameEncoder => {
  const { maxFrameBytes, minBodyBytes, maxBodyBytes, prefix } = layout
  const stripped = layout.strip === "header"
  const hasPrefix = prefix.length > 0

  const refuseBody = (bytes: number): FrameError | undefined => {
    if (bytes >= minBodyBytes && bytes <= maxFrameBytes) return undefined
    return new FrameError({
      reason:
        bytes < minBodyBytes
          ? new LengthNotExpressible({ bytes, minimum: minBodyBytes, maximum: maxBodyBytes })
          : new FrameTooLarge({ limit: maxFrameBytes, declared: bytes }),
    })
  }

  // Of a frame with its own header, less the stripped bytes: these never reach into the length field.
  const header: FrameLayout = {
    ...layout,
    lengthOffset: layout.lengthOffset - prefix.length,
    minHeaderBytes: layout.minHeaderBytes - prefix.length,
  }
  const refuseWithHeader = (frame: Uint8Array): FrameError | undefined => {
    const declared = LengthField.read(header, maxFrameBytes, frame, 0, frame.length)
    if (typeof declared !== "number") return new FrameError({ reason: declared })
    if (declared === LengthField.incomplete) return mismatch(undefined, 0)
    const actual = frame.length - LengthField.headerBytes(header, frame, 0)
    return declared === actual ? undefined : mismatch(declared, actual)
  }

  const refuse = (frame: Uint8Array | number): FrameError | undefined => {
    if (stripped) return refuseBody(typeof frame === "number" ? frame : frame.length)
    return typeof frame === "number" ? mismatch(undefined, frame) : refuseWithHeader(frame)
  }

  const sizeOf = (frameBytes: number): number =>
    prefix.length + (stripped ? LengthField.sizeOf(layout, frameBytes) : 0) + frameBytes

  const writeHeader = (target: Uint8Array, at: number, frameBytes: number): number => {
    if (hasPrefix) target.set(prefix, at)
    const end = at + prefix.length
    return (stripped ? LengthField.write(layout, target, end, frameBytes) : end) - at
  }

  const encode = (frame: Uint8Array): Result.Result<Uint8Array, FrameError> => {
    const error = refuse(frame)
    if (error !== undefined) return Result.fail(error)
    const bytes = Bytes.here.pooled(sizeOf(frame.length))
    bytes.set(frame, writeHeader(bytes, 0, frame.length))
    return Result.succeed(bytes)
  }

  return { layout, encode, refuse, sizeOf, writeHeader }
}

const mismatch = (declared: number | undefined, actual: number): FrameError =>
  new FrameError({ reason: new LengthMismatch({ declared, actual }) })
