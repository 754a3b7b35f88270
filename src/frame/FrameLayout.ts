/**
 * What a frame looks like on the wire, as numbers that were checked against each other.
 * Reads no bytes and writes none: `LengthField`, `FrameDecoder` and `FrameEncoder` do.
 *
 * ```
 * | lengthOffset bytes | length: width bytes | body: length + adjustment bytes |
 * |<-------------- header --------------->|
 * ```
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"

/** Bytes of the length field. `"varint"` is unsigned LEB128 as in Protobuf, 1 to 10 bytes, padding accepted. */
export type Width = 1 | 2 | 3 | 4 | 8 | "varint"

/** How bytes are cut into frames. Make it with `make`: the other parts of this room rely on its being consistent. */
export interface FrameLayout {
  readonly width: Width
  /** Of the length field. Says nothing about a varint. */
  readonly byteOrder: "big" | "little"
  /** Bytes before the length field. */
  readonly lengthOffset: number
  /** What to add to the length to get the body bytes, for example `-4` if a length of 4 bytes counts itself. */
  readonly adjustment: number
  /** Leading bytes that are not delivered: the whole header, or some of the bytes before the length field. */
  readonly strip: "header" | number
  /** What the encoder writes for the stripped bytes before the length field. The decoder skips them unread. */
  readonly prefix: Uint8Array
  /** Body bytes allowed, judged from the header alone. */
  readonly maxFrameBytes: number
  /** Derived: bytes of the smallest header. Only a varint's can be larger. */
  readonly minHeaderBytes: number
  /** Derived: the fewest body bytes that a length can express. */
  readonly minBodyBytes: number
  /** Derived: the most body bytes that a length can express, whatever is allowed. */
  readonly maxBodyBytes: number
}

/** The settings of a layout. A `FrameLayout` is one too: `make({ ...layout, maxFrameBytes })`. */
export interface Options {
  /** Default 4. */
  readonly width?: Width | undefined
  /** Default `"big"`. */
  readonly byteOrder?: "big" | "little" | undefined
  /** Default 0, at most `maxLengthOffset`. */
  readonly lengthOffset?: number | undefined
  /** Default 0. */
  readonly adjustment?: number | undefined
  /** Default `"header"`; `lengthOffset + width` means the same. Or 0 to `lengthOffset`: the length is then delivered. */
  readonly strip?: "header" | number | undefined
  /** Default zeros. */
  readonly prefix?: Uint8Array | undefined
  /** Default `defaultMaxFrameBytes`, or what the length can express if that is less. */
  readonly maxFrameBytes?: number | undefined
}

/** Settings that contradict each other or themselves: a mistake of the program, not of a peer. */
export class FrameLayoutError extends Data.TaggedError("FrameLayoutError")<{
  readonly setting: keyof Options
  readonly message: string
}> {}

/** The most bytes that may stand before the length field. */
export const maxLengthOffset = 255

/** Body bytes allowed unless a layout says otherwise: 64 KiB. */
export const defaultMaxFrameBytes = 64 * 1024

/** The most that `maxFrameBytes` can be: 1 GiB, which every JavaScript engine holds in one buffer with any header. */
export const largestMaxFrameBytes = 1024 * 1024 * 1024

const widths: ReadonlyArray<unknown> = [1, 2, 3, 4, 8, "varint"] satisfies ReadonlyArray<Width>

