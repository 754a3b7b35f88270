/**
 * A client and a gateway in one process, over memory wires and in virtual time; what goes wrong with the wires is the
 * test's to say. Judges nothing.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type * as Client from "../../src/client/Client.ts"
import * as Made from "../../src/client/Client.ts"
import type { ClientEvent } from "../../src/client/ClientEvent.ts"
import type { Item } from "../../src/client/Subscription.ts"
import type { Encoding } from "../../src/gateway/protocol/Subprotocol.ts"
import type { MemoryWire } from "../../src/transport/MemoryWire.ts"
import { DialFailed, TransportError } from "../../src/transport/Transport.ts"
import * as Clients from "../support/clients.ts"
import { settled } from "../support/wires.ts"

/** A gateway, and the network before it; its clients speak this encoding. */
export const networkIn = (encoding: Encoding) =>
  Effect.fnUntraced(function* (...given: Parameters<typeof Clients.gateway>) {
    const gateway = yield* Clients.gateway(...given)
    const wires: Array<MemoryWire> = []
    let isDown = false
    const refused = new TransportError({ reason: new DialFailed({ address: "memory:gateway", code: "ECONNREFUSED" }) })
    const dial: Client.Dialer = Effect.suspend(() =>
      isDown
        ? Effect.fail(refused)
        : Effect.map(gateway.dial, ({ wire }) => {
            wires.push(wire)
            return wire
          }),
    )
    return {
      ...gateway,
      dial,
      /** Every wire that was dialled, the last one last. */
      wires,
      /** Resets the wire of the moment. */
      reset: Effect.andThen(
        Effect.sync(() => wires.at(-1)!.resetUnsafe()),
        settled,
      ),
      /** From now on nothing can be dialled, or everything again. */
      setDown: (down: boolean) => void (isDown = down),
      /** A client of it. */
      client: (options: Partial<Made.Options> = {}) => Made.make({ dial, encoding, ...options }),
    }
  })

/** The same in JSON. */
export const network = networkIn("json")

/** What a Stream gives, as it comes; `error` is what it failed with. */
export interface Heard<A> {
  readonly items: Array<A>
  readonly fiber: Fiber.Fiber<unknown, unknown>
}

/** Reads a Stream for as long as the test runs. */
export const hear = Effect.fnUntraced(function* <A, E>(stream: Stream.Stream<A, E>) {
  const items: Array<A> = []
  const fiber = yield* Effect.forkScoped(
    Stream.runForEach(stream, (item) => Effect.sync(() => void items.push(item))),
    { startImmediately: true },
  )
  yield* settled
  return { items, fiber } satisfies Heard<A>
})

/** Items in short: a publication is its data, all else its type and what it says of recovery. */
export const brief = (items: ReadonlyArray<Item>): ReadonlyArray<unknown> =>
  items.map((item) => {
    if (item.type === "publication") return item.data
    return item.type === "subscribed" ? `subscribed ${item.recovered}` : item.type
  })

/** The names of events. */
export const tags = (events: ReadonlyArray<ClientEvent>): ReadonlyArray<string> => events.map(({ _tag }) => _tag)

/** Moves the test's clock second by second, with everything settled in between. */
export const pass = Effect.fnUntraced(function* (duration: Duration.Input) {
  for (let left = Duration.toMillis(Duration.fromInputUnsafe(duration)); left > 0; left -= 1_000) {
    yield* settled
    yield* TestClock.adjust(Math.min(left, 1_000))
  }
  yield* settled
})
