/**
 * Cuts bytes into frames, however the bytes are cut. Plain loops over bytes, because every byte received passes here.
 * Knows no schema, no socket, no clock, and allocates nothing on a peer's word: memory follows the bytes that arrived.
 *
 * With `FrameLayout.u32`, both of these give the frames `68 69`, empty, `21`:
 *
 * ```
 * push(00 00 00 02 68 69 00 00 00 00 00 00 00 01 21)
 * push(00 00)  push(00 02 68)  push(69 00 00 00 00 00)  push(00 00 01 21)
 * ```
 *
 * With `width: 1, lengthOffset: 2, adjustment: -1, strip: 1` (`a0 a1` is a type, the length counts itself), the bytes
 * `a0 a1 03 68 69` are the frame `a1 03 68 69`: one byte is stripped, the length is delivered.
 */
import * as Bytes from "./Bytes.ts"
import type { FrameLayout } from "./FrameLayout.ts"
import { FrameError, FrameTruncated } from "./FrameError.ts"
import { largestMaxFrameBytes } from "./FrameLayout.ts"
import * as LengthField from "./LengthField.ts"

/** The frame that has begun and is not complete. Both count the frame from its first byte, header and all. */
export interface PendingFrame {
  readonly receivedBytes: number
  /** Undefined while the header is incomplete. */
  readonly declaredBytes: number | undefined
}

/** The bytes of one connection on their way to frames. Mutable, and owned by one reader. */
export interface FrameDecoder {
  /**
   * The frames that this chunk completes, in order, as plain `Uint8Array`s whatever the chunk is. A frame wholly within
   * the chunk is a view into it; one that came in pieces has a buffer of its own. After a bad header, the frames before it
   * are returned and `failure` is set.
   */
  push(chunk: Uint8Array): ReadonlyArray<Uint8Array>
  /**
   * Takes a chunk that the pending frame goes on beyond, by a copy; refuses any other and changes nothing. So a reader
   * may lend the middle of a large frame from a buffer of its own: measured with frames of 1 MiB, where a chunk for each
   * read is half of what is allocated, the server costs a third to four fifths (`echo-1m`).
   */
  absorb(chunk: Uint8Array): boolean
  /** Says that no more bytes come: `FrameTruncated` if they ended inside a frame, or the failure there already was. */
  end(): FrameError | undefined
  /** Changes the limit of body bytes for headers completed by later pushes. Above 1 GiB it counts as 1 GiB. */
  limit(maxFrameBytes: number): void
  /** Why no frame can follow. Once set it stays, and `push` returns nothing. */
  readonly failure: FrameError | undefined
  /**
   * The first bytes of the connection, at most `failureHeadBytes`, if its very first header was bad: `WrongProtocol`
   * tells from them what a stranger is speaking.
   */
  readonly failureHead: Uint8Array | undefined
  /** Undefined between frames. */
  readonly pending: PendingFrame | undefined
  /** Only ever grows: when it has not, `pending` is about the same frame as before. */
  readonly framesDecoded: number
  /**
   * Bytes held for the pending frame: at most `bufferFactor` times those received, or `initialBufferBytes`; 0 between
   * frames.
   */
  readonly bufferBytes: number
}

/** What tests need to turn: the defaults are meant for everybody. */
export interface Options {
  /** The least to allocate for a frame in pieces, unless the whole frame is smaller. Default `defaultInitialBufferBytes`. */
  readonly initialBufferBytes?: number | undefined
  /** Default: uninitialized memory, of which no byte is delivered before it is written. */
  readonly allocate?: ((bytes: number) => Uint8Array) | undefined
}

/** The least to allocate for a frame that comes in pieces: small frames are then copied once. */
export const defaultInitialBufferBytes = 128

/**
 * How many times the bytes received a buffer may have: once a quarter of a frame is here, all of it is allocated. Measured
 * with a frame of 1 MiB in reads of 64 KiB: 1.25 times its size allocated, where a buffer that doubles allocates 2.4 times,
 * and it is allocations that cost, by page faults and collections (`bench:micro decode`, and `echo-1m`).
 */
export const bufferFactor = 4

/** The most of `failureHead`. */
export const failureHeadBytes = 16

/** A decoder at the beginning of a connection. */
export const make = (layout: FrameLayout, options?: Options): FrameDecoder =>
  new Decoder(layout, options?.initialBufferBytes ?? defaultInitialBufferBytes, options?.allocate ?? Bytes.here.own)

const noFrames: ReadonlyArray<Uint8Array> = []
const noBytes = new Uint8Array(0)

// A class, because its methods are shared: an idle connection pays for the fields only.
class Decoder implements FrameDecoder {
  failure: FrameError | undefined = undefined
  failureHead: Uint8Array | undefined = undefined
  framesDecoded = 0

  readonly #layout: FrameLayout
  readonly #initialBufferBytes: number
  readonly #allocate: (bytes: number) => Uint8Array
  #maxFrameBytes: number
  // The pending frame from its first byte: `#filled` bytes of `#buffer`, `#total` in the end, 0 while that is unknown.
  #buffer: Uint8Array = noBytes
  #filled = 0
  #total = 0

  constructor(layout: FrameLayout, initialBufferBytes: number, allocate: (bytes: number) => Uint8Array) {
    this.#layout = layout
    this.#initialBufferBytes = initialBufferBytes
    this.#allocate = allocate
    this.#maxFrameBytes = layout.maxFrameBytes
  }

