/**
 * What every subscriber of one channel must receive, byte for byte. Whoever is ahead writes the log, and each of its
 * frames is taken apart and verified; all others are compared with it. So a thousand streams cost little more than one
 * to verify, and a byte that differs anywhere is seen.
 */
import { type Message, parser } from "./GatewayClient.ts"
import type { Receive } from "./Sockets.ts"

/** As far as a subscriber may be behind the first: more than a server lets it. */
const logBytes = 16 * 1024 * 1024

/** What the log verifies its frames against. */
export interface Options {
  readonly channel: string
  /** The data of the publication with this offset. */
  readonly dataOf: (offset: number) => unknown
}

/** The stream of a channel as far as anybody has seen it. Positions count from the first publication. */
export class PublicationLog {
  /** Where each publication ends: the first at `ends[0]`. */
  readonly ends: Array<number> = []
  readonly #ring = Buffer.allocUnsafeSlow(logBytes)
  readonly #options: Options
  readonly #parse: Receive
  #end = 0

  constructor(options: Options) {
    this.#options = options
    this.#parse = parser((message, frameBytes) => this.#verify(message, frameBytes))
  }

  /** Takes what one subscriber received at its position. */
  check(position: number, buffer: Buffer, bytes: number): void {
    if (this.#end - position > logBytes) throw new Error(`a subscriber is ${this.#end - position} bytes behind`)
    const known = Math.min(bytes, this.#end - position)
    if (!this.#isEqual(position, buffer, known)) {
      throw new Error(`a subscriber received other bytes at ${position} than the others`)
    }
    if (known === bytes) return
    const news = buffer.subarray(known, bytes)
    const at = this.#end % logBytes
    const copied = news.copy(this.#ring, at)
    if (copied < news.length) news.copy(this.#ring, 0, copied)
    this.#end += news.length
    this.#parse(news, news.length)
  }

  /** How many whole publications are before this position. */
  countAt(position: number): number {
    let low = 0
    let high = this.ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.ends[middle]! <= position) low = middle + 1
      else high = middle
    }
    return low
  }

  #isEqual(position: number, buffer: Buffer, bytes: number): boolean {
    const at = position % logBytes
    const first = Math.min(bytes, logBytes - at)
    return (
      this.#ring.compare(buffer, 0, first, at, at + first) === 0 &&
      this.#ring.compare(buffer, first, bytes, 0, bytes - first) === 0
    )
  }

  #verify(message: Message | undefined, frameBytes: number): void {
    if (message === undefined) throw new Error("a heartbeat came: run for less than its interval of 25 s")
    const offset = this.ends.length + 1
    const { channel, dataOf } = this.#options
    const isRight =
      message.type === "publication" &&
      message["channel"] === channel &&
      message["offset"] === offset &&
      message["previous"] === offset - 1 &&
      message["data"] === dataOf(offset)
    if (!isRight) throw new Error(`publication ${offset} came as ${JSON.stringify(message)}`)
    this.ends.push((this.ends.at(-1) ?? 0) + frameBytes)
  }
}
