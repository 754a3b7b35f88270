import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Channels from "../../src/gateway/Channels.ts"
import * as Data from "../../src/gateway/protocol/Data.ts"
import type { Publication } from "../../src/gateway/protocol/ServerMessage.ts"

type Envelope = { readonly publication: Publication }

const setup = (options?: Partial<Channels.Options<Envelope>>) => {
  const clock = { now: 1000 }
  const encoded: Array<Publication> = []
  const channels = Channels.make<Envelope, Channels.Subscriber<Envelope>>({
    epoch: "e1",
    now: () => clock.now,
    encode: (publication) => {
      encoded.push(publication)
      return { publication }
    },
    ...options,
  })
  const subscriber = (...names: ReadonlyArray<string>) => {
    const heard: Array<Envelope> = []
    const self = { heard, deliver: (envelope: Envelope) => void heard.push(envelope) }
    for (const name of names) Result.getOrThrow(channels.subscribe(name, self))
    return self
  }
  const offsets = (each: { readonly heard: ReadonlyArray<Envelope> }) =>
    each.heard.map(({ publication }) => publication.offset)
  return { channels, clock, encoded, subscriber, offsets }
}

const at = (offset: number) => Result.succeed({ offset, epoch: "e1" })
const error = (code: number, message: string) => Result.fail({ code, message, retry: false })

describe("publishing", () => {
  it("a publication has the channel's next offset, the previous one, the epoch and the time", () => {
    const { channels, clock, encoded, subscriber } = setup()
    subscriber("a")
    assert.deepStrictEqual(channels.publish({ channel: "a", data: Data.json({ x: 1 }) }), at(1))
    clock.now = 1001
    const from = { connection: "c", user: "u" }
    assert.deepStrictEqual(channels.publish({ channel: "a", data: Data.json(null), from, tags: { t: "v" } }), at(2))
    assert.deepStrictEqual(encoded, [
      { type: "publication", channel: "a", offset: 1, previous: 0, epoch: "e1", data: Data.json({ x: 1 }), time: 1000 },
      {
        type: "publication",
        channel: "a",
        offset: 2,
        previous: 1,
        epoch: "e1",
        data: Data.json(null),
        from,
        tags: { t: "v" },
        time: 1001,
      },
    ])
  })

  it("channels count for themselves", () => {
    const { channels } = setup()
    channels.publish({ channel: "a", data: Data.json(1) })
    assert.deepStrictEqual(channels.publish({ channel: "b", data: Data.json(1) }), at(1))
    assert.deepStrictEqual(channels.publish({ channel: "a", data: Data.json(1) }), at(2))
  })

  it("every subscriber is handed the same encoded value, which is made once", () => {
    const { channels, encoded, subscriber } = setup()
    const [one, two] = [subscriber("a"), subscriber("a")]
    channels.publish({ channel: "a", data: Data.json(1) })
    assert.strictEqual(encoded.length, 1)
    assert.strictEqual(one.heard[0], two.heard[0])
  })

  it("nothing is encoded that nobody hears", () => {
    const { channels, encoded, subscriber } = setup()
    const publisher = subscriber("a")
    channels.publish({ channel: "b", data: Data.json(1) })
    channels.publish({ channel: "a", data: Data.json(1), except: publisher })
    assert.deepStrictEqual(encoded, [])
  })

  it("without echo everybody hears it but the publisher", () => {
    const { channels, offsets, subscriber } = setup()
    const [publisher, other] = [subscriber("a"), subscriber("a")]
    channels.publish({ channel: "a", data: Data.json(1), except: publisher })
    channels.publish({ channel: "a", data: Data.json(2) })
    assert.deepStrictEqual([offsets(publisher), offsets(other)], [[2], [1, 2]])
  })

  it("a publisher without echo need not be a subscriber", () => {
    const { channels, offsets, subscriber } = setup()
    const [publisher, other] = [subscriber(), subscriber("a")]
    channels.publish({ channel: "a", data: Data.json(1), except: publisher })
    assert.deepStrictEqual([offsets(publisher), offsets(other)], [[], [1]])
  })

  it("subscribers may leave while they are delivered to", () => {
    const { channels, offsets, subscriber } = setup()
    const first = subscriber()
    const leaver = { deliver: () => channels.leave(leaver) }
    Result.getOrThrow(channels.subscribe("a", leaver))
    const last = subscriber("a")
    channels.subscribe("a", first)
    channels.publish({ channel: "a", data: Data.json(1) })
    channels.publish({ channel: "a", data: Data.json(2) })
    assert.deepStrictEqual(
      [offsets(first), offsets(last)],
      [
        [1, 2],
        [1, 2],
      ],
    )
  })
})

