import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as SocketServerTransport from "../../src/transport/SocketServerTransport.ts"
import { Transport } from "../../src/transport/Transport.ts"
import { acceptOne, rawClient, readBytes } from "../support/wires.ts"

const layer = (options?: SocketServerTransport.Options) =>
  SocketServerTransport.layer(options).pipe(
    Layer.provide(NodeSocketServer.layer({ host: "127.0.0.1", port: 0, allowHalfOpen: true })),
    Layer.orDie,
  )

const accepted = Effect.gen(function* () {
  const transport = yield* Transport
  const client = yield* rawClient(transport)
  return { client, server: yield* acceptOne(transport) }
})

describe("SocketServerTransport", () => {
  it.live("takes all peers for one host where the platform does not say", () =>
    Effect.gen(function* () {
      const { server } = yield* accepted
      assert.deepStrictEqual(server.peer, { _tag: "Memory", name: "socket-server" })
    }).pipe(Effect.provide(layer())),
  )

  it.live("asks the handler's context for a peer's address", () => {
    const peer = Effect.map(Effect.serviceOption(NodeSocket.NetSocket), (found) => {
      const { remoteAddress, remotePort } = Option.getOrThrow(found)
      return { _tag: "Tcp", host: remoteAddress ?? "", port: remotePort ?? 0 } as const
    })
    return Effect.gen(function* () {
      const { client, server } = yield* accepted
      assert.deepStrictEqual(server.peer, { _tag: "Tcp", host: "127.0.0.1", port: client.localPort ?? 0 })
    }).pipe(Effect.provide(layer({ peer })))
  })

  it.live("counts as paused whenever nobody pulls", () =>
    Effect.gen(function* () {
      const { client, server } = yield* accepted
      assert.isTrue(server.pausedUnsafe())
      const reading = yield* Effect.forkChild(readBytes(server, 2), { startImmediately: true })
      assert.isFalse(server.pausedUnsafe())
      client.write("hi")
      assert.strictEqual(String(yield* Fiber.join(reading)), "hi")
      assert.isTrue(server.pausedUnsafe())
    }).pipe(Effect.provide(layer())),
  )
})
