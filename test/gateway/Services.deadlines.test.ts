import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import * as Data from "../../src/gateway/protocol/Data.ts"
import * as Services from "../../src/gateway/Services.ts"
import { answered, asked, cancelled, from, makePeer, sees, setup, timedOut, type Peer } from "./servicePeers.ts"

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
      services.request({ asker, id, service: "s", data: Data.json(1), from, timeoutMs })
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
