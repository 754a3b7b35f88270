import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import * as Services from "../../src/gateway/Services.ts"

interface Peer extends Services.Peer {
  readonly sent: Array<Services.Outgoing>
}

const makePeer = (): Peer => {
  const sent: Array<Services.Outgoing> = []
  return { sent, send: (message) => void sent.push(message) }
}

const setup = (options?: Partial<Services.Options>) => {
  const clock = { now: 1000 }
  const services = Services.make<Peer>({ now: () => clock.now, ...options })
  const responder = (...names: ReadonlyArray<string>) => {
    const peer = makePeer()
    for (const name of names) Result.getOrThrow(services.serve(name, peer))
    return peer
  }
  const ask = (asker: Peer, id: number, service = "s", timeoutMs = 50) =>
    services.request({ asker, id, service, data: { id }, from, timeoutMs })
  return { ask, clock, responder, services }
}

const from = { connection: "c", user: "u" }
const asked = (id: number, data: unknown, service = "s", timeoutMs = 50) => ({
  type: "request",
  id,
  service,
  data,
  from,
  timeoutMs,
})
const answered = (id: number, data: unknown) => ({ type: "response", id, data }) as const
const cancelled = (id: number) => ({ type: "cancel", id })
const error = (id: number, code: number, message: string, retry = false) => ({
  type: "error",
  id,
  code,
  message,
  retry,
})
const vanished = (id: number) => error(id, 115, "the responder vanished: the outcome is unknown")
const timedOut = (id: number) => error(id, 115, "timed out: the outcome is unknown")
const sees = (peer: Peer, ...messages: ReadonlyArray<object>) => assert.deepStrictEqual<unknown>(peer.sent, messages)
const idle = { services: 0, peers: 0, openRequests: 0 }

describe("a request", () => {
  it("goes to the responder with an id of the gateway, and its answer to the asker with the asker's id", () => {
    const { ask, responder, services } = setup()
    const [asker, server] = [makePeer(), responder("s")]
    ask(asker, 77)
    sees(server, asked(1, { id: 77 }))
    assert.isTrue(services.respond(server, answered(1, "pong")))
    sees(asker, answered(77, "pong"))
    assert.strictEqual(services.counts().openRequests, 0)
  })

  it("can be refused by the responder, with the advice not to retry unless it says so", () => {
    const { ask, responder, services } = setup()
    const [asker, server] = [makePeer(), responder("s")]
    ask(asker, 7)
    ask(asker, 8)
    services.respond(server, { type: "error", id: 1, code: 200, message: "no" })
    services.respond(server, { type: "error", id: 2, code: 201, message: "later", retry: true })
    sees(asker, error(7, 200, "no"), error(8, 201, "later", true))
  })

  it("waits 10 s where nothing else is said", () => {
    const { responder, services } = setup()
    const server = responder("s")
    services.request({ asker: makePeer(), id: 1, service: "s", data: 1, from })
    sees(server, asked(1, 1, "s", 10_000))
    assert.strictEqual(services.expire(), 10_000)
  })

  it("is error 114 at once if nobody serves, or nobody does any more", () => {
    const { ask, responder, services } = setup()
    const [asker, one, two] = [makePeer(), responder("s"), responder("s")]
    ask(asker, 1, "other")
    services.unserve("s", one)
    services.leave(two)
    ask(asker, 2)
    sees(asker, error(1, 114, "nobody serves this", true), error(2, 114, "nobody serves this", true))
  })

  it("is error 107 if its id is in flight, and the first goes on", () => {
    const { ask, responder, services } = setup()
    const [asker, server] = [makePeer(), responder("s")]
    ask(asker, 7)
    ask(asker, 7)
    services.respond(server, answered(1, "first"))
    sees(asker, error(7, 107, "id 7 is still in flight"), answered(7, "first"))
    assert.strictEqual(server.sent.length, 1)
  })

  it("may use its id again once it was answered; ids of two askers do not touch", () => {
    const { ask, responder, services } = setup()
    const [asker, other, server] = [makePeer(), makePeer(), responder("s")]
    ask(asker, 7)
    ask(other, 7)
    assert.isTrue(services.isOpen(asker, 7))
    services.respond(server, answered(1, "a"))
    assert.isFalse(services.isOpen(asker, 7))
    ask(asker, 7)
    services.respond(server, answered(3, "b"))
    sees(asker, answered(7, "a"), answered(7, "b"))
    sees(other)
  })

  it("may be to oneself", () => {
    const { ask, responder, services } = setup()
    const self = responder("s")
    ask(self, 7)
    services.respond(self, answered(1, "me"))
    sees(self, asked(1, { id: 7 }), answered(7, "me"))
  })

  it("an answer that nobody waits for is ignored: unknown, late, twice, or somebody else's", () => {
    const { ask, clock, responder, services } = setup()
    const [asker, server, other] = [makePeer(), responder("s"), responder("t")]
    ask(asker, 7)
    assert.isFalse(services.respond(server, answered(2, "unknown")))
    assert.isFalse(services.respond(other, answered(1, "not yours")))
    assert.isFalse(services.respond(makePeer(), answered(1, "stranger")))
    assert.isTrue(services.respond(server, answered(1, "once")))
    assert.isFalse(services.respond(server, answered(1, "twice")))
    ask(asker, 8)
    clock.now += 50
    services.expire()
    assert.isFalse(services.respond(server, answered(2, "late")))
    sees(asker, answered(7, "once"), timedOut(8))
  })
})

