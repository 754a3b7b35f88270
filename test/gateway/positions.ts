/** What the tests of recovery publish, ask and compare. Judges nothing. */
import * as Effect from "effect/Effect"
import type { Engine } from "../../src/gateway/engine/Engine.ts"
import * as Data from "../../src/gateway/protocol/Data.ts"
import type { Client, Message } from "../support/clients.ts"
import { draft, publishAll } from "./engine/publishing.ts"

/** Publishes values to a channel, past every limit of a client. */
export const publish = (engine: Engine["Service"], channel: string, ...values: ReadonlyArray<unknown>): void => {
  for (const value of values) engine.publishUnsafe({ channel, data: Data.json(value) }, () => undefined)
}

/** The same, until it is stored. */
export const store = (engine: Engine["Service"], channel: string, ...values: ReadonlyArray<unknown>) =>
  publishAll(
    engine,
    values.map((value) => draft(channel, value)),
  )

/** From one number to another, both included. */
export const numbers = (from: number, to: number): ReadonlyArray<number> =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)

/** What matters of a `subscribed`: how it was recovered, the position's offset, and the offsets of its publications. */
export const recovered = (answer: Message | "closed") => {
  const {
    position,
    publications,
    recovered: how,
  } = answer as unknown as {
    readonly recovered: string
    readonly position: { readonly offset: number }
    readonly publications: ReadonlyArray<{ readonly offset: number }>
  }
  return [how, position.offset, publications.map(({ offset }) => offset)]
}

/** The epoch of a channel. */
export const epochOf = (engine: Engine["Service"]): Effect.Effect<string> =>
  Effect.map(Effect.orDie(engine.position("a")), ({ epoch }) => epoch)

/** Subscribes to channel `a`, unless the rest says otherwise. */
export const subscribe = (client: Client, rest: object = {}): Effect.Effect<Message | "closed"> =>
  client.ask({ type: "subscribe", id: 2, channel: "a", ...rest })

/** The answer to a subscription that rode along. */
export const ridden = (connected: Message, channel = "a"): Message =>
  (connected["subscriptions"] as Record<string, Message>)[channel]!

/** The offsets of the next publications, so many of them. */
export const offsets = (client: Client, count: number): Effect.Effect<ReadonlyArray<unknown>> =>
  Effect.forEach(numbers(1, count), () =>
    Effect.map(client.next, (message) => (message === "closed" ? message : (message["offset"] ?? message.type))),
  )
