/**
 * Takes a seat in a room of `chat.ts`, and again whenever the connection was lost; prints what is said there.
 * Says nothing itself but its name.
 *
 *     node build/examples/chat-client.js 7000 Ada engines
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Schema, Stream } from "effect"
import { CloseReason, JsonCodec, Protocol, Reconnect, TcpTransport } from "longline"

const [, , port = "7000", name = "somebody", room = "lobby"] = process.argv

const Join = Schema.Struct({ type: Schema.tag("join"), name: Schema.String, room: Schema.String })
const Joined = Schema.Struct({ type: Schema.tag("joined"), name: Schema.String, people: Schema.Int })
const Said = Schema.Struct({ type: Schema.tag("said"), name: Schema.String, text: Schema.String })
const Bye = Schema.Struct({ type: Schema.tag("bye"), why: Schema.String })

/** The protocol of `chat.ts` from the other side: what goes in there comes out here. */
const Chat = Protocol.make({
  name: "chat",
  inbound: Schema.Union([Joined, Said, Bye]),
  outbound: Join,
  codec: JsonCodec.make(),
})

const lineOf = (message: typeof Joined.Type | typeof Said.Type | typeof Bye.Type): string => {
  switch (message.type) {
    case "joined":
      return `${message.name} joined: ${message.people} here`
    case "said":
      return `${message.name}: ${message.text}`
    case "bye":
      return `told to go: ${message.why}`
  }
}

const Client = Reconnect.run(
  {
    protocol: Chat,
    dial: TcpTransport.dial({ host: "127.0.0.1", port: Number(port) }),
    onEvent: (event) =>
      event._tag === "Disconnected" && event.retryInMs !== undefined
        ? Console.log(`${CloseReason.format(event.reason)}; trying again in ${event.retryInMs} ms`)
        : Effect.void,
  },
  (connection) =>
    Effect.andThen(
      connection.send({ type: "join", name, room }),
      Stream.runForEach(connection.messages, (message) => Console.log(lineOf(message))),
    ),
)

NodeRuntime.runMain(Client)
