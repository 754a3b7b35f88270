import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { defaultEngineTimeoutMs } from "../../src/gateway/Channels.ts"
import * as RidingAlong from "../../src/gateway/RidingAlong.ts"
import { maxRecoveredTogether } from "../../src/gateway/Subscriptions.ts"
import * as Admission from "../../src/server/Admission.ts"
import { codeOf, gateway, lastOf, type Message } from "../support/clients.ts"
import { frame } from "../support/frames.ts"
import { settled } from "../support/wires.ts"
import { gated } from "./engines.ts"
import { epochOf, numbers, offsets, publish, recovered, ridden, subscribe } from "./positions.ts"

const start = (options: Parameters<typeof gateway>[0] = {}) =>
  Effect.gen(function* () {
    const { gates, layer } = gated()
    const settings = Admission.layer({ maxConnectionsPerAddress: 2_000 })
    const built = yield* gateway({ commandsPerSecond: Infinity, ...options }, { engine: layer, settings })
    // The gateway itself has attached and read its revocations.
    for (const gate of [gates.attach, gates.read]) gate.passed = 0
    return { ...built, gates, epoch: yield* epochOf(built.engine) }
  })

describe("what is published while somebody subscribes", () => {
  it.effect("between the attachment and the read comes once, with what was read", () =>
    Effect.gen(function* () {
      const { connect, engine, epoch, gates } = yield* start()
      publish(engine, "a", 1, 2)
      const client = yield* connect()
      gates.read.close()
      client.send({ type: "subscribe", id: 2, channel: "a", position: { offset: 1, epoch } })
      yield* settled
      publish(engine, "a", 3)
      gates.read.open()
      assert.deepStrictEqual(recovered(yield* client.next), ["yes", 3, [2, 3]])
      publish(engine, "a", 4)
      assert.deepStrictEqual(yield* offsets(client, 1), [4])
    }),
  )

  it.effect("between the read and the answer comes once, behind the answer", () =>
    Effect.gen(function* () {
      const { connect, engine, epoch, gates } = yield* start()
      publish(engine, "a", 1, 2)
      const client = yield* connect()
      gates.answer.close()
      client.send({ type: "subscribe", id: 2, channel: "a", position: { offset: 1, epoch } })
      yield* settled
      publish(engine, "a", 3)
      gates.answer.open()
      assert.deepStrictEqual(recovered(yield* client.next), ["yes", 2, [2]])
      assert.deepStrictEqual(yield* offsets(client, 1), [3])
    }),
  )

  it.effect("while the engine attaches is at or behind the position", () =>
    Effect.gen(function* () {
      const { connect, engine, gates } = yield* start()
      const client = yield* connect()
      gates.attach.close()
      client.send({ type: "subscribe", id: 2, channel: "a" })
      yield* settled
      publish(engine, "a", 1)
      gates.attach.open()
      assert.deepStrictEqual(recovered(yield* client.next), ["none", 1, []])
      publish(engine, "a", 2)
      assert.deepStrictEqual(yield* offsets(client, 1), [2])
    }),
  )

  it.effect("waits for the answers of the other subscriptions that ride along", () =>
    Effect.gen(function* () {
      const { connect, dial, engine, epoch, gates } = yield* start()
      publish(engine, "slow", 1, 2)
      yield* connect({ subscriptions: [{ channel: "a" }] })
      const client = yield* dial
      gates.read.close()
      const subscriptions = [{ channel: "a" }, { channel: "slow", position: { offset: 1, epoch } }]
      client.send({ type: "connect", id: 1, version: 1, subscriptions })
      yield* settled
      publish(engine, "a", 1)
      gates.read.open()
      const connected = (yield* client.next) as Message
      assert.deepStrictEqual(recovered(ridden(connected)), ["none", 0, []])
      assert.deepStrictEqual(recovered(ridden(connected, "slow")), ["yes", 2, [2]])
      assert.deepStrictEqual(yield* offsets(client, 1), [1])
    }),
  )

  it.effect("beyond the outbox's limit is lost, and live continues", () =>
    Effect.gen(function* () {
      const { connect, engine, epoch, gates } = yield* start()
      publish(engine, "a", 1, 2)
      const client = yield* connect()
      gates.answer.close()
      client.send({ type: "subscribe", id: 2, channel: "a", position: { offset: 1, epoch } })
      yield* settled
      // The envelope makes it more than 1 MiB.
      publish(engine, "a", ...numbers(3, 18).map(() => "x".repeat(64 * 1024)))
      gates.answer.open()
      assert.deepStrictEqual(recovered(yield* client.next), ["no", 18, []])
      publish(engine, "a", 19)
      assert.deepStrictEqual(yield* offsets(client, 1), [19])
    }),
  )

  it.effect("is not heard any more if `unsubscribe` came right behind", () =>
    Effect.gen(function* () {
      const { connect, engine, epoch, gates } = yield* start()
      publish(engine, "a", 1, 2)
      const client = yield* connect()
      gates.read.close()
      client.send(
        { type: "subscribe", id: 2, channel: "a", position: { offset: 1, epoch } },
        { type: "unsubscribe", id: 3, channel: "a" },
      )
      yield* settled
      publish(engine, "a", 3)
      gates.read.open()
      assert.deepStrictEqual(recovered(yield* client.next), ["yes", 3, [2, 3]])
      assert.deepStrictEqual(codeOf(yield* client.next), ["unsubscribed", undefined])
      publish(engine, "a", 4)
      assert.deepStrictEqual(recovered(yield* subscribe(client)), ["none", 4, []])
    }),
  )
})

