/**
 * The rules for channels: publishing, subscribing, recovery, history and presence (docs/protocol.md, sections 4 and 5).
 * Where a server does not have one of these, or does not let everybody have it, its rules are not seen.
 */
import * as Effect from "effect/Effect"
import type { Publication } from "../client/Message.ts"
import type { ServerRule } from "./ServerRule.ts"
import { connect, type Judging, type Of, type StrictClient } from "./StrictClient.ts"
import * as Verdict from "./Verdict.ts"

/** The same value in JSON, whatever the order of members. */
const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))

const sorted = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  const members = Object.entries(value).map(([name, member]) => [name, sorted(member)] as const)
  return Object.fromEntries(members.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** Fails unless the values are the same. */
const equal = (what: string, seen: unknown, expected: unknown) =>
  isSame(seen, expected)
    ? Effect.void
    : Verdict.broken(`${what} should be ${JSON.stringify(expected)} and is ${JSON.stringify(seen)}`)

const publish = (client: StrictClient, channel: string, data: unknown, rest: object = {}) =>
  client.ask("published", { type: "publish", channel, data, ...rest })

const publishAll = (client: StrictClient, channel: string, values: ReadonlyArray<unknown>) =>
  Effect.forEach(values, (value) => publish(client, channel, value))

/** The values of publications, which follow each other from the offset on. */
const inOrder = (publications: ReadonlyArray<Publication>, after: number, values: ReadonlyArray<unknown>) =>
  Effect.gen(function* () {
    yield* equal(
      "data",
      publications.map(({ data }) => data),
      values,
    )
    let last = after
    for (const { offset, previous } of publications) {
      if (previous !== last)
        return yield* Verdict.broken(`previous of offset ${offset} should be ${last} and is ${previous}`)
      if (offset <= last) return yield* Verdict.broken(`offset ${offset} comes behind ${last}`)
      last = offset
    }
  })

const subscribe = (client: StrictClient, channel: string, rest: object = {}): Judging<Of<"subscribed">> =>
  client.ask("subscribed", { type: "subscribe", channel, ...rest })

/** Rules for what is live. */
const live: ReadonlyArray<ServerRule> = [
  {
    id: "channels.publish",
    section: 5,
    text: "publications reach every subscriber whole and in order, with offset and previous",
    judge: ({ server, name }) =>
      Effect.gen(function* () {
        const [publisher, subscriber] = [yield* connect(server), yield* connect(server)]
        const { position } = yield* subscribe(subscriber.client, name)
        const values = [{ text: "Zürich, 東京, \u{1F600}", list: [[], {}, null, true, -0.5] }, null, ""]
        yield* publishAll(publisher.client, name, values)
        const heard = yield* Effect.forEach(values, () => subscriber.client.expect("publication"))
        yield* inOrder(heard, position.offset, values)
      }),
  },
  {
    id: "channels.binary",
    section: 2,
    text: "bytes are base64 with binary: true, and arrive as they were",
    judge: ({ server, name }) =>
      Effect.gen(function* () {
        const { client } = yield* connect(server)
        yield* subscribe(client, name)
        yield* publish(client, name, "AP+A", { binary: true })
        const { data } = yield* client.expect("publication")
        yield* equal("data", data instanceof Uint8Array ? [...data] : data, [0, 255, 128])
      }),
  },
  {
    id: "channels.echo",
    section: 4,
    text: "a publisher hears itself, and with echo: false does not",
    judge: ({ server, name }) =>
      Effect.gen(function* () {
        const { client } = yield* connect(server)
        yield* subscribe(client, name)
        yield* publish(client, name, "unheard", { echo: false })
        yield* publish(client, name, "heard")
        yield* equal("data", (yield* client.expect("publication")).data, "heard")
      }),
  },
  {
    id: "channels.withoutId",
    section: 4,
    text: "publish without an id has no answer",
    judge: ({ server, name }) =>
      Effect.gen(function* () {
        const { client } = yield* connect(server)
        client.peer.say({ type: "publish", channel: name, data: 1 }, { type: "unsubscribe", id: 2, channel: name })
        const heard = yield* client.next()
        if (heard._tag !== "Message" || heard.message.type !== "unsubscribed") {
          yield* Verdict.broken(
            `expected unsubscribed alone, got ${heard._tag === "Message" ? heard.message.type : heard._tag}`,
          )
        }
      }),
  },
  {
    id: "channels.key",
    section: 5,
    text: "a key with the same data counts once, and with other data is error 118",
    judge: ({ server, name }) =>
      Effect.gen(function* () {
        const { client } = yield* connect(server)
        const first = yield* publish(client, name, 1, { key: "k" })
        const again = yield* publish(client, name, 1, { key: "k" })
        yield* equal("the second answer", [again.offset, again.duplicate], [first.offset, true])
        yield* client.refused(118, { type: "publish", channel: name, data: 2, key: "k" })
      }),
  },
  {
    id: "channels.twice",
    section: 4,
    text: "subscribe twice is error 105, and unsubscribe without a subscription is answered",
    judge: ({ server, name }) =>
      Effect.gen(function* () {
        const { client } = yield* connect(server)
        yield* subscribe(client, name)
        yield* client.refused(105, { type: "subscribe", channel: name })
        for (const _ of [1, 2]) yield* client.ask("unsubscribed", { type: "unsubscribe", channel: name })
      }),
  },
  {
    id: "presence.listed",
    section: 4,
    text: "who subscribes with presence is listed, and others are told",
    judge: ({ server, name }) =>
      Effect.gen(function* () {
        const { client } = yield* connect(server)
        yield* subscribe(client, name, { presence: true })
        const other = yield* connect(server)
        yield* subscribe(other.client, name, { presence: true })
        const { joined } = yield* client.expect("presenceChanged")
        yield* equal(
          "joined",
          joined.map(({ connection }) => connection),
          [other.connected.connection],
        )
        yield* equal("count", (yield* client.ask("presence", { type: "presence", channel: name })).count, 2)
      }),
  },
]

/** Rules for what was. */
const past: ReadonlyArray<ServerRule> = [
  {
    id: "recovery.yes",
    section: 5,
    text: "a position is recovered from: everything after it, once and in order, and then what is live",
    judge: ({ server, name }) =>
      Effect.gen(function* () {
        const { client } = yield* connect(server)
        const { epoch, offset } = yield* publish(client, name, 0)
        yield* publishAll(client, name, [1, 2, 3])
        const again = yield* connect(server, { subscriptions: [{ channel: name, position: { offset, epoch } }] })
        const answer = again.connected.subscriptions?.[name]
        if (answer?.type !== "subscribed") return yield* Verdict.notSeen(`subscriptions has ${JSON.stringify(answer)}`)
        if (answer.recovered === "no") return yield* Verdict.notSeen("recovered is no")
        yield* equal("recovered", answer.recovered, "yes")
        const { length } = answer.publications
        const rest = yield* Effect.forEach(Array.from({ length: 3 - length }), () => again.client.expect("publication"))
        yield* publish(client, name, 4)
        const live = yield* again.client.expect("publication")
        yield* inOrder([...answer.publications, ...rest, live], offset, [1, 2, 3, 4])
      }),
  },
  {
    id: "recovery.top",
    section: 5,
    text: "a position at the top is recovered: yes, without publications",
    judge: ({ server, name }) =>
      Effect.gen(function* () {
        const { client } = yield* connect(server)
        const { epoch, offset } = yield* publish(client, name, 0)
        const { position, publications, recovered } = yield* subscribe(client, name, { position: { offset, epoch } })
        yield* equal(
          "the answer",
          { position, publications, recovered },
          { position: { offset, epoch }, publications: [], recovered: "yes" },
        )
      }),
  },
  {
    id: "recovery.no",
    section: 5,
    text: "a position of another epoch is recovered: no, with nothing partial and the current position",
    judge: ({ server, name }) =>
      Effect.gen(function* () {
        const { client } = yield* connect(server)
        const { epoch, offset } = yield* publish(client, name, 0)
        const answer = yield* subscribe(client, name, { position: { offset: 1, epoch: `not ${epoch}` } })
        const { position, publications, recovered } = answer
        yield* equal(
          "the answer",
          { position, publications, recovered },
          { position: { offset, epoch }, publications: [], recovered: "no" },
        )
      }),
  },
  {
    id: "history.read",
    section: 5,
    text: "history is read forwards from a position and backwards from the top, with more",
    judge: ({ server, name }) =>
      Effect.gen(function* () {
        const { client } = yield* connect(server)
        const { epoch, offset } = yield* publish(client, name, 0)
        yield* publishAll(client, name, [1, 2, 3])
        const read = (rest: object) => client.ask("history", { type: "history", channel: name, ...rest })
        const forwards = yield* read({ since: { offset, epoch }, limit: 2 })
        yield* inOrder(forwards.publications, offset, [1, 2])
        yield* equal("more", forwards.more, true)
        const backwards = yield* read({ reverse: true, limit: 2 })
        yield* equal(
          "data, newest first",
          backwards.publications.map(({ data }) => data),
          [3, 2],
        )
        yield* client.refused(112, { type: "history", channel: name, since: { offset, epoch: `not ${epoch}` } })
      }),
  },
]

/** Every rule for channels. */
export const all: ReadonlyArray<ServerRule> = [...live, ...past]
