/**
 * Longline's echo, as a user writes it: the stream of messages back out through `sendAll`, a batch at a time.
 */
import * as Stream from "effect/Stream"
import { Codec, FrameLayout, Protocol, Server } from "longline"
import { launch } from "./Launch.ts"

const maxFrameBytes = 8 * 1024 * 1024
const Echo = Protocol.fromCodec({
  name: "echo",
  codec: Codec.bytes,
  layout: FrameLayout.makeUnsafe({ maxFrameBytes }),
})

launch(Server.serve(Echo, (connection) => Stream.runForEachArray(connection.messages, connection.sendAll)))