  get pending(): PendingFrame | undefined {
    if (this.#filled === 0) return undefined
    return { receivedBytes: this.#filled, declaredBytes: this.#total === 0 ? undefined : this.#total }
  }

  get bufferBytes(): number {
    return this.#buffer.length
  }

  limit(maxFrameBytes: number): void {
    this.#maxFrameBytes = Math.min(maxFrameBytes, largestMaxFrameBytes)
  }

  push(chunk: Uint8Array): ReadonlyArray<Uint8Array> {
    if (this.failure !== undefined) return noFrames
    const layout = this.#layout
    const maxFrameBytes = this.#maxFrameBytes
    const strip = layout.strip
    const { buffer, byteOffset, length: end } = chunk
    let frames: Array<Uint8Array> | undefined
    let at = 0
    if (this.#filled > 0) {
      at = this.#resume(chunk)
      if (this.#total === 0 || this.#filled < this.#total) return noFrames
      frames = [this.#takePending()]
    }
    while (at < end) {
      const bodyBytes = LengthField.read(layout, maxFrameBytes, chunk, at, end)
      if (typeof bodyBytes !== "number") {
        this.#refuse(bodyBytes, chunk, at)
        break
      }
      if (bodyBytes === LengthField.incomplete) {
        this.#fill(chunk, at, end - at)
        break
      }
      const headerBytes = LengthField.headerBytes(layout, chunk, at)
      const next = at + headerBytes + bodyBytes
      if (next > end) {
        this.#total = next - at
        this.#fill(chunk, at, this.#total)
        break
      }
      // The views are most of what small frames cost: made so, 22 ns each, by `subarray` of a `Buffer` 57; half of the
      // decoder and a tenth of a message (`bench:micro decode`, and `echo-50x32`).
      const from = at + (strip === "header" ? headerBytes : strip)
      const frame = new Uint8Array(buffer, byteOffset + from, next - from)
      if (frames === undefined) frames = [frame]
      else frames.push(frame)
      this.framesDecoded++
      at = next
    }
    return frames ?? noFrames
  }

  absorb(chunk: Uint8Array): boolean {
    if (this.#filled + chunk.length >= this.#total) return false
    this.#fill(chunk, 0, this.#total)
    return true
  }

  end(): FrameError | undefined {
    if (this.#filled > 0) {
      const needed = this.#total === 0 ? undefined : this.#total
      this.failure = new FrameError({ reason: new FrameTruncated({ received: this.#filled, needed }) })
      this.#release()
    }
    return this.failure
  }

  /** Brings the pending frame as far as the chunk does, and says where in the chunk that is. */
  #resume(chunk: Uint8Array): number {
    const layout = this.#layout
    let at = 0
    while (this.#total === 0) {
      // Not one byte more than the header: what follows a bad one is not to be buffered. Where a varint ends is not
      // known beforehand, so a header with one comes byte by byte.
      const wanted = layout.width === "varint" ? this.#filled + 1 : layout.minHeaderBytes
      at = this.#fill(chunk, at, wanted)
      if (this.#filled < wanted) return at
      const bodyBytes = LengthField.read(layout, this.#maxFrameBytes, this.#buffer, 0, wanted)
      if (typeof bodyBytes !== "number") {
        this.#refuse(bodyBytes, chunk, at)
        return at
      }
      if (bodyBytes !== LengthField.incomplete) this.#total = wanted + bodyBytes
    }
    return this.#fill(chunk, at, this.#total)
  }

  /** Copies from the chunk until the buffer holds `upTo` bytes or the chunk is used up, and says where in it that is. */
  #fill(chunk: Uint8Array, from: number, upTo: number): number {
    const to = Math.min(from + upTo - this.#filled, chunk.length)
    const filled = this.#filled + to - from
    if (filled > this.#buffer.length) this.#grow(filled)
    this.#buffer.set(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to), this.#filled)
    this.#filled = filled
    return to
  }

  /**
   * Makes room for `needed` bytes, all of them here already: for the whole frame if they are enough of it, otherwise for
   * as much as is allowed and no more than will be enough. Growing by a factor keeps a frame in many pieces O(n).
   */
  #grow(needed: number): void {
    const total = this.#total
    const allowed = bufferFactor * needed
    const bytes = Math.max(
      total > allowed ? Math.min(allowed, Math.ceil(total / bufferFactor)) : allowed,
      this.#initialBufferBytes,
    )
    const buffer = this.#allocate(total === 0 ? bytes : Math.min(bytes, total))
    buffer.set(this.#buffer.subarray(0, this.#filled))
    this.#buffer = buffer
  }

  #takePending(): Uint8Array {
    const { strip } = this.#layout
    const from = strip === "header" ? LengthField.headerBytes(this.#layout, this.#buffer, 0) : strip
    const { buffer, byteOffset } = this.#buffer
    const frame = new Uint8Array(buffer, byteOffset + from, this.#total - from)
    this.framesDecoded++
    this.#release()
    return frame
  }

  #refuse(reason: FrameError["reason"], chunk: Uint8Array, at: number): void {
    this.failure = new FrameError({ reason })
    if (this.framesDecoded === 0) {
      // A copy: the chunk may be the reader's to use again.
      this.failureHead = Uint8Array.from([
        ...this.#buffer.subarray(0, Math.min(this.#filled, failureHeadBytes)),
        ...chunk.subarray(at, at + failureHeadBytes),
      ]).subarray(0, failureHeadBytes)
    }
    this.#release()
  }

  #release(): void {
    this.#buffer = noBytes
    this.#filled = 0
    this.#total = 0
  }
}