describe("subscribing", () => {
  it("the position is where live continues", () => {
    const { channels, offsets, subscriber } = setup()
    const late = subscriber()
    assert.deepStrictEqual(channels.subscribe("a", late), at(0))
    channels.publish({ channel: "b", data: Data.json(1) })
    assert.deepStrictEqual(channels.subscribe("b", late), at(1))
    channels.publish({ channel: "b", data: Data.json(2) })
    assert.deepStrictEqual(offsets(late), [2])
  })

  it("twice is error 105, and one copy is delivered", () => {
    const { channels, offsets, subscriber } = setup()
    const twice = subscriber("a")
    assert.deepStrictEqual(channels.subscribe("a", twice), error(105, "already subscribed"))
    channels.publish({ channel: "a", data: Data.json(1) })
    assert.deepStrictEqual(offsets(twice), [1])
  })

  it("unsubscribed is as if never subscribed, and can be done twice", () => {
    const { channels, offsets, subscriber } = setup()
    const gone = subscriber("a")
    channels.unsubscribe("a", gone)
    channels.unsubscribe("a", gone)
    channels.unsubscribe("never", gone)
    channels.publish({ channel: "a", data: Data.json(1) })
    assert.deepStrictEqual(offsets(gone), [])
    assert.deepStrictEqual(channels.subscribe("a", gone), at(1))
  })

  it("who leaves hears of no channel any more, and the others go on", () => {
    const { channels, offsets, subscriber } = setup()
    const [gone, other] = [subscriber("a", "b"), subscriber("a", "b")]
    channels.leave(gone)
    channels.leave(gone)
    channels.publish({ channel: "a", data: Data.json(1) })
    channels.publish({ channel: "b", data: Data.json(1) })
    assert.deepStrictEqual([offsets(gone), offsets(other)], [[], [1, 1]])
  })

  it("over the limit of subscriptions is error 106, and ending one makes room", () => {
    const { channels, subscriber } = setup({ maxSubscriptions: 2 })
    const greedy = subscriber("a", "b")
    assert.deepStrictEqual(channels.subscribe("c", greedy), error(106, "2 subscriptions, more are not allowed"))
    assert.deepStrictEqual(channels.subscribe("c", subscriber()), at(0))
    channels.unsubscribe("a", greedy)
    assert.deepStrictEqual(channels.subscribe("c", greedy), at(0))
  })

  it("a limit of 0 allows none", () => {
    const { channels, subscriber } = setup({ maxSubscriptions: 0 })
    assert.isTrue(Result.isFailure(channels.subscribe("a", subscriber())))
  })
})

describe("what is kept", () => {
  it("a channel that was never published to leaves nothing behind", () => {
    const { channels, subscriber } = setup()
    const nothing = channels.counts()
    const [one, two] = [subscriber("a", "b"), subscriber("a")]
    assert.deepStrictEqual(channels.counts(), { ...nothing, channels: 2, subscribers: 2, subscriptions: 3 })
    channels.leave(one)
    channels.unsubscribe("a", two)
    assert.deepStrictEqual(channels.counts(), nothing)
    assert.deepStrictEqual(channels.position("a"), { offset: 0, epoch: "e1" })
    assert.deepStrictEqual(channels.counts(), nothing)
  })

  it("the position of a channel outlives its subscribers", () => {
    const { channels, subscriber } = setup()
    const one = subscriber("a")
    channels.publish({ channel: "a", data: Data.json(1) })
    channels.leave(one)
    assert.deepStrictEqual(channels.position("a"), { offset: 1, epoch: "e1" })
    assert.deepStrictEqual(channels.counts(), { channels: 1, positions: 1, subscribers: 0, subscriptions: 0, keys: 0 })
  })

  it("over the limit of channels a first publication is error 106, and the others go on", () => {
    const { channels, offsets, subscriber } = setup({ maxChannels: 2 })
    const one = subscriber("c")
    channels.publish({ channel: "a", data: Data.json(1) })
    assert.deepStrictEqual(channels.publish({ channel: "b", data: Data.json(1) }), at(1))
    assert.deepStrictEqual(
      channels.publish({ channel: "c", data: Data.json(1) }),
      error(106, "2 channels were published to, there is no room for another"),
    )
    assert.deepStrictEqual(channels.publish({ channel: "b", data: Data.json(1) }), at(2))
    assert.deepStrictEqual(offsets(one), [])
    assert.deepStrictEqual(channels.counts(), { channels: 3, positions: 2, subscribers: 1, subscriptions: 1, keys: 0 })
  })
})

