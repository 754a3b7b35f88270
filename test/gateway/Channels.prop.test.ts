import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Channels from "../../src/gateway/Channels.ts"
import * as Data from "../../src/gateway/protocol/Data.ts"
import type { Publication } from "../../src/gateway/protocol/ServerMessage.ts"

// Few names, peers, keys and values, and limits of about as many, so that every rule meets every other one.
const maxChannels = 2
const maxSubscriptions = 2
const windowMs = 10
const name = fc.constantFrom("a", "b", "c")
const peer = fc.nat({ max: 3 })
const step = fc.oneof(
  fc.record({ do: fc.constant("subscribe" as const), name, peer }),
  fc.record({ do: fc.constant("unsubscribe" as const), name, peer }),
  fc.record({ do: fc.constant("leave" as const), peer }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.nat({ max: 6 }) }),
  fc.record({
    do: fc.constant("publish" as const),
    name,
    peer,
    data: fc.nat({ max: 1 }),
    key: fc.option(fc.constantFrom("k", "l"), { nil: undefined }),
    echo: fc.boolean(),
  }),
)

interface Subscriber extends Channels.Subscriber<Publication> {
  readonly heard: Array<Publication>
}

/** The rules as slowly and plainly as they can be written. */
class Model {
  now = 0
  readonly tops = new Map<string, number>()
  readonly subscriptions = new Set<string>()
  readonly keys = new Map<string, { readonly data: number; readonly offset: number; readonly expiresAt: number }>()
  readonly heard: ReadonlyArray<Array<readonly [string, number]>> = [[], [], [], []]

  of(subscriber: number) {
    return [...this.subscriptions].filter((each) => each.endsWith(`/${subscriber}`))
  }

  subscribe(channel: string, subscriber: number) {
    if (this.subscriptions.has(`${channel}/${subscriber}`)) return 105
    if (this.of(subscriber).length >= maxSubscriptions) return 106
    this.subscriptions.add(`${channel}/${subscriber}`)
    return this.tops.get(channel) ?? 0
  }

  publish(channel: string, publisher: number, data: number, key: string | undefined, echo: boolean) {
    const first = this.keys.get(`${channel}/${key}`)
    if (first !== undefined && first.expiresAt > this.now) {
      return first.data === data ? { offset: first.offset, duplicate: true } : 118
    }
    if (!this.tops.has(channel) && this.tops.size >= maxChannels) return 106
    const offset = (this.tops.get(channel) ?? 0) + 1
    this.tops.set(channel, offset)
    if (key !== undefined) this.keys.set(`${channel}/${key}`, { data, offset, expiresAt: this.now + windowMs })
    this.heard.forEach((heard, subscriber) => {
      if (!this.subscriptions.has(`${channel}/${subscriber}`) || (!echo && subscriber === publisher)) return
      heard.push([channel, offset])
    })
    return { offset, duplicate: false }
  }
}

describe("Channels", () => {
  it("answers, deliveries and what is kept are those of the model", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
        const model = new Model()
        const published: Array<Publication> = []
        const channels = Channels.make<Publication, Subscriber>({
          epoch: "e",
          now: () => model.now,
          encode: (publication) => publication,
          maxChannels,
          maxSubscriptions,
          keys: { windowMs },
        })
        const subscribers = model.heard.map((): Subscriber => {
          const heard: Array<Publication> = []
          return { heard, deliver: (publication) => void heard.push(publication) }
        })

        for (const each of steps) {
          if (each.do === "wait") {
            model.now += each.ms
          } else if (each.do === "leave") {
            for (const subscription of model.of(each.peer)) model.subscriptions.delete(subscription)
            channels.leave(subscribers[each.peer]!)
          } else if (each.do === "unsubscribe") {
            model.subscriptions.delete(`${each.name}/${each.peer}`)
            channels.unsubscribe(each.name, subscribers[each.peer]!)
          } else if (each.do === "subscribe") {
            const answer = channels.subscribe(each.name, subscribers[each.peer]!)
            assert.strictEqual(
              Result.isSuccess(answer) ? answer.success.offset : answer.failure.code,
              model.subscribe(each.name, each.peer),
            )
          } else {
            const answer = channels.publish({
              channel: each.name,
              data: Data.json(each.data),
              from: { connection: `${each.peer}` },
              ...(each.key === undefined ? undefined : { key: each.key }),
              ...(each.echo ? undefined : { except: subscribers[each.peer]! }),
            })
            assert.deepStrictEqual(
              Result.isSuccess(answer)
                ? { offset: answer.success.offset, duplicate: answer.success.duplicate === true }
                : answer.failure.code,
              model.publish(each.name, each.peer, each.data, each.key, each.echo),
            )
          }
        }

        subscribers.forEach(({ heard }, index) => {
          assert.deepStrictEqual(
            heard.map(({ channel, offset }) => [channel, offset] as const),
            model.heard[index],
          )
          published.push(...heard)
        })
        for (const { offset, previous } of published) assert.strictEqual(previous, offset - 1)
        const stored = new Set([...model.tops.keys(), ...[...model.subscriptions].map((each) => each.split("/")[0]!)])
        assert.deepStrictEqual(
          { ...channels.counts(), keys: 0 },
          {
            channels: stored.size,
            positions: model.tops.size,
            subscribers: subscribers.filter((_, index) => model.of(index).length > 0).length,
            subscriptions: model.subscriptions.size,
            keys: 0,
          },
        )
      }),
      { numRuns: 300 },
    )
  })
})