describe("a recovery of several pages", () => {
  const text = "x".repeat(50_000)

  it.effect("comes in one answer and publications behind it, before anything live", () =>
    Effect.gen(function* () {
      const { connect, engine, epoch } = yield* start()
      publish(engine, "a", ...numbers(1, 20).map(() => text))
      const client = yield* connect()
      const answer = (yield* subscribe(client, { position: { offset: 0, epoch } })) as Message
      assert.deepStrictEqual([...recovered(answer), answer["more"]], ["yes", 20, numbers(1, 5), true])
      publish(engine, "a", 21)
      assert.deepStrictEqual(yield* offsets(client, 16), numbers(6, 21))
    }),
  )

  it.effect("shares 256 KiB with the others that ride along", () =>
    Effect.gen(function* () {
      const { connect, engine, epoch } = yield* start()
      for (const channel of ["a", "b"]) publish(engine, channel, ...numbers(1, 4).map(() => text))
      const position = { offset: 0, epoch }
      const client = yield* connect({ subscriptions: ["a", "b"].map((channel) => ({ channel, position })) })
      assert.deepStrictEqual(recovered(ridden(client.connected)), ["yes", 4, numbers(1, 4)])
      assert.isUndefined(ridden(client.connected)["more"])
      assert.deepStrictEqual(recovered(ridden(client.connected, "b")), ["yes", 4, [1]])
      assert.isTrue(ridden(client.connected, "b")["more"])
      assert.deepStrictEqual(yield* offsets(client, 3), [2, 3, 4])
    }),
  )

  it.effect("is error 113 where those that ride along have had 4 MiB read, and comes when it is asked for again", () =>
    Effect.gen(function* () {
      const { connect, engine, epoch, gates } = yield* start()
      const channels = numbers(1, 20).map((number) => `c${number}`)
      for (const channel of channels) publish(engine, channel, ...numbers(1, 20).map(() => text))
      const subscriptions = channels.map((channel) => ({ channel, position: { offset: 0, epoch } }))
      const client = yield* connect({ subscriptions })
      const answers = channels.map((channel) => ridden(client.connected, channel))
      const recoveredAlone = answers.filter(({ type }) => type === "subscribed").length
      assert.strictEqual(gates.read.passed, recoveredAlone)
      assert.isAtLeast(recoveredAlone * 20 * text.length, maxRecoveredTogether)
      assert.isAtMost((recoveredAlone - RidingAlong.maxReads) * 20 * text.length, maxRecoveredTogether)
      assert.deepStrictEqual(answers.at(-1), {
        type: "error",
        code: 113,
        message: "more than 4194304 bytes to recover in one connect: subscribe again",
        retry: true,
      })
      client.send({ type: "subscribe", id: 2, ...subscriptions.at(-1) })
      let answer = yield* client.next
      while (answer !== "closed" && answer.type === "publication") answer = yield* client.next
      assert.deepStrictEqual(recovered(answer), ["yes", 20, numbers(1, 5)])
    }),
  )

  it.effect("is refused to all that ride along when the engine does not answer for some, not one after the other", () =>
    Effect.gen(function* () {
      const { dial, engine, epoch, gates } = yield* start()
      const channels = numbers(1, 3 * RidingAlong.maxReads).map((number) => `c${number}`)
      for (const channel of channels) publish(engine, channel, 1)
      const client = yield* dial
      gates.read.close()
      const subscriptions = channels.map((channel) => ({ channel, position: { offset: 0, epoch } }))
      client.send({ type: "connect", id: 1, version: 1, subscriptions })
      yield* settled
      yield* TestClock.adjust(defaultEngineTimeoutMs)
      const connected = (yield* client.next) as Message
      const answers = channels.map((channel) => codeOf(ridden(connected, channel)))
      assert.deepStrictEqual(
        answers,
        channels.map(() => ["error", 117]),
      )
      assert.strictEqual(gates.read.passed, RidingAlong.maxReads)
    }),
  )

  it.effect("is no slow consumption, however slowly it is read", () =>
    Effect.gen(function* () {
      const { connect, engine, epoch } = yield* start()
      publish(engine, "a", ...numbers(1, 20).map(() => text))
      const client = yield* connect()
      client.send({ type: "subscribe", id: 2, channel: "a", position: { offset: 0, epoch } })
      const answer = (yield* client.next) as Message
      assert.deepStrictEqual(recovered(answer), ["yes", 20, numbers(1, 5)])
      for (const offset of numbers(6, 20)) {
        yield* TestClock.adjust(4_000)
        client.wire.writeUnsafe([frame("")])
        assert.deepStrictEqual(yield* offsets(client, 1), [offset])
      }
    }),
  )

  it.effect("that is not read while more than the outbox may hold is published is bye 4004", () =>
    Effect.gen(function* () {
      const { connect, engine, epoch } = yield* start()
      publish(engine, "a", ...numbers(1, 20).map(() => text))
      const client = yield* connect()
      client.send({ type: "subscribe", id: 2, channel: "a", position: { offset: 0, epoch } })
      yield* settled
      publish(engine, "a", ...numbers(21, 42).map(() => text))
      yield* settled
      let last: Message | "closed" = "closed"
      for (let next = yield* client.next; next !== "closed"; next = yield* client.next) last = next
      assert.deepStrictEqual(codeOf(last), ["bye", 4004])
    }),
  )
})

