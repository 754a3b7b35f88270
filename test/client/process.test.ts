/**
 * A client and `node dist/main.js`, over tcp: every publication that was acknowledged is heard once and in order, however
 * the gateway goes and comes back. Needs a build.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { join } from "node:path"
import * as Client from "../../src/client/Client.ts"
import * as ClientPool from "../../src/client/ClientPool.ts"
import type { Item } from "../../src/client/Subscription.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as Gateway from "../support/gateway.ts"
import { temporaryFolder, until } from "../support/wires.ts"
import { proxy } from "./proxy.ts"
import { tags } from "./support.ts"

/** A gateway that ends with the scope, however it was left. */
const gateway = (...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.promise(() => Gateway.start(args)),
    (gateway) => Effect.promise(() => gateway.stop("SIGKILL")),
  )

const stop = (running: Gateway.Gateway, signal: NodeJS.Signals) => Effect.promise(() => running.stop(signal))

/**
 * Publishes numbers under keys, one behind the other, and hears them, until `trouble` is over and 50 more have come.
 * Every one must be acknowledged: it is repeated until it is.
 */
const ride = Effect.fnUntraced(function* <R>(
  dial: Client.Dialer,
  trouble: (more: Effect.Effect<void>) => Effect.Effect<unknown, never, R>,
) {
  // The connection may go between two publications, too.
  const publisher = yield* Client.make({ dial, offlineQueue: 1 })
  const subscriber = yield* Client.make({ dial })
  const heard: Array<Item> = []
  const events: Array<string> = []
  yield* Effect.forkScoped(Stream.runForEach(subscriber.subscribe("a"), (item) => Effect.sync(() => heard.push(item))))
  yield* Effect.forkScoped(
    Stream.runForEach(subscriber.events, (event) => Effect.sync(() => events.push(...tags([event])))),
  )
  yield* until(() => heard.length === 1)
  let published = 0
  let isOver = false
  const more = Effect.suspend(() => {
    const goal = published + 50
    return until(() => published >= goal)
  })
  const publishing = Effect.gen(function* () {
    for (let left = 50; left > 0; published++) {
      if (isOver) left--
      yield* publisher.publish("a", published, { key: `k${published}`, timeout: Duration.minutes(1) })
    }
  })
  const disturb = more.pipe(Effect.andThen(trouble(more)), Effect.andThen(Effect.sync(() => (isOver = true))))
  yield* Effect.all([publishing, disturb], { concurrency: 2 })
  const numbers = () => heard.flatMap((item) => (item.type === "publication" ? [item.data] : []))
  yield* until(() => numbers().length >= published)
  assert.deepStrictEqual(
    numbers(),
    Array.from({ length: published }, (_, index) => index),
  )
  const recoveries = heard.flatMap((item) => (item.type === "subscribed" ? [item.recovered] : []))
  return { recoveries, events }
})

/** A gateway that keeps its publications, and another one in its place after the signal. */
const restarted = Effect.fnUntraced(function* (signal: NodeJS.Signals) {
  const folder = yield* temporaryFolder
  const path = join(folder, "socket")
  const args = ["--unix", path, "--data", join(folder, "data"), "--drain-grace", "0s", "--drain-timeout", "1s"]
  const first = yield* gateway(...args)
  const restart = Effect.andThen(stop(first, signal), gateway(...args))
  return yield* ride(TcpTransport.dial({ path }), () => restart)
})

/** A gateway takes its time to start, and a client to believe that it has. */
const patience = 60_000

describe("nothing that was acknowledged is lost, doubled or out of order", () => {
  it.live(
    "when connections are reset, again and again",
    () =>
      Effect.gen(function* () {
        const { dial, reset } = yield* proxy((yield* gateway()).port)
        const { recoveries } = yield* ride(dial, (more) => Effect.andThen(reset, Effect.andThen(more, reset)))
        assert.deepStrictEqual([recoveries[0], recoveries[1]], ["none", "yes"])
        assert.notInclude(recoveries, "no")
      }),
    patience,
  )

  it.live(
    "when the connections of a pool are reset, again and again (out of order, since nobody waited for order)",
    () =>
      Effect.gen(function* () {
        const { port } = yield* gateway()
        const { dial, reset } = yield* proxy(port)
        const pool = yield* ClientPool.make({ dial, min: 2, max: 3, concurrency: 8 })
        const direct = yield* Client.make({ dial: TcpTransport.dial({ host: "127.0.0.1", port }) })
        const numbers = Array.from({ length: 600 }, (_, n) => n)
        let acknowledged = 0
        const publish = (n: number) => Effect.map(pool.publish("a", n, { key: `k${n}` }), () => void acknowledged++)
        const publishing = yield* Effect.forkScoped(
          Effect.forEach(numbers, publish, { concurrency: 40, discard: true }),
        )
        for (const mark of [100, 250, 400]) {
          yield* until(() => acknowledged >= mark)
          yield* reset
        }
        yield* Fiber.join(publishing)
        const { publications } = yield* direct.history("a", { limit: 1_000 })
        const heard = publications.map(({ data }) => Number(data))
        assert.deepStrictEqual(
          heard.toSorted((a, b) => a - b),
          numbers,
        )
      }),
    patience,
  )

  it.live(
    "when the gateway is told to go, and starts again",
    () =>
      Effect.gen(function* () {
        const { events, recoveries } = yield* restarted("SIGTERM")
        assert.deepStrictEqual(recoveries, ["none", "yes"])
        assert.deepStrictEqual(events.slice(0, 3), ["Connected", "Notice", "Disconnected"])
      }),
    patience,
  )

  it.live(
    "when the gateway is killed, and starts again",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual((yield* restarted("SIGKILL")).recoveries, ["none", "yes"])
      }),
    patience,
  )
})