/** A layout, or the first of its settings that cannot be, with the arithmetic. */
export const make = (options: Options): Result.Result<FrameLayout, FrameLayoutError> => {
  const { width = 4, byteOrder = "big", lengthOffset = 0, adjustment = 0 } = options
  if (!widths.includes(width)) {
    return refuse("width", `width ${width} is none of 1, 2, 3, 4, 8 and varint`)
  }
  if (byteOrder !== "big" && byteOrder !== "little") {
    return refuse("byteOrder", `byteOrder ${String(byteOrder)} is neither big nor little`)
  }
  if (!isWithin(lengthOffset, 0, maxLengthOffset)) {
    return refuse("lengthOffset", `lengthOffset ${lengthOffset} is no integer from 0 to ${maxLengthOffset}`)
  }
  if (!Number.isSafeInteger(adjustment)) {
    return refuse("adjustment", `adjustment ${adjustment} is no safe integer`)
  }

  const headerBytes = width === "varint" ? undefined : lengthOffset + width
  const strip = options.strip === headerBytes ? "header" : (options.strip ?? "header")
  if (strip !== "header" && !isWithin(strip, 0, lengthOffset)) {
    const header = headerBytes === undefined ? `"header"` : `the whole header of ${headerBytes}`
    return refuse("strip", `strip ${strip} is neither ${header} nor 0 to ${lengthOffset}, the bytes before the length`)
  }
  const prefixBytes = strip === "header" ? lengthOffset : strip
  const prefix = options.prefix ?? new Uint8Array(prefixBytes)
  if (prefix.length !== prefixBytes) {
    return refuse("prefix", `prefix has ${prefix.length} bytes, but ${prefixBytes} are stripped before the length`)
  }

  const maxLength = width === "varint" || width === 8 ? Number.MAX_SAFE_INTEGER : 256 ** width - 1
  const minBodyBytes = Math.max(0, adjustment)
  const maxBodyBytes = Math.min(maxLength + adjustment, Number.MAX_SAFE_INTEGER)
  const lengths = `width ${width} has lengths up to ${maxLength}`
  if (maxBodyBytes < 0) {
    return refuse(
      "adjustment",
      `adjustment ${adjustment} leaves no body at all: ${lengths}, and ${maxLength} - ${-adjustment} is below zero`,
    )
  }
  const maxFrameBytes = options.maxFrameBytes ?? Math.min(defaultMaxFrameBytes, maxBodyBytes)
  if (!isWithin(maxFrameBytes, 0, largestMaxFrameBytes)) {
    return refuse("maxFrameBytes", `maxFrameBytes ${maxFrameBytes} is no integer from 0 to ${largestMaxFrameBytes}`)
  }
  if (maxFrameBytes > maxBodyBytes) {
    return refuse(
      "maxFrameBytes",
      `maxFrameBytes ${maxFrameBytes} cannot be expressed: ${lengths}, with adjustment ${adjustment} a body of up to ${maxBodyBytes} bytes`,
    )
  }
  if (maxFrameBytes < minBodyBytes) {
    return refuse(
      "maxFrameBytes",
      `maxFrameBytes ${maxFrameBytes} lets no frame pass: with adjustment ${adjustment} the smallest body has ${minBodyBytes} bytes`,
    )
  }
  return Result.succeed({
    width,
    byteOrder,
    lengthOffset,
    adjustment,
    strip,
    prefix,
    maxFrameBytes,
    minHeaderBytes: lengthOffset + (width === "varint" ? 1 : width),
    minBodyBytes,
    maxBodyBytes,
  })
}

/** As `make`, for layouts written in code: throws the `FrameLayoutError`. */
export const makeUnsafe = (options: Options): FrameLayout => Result.getOrThrow(make(options))

/**
 * The same frames with another limit of body bytes. Obeyed downwards as it is, even if nothing passes any more, and
 * upwards as far as a length can express.
 */
export const withMaxFrameBytes = (layout: FrameLayout, maxFrameBytes: number): FrameLayout => ({
  ...layout,
  maxFrameBytes: Math.min(maxFrameBytes, layout.maxBodyBytes, largestMaxFrameBytes),
})

const refuse = (setting: keyof Options, message: string) => Result.fail(new FrameLayoutError({ setting, message }))

const isWithin = (value: number, min: number, max: number): boolean =>
  Number.isInteger(value) && value >= min && value <= max

/** Longline's own layout (protocol section 1): a big-endian length of 4 bytes that counts the body, 64 KiB. */
export const u32: FrameLayout = makeUnsafe({})
