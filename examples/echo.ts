/**
 * Sends every frame back as it came. Looks into none of them.
 *
 *     node build/examples/echo.js 7000
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Layer } from "effect"
import { Codec, Drain, LogEvents, Protocol, Server, ServerEvents, TcpTransport } from "longline"

const Echo = Protocol.fromCodec({ name: "echo", codec: Codec.bytes })

const Main = Server.serve(Echo, (connection) => connection.messages).pipe(
  Layer.provide(TcpTransport.layer({ port: Number(process.argv[2] ?? 0) })),
  Layer.provide(Layer.provideMerge(LogEvents.layer, ServerEvents.layer)),
)

NodeRuntime.runMain(Layer.launch(Main), { teardown: Drain.teardown })
