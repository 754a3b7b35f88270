import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Data from "../../src/gateway/protocol/Data.ts"
import {
  answered,
  asked,
  cancelled,
  error,
  from,
  idle,
  makePeer,
  sees,
  setup,
  timedOut,
  vanished,
  type Peer,
} from "./servicePeers.ts"

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
    services.request({ asker: makePeer(), id: 1, service: "s", data: Data.json(1), from })
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
    assert.strictEqual(services.counts().openRequests, 2)
    services.respond(server, answered(1, "a"))
    assert.strictEqual(services.counts().openRequests, 1)
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
