/**
 * Questions and their answers: gives ids, remembers who asked, and hands each answer on. Every question gets one: an
 * answer, a refusal, or that its outcome is unknown. Repeats no question.
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Connection, ConnectionError } from "../connection/Connection.ts"
import { maxId } from "../gateway/protocol/Fields.ts"
import * as ClientError from "./ClientError.ts"
import type { Inbound, Outbound } from "./Message.ts"

/** A connection to the gateway. */
export type Link = Connection<Inbound, Outbound>

/** A message that repeats the id of a question. */
export type Answer = Extract<Inbound, { readonly id?: number }>

/** What a question may be told beside its message. */
export interface Options {
  /** How long the answer may take; then the outcome is unknown. */
  readonly timeout: Duration.Input
  /** What to say when nobody waits any more, by interruption or deadline. */
  readonly abandon?: ((id: number) => Outbound) | undefined
}

/** The questions of one client, over all its connections. */
export class Asking {
  /** Called when a question begins, or ends: whether reading has to go on depends on it. */
  readonly #onChange: () => void
  readonly #waiting = new Map<number, (answer: Exit.Exit<Answer, ClientError.ClientError>) => void>()
  #lastId = 0
  #awaited = 0

  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** Whether some caller waits for an answer. */
  get isAwaited(): boolean {
    return this.#awaited > 0
  }

  /** Asks, and waits for the answer. Interrupted, it forgets the question. */
  ask<A extends Answer["type"]>(
    link: Link,
    type: A,
    message: (id: number) => Outbound,
    options: Options,
  ): Effect.Effect<Extract<Answer, { readonly type: A }>, ClientError.ClientError> {
    return Effect.suspend(() => {
      const answer = Deferred.makeUnsafe<Answer, ClientError.ClientError>()
      const id = this.#remember((exit) => void Deferred.doneUnsafe(answer, exit))
      this.#count(1)
      return link.send(message(id)).pipe(
        Effect.mapError(unsent),
        Effect.andThen(Deferred.await(answer)),
        Effect.timeoutOrElse({ duration: options.timeout, orElse: () => Effect.fail(late) }),
        Effect.ensuring(
          Effect.sync(() => {
            this.#count(-1)
            if (this.#waiting.delete(id) && options.abandon !== undefined) link.sendUnsafe(options.abandon(id))
          }),
        ),
        Effect.flatMap((answer) =>
          answer.type === type
            ? Effect.succeed(answer as Extract<Answer, { readonly type: A }>)
            : Effect.die(new Error(`BUG: ${type} was answered by ${answer.type}`)),
        ),
      )
    })
  }

  /** Asks without waiting; the answer, or the loss of the connection, comes to the callback. */
  askUnsafe(
    link: Link,
    message: (id: number) => Outbound,
    onAnswer: (answer: Exit.Exit<Answer, ClientError.ClientError>) => void,
  ): void {
    link.sendUnsafe(message(this.#remember(onAnswer)))
  }

  /** Hands an answer on. One that nobody waits for is passed over: its caller has given up. */
  answered(answer: Answer): void {
    const id = answer.id ?? 0
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    waiting(answer.type === "error" ? Exit.fail(ClientError.ofMessage(answer)) : Exit.succeed(answer))
  }

  /** The connection has ended: what was asked on it is not answered any more. */
  lost(): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const tell of waiting) tell(Exit.fail(lost))
  }

  #remember(tell: (answer: Exit.Exit<Answer, ClientError.ClientError>) => void): number {
    // An id still in flight is an error; after 2^31 questions the oldest has long been answered.
    do this.#lastId = (this.#lastId % maxId) + 1
    while (this.#waiting.has(this.#lastId))
    this.#waiting.set(this.#lastId, tell)
    return this.#lastId
  }

  #count(by: number): void {
    this.#awaited += by
    this.#onChange()
  }
}

const late = ClientError.outcomeUnknown("deadline")
const lost = ClientError.outcomeUnknown("lost")

/** A message that the connection did not take: it has ended, or the message fits no frame. */
const unsent = ({ message, reason }: ConnectionError): ClientError.ClientError =>
  ClientError.of(
    reason._tag === "BadOutbound"
      ? new ClientError.Unsendable({ message })
      : new ClientError.Offline({ maxWaiting: 0 }),
  )