describe("cancelling", () => {
  it("answers the asker with error 119 and tells the responder", () => {
    const { ask, responder, services } = setup()
    const [asker, server] = [makePeer(), responder("s")]
    ask(asker, 7)
    services.cancel(asker, 7)
    sees(asker, error(7, 119, "cancelled"))
    sees(server, asked(1, { id: 7 }), cancelled(1))
    assert.isFalse(services.respond(server, answered(1, "late")))
  })

  it("what is not in flight, or is another's, is nothing", () => {
    const { ask, responder, services } = setup()
    const [asker, other, server] = [makePeer(), makePeer(), responder("s")]
    ask(asker, 7)
    services.cancel(asker, 8)
    services.cancel(other, 7)
    services.cancel(server, 7)
    sees(asker)
    sees(server, asked(1, { id: 7 }))
  })
})

describe("serving", () => {
  it("twice is as good as once", () => {
    const { ask, responder, services } = setup()
    const [asker, one, two] = [makePeer(), responder("s", "s"), responder("s")]
    for (const id of [1, 2, 3, 4]) ask(asker, id)
    assert.deepStrictEqual([one.sent.length, two.sent.length], [2, 2])
    services.unserve("s", one)
    for (const id of [5, 6]) ask(asker, id)
    assert.deepStrictEqual([one.sent.length, two.sent.length], [2, 4])
  })

  it("unserve without serving is nothing", () => {
    const { responder, services } = setup()
    services.unserve("s", makePeer())
    const server = responder("s")
    services.unserve("s", makePeer())
    services.unserve("t", server)
    assert.deepStrictEqual(services.counts(), { services: 1, peers: 1, openRequests: 0 })
  })

  it("who unserves may still answer what it was given", () => {
    const { ask, responder, services } = setup()
    const [asker, server] = [makePeer(), responder("s")]
    ask(asker, 7)
    services.unserve("s", server)
    services.respond(server, answered(1, "done"))
    sees(asker, answered(7, "done"))
  })

  it("equal responders share evenly, in turn", () => {
    const { ask, responder, services } = setup()
    const [asker, one, two, three] = [makePeer(), responder("s"), responder("s"), responder("s")]
    for (let round = 1; round <= 4; round++) {
      for (const [index, server] of [one, two, three].entries()) {
        ask(asker, index + 1)
        services.respond(server, answered(round, "quick"))
        assert.deepStrictEqual(asker.sent.at(-1), answered(index + 1, "quick"))
      }
    }
  })

  it("one that does not answer gets no more while its neighbour does", () => {
    const { ask, responder, services } = setup()
    const [asker, stuck, quick] = [makePeer(), responder("s"), responder("s")]
    for (let id = 1; id <= 20; id++) {
      ask(asker, id)
      const last = quick.sent.at(-1)
      if (last?.type === "request") services.respond(quick, answered(last.id, "quick"))
    }
    assert.deepStrictEqual([stuck.sent.length, quick.sent.length], [1, 19])
  })

  it("the others keep their turns when one leaves", () => {
    const { ask, responder, services } = setup()
    const [asker, one, two, three] = [makePeer(), responder("s"), responder("s"), responder("s")]
    ask(asker, 1)
    services.respond(one, answered(1, "quick"))
    services.leave(one)
    ask(asker, 2)
    sees(two, asked(1, { id: 2 }))
    sees(three)
  })

  it("ids begin again at 1 after the last one and pass over those in flight", () => {
    const { ask, responder, services } = setup({ maxId: 3 })
    const [asker, server] = [makePeer(), responder("s")]
    for (const id of [11, 12, 13]) ask(asker, id)
    services.respond(server, answered(2, "x"))
    ask(asker, 14)
    assert.deepStrictEqual<unknown>(server.sent.at(-1), asked(2, { id: 14 }))
  })
})

