/** What a client makes of what it hears: gaps, doubles, other epochs, and readers that are slow. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Options } from "../../src/client/Subscription.ts"
import { settled, until } from "../support/wires.ts"
import * as Puppet from "./puppet.ts"
import { brief, hear, network, pass, tags } from "./support.ts"

const publication = (offset: number, previous = offset - 1, epoch = "e") => ({
  type: "publication",
  channel: "a",
  offset,
  previous,
  epoch,
  data: offset,
  time: 0,
})

const subscribed = (offset: number, rest: object = {}) => ({
  type: "subscribed",
  channel: "a",
  position: { offset, epoch: "e" },
  recovered: "none",
  publications: [],
  ...rest,
})

/** A reader of a channel that stands at offset 5, and the gateway's side of it. */
const reader = Effect.fnUntraced(function* (options: Options = {}) {
  const puppet = yield* Puppet.make
  const { client, peer } = yield* puppet.client()
  const heard = yield* hear(client.subscribe("a", options))
  const subscribe = yield* peer.next
  peer.say(subscribed(5, { id: subscribe["id"] }))
  yield* settled
  return { client, peer, heard, subscribe }
})

describe("a channel's reader", () => {
  it.effect("is given what it lacks, before what came too early", () =>
    Effect.gen(function* () {
      const { heard, peer } = yield* reader()
      peer.say(publication(6), publication(8))
      const position = { offset: 6, epoch: "e" }
      assert.deepStrictEqual(yield* peer.next, { type: "unsubscribe", id: 2, channel: "a" })
      assert.deepStrictEqual(yield* peer.next, { type: "subscribe", id: 3, channel: "a", position })
      // Until the answer nothing counts.
      peer.say(publication(7), { type: "unsubscribed", id: 2, channel: "a" })
      const publications = [publication(7), publication(8), publication(9)]
      peer.say(subscribed(9, { id: 3, recovered: "yes", publications }), publication(10))
      yield* settled
      assert.deepStrictEqual(brief(heard.items), ["subscribed none", 6, "subscribed yes", 7, 8, 9, 10])
    }),
  )

  it.effect("is given what one read brought as one array", () =>
    Effect.gen(function* () {
      const puppet = yield* Puppet.make
      const { client, peer } = yield* puppet.client()
      const arrays: Array<ReadonlyArray<unknown>> = []
      yield* Effect.forkScoped(
        Stream.runForEachArray(client.subscribe("a"), (items) => Effect.sync(() => arrays.push(brief(items)))),
        { startImmediately: true },
      )
      const { id } = yield* peer.next
      peer.say(subscribed(5, { id }), publication(6), publication(7))
      yield* settled
      peer.say(publication(8))
      yield* settled
      assert.deepStrictEqual(arrays, [["subscribed none", 6, 7], [8]])
    }),
  )

  it.effect("takes holes in the offsets for none where `previous` says so", () =>
    Effect.gen(function* () {
      const { heard, peer } = yield* reader()
      peer.say(publication(8, 5), publication(9, 8))
      yield* settled
      assert.deepStrictEqual(brief(heard.items), ["subscribed none", 8, 9])
    }),
  )

  it.effect("hears nothing twice", () =>
    Effect.gen(function* () {
      const { heard, peer } = yield* reader()
      peer.say(publication(6), publication(6), publication(5), publication(7))
      yield* settled
      assert.deepStrictEqual(brief(heard.items), ["subscribed none", 6, 7])
    }),
  )

  it.effect("is told of another epoch by what could not be recovered", () =>
    Effect.gen(function* () {
      const { heard, peer } = yield* reader()
      peer.say(publication(1, 0, "f"))
      yield* peer.next
      assert.deepInclude(yield* peer.next, { id: 3, position: { offset: 5, epoch: "e" } })
      peer.say(subscribed(1, { id: 3, recovered: "no", position: { offset: 1, epoch: "f" } }), publication(2, 1, "f"))
      yield* settled
      assert.deepStrictEqual(brief(heard.items), ["subscribed none", "subscribed no", 2])
    }),
  )

  it.effect("is told what was dropped for want of speed, and goes on behind it", () =>
    Effect.gen(function* () {
      const { heard, peer } = yield* reader()
      const gap = { type: "gap" as const, channel: "a", from: 6, to: 8, count: 3 }
      peer.say(gap, publication(9))
      yield* settled
      assert.deepStrictEqual(brief(heard.items), ["subscribed none", "gap", 9])
      assert.deepStrictEqual(heard.items[1], gap)
    }),
  )

  it.effect("goes on behind an answer that had no room for all, wherever it breaks off", () =>
    Effect.gen(function* () {
      const { heard, peer } = yield* reader({ position: { offset: 1, epoch: "e" } })
      peer.say({ type: "unsubscribed", channel: "x" }, publication(7))
      yield* peer.next
      yield* peer.next
      peer.say(subscribed(8, { id: 3, recovered: "yes", publications: [publication(6)], more: true }))
      peer.say(publication(7), publication(8), publication(9))
      yield* settled
      assert.deepStrictEqual(brief(heard.items), ["subscribed none", "subscribed yes", 6, 7, 8, 9])
    }),
  )

  it.effect("fails when the gateway ends the subscription", () =>
    Effect.gen(function* () {
      const { heard, peer } = yield* reader()
      peer.say({ type: "unsubscribed", channel: "a", code: 103, message: "not allowed" })
      const error = yield* Effect.flip(Fiber.join(heard.fiber))
      assert.deepInclude(error.reason, { _tag: "Refused", code: 103, message: "not allowed" })
    }),
  )

  it.effect("that the gateway has ended, and that leaves what it was given unread, holds up no other", () =>
    Effect.gen(function* () {
      const puppet = yield* Puppet.make
      const { client, peer } = yield* puppet.client()
      const gate = yield* Deferred.make<void>()
      const leaving = yield* Effect.forkScoped(
        client.subscribe("a", { buffer: 2 }).pipe(
          Stream.take(1),
          Stream.runForEach(() => Deferred.await(gate)),
        ),
      )
      peer.say(subscribed(5, { id: (yield* peer.next)["id"] }))
      yield* settled
      peer.say(publication(6), publication(7), {
        type: "unsubscribed",
        channel: "a",
        code: 103,
        message: "not allowed",
      })
      yield* settled
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(leaving)
      const events = yield* hear(client.events)
      peer.say({ type: "notice", code: 4001, message: "soon" })
      yield* settled
      assert.deepStrictEqual(tags(events.items), ["Connected", "Notice"])
    }),
  )

  it.effect("has heard what its client was told in `published` and does not hear, and goes on behind it", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* reader()
      const publish = Effect.fnUntraced(function* (offset: number, epoch = "e") {
        const publishing = yield* Effect.forkScoped(client.publish("a", 0, { echo: false }))
        peer.say({ type: "published", id: (yield* peer.next)["id"], offset, epoch })
        yield* Fiber.join(publishing)
      })
      /** Where the reader stands: what it asks for when a hole shows. */
      const position = Effect.gen(function* () {
        peer.say(publication(1_000))
        yield* peer.next
        const { id, position } = yield* peer.next
        peer.say(subscribed((position as { readonly offset: number }).offset, { id }))
        yield* settled
        return position
      })
      yield* publish(6)
      yield* publish(7)
      assert.deepStrictEqual(yield* position, { offset: 7, epoch: "e" })
      // Of another epoch, or beyond somebody else's 8 and 9, which come still.
      yield* publish(8, "f")
      yield* publish(10)
      assert.deepStrictEqual(yield* position, { offset: 7, epoch: "e" })
      yield* publish(10)
      peer.say(publication(8), publication(9))
      yield* settled
      assert.deepStrictEqual(yield* position, { offset: 10, epoch: "e" })
    }),
  )

  it.effect("that is refused for now is asked for again when the gateway says so", () =>
    Effect.gen(function* () {
      const puppet = yield* Puppet.make
      const { client, peer } = yield* puppet.client()
      const heard = yield* hear(client.subscribe("a"))
      yield* peer.next
      peer.say({ type: "error", id: 1, code: 113, message: "busy", retry: true, waitMs: 3_000 })
      yield* pass("3 seconds")
      assert.deepStrictEqual(yield* peer.next, { type: "subscribe", id: 2, channel: "a" })
      peer.say(subscribed(5, { id: 2 }))
      yield* settled
      assert.deepStrictEqual(brief(heard.items), ["subscribed none"])
    }),
  )
})

