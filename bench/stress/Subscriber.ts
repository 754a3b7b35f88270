/**
 * A subscriber that vanishes, dawdles, comes back with its positions, and checks every publication against the last.
 * Publishes nothing. A hole, a repetition, a step back or a lost position is a fault.
 */
import type { Message } from "../load/GatewayClient.ts"
import type { Ledger } from "./Ledger.ts"
import { Link } from "./Link.ts"
import type { Random } from "./Random.ts"

/** What a subscriber is given. */
export interface Options {
  readonly name: string
  readonly port: () => number
  readonly channels: ReadonlyArray<string>
  readonly ledger: Ledger
  readonly random: Random
}

interface Following {
  /** Live began after this offset. Undefined until the first `subscribed`. */
  from: number | undefined
  /** The last offset seen, and the one that the last `subscribe` went out with. */
  offset: number
  asked: number
  epoch: string
  /** `leaving` hears what was on its way when it unsubscribed, `silent` may hear nothing. */
  state: "silent" | "live" | "leaving"
  readonly seen: Set<number>
}

type Fields = Readonly<Record<string, unknown>>

/** One subscriber through all its connections. */
export class Subscriber {
  readonly #options: Options
  readonly #following: Map<string, Following>
  #link: Link | undefined
  #session: unknown
  #connected = false
  #stopped = false
  #finished = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: Options) {
    this.#options = options
    this.#following = new Map(options.channels.map((channel) => [channel, nowhere()]))
  }

  /** Connects, and does what it likes until it is told to behave. */
  start(): void {
    this.#connect()
    this.#planMischief()
  }

  /** From now on it only reads. */
  behave(): void {
    clearTimeout(this.#timer)
    this.#stopped = true
    this.#link?.resume()
  }

  /** Whether it has everything that is known of its channels. */
  get isComplete(): boolean {
    return (
      this.#connected &&
      [...this.#following].every(
        ([channel, { offset, state }]) => state === "live" && offset >= this.#options.ledger.top(channel),
      )
    )
  }

  /** Compares all that it saw with all that is known, and leaves. */
  finish(): void {
    this.#finished = true
    const { ledger, name } = this.#options
    for (const [channel, { from, seen }] of this.#following) {
      if (from === undefined) ledger.fault(`${name} never subscribed to ${channel}`)
      else {
        const known = ledger.offsetsAfter(channel, from)
        const missing = known.filter((offset) => !seen.has(offset))
        if (missing.length > 0) ledger.fault(`${name} misses ${channel}/${missing.join(",").slice(0, 100)}`)
      }
    }
    this.#link?.drop()
  }

  #connect(): void {
    const link = new Link(this.#options.port(), {
      message: (message) => this.#receive(message),
      end: () => this.#lost(),
    })
    this.#link = link
    for (const following of this.#following.values()) {
      following.state = "silent"
      following.asked = following.offset
    }
    link.send({
      type: "connect",
      id: 1,
      version: 1,
      ...(this.#session !== undefined && { session: this.#session }),
      subscriptions: [...this.#following].map(([channel, following]) => subscription(channel, following)),
    })
  }

  #lost(): void {
    this.#connected = false
    if (this.#finished) return
    this.#options.ledger.counts.reconnects++
    setTimeout(() => this.#connect(), this.#options.random.between(0, 800))
  }

  #planMischief(): void {
    const { random } = this.#options
    this.#timer = setTimeout(
      () => {
        if (this.#stopped) return
        if (this.#connected) this.#misbehave()
        this.#planMischief()
      },
      random.between(200, 4_000),
    )
  }

  #misbehave(): void {
    const { random } = this.#options
    const link = this.#link!
    switch (random.pick(["drop", "reset", "finish", "pause", "pause", "resubscribe", "resubscribe", "leave"])) {
      case "drop":
        return link.drop()
      case "reset":
        return link.reset()
      case "finish":
        return link.finish()
      case "pause":
        link.pause()
        setTimeout(() => link.resume(), random.between(100, 3_000))
        return
      case "resubscribe":
        return this.#resubscribe(random.pick([...this.#following.keys()]))
      case "leave":
        // Twice in one write, so that the second comes while the first is being answered.
        for (const channel of this.#following.keys()) this.#resubscribe(channel)
    }
  }

  /** Leaves and comes back in one write; in between nothing may be heard of the channel. */
  #resubscribe(channel: string): void {
    const following = this.#following.get(channel)!
    if (following.state !== "live") return
    following.state = "leaving"
    following.asked = following.offset
    this.#link!.send(
      { type: "unsubscribe", id: 2, channel },
      { type: "subscribe", id: 3, ...subscription(channel, following) },
    )
  }

  #receive(message: Message): void {
    const { ledger, name } = this.#options
    switch (message.type) {
      case "connected": {
        this.#connected = true
        if (message["resumed"] === true) ledger.counts.resumed++
        this.#session = pickSession(message["session"] as Fields)
        for (const [channel, answer] of Object.entries(message["subscriptions"] as Record<string, Fields>)) {
          this.#subscribed(channel, answer)
        }
        return
      }
      case "subscribed":
        return this.#subscribed(message["channel"] as string, message)
      case "unsubscribed":
        return this.#left(message["channel"] as string)
      case "publication":
        return this.#see(message["channel"] as string, message)
      case "presenceChanged":
        return
      case "bye":
        ledger.counts.byes++
        // Who leaves is told 4000, a slow reader 4004 or 4006, who is taken over 4005; nothing else is deserved.
        if (![4000, 4004, 4005, 4006].includes(message["code"] as number))
          ledger.fault(`${name}: ${JSON.stringify(message)}`)
        return
      default:
        ledger.fault(`${name} got ${JSON.stringify(message)}`)
    }
  }

  /** What came since it asked comes again now. */
  #left(channel: string): void {
    const following = this.#following.get(channel)!
    following.state = "silent"
    following.offset = following.asked
  }

  #subscribed(channel: string, answer: Fields): void {
    const { ledger, name } = this.#options
    const following = this.#following.get(channel)!
    if (answer["type"] !== "subscribed") return ledger.fault(`${name}, ${channel}: ${JSON.stringify(answer)}`)
    const position = answer["position"] as { offset: number; epoch: string }
    if (following.from === undefined) {
      following.from = following.offset = position.offset
    } else if (answer["recovered"] !== "yes") {
      ledger.fault(
        `${name} lost its position ${channel}/${following.offset}: ${JSON.stringify({ ...answer, publications: [] })}`,
      )
      following.from = following.offset = position.offset
      following.seen.clear()
    } else ledger.counts.recovered++
    following.epoch = position.epoch
    following.state = "live"
    for (const publication of answer["publications"] as ReadonlyArray<Fields>) {
      this.#see(channel, publication)
    }
    if (answer["more"] !== true && following.offset !== position.offset) {
      ledger.fault(`${name} is at ${channel}/${following.offset}, and was told ${position.offset}`)
    }
  }

  #see(channel: string, publication: Fields): void {
    const { ledger, name } = this.#options
    const following = this.#following.get(channel)!
    const { data, offset, previous } = publication as { data: { name: string }; offset: number; previous: number }
    if (following.state === "silent") return ledger.fault(`${name} got ${channel}/${offset} without a subscription`)
    if (offset <= following.offset)
      return ledger.fault(`${name} got ${channel}/${offset} again or late, after ${following.offset}`)
    if (previous !== following.offset) {
      ledger.fault(`${name} has a hole: ${channel}/${offset} follows ${previous}, and it was at ${following.offset}`)
    }
    following.offset = offset
    following.seen.add(offset)
    ledger.see(channel, offset, data.name)
  }
}

const subscription = (channel: string, { epoch, from, offset }: Following) => ({
  channel,
  presence: true,
  ...(from !== undefined && { position: { offset, epoch } }),
})

const nowhere = (): Following => ({
  from: undefined,
  offset: 0,
  asked: 0,
  epoch: "",
  state: "silent",
  seen: new Set(),
})

const pickSession = ({ id, key }: Fields) => ({ id, key })
