/** What a server does wrong is in the report; servers here are made up, and time is the test's. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clock from "effect/Clock"
import { LoadFailed } from "../../src/load/Context.ts"
import type { Message } from "../../src/load/Link.ts"
import * as Pacer from "../../src/load/Pacer.ts"
import type { Plan } from "../../src/load/Plan.ts"
import { counted, fake, load, measured, type Peer, plan, publicationOf, publishedOf } from "./support.ts"

/** Ten publications to two subscribers. */
const tenToTwo = { connections: 2, rate: 20, warmUpMs: 0, durationMs: 500 } satisfies Partial<Plan>

/** A server that has its own idea of what each subscriber is sent for the nth publication. */
const delivering = (deliver: (text: string, n: number, subscriber: number) => ReadonlyArray<string>) =>
  Effect.gen(function* () {
    let n = 0
    const server = yield* fake((message, publisher) => {
      publisher.say(publishedOf(message, ++n))
      const subscribers = server.peers.filter(({ channels }) => channels.length > 0)
      subscribers.forEach(({ say }, index) => {
        const texts = deliver(publicationOf(message, n), n, index)
        if (texts.length > 0) say(...texts)
      })
    })
    const report = yield* load(server.dial, tenToTwo)
    return counted(report)
  })

const healthy = { connections: 3, sent: 10, expected: 20, received: 20 }

describe("deliveries", () => {
  it.effect("that come once and in order are all there is", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* delivering((text) => [text]), healthy)
    }),
  )

  it.effect("that do not come are lost, each for its subscriber", () =>
    Effect.gen(function* () {
      const counts = yield* delivering((text, n, subscriber) =>
        n === 4 || (n === 10 && subscriber === 1) ? [] : [text],
      )
      assert.deepStrictEqual(counts, { ...healthy, received: 17, lost: 3 })
    }),
  )

  it.effect("that come again are duplicated, at once or later, and make up for nothing that is lost", () =>
    Effect.gen(function* () {
      let first = ""
      const counts = yield* delivering((text, n, subscriber) => {
        if (subscriber === 1) return [text]
        if (n === 1) first = text
        return n === 3 ? [text, text] : n === 5 ? [] : n === 9 ? [text, first] : [text]
      })
      assert.deepStrictEqual(counts, { ...healthy, received: 19, lost: 1, duplicated: 2 })
    }),
  )

  it.effect("that others have overtaken are out of order, and not lost", () =>
    Effect.gen(function* () {
      let held = ""
      const counts = yield* delivering((text, n, subscriber) => {
        if (subscriber === 0) return [text]
        if (n === 6) held = text
        return n === 6 ? [] : n === 8 ? [text, held] : [text]
      })
      assert.deepStrictEqual(counts, { ...healthy, "out-of-order": 1 })
    }),
  )

  it.effect("of another run are nobody's", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* delivering((text) => [text.replace("~t1 ", "~t2 "), text]), healthy)
    }),
  )

  it.effect("that are written with other spaces, or fields in another order, count all the same", () =>
    Effect.gen(function* () {
      const rewritten = (text: string) =>
        JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text) as Message).toReversed()), undefined, 2)
      assert.deepStrictEqual(yield* delivering((text) => [rewritten(text)]), healthy)
    }),
  )
})

/** Publishes on two connections, ten times, against a server that answers as the test says. */
const publishing = (answer: (message: Message, n: number, peer: Peer) => void) =>
  Effect.gen(function* () {
    let n = 0
    const server = yield* fake((message, peer) => answer(message, ++n, peer))
    const report = yield* load(server.dial, { ...tenToTwo, scenario: "publish" })
    return { counts: counted(report), problems: report.problems }
  })