describe("reads", () => {
  it.effect("2 000 clients that reconnect at once cost one read for all, and each gets everything", () =>
    Effect.gen(function* () {
      const { dial, engine, epoch, gates } = yield* start()
      publish(engine, "a", ...numbers(1, 3))
      const subscriptions = [{ channel: "a", position: { offset: 1, epoch } }]
      const clients = yield* Effect.forEach(numbers(1, 2_000), () => dial)
      for (const client of clients) client.send({ type: "connect", id: 1, version: 1, subscriptions })
      const answers = yield* Effect.forEach(clients, (client) => client.next)
      for (const answer of answers) assert.deepStrictEqual(recovered(ridden(answer as Message)), ["yes", 3, [2, 3]])
      assert.deepStrictEqual([gates.attach.passed, gates.read.passed], [1, 1])
    }),
  )

  it.effect("who was attached after a shared read began reads anew", () =>
    Effect.gen(function* () {
      const { connect, engine, epoch, gates } = yield* start()
      publish(engine, "a", 1, 2)
      const [first, second] = [yield* connect(), yield* connect()]
      const message = { type: "subscribe", id: 2, channel: "a", position: { offset: 1, epoch } }
      gates.answer.close()
      first.send(message)
      yield* settled
      // After this page was read, and before the second client is attached.
      publish(engine, "a", 3)
      second.send(message)
      yield* settled
      gates.answer.open()
      assert.deepStrictEqual(recovered(yield* first.next), ["yes", 2, [2]])
      assert.deepStrictEqual(yield* offsets(first, 1), [3])
      assert.deepStrictEqual(recovered(yield* second.next), ["yes", 3, [2, 3]])
      assert.strictEqual(gates.read.passed, 2)
    }),
  )

  it.effect("over the limit of reads under way, error 113 tells to try again", () =>
    Effect.gen(function* () {
      const { connect, engine, epoch, gates } = yield* start({ maxReads: 1 })
      for (const channel of ["a", "b"]) publish(engine, channel, 1, 2)
      const position = { offset: 1, epoch }
      const [first, second] = [yield* connect(), yield* connect()]
      gates.read.close()
      first.send({ type: "subscribe", id: 2, channel: "a", position })
      yield* settled
      assert.deepInclude((yield* subscribe(second, { channel: "b", position })) as Message, { code: 113, retry: true })
      gates.read.open()
      assert.deepStrictEqual(recovered(yield* first.next), ["yes", 2, [2]])
      assert.deepStrictEqual(recovered(yield* subscribe(second, { channel: "b", position })), ["yes", 2, [2]])
    }),
  )

  it.effect("one whose asker has gone is still the others'", () =>
    Effect.gen(function* () {
      const { connect, engine, epoch, gates } = yield* start()
      publish(engine, "a", 1, 2)
      const message = { type: "subscribe", id: 2, channel: "a", position: { offset: 1, epoch } }
      const [first, second] = [yield* connect(), yield* connect()]
      gates.read.close()
      first.send(message)
      yield* settled
      second.send(message)
      yield* settled
      first.wire.abortUnsafe()
      yield* settled
      gates.read.open()
      assert.deepStrictEqual(recovered(yield* second.next), ["yes", 2, [2]])
      assert.strictEqual(gates.read.passed, 1)
    }),
  )
})