describe("limits", () => {
  const busy = "every responder has as many requests as it may have"

  it("an asker's open requests, error 106", () => {
    const { ask, responder, services } = setup({ maxOpenRequests: 2 })
    const [asker, server] = [makePeer(), responder("s")]
    for (const id of [1, 2, 3]) ask(asker, id)
    sees(asker, error(3, 106, "2 open requests, more are not allowed"))
    services.respond(server, answered(1, "x"))
    ask(asker, 4)
    assert.strictEqual(server.sent.length, 3)
  })

  it("a responder's requests in flight: the next one with room, and error 113 when there is none", () => {
    const { ask, responder, services } = setup({ maxInFlight: 2 })
    const [asker, one] = [makePeer(), responder("s", "t")]
    ask(asker, 1, "t")
    ask(asker, 2, "t")
    const two = responder("s")
    for (const id of [3, 4, 5]) ask(asker, id)
    sees(asker, error(5, 113, busy, true))
    assert.deepStrictEqual([one.sent.length, two.sent.length], [2, 2])
    services.respond(one, answered(1, "x"))
    ask(asker, 6)
    assert.deepStrictEqual<unknown>(one.sent.at(-1), asked(3, { id: 6 }))
  })

  it("a responder has no more requests in flight than there are ids", () => {
    const { ask, responder } = setup({ maxInFlight: 5, maxId: 2 })
    const asker = makePeer()
    responder("s")
    for (const id of [1, 2, 3]) ask(asker, id)
    sees(asker, error(3, 113, busy, true))
  })

  it("a responder's services, error 106", () => {
    const { responder, services } = setup({ maxServices: 2 })
    const server = responder("s", "t", "s")
    assert.deepStrictEqual(
      services.serve("u", server),
      Result.fail({ code: 106, message: "2 services, more are not allowed", retry: false }),
    )
    services.unserve("s", server)
    assert.deepStrictEqual(services.serve("u", server), Result.void)
    assert.strictEqual(services.counts().services, 2)
  })
})

describe("leaving", () => {
  it("who waits for the one that left gets error 115 at once", () => {
    const { ask, responder, services } = setup()
    const [asker, other, server] = [makePeer(), makePeer(), responder("s")]
    ask(asker, 7)
    ask(other, 8)
    services.leave(server)
    sees(asker, vanished(7))
    sees(other, vanished(8))
  })

  it("whom the one that left has asked gets cancel, and the one that left gets nothing", () => {
    const { ask, responder, services } = setup()
    const [asker, server] = [makePeer(), responder("s")]
    ask(asker, 7)
    services.leave(asker)
    sees(asker)
    sees(server, asked(1, { id: 7 }), cancelled(1))
    assert.isFalse(services.respond(server, answered(1, "late")))
  })

  it("a request to oneself ends without a word", () => {
    const { ask, responder, services } = setup()
    const self = responder("s")
    ask(self, 7)
    services.leave(self)
    sees(self, asked(1, { id: 7 }))
  })

  it("nothing is left behind", () => {
    const { ask, responder, services } = setup()
    const [asker, server] = [makePeer(), responder("s", "t")]
    ask(asker, 7)
    ask(server, 8, "t")
    services.leave(server)
    services.leave(server)
    services.leave(asker)
    assert.deepStrictEqual([services.counts(), services.expire()], [idle, undefined])
  })

  it("a send may end another peer: everybody is told once", () => {
    const { ask, services } = setup()
    const asker = makePeer()
    const fragile: Peer = {
      sent: [],
      send: (message) => {
        fragile.sent.push(message)
        if (message.type === "cancel") services.leave(fragile)
      },
    }
    services.serve("s", fragile)
    const last = makePeer()
    ask(asker, 1)
    ask(asker, 2)
    ask(last, 3)
    services.leave(asker)
    sees(last, vanished(3))
    assert.deepStrictEqual(services.counts(), { services: 0, peers: 1, openRequests: 0 })
  })
})

