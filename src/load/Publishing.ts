/**
 * Publications with an answer: stamps each, and counts what the server has acknowledged, channel by channel.
 * Owns no connection.
 */
import type { Context } from "./Context.ts"
import { record } from "./Context.ts"
import type { Link, Message } from "./Link.ts"
import { Questions } from "./Questions.ts"

/** A channel of the load, and its number. */
export interface Channel {
  readonly number: number
  readonly name: string
}

/** The nth channel of a run. Its namespace is `bench`. */
export const channel = ({ plan }: Context, number: number): Channel => ({ number, name: `bench:${plan.run}:${number}` })

/** Publishes for any number of connections. */
export class Publishing {
  /** Publications that were acknowledged, by the number of their channel. */
  readonly acknowledged: Array<number>
  readonly #context: Context
  readonly #questions: Questions<Channel>
  readonly #onAnswer: ((message: Message, index: number) => void) | undefined

  constructor(context: Context, channels: number, onAnswer?: (message: Message, index: number) => void) {
    this.#context = context
    this.#questions = new Questions(context)
    this.#onAnswer = onAnswer
    this.acknowledged = Array.from({ length: channels }, () => 0)
  }

  /** Publications whose answer is missing. */
  get waiting(): number {
    return this.#questions.waiting
  }

  /** Publishes on the connection with this number what should have been published at this time. */
  publish(link: Link | undefined, index: number, channel: Channel, at: number): void {
    const { plan, stamps } = this.#context
    this.#questions.ask({ link, index, at, about: channel }, (id, sequence) => {
      const data = stamps.write({ source: index, sequence, at }, plan.payloadBytes)
      return `{"type":"publish","id":${id},"channel":"${channel.name}","data":${data}}`
    })
  }

  /** Takes a message of the connection with this number, an answer or not. */
  take(message: Message, index: number): void {
    const question = this.#questions.answered(message, index)
    if (question === undefined || message.type !== "published") return
    this.acknowledged[question.about.number]!++
    record(this.#context, "answer", question.at)
    this.#onAnswer?.(message, index)
  }
}
