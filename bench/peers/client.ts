/**
 * The client library as programs use it: a Stream for each channel, a fiber for each Stream.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TcpTransport } from "longline"
import { Client } from "longline/client"
import { channelName, type Order } from "../load/Order.ts"
import * as ClientProcess from "./ClientProcess.ts"

const program = ({ channels, clients, port }: Order, makeTake: ClientProcess.MakeTake) =>
  Effect.gen(function* () {
    for (let left = clients; left > 0; left--) {
      const client = yield* Client.make({ dial: TcpTransport.dial({ host: "127.0.0.1", port }) })
      for (let number = 0; number < channels; number++) {
        const take = makeTake()
        const hearing = Stream.runForEachArray(client.subscribe(channelName(number)), (items) =>
          Effect.sync(() => {
            for (const item of items) if (item.type === "publication") take(item.offset, item.data)
          }),
        )
        yield* Effect.forkScoped(hearing, { startImmediately: true })
      }
    }
    return yield* Effect.never
  }).pipe(Effect.scoped)

ClientProcess.obey((order, makeTake) => {
  const running = Effect.runFork(program(order, makeTake))
  running.addObserver((exit) => {
    // A check that failed ends the process, as anywhere else in the bench.
    if (exit._tag === "Failure" && !exit.cause.reasons.every(({ _tag }) => _tag === "Interrupt")) throw exit.cause
  })
  return () => Effect.runFork(Fiber.interrupt(running))
})
