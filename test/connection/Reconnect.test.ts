/** Staying connected: what ends it, what is tried again and when. In memory and virtual time. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import type { Dialer } from "../../src/connection/Dial.ts"
import * as Reconnect from "../../src/connection/Reconnect.ts"
import { MemoryWire } from "../../src/transport/MemoryWire.ts"
import { type Address, DialFailed, lostWith, TransportError } from "../../src/transport/Transport.ts"
import { now, pass, Peer, texts } from "../support/connections.ts"
import { settled } from "../support/wires.ts"

const bounds = { readBufferBytes: 64 * 1024, writeHighWaterBytes: 64 * 1024 }
const refused = new TransportError({ reason: new DialFailed({ address: "memory:a", code: "ECONNREFUSED" }) })
const address = (name: string): Address => ({ _tag: "Memory", name })

/** A place to dial, with the peers of all connections made. It may be down. */
const place = (name = "a") => {
  const peers: Array<Peer> = []
  const state = { isDown: false }
  const dial: Dialer = Effect.suspend(() => {
    if (state.isDown) return Effect.fail(refused)
    const client = new MemoryWire(address(name), bounds)
    const peer = new Peer(new MemoryWire(address("client"), bounds))
    MemoryWire.joinUnsafe(client, peer.wire)
    peers.push(peer)
    return Effect.succeed(client)
  })
  return { dial, peers, state }
}

type Place = ReturnType<typeof place>

/** Every wait is the longest that it may be. */
const longest = Effect.provideService(Random.Random, { nextDoubleUnsafe: () => 1, nextIntUnsafe: () => 0 })

const reading = (connection: Connection<string, string>) => Stream.runDrain(connection.messages)

/** Stays connected until the test ends, which resets what is left: nobody waits for a farewell. What happens is kept. */
const staying = Effect.fnUntraced(function* (
  [first, ...others]: readonly [Place, ...ReadonlyArray<Place>],
  handler: (connection: Connection<string, string>) => Effect.Effect<unknown, unknown> = reading,
  advise = Reconnect.advise,
) {
  const events: Array<readonly [at: number, event: Reconnect.Event]> = []
  const dial = [first.dial, ...others.map(({ dial }) => dial)] as const
  const onEvent = (event: Reconnect.Event) => Effect.map(now, (at) => void events.push([at, event]))
  const running = yield* Effect.forkScoped(
    longest(Reconnect.run({ dial, protocol: texts, advise, onEvent }, handler)),
    {
      startImmediately: true,
    },
  )
  const peers = () => [first, ...others].flatMap(({ peers }) => peers)
  yield* Effect.addFinalizer(() => Effect.sync(() => peers().forEach(({ wire }) => wire.resetUnsafe())))
  yield* settled
  return { events, running, tags: () => events.map(([, { _tag }]) => _tag) }
})