describe("deadlines", () => {
  it("a request ends at its deadline and not before", () => {
    const { ask, clock, responder, services } = setup()
    const [asker, server] = [makePeer(), responder("s")]
    ask(asker, 7, "s", 50)
    clock.now += 49
    assert.strictEqual(services.expire(), 1)
    sees(asker)
    clock.now += 1
    assert.strictEqual(services.expire(), undefined)
    sees(asker, timedOut(7))
    sees(server, asked(1, { id: 7 }), cancelled(1))
  })

  it("they come in the order of time, whatever the order of asking", () => {
    const { ask, clock, responder, services } = setup()
    const asker = makePeer()
    responder("s")
    for (const [id, timeoutMs] of [30, 10, 20].entries()) ask(asker, id + 1, "s", timeoutMs)
    assert.strictEqual(services.expire(), 10)
    clock.now += 25
    assert.strictEqual(services.expire(), 5)
    sees(asker, timedOut(2), timedOut(3))
  })

  it("an answered request has no deadline any more", () => {
    const { ask, responder, services } = setup()
    const [asker, server] = [makePeer(), responder("s")]
    ask(asker, 7)
    services.respond(server, answered(1, "x"))
    assert.strictEqual(services.expire(), undefined)
  })

  it("a sleeper is woken once, by what is due before it would wake, and by nothing else", () => {
    const { ask, responder, services } = setup()
    const [asker, woken] = [makePeer(), [] as Array<string>]
    responder("s")
    assert.strictEqual(
      services.expire(() => woken.push("any")),
      undefined,
    )
    ask(asker, 1, "s", 50)
    ask(asker, 2, "s", 10)
    assert.deepStrictEqual(woken, ["any"])
    assert.strictEqual(
      services.expire(() => woken.push("earlier than 10")),
      10,
    )
    ask(asker, 3, "s", 10)
    ask(asker, 4, "s", 50)
    assert.deepStrictEqual(woken, ["any"])
    ask(asker, 5, "s", 9)
    assert.deepStrictEqual(woken, ["any", "earlier than 10"])
  })
})

describe("run", () => {
  const setupRun = Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const calls = { expire: 0 }
    const services = Services.make<Peer>({ now: () => clock.currentTimeMillisUnsafe() })
    const counted: Services.Services<Peer> = {
      ...services,
      expire: (onEarlier) => {
        calls.expire++
        return services.expire(onEarlier)
      },
    }
    const [asker, server] = [makePeer(), makePeer()]
    Result.getOrThrow(services.serve("s", server))
    yield* Effect.forkChild(Services.run(counted), { startImmediately: true })
    const ask = (id: number, timeoutMs: number) =>
      services.request({ asker, id, service: "s", data: 1, from, timeoutMs })
    return { ask, asker, calls, server, services }
  })

  it.effect("ends each request at its own deadline", () =>
    Effect.gen(function* () {
      const { ask, asker } = yield* setupRun
      ask(1, 5000)
      ask(2, 1000)
      yield* TestClock.adjust(999)
      sees(asker)
      yield* TestClock.adjust(1)
      sees(asker, timedOut(2))
      ask(3, 100)
      yield* TestClock.adjust(100)
      sees(asker, timedOut(2), timedOut(3))
      yield* TestClock.adjust(3900)
      sees(asker, timedOut(2), timedOut(3), timedOut(1))
    }),
  )

  it.effect("does not wake for requests that are answered in time", () =>
    Effect.gen(function* () {
      const { ask, calls, server, services } = yield* setupRun
      for (let id = 1; id <= 100; id++) {
        ask(id, 1000)
        services.respond(server, answered(id, "x"))
      }
      yield* TestClock.adjust(999)
      // Once when it began, and once when the first request gave it something to sleep for.
      assert.strictEqual(calls.expire, 2)
    }),
  )
})
