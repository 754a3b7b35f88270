/**
 * The rules that a server is held to, each with what a strict client does to see it (docs/protocol.md).
 * Knows one server, and leaves nothing behind in it but publications in channels of its own.
 */
import * as Effect from "effect/Effect"
import { frame, frameOf, shown } from "./Peer.ts"
import * as ChannelRules from "./ServerChannelRules.ts"
import type { Arena, ServerRule } from "./ServerRule.ts"
import * as ServiceRules from "./ServerServiceRules.ts"
import { connect, dial, hello, type Server, type StrictClient } from "./StrictClient.ts"
import * as Verdict from "./Verdict.ts"

const utf8 = new TextEncoder()

/** A header for a body of so many bytes, which never come. */
const header = (bytes: number): Uint8Array => {
  const header = new Uint8Array(4)
  new DataView(header.buffer).setUint32(0, bytes)
  return header
}

/** Says bytes on a new connection, and takes the bye. */
const told = (code: number, bytes: Uint8Array) => (arena: Arena) =>
  Effect.flatMap(dial(arena.server), (client) => {
    client.peer.write(bytes)
    return client.bye(code)
  })

/** Something harmless, to see that the connection goes on. */
const goesOn = (client: StrictClient, { name }: Arena) =>
  client.ask("unsubscribed", { type: "unsubscribe", channel: name })