describe("a reader that is slow", () => {
  const kib = "x".repeat(1024)

  /** A reader that has taken one item and waits; what is published waits behind it. */
  const slow = Effect.fnUntraced(function* () {
    const { client, engine: _, wires } = yield* network({ commandsPerSecond: 10_000 })
    const [ann, ben] = [yield* client(), yield* client()]
    const gate = yield* Deferred.make<void>()
    const seen: Array<number> = []
    const reading = yield* Effect.forkScoped(
      Stream.runForEach(ann.subscribe("a", { buffer: 10 }), (item) => {
        if (item.type === "publication") seen.push(item.offset)
        return Deferred.await(gate)
      }),
    )
    yield* settled
    const publish = (count: number) => Effect.forEach(Array.from({ length: count }), () => ben.publish("a", kib))
    return { ann, gate, publish, reading, seen, wire: wires[0]! }
  })

  it.effect("makes its connection stop reading, and loses nothing", () =>
    Effect.gen(function* () {
      const { gate, publish, seen, wire } = yield* slow()
      yield* publish(200)
      assert.isTrue(wire.pausedUnsafe())
      yield* Deferred.succeed(gate, undefined)
      yield* until(() => seen.length === 200)
      assert.deepStrictEqual(
        seen,
        Array.from({ length: 200 }, (_, index) => index + 1),
      )
    }),
  )

  it.effect("does not keep answers from who waits for them", () =>
    Effect.gen(function* () {
      const { ann, publish, wire } = yield* slow()
      yield* publish(70)
      assert.deepInclude(yield* ann.publish("b", 1), { offset: 1 })
      assert.isFalse(wire.pausedUnsafe())
    }),
  )

  it.effect("keeps its connection, however long it takes", () =>
    Effect.gen(function* () {
      const { ann, gate, publish, seen } = yield* slow()
      const events = yield* hear(ann.events)
      yield* publish(50)
      yield* pass("5 minutes")
      yield* Deferred.succeed(gate, undefined)
      yield* until(() => seen.length === 50)
      assert.strictEqual(events.items.length, 1)
    }),
  )
})
