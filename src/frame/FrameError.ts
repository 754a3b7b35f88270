/**
 * Everything that can be wrong with a frame, coming or going, as facts.
 * Decides nothing: the decoder and the encoder do.
 */
import * as Data from "effect/Data"

/**
 * The header declares (or the body has) more bytes than the layout allows; `limit` and `declared` are body bytes. A varint
 * is refused as soon as its bytes so far are too much: `declared` is then what they come to, and the least it can be.
 */
export class FrameTooLarge extends Data.TaggedError("FrameTooLarge")<{
  readonly limit: number
  readonly declared: number
}> {
  override get message(): string {
    return `frame of ${this.declared} bytes is over the limit of ${this.limit} bytes`
  }
}

/** The length field's value, adjusted, is below zero: it does not even cover the header it counts. */
export class LengthBelowHeader extends Data.TaggedError("LengthBelowHeader")<{
  readonly value: number
  readonly adjustment: number
}> {
  override get message(): string {
    return `length ${this.value} with adjustment ${this.adjustment} is ${this.value + this.adjustment}: below zero`
  }
}

/** The length field's value is beyond 2^53 - 1, or negative when read as a signed number; `hex` is the field's bytes. */
export class LengthUnsafe extends Data.TaggedError("LengthUnsafe")<{ readonly hex: string }> {
  override get message(): string {
    return `length field ${this.hex} is beyond the safe integers`
  }
}

/** A varint went on for more than 10 bytes. */
export class VarintTooLong extends Data.TaggedError("VarintTooLong")<{ readonly hex: string }> {
  override get message(): string {
    return `varint ${this.hex} is longer than 10 bytes`
  }
}

/** The bytes ended inside a frame. `needed` is the whole frame with its header, undefined while the header is incomplete. */
export class FrameTruncated extends Data.TaggedError("FrameTruncated")<{
  readonly received: number
  readonly needed: number | undefined
}> {
  override get message(): string {
    return this.needed === undefined
      ? `the bytes ended inside a frame header, after ${this.received} bytes`
      : `the bytes ended inside a frame, after ${this.received} of ${this.needed} bytes`
  }
}

/** Encoding only: no length field of this layout can express this body; `minimum` and `maximum` are body bytes. */
export class LengthNotExpressible extends Data.TaggedError("LengthNotExpressible")<{
  readonly bytes: number
  readonly minimum: number
  readonly maximum: number
}> {
  override get message(): string {
    return `a body of ${this.bytes} bytes cannot be expressed: the layout has room for ${this.minimum} to ${this.maximum} bytes`
  }
}

/** Encoding only: a frame that carries its own header declares another length than it has. */
export class LengthMismatch extends Data.TaggedError("LengthMismatch")<{
  readonly declared: number | undefined
  readonly actual: number
}> {
  override get message(): string {
    return `the frame's own header declares ${this.declared ?? "no readable length"}, but its body has ${this.actual} bytes`
  }
}

/** A frame that does not fit its layout. */
export class FrameError extends Data.TaggedError("FrameError")<{
  readonly reason:
    | FrameTooLarge
    | LengthBelowHeader
    | LengthUnsafe
    | VarintTooLong
    | FrameTruncated
    | LengthNotExpressible
    | LengthMismatch
}> {
  override get message(): string {
    return this.reason.message
  }
}
