/**
 * One socket to the gateway: messages out, messages in, and the rude things that a peer can do to it.
 * Answers heartbeats, and judges nothing.
 */
import * as Net from "node:net"
import { frameOf, heartbeat, type Message, parser } from "../load/GatewayClient.ts"

/** What happens on a link. `end` comes once, whoever ended it, and nothing after it. */
export interface Listener {
  readonly message: (message: Message) => void
  readonly end: () => void
}

/** A connection as a client has it. */
export class Link {
  readonly #socket: Net.Socket
  #ended = false

  constructor(port: number, listener: Listener) {
    const parse = parser((message) => {
      if (this.#ended) return
      if (message === undefined) this.raw(heartbeat)
      else listener.message(message)
    })
    this.#socket = Net.connect({ host: "127.0.0.1", port, noDelay: true })
    this.#socket.on("data", (chunk: Buffer) => {
      if (!this.#ended) parse(chunk, chunk.length)
    })
    // A reset is an end like any other here.
    this.#socket.on("error", () => {})
    this.#socket.on("close", () => {
      if (this.#ended) return
      this.#ended = true
      listener.end()
    })
  }

  get isOpen(): boolean {
    return !this.#ended && !this.#socket.destroyed
  }

  send(...messages: ReadonlyArray<Message>): void {
    this.raw(Buffer.concat(messages.map(frameOf)))
  }

  raw(bytes: Uint8Array): void {
    if (this.isOpen && this.#socket.writable) this.#socket.write(bytes)
  }

  /** Sends FIN; what still comes is read. */
  finish(): void {
    this.#socket.end()
  }

  /** Vanishes with a reset. `end` follows. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  /** Vanishes with a FIN, reading nothing more. `end` follows. */
  drop(): void {
    this.#socket.destroy()
  }

  /** Stops reading until `resume`: the system's buffers fill, and then the gateway's. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }
}
