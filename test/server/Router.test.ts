/**
 * From tags to handlers, in order; and what the types promise, which `npm run check` holds.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { expectTypeOf } from "vitest"
import * as JsonCodec from "../../src/codec/JsonCodec.ts"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import * as Protocol from "../../src/connection/Protocol.ts"
import * as Router from "../../src/server/Router.ts"
import { serveProtocol, tagged, Text } from "../support/served.ts"
import { settled, until } from "../support/wires.ts"

const Say = Schema.Struct({ type: Schema.tag("say"), text: Schema.String })
const Leave = Schema.Struct({ type: Schema.tag("leave"), why: Schema.Finite })
const Inbound = Schema.Union([Say, Leave])
type Inbound = typeof Inbound.Type

const codec = JsonCodec.make()({ inbound: Inbound, outbound: Inbound })

/** JSON inwards, and the plain text of `Text` outwards. */
const Chat: Protocol.Protocol<Inbound, string> = Protocol.fromCodec({
  name: "chat",
  codec: { name: "chat", decode: codec.decode, encode: Result.succeed },
  goodbye: Text.goodbye,
})

const options = { protocol: Chat, key: "type" } as const
const say = (text: string) => JSON.stringify({ type: "say", text })
const leave = (why: number) => JSON.stringify({ type: "leave", why })

type Message<Tag extends Inbound["type"]> = Extract<Inbound, { readonly type: Tag }>
type Origin = Router.Origin<Inbound, string>
class User extends Context.Service<User, string>()("test/User") {}
class Room extends Context.Service<Room, string>()("test/Room") {}

describe("the types of a router", () => {
  type Handlers = Router.Handlers<Inbound, string, "type">
  type Nothing = () => Effect.Effect<void>

  it("demand a handler for every tag, and let none pass for a tag that there is not", () => {
    expectTypeOf<{ readonly say: Nothing; readonly leave: Nothing }>().toExtend<Handlers>()
    expectTypeOf<{ readonly say: Nothing }>().not.toExtend<Handlers>()
    type Superfluous = { readonly say: Nothing; readonly leave: Nothing; readonly shout: Nothing }
    const make = Router.make<Inbound, string, "type", Superfluous>
    expectTypeOf<Superfluous>().not.toExtend<Parameters<typeof make>[1]>()
    type Exact = { readonly say: Nothing; readonly leave: Nothing }
    const makeExact = Router.make<Inbound, string, "type", Exact>
    expectTypeOf<Exact>().toExtend<Parameters<typeof makeExact>[1]>()
  })

  it("give each handler its own member of the union, and where it came from", () => {
    Router.make(options, {
      say: (message, origin) => {
        expectTypeOf(message).toEqualTypeOf<Message<"say">>()
        expectTypeOf(origin).toEqualTypeOf<Origin>()
        return Effect.void
      },
      leave: (message) => {
        expectTypeOf(message).toEqualTypeOf<Message<"leave">>()
        return Effect.void
      },
    })
    expectTypeOf<{
      readonly say: (message: Message<"leave">) => Effect.Effect<void>
      readonly leave: Nothing
    }>().not.toExtend<Handlers>()
  })

  it("collect the errors and the requirements of all handlers", () => {
    const route = Router.make(options, {
      say: () => Effect.flatMap(User, (user) => Effect.fail(Number(user))),
      leave: () => Effect.flatMap(Room, (room) => Effect.fail(room)),
    })
    expectTypeOf(route).toEqualTypeOf<Router.Route<Inbound, string, number | string, User | Room>>()
  })

  it("let a middleware take errors and requirements away", () => {
    const route = Router.make(options, {
      say: () => Effect.flatMap(User, (user) => Effect.fail(Number(user))),
      leave: () => Effect.void,
    })
    expectTypeOf(ignoreErrors(withUser("ada")(route))).toEqualTypeOf<Router.Route<Inbound, string, never, never>>()
  })
})

const withUser =
  (user: string) =>
  <E, R>(route: Router.Route<Inbound, string, E, R>): Router.Route<Inbound, string, E, Exclude<R, User>> =>
  (message, origin) =>
    Effect.provideService(route(message, origin), User, user)

const ignoreErrors =
  <E, R>(route: Router.Route<Inbound, string, E, R>): Router.Route<Inbound, string, never, R> =>
  (message, origin) =>
    Effect.ignore(route(message, origin))

