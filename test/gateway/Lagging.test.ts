import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Outbox from "../../src/connection/Outbox.ts"
import * as Policy from "../../src/gateway/Policy.ts"
import { type Client, codeOf, gateway, type Message } from "../support/clients.ts"
import { settled } from "../support/wires.ts"
import * as Lagging from "../../src/gateway/Lagging.ts"
import type { Encoded } from "../../src/gateway/Encoded.ts"
import { Gate } from "./engines.ts"
import { numbers, publish } from "./positions.ts"

const policies = (name: string): Policy.Policy => {
  if (name.startsWith("drop")) return { ...Policy.open, slowConsumer: "dropOldest" }
  return name.startsWith("latest") ? { ...Policy.open, slowConsumer: "latest" } : Policy.open
}

// The client's wire takes 64 KiB, and as much again may wait for it.
const text = "x".repeat(10_000)
const start = gateway({}, { policies, settings: Outbox.layer({ maxBytes: 64 * 1024 }) })
const channels = ["drop", "latest", "close"]

/** Everything that comes until a publication with this data: offsets, and gaps as `[from, to, count]`. */
const until = (client: Client, last: unknown) =>
  Effect.gen(function* () {
    const heard: Record<string, Array<unknown>> = {}
    for (;;) {
      const message = yield* client.next
      if (message === "closed") return yield* Effect.die(new Error("closed"))
      const { channel, count, data, from, offset, to, type } = message
      if (data === last) return heard
      ;(heard[channel as string] ??= []).push(type === "gap" ? [from, to, count] : (offset ?? codeOf(message)))
    }
  })

/** Every offset of 1 to `top` is there once: heard, or inside a gap that stands where it was. */
const covered = (heard: ReadonlyArray<unknown>): ReadonlyArray<number> =>
  heard.flatMap((each) => (Array.isArray(each) ? numbers(each[0] as number, each[1] as number) : [each as number]))

const gapsOf = (heard: ReadonlyArray<unknown>) => heard.filter((each) => Array.isArray(each))

describe("a slow client", () => {
  it.effect("of a channel that drops the oldest hears the newest, and of the gap before them", () =>
    Effect.gen(function* () {
      const { connect, engine } = yield* start
      const client = yield* connect({ subscriptions: [{ channel: "drop" }] })
      publish(engine, "drop", ...numbers(1, 40).map(() => text), "last")
      yield* settled
      const heard = (yield* until(client, "last"))["drop"]!
      assert.deepStrictEqual(covered(heard), numbers(1, 40))
      assert.strictEqual(gapsOf(heard).length, 1)
      const [from, to, count] = gapsOf(heard)[0] as [number, number, number]
      assert.strictEqual(count, to - from + 1)
      assert.isAtLeast(count, 20)
    }),
  )

  it.effect("of a channel whose latest is all that counts hears that, and of the gap before it", () =>
    Effect.gen(function* () {
      const { connect, engine } = yield* start
      const client = yield* connect({ subscriptions: [{ channel: "latest" }] })
      publish(engine, "latest", ...numbers(1, 40).map(() => text), "last")
      yield* settled
      const heard = (yield* until(client, "last"))["latest"]!
      assert.deepStrictEqual(covered(heard), numbers(1, 40))
      assert.strictEqual((gapsOf(heard)[0] as ReadonlyArray<number>)[1], 40)
    }),
  )

  it.effect("has one order in each channel, and goes on live when it has caught up", () =>
    Effect.gen(function* () {
      const { connect, engine } = yield* start
      const client = yield* connect({ subscriptions: channels.slice(0, 2).map((channel) => ({ channel })) })
      for (const _ of numbers(1, 30)) for (const channel of channels.slice(0, 2)) publish(engine, channel, text)
      yield* settled
      publish(engine, "drop", "last")
      const heard = yield* until(client, "last")
      assert.deepStrictEqual(covered(heard["drop"]!), numbers(1, 30))
      yield* settled
      publish(engine, "latest", "end")
      const rest = (yield* until(client, "end"))["latest"] ?? []
      assert.deepStrictEqual(covered([...(heard["latest"] ?? []), ...rest]), numbers(1, 30))
      publish(engine, "drop", "live")
      assert.deepInclude((yield* client.next) as Message, { channel: "drop", offset: 32, data: "live" })
    }),
  )

  it.effect("of any other channel is bye 4004 as ever", () =>
    Effect.gen(function* () {
      const { connect, engine } = yield* start
      const client = yield* connect({ subscriptions: [{ channel: "close" }] })
      publish(engine, "close", ...numbers(1, 40).map(() => text))
      yield* settled
      let last: Message | "closed" = "closed"
      for (let next = yield* client.next; next !== "closed"; next = yield* client.next) last = next
      assert.deepStrictEqual(codeOf(last), ["bye", 4004])
    }),
  )
})

describe("what waits", () => {
  /** A client that takes a step when it is told to, and messages that are 10 bytes each. */
  const setup = () => {
    const sent: Array<unknown> = []
    const gate = new Gate()
    const encoded = (label: string) => label as unknown as Encoded
    const lagging = new Lagging.Lagging({
      isOpen: true,
      maxHeldBytes: 30,
      deliver: (message) => void sent.push(message),
      send: ({ channel, count, from, to }) => void sent.push([channel, from, to, count]),
      sizeOf: () => 10,
      room: gate.pass,
    })
    const offer = (channel: string, offset: number, isOnlyLatest = false) =>
      lagging.offer({ channel, offset, isOnlyLatest, encoded: encoded(`${channel}${offset}`) })
    return { lagging, offer, sent }
  }

  it.effect("is bounded over all channels: the oldest go first, and each channel is told of its own gap", () =>
    Effect.gen(function* () {
      const { lagging, offer, sent } = setup()
      for (const offset of [1, 2]) for (const channel of ["a", "b"]) offer(channel, offset)
      offer("c", 7)
      yield* lagging.catchUp
      assert.deepStrictEqual(sent, [["a", 1, 1, 1], ["b", 1, 1, 1], "a2", "b2", "c7"])
    }),
  )

  it.effect("is one publication of a channel of which only the latest counts", () =>
    Effect.gen(function* () {
      const { lagging, offer, sent } = setup()
      offer("a", 1)
      for (const offset of [1, 2, 4]) offer("l", offset, true)
      offer("a", 2)
      yield* lagging.catchUp
      assert.deepStrictEqual(sent, [["l", 1, 2, 2], "a1", "l4", "a2"])
    }),
  )

  it.effect("of a channel that was left is not told, and neither is its gap", () =>
    Effect.gen(function* () {
      const { lagging, offer, sent } = setup()
      for (const offset of [1, 2, 3, 4]) offer("a", offset)
      offer("l", 1, true)
      lagging.forget("a")
      lagging.forget("l")
      offer("l", 2, true)
      offer("b", 1)
      yield* lagging.catchUp
      assert.deepStrictEqual(sent, ["l2", "b1"])
    }),
  )

  it.effect("is kept though it alone is more than may wait", () =>
    Effect.gen(function* () {
      const { lagging, offer, sent } = setup()
      for (let offset = 1; offset <= 5; offset++) offer("l", offset, true)
      yield* lagging.catchUp
      assert.deepStrictEqual(sent, [["l", 1, 4, 4], "l5"])
    }),
  )
})
