/**
 * A client that rides through SIGTERM, kill -9 and restart, several times, of a gateway that stores with every answer: real
 * processes, one port. Needs a build.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { join } from "node:path"
import * as Client from "../../src/client/Client.ts"
import type { Published } from "../../src/client/Publishing.ts"
import type { Item } from "../../src/client/Subscription.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as Gateway from "../support/gateway.ts"
import { temporaryFolder, until } from "../support/wires.ts"

/** How the gateway goes, each time; another one takes its place. */
const cycles: ReadonlyArray<NodeJS.Signals> = ["SIGTERM", "SIGKILL", "SIGTERM", "SIGKILL"]

/** Publications between two of them, at the least. */
const between = 40

/** Publications that are under way at the same time. */
const inFlight = 8

/** No wait of a client is longer than a tenth of what it may be: it has never been healthy for long here. */
const soon = Effect.provideService(Random.Random, { nextDoubleUnsafe: () => 0.1, nextIntUnsafe: () => 0 })

describe("a client", () => {
  it.live(
    `rides through ${cycles.join(", ")}: what was acknowledged is heard exactly once, in order`,
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const store = ["--data", join(folder, "data"), "--sync", "always"]
        const drain = ["--drain-grace", "0s", "--drain-timeout", "1s"]
        const start = (port: number) =>
          Effect.promise(() => Gateway.start([...store, ...drain, ...(port === 0 ? [] : ["--port", String(port)])]))
        let gateway = yield* start(0)
        const { port } = gateway
        yield* Effect.addFinalizer(() => Effect.promise(() => gateway.stop("SIGKILL")))

        const dial = TcpTransport.dial({ host: "127.0.0.1", port })
        const publisher = yield* soon(Client.make({ dial, offlineQueue: inFlight }))
        const subscriber = yield* soon(Client.make({ dial }))
        const items: Array<Item> = []
        const publications = () => items.flatMap((item) => (item.type === "publication" ? [item] : []))
        const hearing = Stream.runForEach(subscriber.subscribe("a"), (item) => Effect.sync(() => items.push(item)))
        yield* Effect.forkScoped(hearing)
        yield* until(() => items.length === 1)

        // Each worker publishes one behind the other, under keys, until it is told to stop; every one has to be acknowledged.
        const stopped = Deferred.makeUnsafe<void>()
        const acknowledged: Array<{ readonly data: string } & Pick<Published, "offset" | "epoch">> = []
        const work = Effect.fnUntraced(function* (worker: number) {
          for (let n = 0; !Deferred.isDoneUnsafe(stopped); n++) {
            const data = `${worker}:${n}`
            const { epoch, offset } = yield* publisher.publish("a", data, { key: data, timeout: "1 minute" })
            acknowledged.push({ data, offset, epoch })
          }
        })
        const workers = Array.from({ length: inFlight }, (_, worker) => work(worker))
        const publishing = yield* Effect.forkScoped(Effect.all(workers, { concurrency: inFlight, discard: true }))

        // Both have to be back before the gateway goes again.
        const more = Effect.suspend(() => {
          const goal = acknowledged.length + between
          return until(() => acknowledged.length >= goal && publications().length >= goal)
        })
        for (const signal of cycles) {
          yield* more
          yield* Effect.promise(() => gateway.stop(signal))
          gateway = yield* start(port)
        }
        yield* more
        yield* Deferred.succeed(stopped, undefined)
        yield* Fiber.join(publishing)

        const whole = acknowledged.toSorted((a, b) => a.offset - b.offset)
        yield* until(() => publications().length >= whole.length)
        const heard = publications().map(({ data, epoch, offset }) => ({ data, offset, epoch }))
        assert.deepStrictEqual(heard, whole)
        // Not by luck: each time the connection was made again, and nothing was missing.
        assert.deepStrictEqual(
          items.flatMap((item) => (item.type === "subscribed" ? [item.recovered] : [])),
          ["none", ...cycles.map(() => "yes")],
        )
      }),
    60_000,
  )
})
