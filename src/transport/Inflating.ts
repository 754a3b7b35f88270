/**
 * Inflates the messages of one WebSocket for `ws`'s receiver, one by one and only while there is room for them: a read of
 * 64 KiB may be 50 MB of messages. Holds what is compressed, which the receiver bounds.
 */
import type { Inflater, WsError } from "./WsParts.ts"
import { inflateUnsafe } from "./WebSocketDeflate.ts"

/** What the messages go to. */
export interface Owner {
  readonly maxMessageBytes: number
  /** Whether the next message has to wait until `resume`. */
  readonly isFull: () => boolean
}

/** One direction of one WebSocket. */
export class Inflating implements Inflater {
  readonly #owner: Owner
  #pieces: Array<Uint8Array> = []
  #waiting: (() => void) | undefined

  constructor(owner: Owner) {
    this.#owner = owner
  }

  /** Takes a piece of a message; the last one makes it whole. The receiver reads nothing more until it is called back. */
  decompress(piece: Uint8Array, isLast: boolean, done: (error: WsError | null, body: Uint8Array) => void): void {
    this.#pieces.push(piece)
    const next = () => {
      if (!isLast) return done(null, nothing)
      const pieces = this.#pieces
      this.#pieces = []
      const inflated = this.#inflate(pieces)
      if (inflated instanceof Error) done(inflated, nothing)
      else done(null, inflated)
    }
    // Not within this call: the receiver counts on it.
    queueMicrotask(() => {
      if (this.#owner.isFull()) this.#waiting = next
      else next()
    })
  }

  /** There is room again. */
  resume(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting !== undefined) queueMicrotask(waiting)
  }

  #inflate(pieces: ReadonlyArray<Uint8Array>): Uint8Array | WsError {
    const { maxMessageBytes } = this.#owner
    try {
      return inflateUnsafe(pieces, maxMessageBytes)
    } catch (cause) {
      const isTooLong = (cause as WsError).code === "ERR_BUFFER_TOO_LARGE"
      const message = isTooLong ? `a message of more than ${maxMessageBytes} bytes` : "no compressed message"
      const code = isTooLong ? "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" : "WS_ERR_INVALID_COMPRESSED_DATA"
      return Object.assign(new Error(message, { cause }), { code })
    }
  }
}

const nothing = new Uint8Array(0)
