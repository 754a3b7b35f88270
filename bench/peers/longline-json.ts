/**
 * Longline's echo of JSON with a schema both ways: what comes in is validated, and so is what goes out.
 */
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { JsonCodec, Protocol, Server } from "longline"
import { launch } from "./Launch.ts"

/** The message of `load/EchoScript.ts`, its fields in the same order. */
const Say = Schema.Struct({
  type: Schema.tag("say"),
  id: Schema.Int,
  user: Schema.Struct({ name: Schema.NonEmptyString, admin: Schema.Boolean }),
  text: Schema.String,
  tags: Schema.Array(Schema.String),
})

const Chat = Protocol.make({ name: "chat", inbound: Say, outbound: Say, codec: JsonCodec.make() })

launch(Server.serve(Chat, (connection) => Stream.runForEachArray(connection.messages, connection.sendAll)))
