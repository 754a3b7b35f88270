/**
 * The place where servers and their subscribers meet: nobody is waited for.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as ServerEvents from "../../src/server/ServerEvents.ts"

const opened = (id: number) => ServerEvents.ConnectionOpened({ id, peer: { _tag: "Memory", name: "a" } })

describe("events", () => {
  it.effect("reach every subscriber, from its subscription on", () =>
    Effect.gen(function* () {
      const events = yield* ServerEvents.ServerEvents
      events.publishUnsafe(opened(1))
      const first = yield* events.subscribe()
      events.publishUnsafe(opened(2))
      const second = yield* events.subscribe()
      events.publishUnsafe(opened(3))
      assert.deepStrictEqual(yield* PubSub.takeAll(first), [opened(2), opened(3)])
      assert.deepStrictEqual(yield* PubSub.takeAll(second), [opened(3)])
    }).pipe(Effect.provide(ServerEvents.layer)),
  )

  it.effect("that a subscriber does not want are not kept for it", () =>
    Effect.gen(function* () {
      const events = yield* ServerEvents.ServerEvents
      const even = yield* events.subscribe((event) => "id" in event && event.id % 2 === 0)
      for (let id = 1; id <= 4; id++) events.publishUnsafe(opened(id))
      assert.deepStrictEqual(yield* PubSub.takeAll(even), [opened(2), opened(4)])
    }).pipe(Effect.provide(ServerEvents.layer)),
  )

  it.effect("are kept for nobody once the subscriber's scope has closed", () =>
    Effect.gen(function* () {
      const events = yield* ServerEvents.ServerEvents
      const asked: Array<ServerEvents.ServerEvent> = []
      yield* Effect.scoped(events.subscribe((event) => asked.push(event) > 0))
      events.publishUnsafe(opened(1))
      assert.deepStrictEqual(asked, [])
    }).pipe(Effect.provide(ServerEvents.layer)),
  )

  it.effect(`are lost from the oldest on by a subscriber more than ${ServerEvents.eventBacklog} behind`, () =>
    Effect.gen(function* () {
      const events = yield* ServerEvents.ServerEvents
      const slow = yield* events.subscribe()
      for (let id = 1; id <= ServerEvents.eventBacklog; id++) events.publishUnsafe(opened(id))
      const second = yield* events.subscribe()
      events.publishUnsafe(opened(0))
      const kept = yield* PubSub.takeAll(slow)
      assert.strictEqual(kept.length, ServerEvents.eventBacklog)
      assert.deepStrictEqual([kept[0], kept.at(-1)], [opened(2), opened(0)])
      assert.deepStrictEqual(yield* PubSub.takeAll(second), [opened(0)])
    }).pipe(Effect.provide(ServerEvents.layer)),
  )
})