describe("keys", () => {
  const publish = {
    channel: "a",
    data: Data.json({ x: 1 }),
    key: "k",
    tags: { t: "v" },
    from: { connection: "c1", user: "u" },
  }

  it("the same key with the same data and tags has the first offset and is not published again", () => {
    const { channels, offsets, subscriber } = setup()
    const one = subscriber("a")
    assert.deepStrictEqual(channels.publish(publish), at(1))
    channels.publish({ channel: "a", data: Data.json(2) })
    const again = channels.publish({ ...publish, from: { connection: "c2", user: "u" } })
    assert.deepStrictEqual(again, Result.succeed({ offset: 1, epoch: "e1", duplicate: true }))
    assert.deepStrictEqual(offsets(one), [1, 2])
  })

  it("with other data or tags it is error 118", () => {
    const { channels } = setup()
    channels.publish(publish)
    const reused = error(118, "the key was used before with other data")
    assert.deepStrictEqual(channels.publish({ ...publish, data: Data.json({ x: 2 }) }), reused)
    assert.deepStrictEqual(channels.publish({ ...publish, tags: { t: "w" } }), reused)
    assert.deepStrictEqual(channels.position("a"), { offset: 1, epoch: "e1" })
  })

  it("another channel or user has keys of its own", () => {
    const { channels } = setup()
    channels.publish(publish)
    assert.deepStrictEqual(channels.publish({ ...publish, channel: "b" }), at(1))
    assert.deepStrictEqual(channels.publish({ ...publish, from: { connection: "c1" } }), at(2))
  })

  it("after five minutes it is a new key, and what expired is not kept", () => {
    const { channels, clock } = setup()
    channels.publish(publish)
    clock.now += 299_999
    assert.isTrue(Result.getOrThrow(channels.publish(publish)).duplicate)
    clock.now += 1
    assert.deepStrictEqual(channels.publish(publish), at(2))
    assert.strictEqual(channels.counts().keys, 1)
    clock.now += 300_000
    channels.publish({ channel: "b", data: Data.json(1) })
    assert.strictEqual(channels.counts().keys, 0)
  })

  it("keys expire without publications too", () => {
    const { channels, clock } = setup()
    channels.publish(publish)
    clock.now += 300_000
    channels.expireKeys()
    assert.strictEqual(channels.counts().keys, 0)
  })

  it("what was refused is not remembered", () => {
    const { channels } = setup({ maxChannels: 0 })
    channels.publish(publish)
    assert.deepStrictEqual(channels.counts().keys, 0)
  })
})

describe("sizes", () => {
  const tags = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`t${index}`, "v"]))

  it("a key has at most 64 bytes", () => {
    const { channels } = setup()
    assert.deepStrictEqual(channels.publish({ channel: "a", data: Data.json(1), key: "ä".repeat(32) }), at(1))
    assert.deepStrictEqual(
      channels.publish({ channel: "a", data: Data.json(1), key: "ä".repeat(33) }),
      error(116, "a key of 66 bytes, allowed are 64"),
    )
  })

  it("there are at most 16 tags", () => {
    const { channels } = setup()
    assert.deepStrictEqual(channels.publish({ channel: "a", data: Data.json(1), tags: tags(16) }), at(1))
    assert.deepStrictEqual(
      channels.publish({ channel: "a", data: Data.json(1), tags: tags(17) }),
      error(116, "17 tags, allowed are 16"),
    )
  })

  it("tags have at most 1 KiB together, names and values", () => {
    const { channels } = setup()
    assert.deepStrictEqual(channels.publish({ channel: "a", data: Data.json(1), tags: { ä: "v".repeat(1022) } }), at(1))
    assert.deepStrictEqual(
      channels.publish({ channel: "a", data: Data.json(1), tags: { ä: "v".repeat(1023) } }),
      error(116, "tags of 1025 bytes together, allowed are 1024"),
    )
  })

  it("what is too large is not published", () => {
    const { channels, offsets, subscriber } = setup()
    const one = subscriber("a")
    channels.publish({ channel: "a", data: Data.json(1), tags: tags(17) })
    assert.deepStrictEqual([offsets(one), channels.position("a").offset], [[], 0])
  })
})