describe("channels without subscribers", () => {
  it.effect("are detached within two seconds, and attached again for who comes meanwhile", () =>
    Effect.gen(function* () {
      const { connect, engine, gates } = yield* start()
      const client = yield* connect({ subscriptions: [{ channel: "a" }] })
      yield* client.ask({ type: "unsubscribe", id: 3, channel: "a" })
      gates.detach.close()
      yield* TestClock.adjust(2_000)
      assert.strictEqual(gates.detach.waiting, 1)
      client.send({ type: "subscribe", id: 2, channel: "a" })
      yield* settled
      assert.strictEqual(gates.attach.passed, 1)
      publish(engine, "a", 1)
      gates.detach.open()
      assert.deepStrictEqual(recovered(yield* client.next), ["none", 1, []])
      publish(engine, "a", 2)
      assert.deepStrictEqual(yield* offsets(client, 1), [2])
      assert.strictEqual(gates.attach.passed, 2)
    }),
  )

  it.effect("stay attached while somebody is there, or is back soon", () =>
    Effect.gen(function* () {
      const { connect, gates } = yield* start()
      const [stays, comes] = [yield* connect({ subscriptions: [{ channel: "a" }] }), yield* connect()]
      yield* subscribe(comes, { channel: "b" })
      yield* comes.ask({ type: "unsubscribe", id: 3, channel: "b" })
      yield* subscribe(comes, { channel: "b" })
      yield* TestClock.adjust(5_000)
      assert.deepStrictEqual([gates.attach.passed, gates.detach.passed], [2, 0])
      stays.wire.abortUnsafe()
      comes.wire.abortUnsafe()
      yield* TestClock.adjust(2_000)
      assert.strictEqual(gates.detach.passed, 2)
    }),
  )

  it.effect("are attached once for all who come at a time, and a failure is everybody's", () =>
    Effect.gen(function* () {
      const { connect, gates } = yield* start()
      const [one, two] = [yield* connect(), yield* connect()]
      gates.attach.close()
      gates.isDown = true
      for (const client of [one, two]) client.send({ type: "subscribe", id: 2, channel: "a" })
      yield* settled
      gates.attach.open()
      assert.deepStrictEqual(codeOf(yield* one.next), ["error", 117])
      assert.deepStrictEqual(codeOf(yield* two.next), ["error", 117])
      assert.strictEqual(gates.attach.passed, 1)
      gates.isDown = false
      assert.deepStrictEqual(recovered(yield* subscribe(one)), ["none", 0, []])
    }),
  )

  it.effect("a client that went away while it was being attached leaves nothing behind", () =>
    Effect.gen(function* () {
      const { connect, gates } = yield* start()
      const client = yield* connect()
      gates.attach.close()
      client.send({ type: "subscribe", id: 2, channel: "a" })
      yield* settled
      client.wire.abortUnsafe()
      yield* TestClock.adjust(1_500)
      assert.strictEqual(gates.detach.passed, 0)
      gates.attach.open()
      yield* TestClock.adjust(1_500)
      assert.strictEqual(gates.detach.passed, 1)
    }),
  )
})

describe("a connection", () => {
  it.effect("that ends while it waits for the engine is not answered, and the rest goes on", () =>
    Effect.gen(function* () {
      const { connect, gates } = yield* start()
      const client = yield* connect()
      gates.attach.close()
      client.send({ type: "subscribe", id: 2, channel: "a" })
      yield* settled
      client.wire.endUnsafe()
      gates.attach.open()
      assert.deepStrictEqual(recovered(yield* client.next), ["none", 0, []])
      assert.deepStrictEqual(codeOf(yield* lastOf(client)), ["bye", 4000])
    }),
  )
})
