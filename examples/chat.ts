/**
 * Rooms of people who hear each other: a router, a typed attribute, groups, and a goodbye that says why.
 * Keeps nothing: who comes later has missed it.
 *
 *     node build/examples/chat.js 7000
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Schema } from "effect"
import { Attribute, CloseReason, Drain, JsonCodec, Protocol, Router } from "longline"
import { LogEvents, Server, ServerEvents, TcpTransport } from "longline"

const Join = Schema.Struct({ type: Schema.tag("join"), name: Schema.NonEmptyString, room: Schema.NonEmptyString })
const Say = Schema.Struct({ type: Schema.tag("say"), text: Schema.String })
const Joined = Schema.Struct({ type: Schema.tag("joined"), name: Schema.String, people: Schema.Int })
const Said = Schema.Struct({ type: Schema.tag("said"), name: Schema.String, text: Schema.String })
const Bye = Schema.Struct({ type: Schema.tag("bye"), why: Schema.String })

const Chat = Protocol.make({
  name: "chat",
  inbound: Schema.Union([Join, Say]),
  outbound: Schema.Union([Joined, Said, Bye]),
  codec: JsonCodec.make(),
  goodbye: (reason) => Bye.make({ why: CloseReason.format(reason) }),
})

const Seat = Attribute.make<typeof Join.Type>("seat")

const refuse = (message: string) => CloseReason.Application({ code: 1, message })

const route = Router.make(
  { protocol: Chat, key: "type" },
  {
    join: (seat, { connection, registry }) => {
      if (connection.get(Seat) !== undefined) return connection.close(refuse("you have a seat already"))
      return Effect.sync(() => {
        connection.set(Seat, seat)
        registry.join(connection, seat.room)
        const room = registry.group(seat.room)
        room?.broadcast({ type: "joined", name: seat.name, people: room.size })
      })
    },
    say: ({ text }, { connection, registry }) => {
      const seat = connection.get(Seat)
      if (seat === undefined) return connection.close(refuse("join a room before you speak"))
      return Effect.sync(() => registry.group(seat.room)?.broadcast({ type: "said", name: seat.name, text }))
    },
  },
)

const Main = Server.serve(Chat, Router.handler(route)).pipe(
  Layer.provide(TcpTransport.layer({ port: Number(process.argv[2] ?? 0) })),
  Layer.provide(Layer.provideMerge(LogEvents.layer, ServerEvents.layer)),
)

NodeRuntime.runMain(Layer.launch(Main), { teardown: Drain.teardown })