const frames: ReadonlyArray<ServerRule> = [
  {
    id: "frames.split",
    section: 1,
    text: "a frame may come byte by byte",
    needsFrames: true,
    judge: (arena) =>
      Effect.flatMap(dial(arena.server), (client) =>
        Effect.andThen(client.peer.drip(frameOf(hello(arena.server))), client.expect("connected")),
      ),
  },
  {
    id: "frames.batched",
    section: 4,
    text: "messages behind connect in the same write are handled, in order",
    judge: (arena) =>
      Effect.gen(function* () {
        const client = yield* dial(arena.server)
        const { name: channel } = arena
        client.peer.say(
          hello(arena.server),
          { type: "unsubscribe", id: 2, channel },
          { type: "unserve", id: 3, service: channel },
        )
        for (const type of ["connected", "unsubscribed", "unserved"] as const) {
          const heard = yield* client.next()
          if (heard._tag !== "Message" || heard.message.type !== type) {
            return yield* Verdict.broken(`expected ${type}, got ${shown(heard)}`)
          }
        }
      }),
  },
  {
    id: "frames.tooLarge",
    section: 1,
    text: "a first frame over 16 KiB is told bye 4505 by its header alone",
    needsFrames: true,
    judge: told(4505, header(0x7fffffff)),
  },
  {
    id: "frames.limit",
    section: 1,
    text: "a frame over connected.limits.frameBytes is told bye 4505, and one over 16 KiB within it is not",
    needsFrames: true,
    judge: (arena) =>
      Effect.gen(function* () {
        const { client, connected } = yield* connect(arena.server)
        const { frameBytes } = connected.limits
        const pad = "x".repeat(frameBytes - 300)
        yield* client.ask("unsubscribed", { type: "unsubscribe", channel: arena.name, pad })
        client.peer.write(header(frameBytes + 1))
        yield* client.bye(4505)
      }),
  },
  {
    id: "frames.wrongProtocol",
    section: 1,
    text: "HTTP is told bye 4509",
    needsFrames: true,
    judge: told(4509, utf8.encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n")),
  },
  {
    id: "encoding.protobuf",
    section: 2,
    text: "a connect in Protobuf is answered in Protobuf",
    needsFrames: true,
    judge: (arena) =>
      Effect.gen(function* () {
        const client = yield* dial(arena.server)
        client.peer.write(frame(Uint8Array.of(0x2a, 0x04, 0x08, 0x01, 0x10, 0x01)))
        const heard = yield* client.next()
        // To a client that reads JSON it must be unreadable.
        if (heard._tag !== "Unreadable") return yield* Verdict.broken(`expected an Envelope, got ${shown(heard)}`)
      }),
  },
  {
    id: "encoding.malformed",
    section: 2,
    text: "before connected, what is no message is told bye 4501",
    judge: told(4501, frame(utf8.encode('{"type":"connect"'))),
  },
  {
    id: "encoding.notAnObject",
    section: 2,
    text: "after connected, a body that is no JSON object is told bye 4501",
    judge: (arena) =>
      Effect.flatMap(connect(arena.server), ({ client }) => {
        client.peer.write(frame(utf8.encode("[1]")))
        return client.bye(4501)
      }),
  },
  {
    id: "encoding.unknownFields",
    section: 2,
    text: "unknown fields are ignored",
    judge: (arena) => connect(arena.server, { weather: { of: [1] } }),
  },
]

const order: ReadonlyArray<ServerRule> = [
  {
    id: "connect.first",
    section: 4,
    text: "any other message before connect is told bye 4501",
    judge: told(4501, frameOf({ type: "subscribe", id: 1, channel: "a" })),
  },
  {
    id: "connect.once",
    section: 4,
    text: "a second connect is told bye 4501",
    judge: (arena) =>
      Effect.flatMap(connect(arena.server), ({ client }) => {
        client.peer.say({ ...hello(arena.server), id: 2 })
        return client.bye(4501)
      }),
  },
  {
    id: "connect.version",
    section: 4,
    text: "another version is told bye 4506",
    judge: told(4506, frameOf({ type: "connect", id: 1, version: 2 })),
  },
  {
    id: "messages.unknownType",
    section: 2,
    text: "an unknown type is error 107 with the id, and the connection goes on",
    judge: (arena) =>
      Effect.gen(function* () {
        const { client } = yield* connect(arena.server)
        yield* client.refused(107, { type: "shout" })
        yield* goesOn(client, arena)
      }),
  },
  {
    id: "messages.malformed",
    section: 4,
    text: "a name of 256 bytes, or with a control character, is error 107 with the id",
    judge: (arena) =>
      Effect.gen(function* () {
        const { client } = yield* connect(arena.server)
        for (const channel of ["é".repeat(128), "a\u0007", ""])
          yield* client.refused(107, { type: "subscribe", channel })
        yield* goesOn(client, arena)
      }),
  },
  {
    id: "heartbeat.unanswered",
    section: 3,
    text: "a heartbeat of the client is not answered",
    judge: (arena) =>
      Effect.gen(function* () {
        const { client } = yield* connect(arena.server)
        client.peer.beat()
        client.peer.say({ type: "unsubscribe", id: 2, channel: arena.name })
        const heard = yield* client.peer.next(1_000)
        if (heard._tag !== "Message") return yield* Verdict.broken(`expected unsubscribed alone, got ${shown(heard)}`)
      }),
  },
  {
    id: "session.resumed",
    section: 6,
    text: "a session is resumed by its key, with the same connection",
    judge: (arena) =>
      Effect.gen(function* () {
        const { client, connected } = yield* connect(arena.server)
        client.peer.wire.abortUnsafe()
        const { id, key } = connected.session
        const again = yield* connect(arena.server, { session: { id, key } })
        if (!again.connected.resumed) return yield* Verdict.broken("connected.resumed is false")
        if (again.connected.connection !== connected.connection)
          return yield* Verdict.broken("connection is another one")
      }),
  },
  {
    id: "session.wrongKey",
    section: 6,
    text: "a wrong session is a new session, and no error",
    judge: (arena) =>
      Effect.flatMap(connect(arena.server, { session: { id: "none", key: "none" } }), ({ connected }) =>
        connected.resumed ? Verdict.broken("connected.resumed is true") : Effect.void,
      ),
  },
  {
    id: "session.takenOver",
    section: 6,
    text: "a second connection with the same session closes the first with bye 4005",
    judge: (arena) =>
      Effect.gen(function* () {
        const { client, connected } = yield* connect(arena.server)
        const { id, key } = connected.session
        yield* connect(arena.server, { session: { id, key } })
        yield* client.bye(4005)
      }),
  },
  {
    id: "close.answered",
    section: 8,
    text: "a client that closes its side is answered what it has asked, and then told bye 4000",
    needsFrames: true,
    judge: (arena) =>
      Effect.gen(function* () {
        const { client } = yield* connect(arena.server)
        client.peer.say({ type: "unsubscribe", id: 2, channel: arena.name })
        client.peer.wire.endUnsafe()
        yield* client.expect("unsubscribed")
        yield* client.bye(4000)
      }),
  },
]

/** Every rule for servers, in the order in which they are seen. */
export const all: ReadonlyArray<ServerRule> = [...frames, ...order, ...ChannelRules.all, ...ServiceRules.all]

/** Holds a server to every rule, each on connections of its own. */
export const check = <E = never>(
  server: Server,
  options: { readonly name: string; readonly onVerdict?: (verdict: Verdict.Verdict) => Effect.Effect<void, E> },
): Effect.Effect<ReadonlyArray<Verdict.Verdict>, E> =>
  Effect.forEach(all, (rule) => {
    const isSeen = rule.needsFrames !== true || server.hasFrames !== false
    const judging = isSeen
      ? rule.judge({ server, name: `${options.name}-${rule.id}` })
      : Verdict.notSeen("a WebSocket has messages, and no frames")
    return Effect.scoped(Verdict.of(rule, judging)).pipe(
      Effect.tap((verdict) => options.onVerdict?.(verdict) ?? Effect.void),
    )
  })
