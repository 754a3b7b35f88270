/**
 * The frames of one write: small ones written side by side where they will be sent from, large ones by reference, in
 * order. Hot: plain loops. Knows no wire and no limit.
 */
import type { Body } from "../codec/Codec.ts"
import * as Bytes from "../frame/Bytes.ts"
import type { FrameEncoder } from "../frame/FrameEncoder.ts"
import { arenaBytes, type Turn } from "./Turn.ts"

/**
 * From this size on a body is referenced and not copied. Below, a copy is cheaper than a further entry of a gathering
 * write.
 */
export const referenceBytes = 8 * 1024

/** What is collected for one write, and gone with it: an idle connection has none. */
export class Batch {
  /** In order; behind them the run, which is the bytes `#from` to `#to` of an arena. */
  readonly #parts: Array<Uint8Array> = []
  #run: Uint8Array | undefined
  #from = 0
  #to = 0
  readonly #encoder: FrameEncoder
  readonly #turn: Turn

  constructor(encoder: FrameEncoder, turn: Turn) {
    this.#encoder = encoder
    this.#turn = turn
  }

  /**
   * Adds the frame of a body of so many bytes, and says how many bytes it has. A body of `referenceBytes` or more must not
   * change until it is sent.
   */
  add(body: Body, bytes: number): number {
    const frameBytes = this.#encoder.sizeOf(bytes)
    if (typeof body !== "string" && bytes >= referenceBytes) {
      const header = this.#place(frameBytes - bytes)
      this.#encoder.writeHeader(this.#turn.arena, header, bytes)
      this.push(body)
      return frameBytes
    }
    if (frameBytes > arenaBytes) return this.addCopy(body, bytes)
    const at = this.#place(frameBytes)
    const arena = this.#turn.arena
    write(arena, at + this.#encoder.writeHeader(arena, at, bytes), body)
    return frameBytes
  }

  /** Adds the frame in a buffer of its own: one that has to wait would keep all of an arena, or of a chunk that was read. */
  addCopy(body: Body, bytes: number): number {
    const frame = Bytes.here.own(this.#encoder.sizeOf(bytes))
    write(frame, this.#encoder.writeHeader(frame, 0, bytes), body)
    this.push(frame)
    return frame.length
  }

  /** Adds bytes as they are, by reference. */
  push(bytes: Uint8Array): void {
    if (this.#run !== undefined) this.#endRun()
    this.#parts.push(bytes)
  }

  /** What was added, at least something, as the chunks of a write: small neighbours in one. Nothing is added after it. */
  take(): [Uint8Array, ...Array<Uint8Array>] {
    if (this.#run !== undefined) this.#endRun()
    return (this.#parts.length === 1 ? this.#parts : this.#join(this.#parts)) as [Uint8Array, ...Array<Uint8Array>]
  }

  /** Where in the arena so many bytes belong: behind the run, unless others have written there since. */
  #place(bytes: number): number {
    const turn = this.#turn
    const at = turn.take(bytes)
    if (at !== this.#to || turn.arena !== this.#run) {
      if (this.#run !== undefined) this.#endRun()
      this.#run = turn.arena
      this.#from = at
    }
    this.#to = at + bytes
    return at
  }

  #endRun(): void {
    this.#parts.push(this.#run!.subarray(this.#from, this.#to))
    this.#run = undefined
  }

  #join(parts: ReadonlyArray<Uint8Array>): Array<Uint8Array> {
    const chunks: Array<Uint8Array> = []
    for (let i = 0; i < parts.length;) {
      const end = endOfSmall(parts, i)
      if (end - i < 2) chunks.push(parts[i++]!)
      else {
        chunks.push(this.#copyOf(parts, i, end))
        i = end
      }
    }
    return chunks
  }

  #copyOf(parts: ReadonlyArray<Uint8Array>, from: number, to: number): Uint8Array {
    let bytes = 0
    for (let i = from; i < to; i++) bytes += parts[i]!.length
    const first = this.#turn.take(bytes)
    const arena = this.#turn.arena
    for (let i = from, at = first; i < to; at += parts[i++]!.length) arena.set(parts[i]!, at)
    return arena.subarray(first, first + bytes)
  }
}

/** The same chunks, those copied that are a small part of a buffer: whoever keeps them does not keep the rest of it. */
export const ownChunks = ([first, ...others]: readonly [Uint8Array, ...Array<Uint8Array>]): [
  Uint8Array,
  ...Array<Uint8Array>,
] => [own(first), ...others.map(own)]

const own = (chunk: Uint8Array): Uint8Array => {
  if (chunk.length * 2 >= chunk.buffer.byteLength) return chunk
  const copy = Bytes.here.own(chunk.length)
  copy.set(chunk)
  return copy
}

/** Where the small parts from `from` on end, or what an arena holds of them. */
const endOfSmall = (parts: ReadonlyArray<Uint8Array>, from: number): number => {
  let end = from
  for (let bytes = 0; end < parts.length && parts[end]!.length < referenceBytes; end++) {
    bytes += parts[end]!.length
    if (bytes > arenaBytes) break
  }
  return end
}

const write = (target: Uint8Array, at: number, body: Body): void => {
  if (typeof body === "string") Bytes.here.write(target, at, body)
  else target.set(body, at)
}
