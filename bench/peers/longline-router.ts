/**
 * Longline's echo through the Router: every message has a tag, and its handler is an Effect of its own.
 */
import * as Result from "effect/Result"
import { type Codec, Protocol, Router, Server } from "longline"
import { launch } from "./Launch.ts"

interface Echo {
  readonly type: "echo"
  readonly body: Codec.Body
}

const codec: Codec.Codec<Echo, Echo> = {
  name: "tagged",
  decode: (body) => Result.succeed({ type: "echo", body }),
  encode: ({ body }) => Result.succeed(body),
}

const protocol = Protocol.fromCodec({ name: "echo", codec })

const route = Router.make({ protocol, key: "type" }, { echo: (message, { connection }) => connection.send(message) })

launch(Server.serve(protocol, Router.handler(route)))