describe("answers", () => {
  const healthy = { connections: 2, sent: 10, expected: 10, received: 10 }
  const offsetOf = (n: number) => Math.ceil(n / 2)

  it.effect("that do not come are lost", () =>
    Effect.gen(function* () {
      const outcome = yield* publishing((message, n, { say }) =>
        n === 10 ? undefined : say(publishedOf(message, offsetOf(n))),
      )
      assert.deepStrictEqual(outcome, { counts: { ...healthy, received: 9, lost: 1 }, problems: [] })
    }),
  )

  it.effect("that refuse are errors, and told in the server's words", () =>
    Effect.gen(function* () {
      const outcome = yield* publishing((message, n, { say }) => {
        const refusal = { type: "error", id: message["id"], code: 103, message: "not allowed", retry: false }
        say(n === 10 ? JSON.stringify(refusal) : publishedOf(message, offsetOf(n)))
      })
      assert.deepStrictEqual(outcome, {
        counts: { ...healthy, received: 9, errors: 1 },
        problems: [{ message: "error 103: not allowed", times: 1 }],
      })
    }),
  )

  it.effect("that tell an offset twice are duplicated", () =>
    Effect.gen(function* () {
      const outcome = yield* publishing((message, n, { say }) => say(publishedOf(message, n === 9 ? 4 : offsetOf(n))))
      assert.deepStrictEqual(outcome, { counts: { ...healthy, duplicated: 1 }, problems: [] })
    }),
  )

  it.effect("of a server that hangs up are missing, and so is what could not be sent after it", () =>
    Effect.gen(function* () {
      const outcome = yield* publishing((message, n, { hangUp, say }) =>
        n === 7 ? hangUp() : say(publishedOf(message, offsetOf(n))),
      )
      assert.deepStrictEqual(outcome, {
        counts: { connections: 2, sent: 9, expected: 9, received: 8, lost: 1, errors: 1, closed: 1 },
        problems: [
          { message: "the server hung up without a bye", times: 1 },
          { message: "not sent: not connected", times: 1 },
        ],
      })
    }),
  )

  it.effect("to another's request are errors", () =>
    Effect.gen(function* () {
      const server = yield* fake((message, { say }) => {
        if (message.type === "serve") say(JSON.stringify({ type: "serving", id: message["id"], service: "s" }))
        if (message.type === "request") say(JSON.stringify({ type: "response", id: message["id"], data: "another" }))
      })
      const report = yield* load(server.dial, { ...tenToTwo, scenario: "request" })
      assert.deepStrictEqual(counted(report), { connections: 3, sent: 10, expected: 10, lost: 10, errors: 10 })
    }),
  )
})

describe("a load that cannot be put on the server", () => {
  const refused = (greeting: (text: string) => string, different: Partial<Plan> = {}) =>
    Effect.gen(function* () {
      const server = yield* fake(() => {}, greeting)
      return yield* Effect.flip(load(server.dial, { scenario: "publish", ...different }))
    })

  it.effect("fails with the server's reason, after as many attempts as there is patience for", () =>
    Effect.gen(function* () {
      const bye = JSON.stringify({ type: "bye", code: 4500, message: "bad token", retry: "never" })
      assert.deepStrictEqual(
        yield* refused(() => bye),
        new LoadFailed({
          message: "4 of 4 could not connect: bye 4500: bad token",
          ending: { code: 4500, message: "bye 4500: bad token" },
        }),
      )
    }),
  )

  it.effect("fails if each connection would send more than the server takes, and not if it is just that", () =>
    Effect.gen(function* () {
      const limited = (limit: number) => (text: string) =>
        text.replace(`"commandsPerSecond":1000`, `"commandsPerSecond":${limit}`)
      assert.deepStrictEqual(
        yield* refused(limited(24)),
        new LoadFailed({
          message:
            "the load is 25 commands a second on each of 4 connections, and the server takes 24: spread it over more connections, or lower the rate",
        }),
      )
      const server = yield* fake(({ id }, { say }) => say(publishedOf({ type: "", id }, 1)), limited(25))
      assert.strictEqual((yield* load(server.dial, { scenario: "publish" })).counts.errors, 0)
    }),
  )
})

