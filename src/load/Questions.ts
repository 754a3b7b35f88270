/**
 * What was asked on each connection and is not answered: gives out ids, and finds the question of an answer.
 * Judges no answer.
 */
import type { Context } from "./Context.ts"
import type { Link, Message } from "./Link.ts"

/** A question, and when it should have been asked. */
export interface Question<About> {
  readonly at: number
  /** The asker's count of its questions, from 0. */
  readonly sequence: number
  readonly about: About
}

/** What to ask, and on which connection. */
export interface Asked<About> {
  /** Undefined while the connection is away: then nothing is asked, and that is counted as an error. */
  readonly link: Link | undefined
  readonly index: number
  readonly at: number
  readonly about: About
}

interface Asker<About> {
  asked: number
  sent: number
  readonly open: Map<number, Question<About>>
}

/** `connect` has 1. */
const firstId = 2

/** The open questions of any number of connections. */
export class Questions<About> {
  waiting = 0
  readonly #context: Context
  readonly #askers = new Map<number, Asker<About>>()

  constructor(context: Context) {
    this.#context = context
  }

  /** Asks with the text that is made of an id and of the asker's count. What cannot be sent leaves no hole in the count. */
  ask({ about, at, index, link }: Asked<About>, text: (id: number, sequence: number) => string): void {
    const { figures } = this.#context
    let asker = this.#askers.get(index)
    if (asker === undefined) this.#askers.set(index, (asker = { asked: 0, sent: 0, open: new Map() }))
    const id = firstId + asker.asked++
    if (link?.send(text(id, asker.sent)) !== true) {
      figures.counts.errors++
      figures.complain(link === undefined ? "not sent: not connected" : "not sent: the server does not read")
      return
    }
    asker.open.set(id, { at, sequence: asker.sent++, about })
    figures.counts.sent++
    this.waiting++
  }

  /** The question that this message answers, which is then not open any more. */
  answered(message: Message, index: number): Question<About> | undefined {
    const open = this.#askers.get(index)?.open
    const id = message["id"] as number
    const question = open?.get(id)
    if (question === undefined) return undefined
    open!.delete(id)
    this.waiting--
    return question
  }
}