describe("who stays connected", () => {
  it.effect("has a handler for each connection, and says what happens", () =>
    Effect.gen(function* () {
      const here = place()
      const { events } = yield* staying([here])
      yield* pass("2 seconds")
      here.peers[0]!.wire.resetUnsafe()
      yield* pass("1 seconds")
      const reason = CloseReason.WireLost({ error: lostWith("ECONNRESET") })
      assert.deepStrictEqual(events, [
        [0, Reconnect.Connecting({ attempt: 1 })],
        [0, Reconnect.Connected({ peer: address("a") })],
        [2_000, Reconnect.Disconnected({ reason, connectedMs: 2_000, retryInMs: 500 })],
        [2_500, Reconnect.Connecting({ attempt: 1 })],
        [2_500, Reconnect.Connected({ peer: address("a") })],
      ])
    }),
  )

  it.effect("comes again after failed attempts, each wait longer, at the next place", () =>
    Effect.gen(function* () {
      const [one, other] = [place("one"), place("other")]
      one.state.isDown = other.state.isDown = true
      const { events } = yield* staying([one, other])
      yield* pass("500 millis")
      other.state.isDown = false
      yield* pass("10 seconds")
      const reason = CloseReason.WireLost({ error: refused })
      const failed = (retryInMs: number) => Reconnect.Disconnected({ reason, connectedMs: undefined, retryInMs })
      assert.deepStrictEqual(events, [
        [0, Reconnect.Connecting({ attempt: 1 })],
        [0, failed(500)],
        [500, Reconnect.Connecting({ attempt: 2 })],
        [500, failed(1_000)],
        [1_500, Reconnect.Connecting({ attempt: 3 })],
        [1_500, failed(2_000)],
        [3_500, Reconnect.Connecting({ attempt: 4 })],
        [3_500, Reconnect.Connected({ peer: address("other") })],
      ])
    }),
  )

  it.effect("comes again whatever the peer did: it left in peace, or said what is no message", () =>
    Effect.gen(function* () {
      const receiving = ({ receive }: Connection<string, string>) => Effect.forever(receive)
      for (const [leave, handler] of [
        [(peer: Peer) => peer.say("?"), reading],
        [() => {}, reading],
        [() => {}, receiving],
      ] as const) {
        const here = place()
        const { tags } = yield* staying([here], handler)
        leave(here.peers[0]!)
        here.peers[0]!.wire.endUnsafe()
        yield* pass("2 seconds")
        assert.deepStrictEqual(tags(), ["Connecting", "Connected", "Disconnected", "Connecting", "Connected"])
      }
    }),
  )

  it.effect("is done when the handler is, or has closed", () =>
    Effect.gen(function* () {
      const own = CloseReason.Application({ code: 7, message: "enough" })
      for (const [handler, reason] of [
        [({ receive }) => receive, CloseReason.Done()],
        [({ close, receive }) => Effect.andThen(receive, Effect.andThen(close(own), Effect.never)), own],
      ] satisfies ReadonlyArray<
        [(connection: Connection<string, string>) => Effect.Effect<unknown, unknown>, CloseReason.CloseReason]
      >) {
        const here = place()
        const { events, running } = yield* staying([here], handler)
        here.peers[0]!.say("go")
        here.peers[0]!.wire.endUnsafe()
        assert.deepStrictEqual(yield* Fiber.join(running), reason)
        assert.deepStrictEqual(
          events.at(-1)?.[1],
          Reconnect.Disconnected({ reason, connectedMs: 0, retryInMs: undefined }),
        )
      }
    }),
  )

  it.effect("fails as the handler does", () =>
    Effect.gen(function* () {
      const here = place()
      const { running, tags } = yield* staying([here], () => Effect.fail("no luck"))
      here.peers[0]!.wire.endUnsafe()
      assert.strictEqual(yield* Effect.flip(Fiber.join(running)), "no luck")
      assert.deepStrictEqual(tags(), ["Connecting", "Connected", "Disconnected"])
    }),
  )

  it.effect("heeds what its application makes of an end: at once, later, elsewhere, not again", () =>
    Effect.gen(function* () {
      const [one, other] = [place("one"), place("other")]
      const told: ReadonlyArray<Reconnect.Advice> = [{ atOnce: true }, { waitMs: 60_000, elsewhere: true }, "stop"]
      let ends = 0
      const { events, running } = yield* staying([one, other], reading, () => told[ends++]!)
      const reset = (peer: Peer) =>
        Effect.andThen(
          Effect.sync(() => peer.wire.resetUnsafe()),
          settled,
        )
      yield* reset(one.peers[0]!)
      yield* reset(one.peers[1]!)
      yield* pass("61 seconds")
      yield* reset(other.peers[0]!)
      const reason = CloseReason.WireLost({ error: lostWith("ECONNRESET") })
      assert.deepStrictEqual(yield* Fiber.join(running), reason)
      assert.deepStrictEqual(
        events.flatMap(([at, event]) => (event._tag === "Disconnected" ? [[at, event.retryInMs]] : [])),
        [
          [0, 0],
          [0, 61_000],
          [61_000, undefined],
        ],
      )
    }),
  )

  it.effect("leaves in peace when it is interrupted, and does not come again", () =>
    Effect.gen(function* () {
      const here = place()
      const { running, tags } = yield* staying([here])
      const [peer] = here.peers
      yield* Effect.forkScoped(
        Effect.andThen(
          peer!.listen,
          Effect.sync(() => peer!.wire.endUnsafe()),
        ),
      )
      yield* Fiber.interrupt(running)
      yield* pass("1 minute")
      assert.deepStrictEqual([tags(), here.peers.length], [["Connecting", "Connected"], 1])
      assert.deepStrictEqual(peer!.heard, ["bye Done"])
    }),
  )
})