describe("a connection", () => {
  it.effect("begins with the token, and with the channels that it hears", () =>
    Effect.gen(function* () {
      const server = yield* fake((message, { say }) => say(publishedOf(message, 1)))
      yield* load(server.dial, { connections: 1, token: "secret", durationMs: 100 })
      const connect = { type: "connect", id: 1, version: 1, token: "secret" }
      assert.deepStrictEqual(
        server.peers.map(({ connect }) => connect),
        [{ ...connect, subscriptions: [{ channel: "bench:t1:0" }] }, connect],
      )
    }),
  )

  it.effect("answers every heartbeat", () =>
    Effect.gen(function* () {
      let heartbeats = 0
      const server = yield* fake((message, { say }) => {
        if (message.type === "heartbeat") heartbeats++
        else say("", publishedOf(message, 1), "")
      })
      const report = yield* load(server.dial, { ...tenToTwo, scenario: "publish" })
      assert.deepStrictEqual([heartbeats, report.counts.heartbeats, report.counts.received], [20, 20, 10])
    }),
  )
})

describe("goodbyes", () => {
  it.effect("that are not said, or without a notice, are told apart", () =>
    Effect.gen(function* () {
      const server = yield* fake(() => {})
      const bye = JSON.stringify({ type: "bye", code: 4001, message: "draining", retry: "backoff" })
      const notice = JSON.stringify({ type: "notice", code: 4001, message: "draining" })
      const drain = Effect.sync(() => {
        const [told, unwarned, cut] = server.peers
        told!.say(notice, bye)
        unwarned!.say(bye)
        cut!.hangUp()
      })
      yield* Effect.forkChild(Effect.delay(drain, 500))
      const report = yield* load(server.dial, { scenario: "drain", rate: 0, warmUpMs: 0, durationMs: 1000 })
      assert.deepStrictEqual(
        { counts: counted(report), measured: measured(report), problems: report.problems },
        {
          counts: { connections: 4, expected: 4, received: 2, lost: 2, closed: 1 },
          measured: { connect: 4, goodbye: 1 },
          problems: [
            { message: "a bye without a notice", times: 1 },
            { message: "the server hung up without a bye", times: 1 },
          ],
        },
      )
    }),
  )
})

describe("open loop", () => {
  it.effect("a server that stalls is charged for everything that should have been sent meanwhile", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const waiting: Array<() => void> = []
      // From 400 ms after the first publication on, for 200 ms: closed loop would see one slow answer of 100.
      const stall = { fromMs: 400, untilMs: 600 }
      let startedAt: number | undefined
      const server = yield* fake((message, { say }) => {
        startedAt ??= clock.currentTimeMillisUnsafe()
        const elapsed = clock.currentTimeMillisUnsafe() - startedAt
        const answer = () => say(publishedOf(message, 1))
        if (elapsed < stall.fromMs || elapsed >= stall.untilMs)
          for (const late of [...waiting.splice(0), answer]) late()
        else waiting.push(answer)
      })
      const given = { scenario: "publish", rate: 100, warmUpMs: 0, durationMs: 1000 } as const
      const report = yield* load(server.dial, given)
      const [, summary] = report.latencies.find(([measure]) => measure === "answer")!

      const due = Array.from(
        { length: 100 },
        (_, n) => Pacer.dueAt(plan(given).seed, { from: 0, perSecond: 100 }, n) / 1000,
      )
      const sent = due.map(Math.ceil)
      const first = sent[0]!
      const end = sent.find((ms) => ms >= first + stall.untilMs)!
      const expected = due
        .map((due, n) => (sent[n]! >= first + stall.fromMs && sent[n]! < end ? end - due : sent[n]! - due))
        .toSorted((a, b) => a - b)
      const within = (a: number, b: number) => assert.closeTo(a, b, b / 1000 + 0.001)
      within(summary.p50, expected[49]!)
      within(summary.p99, expected[98]!)
      within(summary.max, expected[99]!)
      assert.isAbove(summary.p99, 180)
      assert.isBelow(summary.p50, 1)
    }),
  )
})
