/**
 * What one connection sends, over and over, and therefore what must come back: frames of equal size, each with the
 * connection's number and its own in the cycle. Bytes that are lost, doubled, changed or of another connection are seen.
 */
import { randomFillSync } from "node:crypto"

/** What to send. */
export interface Options {
  readonly connection: number
  readonly inFlight: number
  readonly body: "bytes" | "json"
  /** Of `bytes`; `json` has the size it has. */
  readonly bodyBytes: number
}

/** Bytes of a cycle, where that is more than what is in flight: enough to be unlike, few enough for the cache. */
const cycleBytes = 16 * 1024

/** A connection's frames, and how far they were sent and came back. Positions are within the cycle. */
export class EchoScript {
  readonly frameBytes: number
  /** Frames sent, and frames that came back whole. */
  sent = 0
  received = 0
  // The cycle, and behind it its beginning again for as much as can be in flight: every stretch is one slice.
  readonly #bytes: Buffer
  readonly #cycleBytes: number
  readonly #connection: number
  #receivedAt = 0
  #sentAt = 0
  #partial = 0

  constructor(options: Options) {
    const frames = [frameOf(options, 0)]
    this.frameBytes = frames[0]!.length
    const cycle = Math.max(2 * options.inFlight, Math.ceil(cycleBytes / this.frameBytes))
    while (frames.length < cycle) frames.push(frameOf(options, frames.length))
    this.#cycleBytes = cycle * this.frameBytes
    this.#bytes = Buffer.concat([...frames, ...frames.slice(0, options.inFlight)])
    this.#connection = options.connection
  }

  /** The next frames to send, at most as many as may be in flight. */
  next(frames: number): Buffer {
    const from = this.#sentAt
    const to = from + frames * this.frameBytes
    this.#sentAt = to % this.#cycleBytes
    this.sent += frames
    return this.#bytes.subarray(from, to)
  }

  /** Compares what came back, and says how many frames it completed. */
  check(buffer: Buffer, bytes: number): number {
    const from = this.#receivedAt
    const inFlightBytes = (this.sent - this.received) * this.frameBytes - this.#partial
    if (bytes > inFlightBytes || this.#bytes.compare(buffer, 0, bytes, from, from + bytes) !== 0) {
      throw new Error(
        `connection ${this.#connection}: the ${bytes} bytes after frame ${this.received} are not those that were sent`,
      )
    }
    this.#receivedAt = (from + bytes) % this.#cycleBytes
    const whole = Math.floor((this.#partial + bytes) / this.frameBytes)
    this.#partial += bytes - whole * this.frameBytes
    this.received += whole
    return whole
  }
}

const frameOf = ({ body, bodyBytes, connection }: Options, sequence: number): Buffer =>
  body === "json" ? jsonFrame(connection, sequence) : bytesFrame(connection, sequence, bodyBytes)

const bytesFrame = (connection: number, sequence: number, bodyBytes: number): Buffer => {
  const frame = Buffer.allocUnsafe(4 + bodyBytes)
  frame.writeUInt32BE(bodyBytes, 0)
  randomFillSync(frame, 4)
  frame.writeUInt32BE(connection, 4)
  frame.writeUInt32BE(sequence, 8)
  return frame
}

/** About 200 bytes; every number has as many digits as every other, so that all frames have one size. */
const jsonFrame = (connection: number, sequence: number): Buffer => {
  const message = {
    type: "say",
    id: 1_000_000_000 + connection * 100_000 + sequence,
    user: { name: "Grace Hopper", admin: false },
    text: "A ship in port is safe; but that is not what ships are built for. Zürich, 東京.",
    tags: ["harbour", "ships", "quotes"],
  }
  const body = Buffer.from(JSON.stringify(message))
  const frame = Buffer.allocUnsafe(4 + body.length)
  frame.writeUInt32BE(body.length, 0)
  body.copy(frame, 4)
  return frame
}
