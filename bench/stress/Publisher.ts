/**
 * A publisher that vanishes and comes back, and publishes what was not answered again under the same key.
 * Subscribes to nothing. A refusal that it did not deserve, or a key taken for another, is a fault.
 */
import type { Message } from "../load/GatewayClient.ts"
import type { Ledger } from "./Ledger.ts"
import { Link } from "./Link.ts"
import type { Random } from "./Random.ts"

/** What a publisher is given. */
export interface Options {
  readonly name: string
  readonly port: () => number
  readonly channels: ReadonlyArray<string>
  readonly ledger: Ledger
  readonly random: Random
  /** From one publication to the next, on average. */
  readonly everyMs: number
}

interface Waiting {
  readonly channel: string
  readonly name: string
  readonly text: string
}

/** Publications without an answer at a time; over it the publisher waits. */
const maxWaiting = 64

/** One publisher through all its connections. */
export class Publisher {
  readonly #options: Options
  readonly #waiting = new Map<number, Waiting>()
  #link: Link | undefined
  #connected = false
  #stopped = false
  #finished = false
  #count = 0

  constructor(options: Options) {
    this.#options = options
  }

  /** Connects, publishes and misbehaves until it is told to stop. */
  start(): void {
    this.#connect()
    this.#planPublish()
    this.#planMischief()
  }

  /** Publishes nothing new. What is not answered yet is seen through. */
  stop(): void {
    this.#stopped = true
  }

  /** Whether everything that it published was answered. */
  get isComplete(): boolean {
    return this.#waiting.size === 0
  }

  /** Leaves. */
  finish(): void {
    this.#finished = true
    this.#link?.drop()
  }

  #connect(): void {
    this.#link = new Link(this.#options.port(), {
      message: (message) => this.#receive(message),
      end: () => this.#lost(),
    })
    this.#link.send({ type: "connect", id: 2 ** 31 - 1, version: 1 })
  }

  #lost(): void {
    this.#connected = false
    if (this.#finished) return
    this.#options.ledger.counts.reconnects++
    setTimeout(() => this.#connect(), this.#options.random.between(0, 500))
  }

  #planPublish(): void {
    const { everyMs, random } = this.#options
    setTimeout(
      () => {
        if (this.#stopped) return
        if (this.#connected && this.#waiting.size < maxWaiting) this.#publish()
        this.#planPublish()
      },
      random.between(0, 2 * everyMs),
    )
  }

  #planMischief(): void {
    const { random } = this.#options
    setTimeout(
      () => {
        if (this.#stopped) return
        const link = this.#link!
        if (this.#connected) random.pick([() => link.drop(), () => link.reset(), () => link.finish()])()
        this.#planMischief()
      },
      random.between(500, 8_000),
    )
  }

  #publish(): void {
    const { channels, name, random } = this.#options
    const id = ++this.#count
    const waiting = {
      channel: random.pick(channels),
      name: `${name}-${id}`,
      text: "x".repeat(random.chance(0.02) ? random.between(2_000, 20_000) : random.between(0, 300)),
    }
    this.#waiting.set(id, waiting)
    this.#send(id, waiting)
  }

  #send(id: number, { channel, name, text }: Waiting): void {
    this.#link!.send({ type: "publish", id, channel, key: name, data: { name, text } })
  }

  #receive(message: Message): void {
    const { ledger, name } = this.#options
    const id = message["id"] as number
    const waiting = this.#waiting.get(id)
    switch (message.type) {
      case "connected":
        this.#connected = true
        for (const [id, waiting] of this.#waiting) this.#send(id, waiting)
        return
      case "published":
        if (waiting === undefined) return ledger.fault(`${name} got an answer that it does not wait for: ${id}`)
        this.#waiting.delete(id)
        if (message["duplicate"] === true) ledger.counts.duplicates++
        return ledger.acknowledge(waiting.channel, message["offset"] as number, waiting.name)
      case "error":
        // Too fast, or the engine has to catch up: again, a little later.
        if (waiting === undefined || message["retry"] !== true)
          return ledger.fault(`${name} got ${JSON.stringify(message)}`)
        setTimeout(() => this.#connected && this.#send(id, waiting), 200)
        return
      case "bye":
        ledger.counts.byes++
        if (message["code"] !== 4000) ledger.fault(`${name} got ${JSON.stringify(message)}`)
        return
      default:
        ledger.fault(`${name} got ${JSON.stringify(message)}`)
    }
  }
}
