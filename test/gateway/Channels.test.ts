import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Channels from "../../src/gateway/Channels.ts"
import { Engine } from "../../src/gateway/engine/Engine.ts"
import * as MemoryEngine from "../../src/gateway/engine/MemoryEngine.ts"
import * as Policy from "../../src/gateway/Policy.ts"
import type { Publication } from "../../src/gateway/protocol/ServerMessage.ts"
import { publish } from "./positions.ts"

type Envelope = { readonly publication: Publication }

const setup = (options?: Partial<Channels.Options<Envelope>>) =>
  Effect.gen(function* () {
    const engine = yield* MemoryEngine.make({ retention: () => Policy.open.history })
    const encoded: Array<Publication> = []
    const channels = yield* Channels.make<Envelope>({
      policyOf: () => Policy.open,
      encode: (publication) => {
        encoded.push(publication)
        return { publication }
      },
      ...options,
    }).pipe(Effect.provideService(Engine, engine))
    const subscriber = (connection = "c") => {
      const heard: Array<Envelope> = []
      return { connection, heard, deliver: (envelope: Envelope) => void heard.push(envelope) }
    }
    const join = (name: string, each: Channels.Subscriber<Envelope>) => Result.getOrThrow(channels.join(name, each))
    return { channels, engine, encoded, subscriber, join }
  })

const heardBy = (each: { readonly heard: ReadonlyArray<Envelope> }) =>
  each.heard.map(({ publication }) => publication.offset)

const refused = (message: string) => Result.fail({ code: 106, message, retry: false })

describe("a channel", () => {
  it.effect("hands every subscriber the same encoded publication, which is made once", () =>
    Effect.gen(function* () {
      const { encoded, engine, join, subscriber } = yield* setup()
      const [one, two] = [subscriber(), subscriber()]
      for (const each of [one, two]) join("a", each)
      publish(engine, "a", 1)
      assert.strictEqual(encoded.length, 1)
      assert.strictEqual(one.heard[0], two.heard[0])
    }),
  )

  it.effect("encodes nothing that nobody hears", () =>
    Effect.gen(function* () {
      const { channels, encoded, engine, join, subscriber } = yield* setup()
      const one = subscriber()
      channels.leave(join("a", one), one)
      publish(engine, "a", 1)
      publish(engine, "b", 1)
      assert.deepStrictEqual(encoded, [])
    }),
  )

  it.effect("withholds a publication from the connection that asked for it, and from no other", () =>
    Effect.gen(function* () {
      const { engine, join, subscriber } = yield* setup()
      const [publisher, other] = [subscriber("publisher"), subscriber("other")]
      for (const each of [publisher, other]) join("a", each)
      engine.publishUnsafe(
        { channel: "a", data: { type: "json", text: "1" }, withheldFrom: "publisher" },
        () => undefined,
      )
      publish(engine, "a", 2)
      assert.deepStrictEqual([heardBy(publisher), heardBy(other)], [[2], [1, 2]])
    }),
  )

  it.effect("stands where the engine attached it, and then where it was delivered to", () =>
    Effect.gen(function* () {
      const { engine, join, subscriber } = yield* setup()
      publish(engine, "a", 1)
      const channel = join("a", subscriber())
      yield* Deferred.await(channel.attached)
      const { epoch } = yield* engine.position("a")
      assert.deepStrictEqual(channel.top, { offset: 1, epoch })
      publish(engine, "a", 2)
      assert.deepStrictEqual(channel.top, { offset: 2, epoch })
    }),
  )

  it.effect("may be left while it delivers", () =>
    Effect.gen(function* () {
      const { channels, engine, join, subscriber } = yield* setup()
      const [first, last] = [subscriber(), subscriber()]
      const leaver = { connection: "c", deliver: () => channels.leave(channel, leaver) }
      join("a", first)
      const channel = join("a", leaver)
      join("a", last)
      publish(engine, "a", 1, 2)
      assert.deepStrictEqual(
        [heardBy(first), heardBy(last)],
        [
          [1, 2],
          [1, 2],
        ],
      )
      assert.strictEqual(channel.subscribers.size, 2)
    }),
  )
})

describe("limits", () => {
  it.effect(
    "a channel has as many subscribers as its policy allows; over it is error 106, and leaving makes room",
    () =>
      Effect.gen(function* () {
        const policy = { ...Policy.open, maxSubscribers: 2 }
        const { channels, join, subscriber } = yield* setup({ policyOf: () => policy })
        const [one, two, three] = [subscriber(), subscriber(), subscriber()]
        const channel = join("a", one)
        join("a", two)
        const full = refused("2 subscribers, the channel may not have more")
        assert.deepStrictEqual(channels.join("a", three), full)
        assert.isTrue(Result.isSuccess(channels.join("b", three)))
        channels.leave(channel, one)
        assert.isTrue(Result.isSuccess(channels.join("a", three)))
        const { channels: closed } = yield* setup({ policyOf: () => ({ ...policy, maxSubscribers: 0 }) })
        assert.isTrue(Result.isFailure(closed.join("a", one)))
        assert.strictEqual(closed.counts().channels, 0)
      }),
  )

  it.effect("over the limit of channels a further one is error 106, the others go on, and idle ones make room", () =>
    Effect.gen(function* () {
      const { channels, join, subscriber } = yield* setup({ maxChannels: 2 })
      const one = subscriber()
      const [a] = [join("a", one), join("b", one)]
      assert.deepStrictEqual(
        channels.join("c", one),
        refused("2 channels have subscribers, there is no room for another"),
      )
      join("a", subscriber())
      channels.leave(a, one)
      for (const each of a.subscribers) channels.leave(a, each)
      Array.from(channels.tick())
      assert.isTrue(Result.isSuccess(channels.join("c", one)))
    }),
  )

  it.effect("are detached step by step, but for those that somebody has joined meanwhile", () =>
    Effect.gen(function* () {
      const { channels, join, subscriber } = yield* setup()
      const one = subscriber()
      for (const name of ["a", "b", "c"]) channels.leave(join(name, one), one)
      const steps = channels.tick()[Symbol.iterator]()
      assert.deepStrictEqual(steps.next(), { done: false, value: 1 })
      assert.strictEqual(channels.counts().channels, 2)
      join("b", one)
      assert.deepStrictEqual([steps.next().value, steps.next().done], [1, true])
      assert.deepStrictEqual(channels.counts(), { channels: 1, subscriptions: 1, reads: 0 })
    }),
  )

  it.effect("counts channels and subscriptions, and nothing is left of what was left", () =>
    Effect.gen(function* () {
      const { channels, join, subscriber } = yield* setup()
      const [one, two] = [subscriber(), subscriber()]
      const joined = [join("a", one), join("b", one)]
      join("a", two)
      assert.deepStrictEqual(channels.counts(), { channels: 2, subscriptions: 3, reads: 0 })
      for (const channel of joined) {
        for (const each of [one, two, one]) channels.leave(channel, each)
      }
      assert.deepStrictEqual(channels.counts(), { channels: 2, subscriptions: 0, reads: 0 })
      Array.from(channels.tick())
      assert.deepStrictEqual(channels.counts(), { channels: 0, subscriptions: 0, reads: 0 })
    }),
  )
})