describe("a router", () => {
  it.effect("hands every message to the handler of its tag, one after the other in the order they came", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const gate = yield* Deferred.make<void>()
      const route = Router.make(options, {
        say: ({ text }) =>
          Effect.gen(function* () {
            seen.push(`${text} begins`)
            if (text === "slow") yield* Deferred.await(gate)
            seen.push(`${text} ends`)
          }),
        leave: ({ why }, { connection }) => {
          seen.push(`leave ${why}`)
          return connection.send("farewell")
        },
      })
      const server = yield* serveProtocol(Chat, Router.handler(route))
      const client = yield* server.connect()
      client.say(say("slow"), leave(7), say("quick"))
      client.say(say("late"))
      yield* settled
      assert.deepStrictEqual(seen, ["slow begins"])
      yield* Deferred.succeed(gate, undefined)
      yield* until(() => seen.includes("late ends") && client.heard.length > 0)
      const order = ["slow begins", "slow ends", "leave 7", "quick begins", "quick ends", "late begins", "late ends"]
      assert.deepStrictEqual([seen, client.heard], [order, ["farewell"]])
      client.wire.endUnsafe()
      yield* until(() => client.state() === "fin")
      assert.deepStrictEqual(client.heard, ["farewell", "bye PeerClosed"])
    }),
  )

  it.effect("answers in the order of the messages, whatever its handlers do beside it", () =>
    Effect.gen(function* () {
      const route = Router.make(options, {
        say: ({ text }, { connection }) =>
          text === "nothing" ? Effect.void : Effect.andThen(Effect.yieldNow, connection.send(text)),
        leave: ({ why }, { connection }) => connection.send(String(why)),
      })
      const server = yield* serveProtocol(Chat, Router.handler(route))
      const client = yield* server.connect()
      client.say(leave(1), leave(2), say("a"), say("nothing"), leave(3), say("b"), say("nothing"))
      client.wire.endUnsafe()
      yield* until(() => client.state() === "fin")
      assert.deepStrictEqual(client.heard, ["1", "2", "a", "3", "b", "bye PeerClosed"])
    }),
  )

  it.effect("that sends what cannot be sent ends the connection with BadOutbound, and handles nothing behind it", () =>
    Effect.gen(function* () {
      const route = Router.make(options, {
        say: ({ text }, { connection }) => connection.send(text.repeat(65_537)),
        leave: ({ why }, { connection }) => connection.send(String(why)),
      })
      const server = yield* serveProtocol(Chat, Router.handler(route))
      const client = yield* server.connect()
      client.say(leave(1), say("x"), leave(2))
      yield* until(() => client.state() === "fin")
      assert.deepStrictEqual(client.heard, ["1", "bye BadOutbound"])
    }),
  )

  it.effect("whose handler fails ends the connection with what it failed with", () =>
    Effect.gen(function* () {
      const route = Router.make(options, { say: ({ text }) => Effect.fail(text), leave: () => Effect.void })
      const server = yield* serveProtocol(Chat, Router.handler(route))
      const client = yield* server.connect()
      client.say(leave(1), say("too much"), leave(2))
      yield* until(() => client.state() === "fin")
      assert.deepStrictEqual(client.heard, ["bye HandlerFailed"])
      const [closed] = tagged(server.events, "ConnectionClosed")
      assert.deepStrictEqual(closed?.reason, CloseReason.HandlerFailed({ cause: Cause.fail("too much") }))
    }),
  )

  it.effect("handles nothing behind a message that ended the connection", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const route = Router.make(options, {
        say: (_message, { connection }) => connection.close(CloseReason.Application({ code: 1, message: "out" })),
        leave: ({ why }) => Effect.sync(() => seen.push(why)),
      })
      const server = yield* serveProtocol(Chat, Router.handler(route))
      const client = yield* server.connect()
      client.say(leave(1), say("kick me"))
      yield* until(() => client.state() === "fin")
      client.say(leave(2))
      yield* settled
      assert.deepStrictEqual([seen, client.heard], [[1], ["bye Application"]])
    }),
  )
})

describe("a middleware", () => {
  it.effect("provides what handlers require, handles their errors, and refuses messages before them", () =>
    Effect.gen(function* () {
      const inner = Router.make(options, {
        say: Effect.fnUntraced(function* ({ text }, { connection }) {
          const user = yield* User
          if (text === "fail") return yield* Effect.fail(`${user} failed`)
          return yield* connection.send(`${user}: ${text}`)
        }),
        leave: () => Effect.void,
      })
      const answering: Router.Middleware<Inbound, string, unknown, User, never, User> = (route) => (message, origin) =>
        Effect.catch(route(message, origin), (error) =>
          Effect.ignore(origin.connection.send(`error: ${String(error)}`)),
        )
      const muting: Router.Middleware<Inbound, string, unknown, User, unknown, User> = (route) => (message, origin) =>
        message.type === "say" && message.text === "mute" ? origin.connection.send("muted") : route(message, origin)
      const route = withUser("ada")(answering(muting(inner)))
      const server = yield* serveProtocol(Chat, Router.handler(route))
      const client = yield* server.connect()
      client.say(say("hello"), say("mute"), say("fail"), say("still here"))
      yield* until(() => client.heard.length === 4)
      assert.deepStrictEqual(client.heard, ["ada: hello", "muted", "error: ada failed", "ada: still here"])
    }),
  )
})
