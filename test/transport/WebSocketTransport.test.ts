/** What WebSockets add to the contract of transports: the request that is let in, messages for frames, rules and codes. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  Offer,
  type Subprotocols,
  type Transport,
  type TransportError,
  type Wire,
} from "../../src/transport/Transport.ts"
import * as WebSocketTransport from "../../src/transport/WebSocketTransport.ts"
import * as WebSocketWire from "../../src/transport/WebSocketWire.ts"
import { frame as lengthPrefixed } from "../support/frames.ts"
import * as Sockets from "../support/websockets.ts"
import { acceptOne, lossOf, portOf, readAll, readBytes, turn, until } from "../support/wires.ts"

const subprotocols = { "test.text": "text", "test.binary": "binary" } as const

const listen = (options: Partial<WebSocketTransport.Options> = {}) =>
  WebSocketTransport.make({ port: 0, subprotocols, origins: ["https://app.example"], ...options })

/** What a server answers to these bytes, first line and headers. */
const answerTo = (bytes: string | Uint8Array, options?: Partial<WebSocketTransport.Options>) =>
  Effect.gen(function* () {
    const client = yield* Sockets.hostile(yield* listen(options))
    client.socket.write(bytes)
    return yield* client.answer
  })

const statusOf = (answer: string) => Number(answer.split(" ")[1])

/** A client in the middle of its connection, and the wire of it. */
const joined = (headers: Readonly<Record<string, string>> = {}, options?: Partial<WebSocketTransport.Options>) =>
  Effect.gen(function* () {
    const transport = yield* listen({ maxMessageBytes: 1000, ...options })
    const client = yield* Sockets.hostile(transport)
    client.socket.write(Sockets.request({ "Sec-WebSocket-Protocol": "test.text", ...headers }))
    const wire = yield* acceptOne(transport)
    yield* client.answer
    return { client, wire }
  })

const failureOf = (wire: Wire) => Effect.map(Effect.flip(wire.pull), (error) => (error as TransportError).reason)

const text = (...words: ReadonlyArray<string>) => String(Buffer.concat(words.map((word) => lengthPrefixed(word))))

describe("the request for a WebSocket", () => {
  const ask = { "Sec-WebSocket-Protocol": "test.text" }
  const answers: ReadonlyArray<readonly [title: string, bytes: string | Buffer, status: number]> = [
    ["at its path with a query", Sockets.request(ask, { path: "/connect?page=1" }), 101],
    ["without an origin", Sockets.request(ask), 101],
    ["at another path", Sockets.request(ask, { path: "/connect/" }), 404],
    ["with another method", Sockets.request(ask, { method: "POST" }), 405],
    ["for another protocol", Sockets.request({ ...ask, Upgrade: "h2c" }), 426],
    ["that is none, at the path", "GET /connect HTTP/1.1\r\nHost: a\r\n\r\n", 426],
    ["that is none, at another path", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404],
    ["that is none, by another method", "DELETE /connect HTTP/1.1\r\nHost: a\r\n\r\n", 405],
    ["of another version", Sockets.request({ ...ask, "Sec-WebSocket-Version": "8" }), 426],
    ["without a key", Sockets.request({ ...ask, "Sec-WebSocket-Key": undefined }), 400],
    ["with a key of 15 bytes", Sockets.request({ ...ask, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25j" }), 400],
    ["by a page of another origin", Sockets.request({ ...ask, Origin: "https://app.example.evil" }), 403],
    ["by a page without one", Sockets.request({ ...ask, Origin: "null" }), 403],
    ["without a subprotocol", Sockets.request(), 400],
    ["with none that is spoken here", Sockets.request({ "Sec-WebSocket-Protocol": "test, __proto__" }), 400],
    ["with headers of 8 KiB", Sockets.request({ ...ask, Cookie: "c".repeat(WebSocketTransport.maxHeaderBytes) }), 431],
    ["in another tongue", Buffer.from("1603010200010001fc0303", "hex"), 400],
    ["in frames", lengthPrefixed('{"type":"connect"}'), 400],
  ]
  for (const [title, bytes, status] of answers) {
    it.live(`${title}: ${status}`, () =>
      Effect.gen(function* () {
        assert.strictEqual(statusOf(yield* answerTo(bytes)), status)
      }),
    )
  }

  it.live("by any page is let in where all origins are, and by none where none is", () =>
    Effect.gen(function* () {
      const asked = Sockets.request({ ...ask, Origin: "https://other.example" })
      assert.strictEqual(statusOf(yield* answerTo(asked, { origins: ["*"] })), 101)
      assert.strictEqual(statusOf(yield* answerTo(asked, { origins: undefined })), 403)
    }),
  )

  it.live("is told why it is refused, and leaves the reason with the wire when it has left", () =>
    Effect.gen(function* () {
      const transport = yield* listen()
      const client = yield* Sockets.hostile(transport)
      client.socket.write(Sockets.request({ ...ask, Origin: "https://other.example" }))
      const [wire] = yield* transport.accept
      const { reason } = yield* Effect.flip(wire.opened)
      assert.deepInclude(reason, { _tag: "HandshakeFailed", of: "WebSocket", code: "HTTP_403" })
      yield* client.ended
      const body = String(client.received()).split("\r\n\r\n")[1]
      assert.strictEqual(body, "pages of https://other.example may not connect: list that origin among those allowed\n")
      yield* wire.closed
    }),
  )

  it.live("has a deadline, from accept on, however slowly it comes", () =>
    Effect.gen(function* () {
      const transport = yield* listen({ handshakeTimeout: "50 millis" })
      const client = yield* Sockets.hostile(transport)
      client.socket.write("GET /connect HTTP/1.1\r\n")
      const [wire] = yield* transport.accept
      const { message, reason } = yield* Effect.flip(wire.opened)
      assert.deepInclude(reason, { _tag: "HandshakeFailed", code: "WS_ERR_HANDSHAKE_TIMEOUT" })
      assert.strictEqual(message, "WebSocket handshake failed: WS_ERR_HANDSHAKE_TIMEOUT")
      yield* client.ended
      yield* wire.closed
    }),
  )

  it.live("has any time where its deadline is infinite", () =>
    Effect.gen(function* () {
      const transport = yield* listen({ handshakeTimeout: Infinity })
      yield* Effect.all(
        [
          WebSocketTransport.dial({ host: "127.0.0.1", port: portOf(transport.address), subprotocols }),
          acceptOne(transport),
        ],
        { concurrency: 2 },
      )
    }),
  )

  it.live("that is reset in the middle has failed for that reason", () =>
    Effect.gen(function* () {
      const transport = yield* listen()
      const client = yield* Sockets.hostile(transport)
      client.socket.write("GET /connect HTTP/1.1\r\n")
      const [wire] = yield* transport.accept
      yield* turn
      client.socket.resetAndDestroy()
      const { reason } = yield* Effect.flip(wire.opened)
      assert.deepInclude(reason, { _tag: "HandshakeFailed", of: "WebSocket", code: "ECONNRESET" })
      yield* wire.closed
    }),
  )

  it.live("may have messages behind it", () =>
    Effect.gen(function* () {
      const transport = yield* listen()
      const client = yield* Sockets.hostile(transport)
      client.socket.write(Buffer.concat([Buffer.from(Sockets.request(ask)), Sockets.frame("early")]))
      const wire = yield* acceptOne(transport)
      assert.strictEqual(wire.subprotocol, "test.text")
      assert.strictEqual(String(yield* readBytes(wire, 9)), text("early"))
    }),
  )
})

describe("a WebSocket", () => {
  it.live("reads a message as a frame, and all messages of one read at once", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined()
      client.socket.write(Buffer.concat([Sockets.frame("one"), Sockets.frame(""), Sockets.frame("two")]))
      assert.deepStrictEqual((yield* wire.pull).map(String), [text("one", "", "two")])
    }),
  )

  it.live("writes each frame as a message of the kind that was agreed on, however frames are cut into chunks", () =>
    Effect.gen(function* () {
      const long = "l".repeat(70_000)
      for (const [subprotocol, opcode] of [
        ["test.text", 1],
        ["test.binary", 2],
      ] as const) {
        const { client, wire } = yield* joined({ "Sec-WebSocket-Protocol": subprotocol })
        wire.writeUnsafe([Buffer.from(text("one"))])
        wire.writeUnsafe([Buffer.from(text("", "t")), Buffer.from([0, 0, 0, 126]), Buffer.from("w".repeat(126))])
        wire.writeUnsafe([Buffer.from(text(long))])
        const got = yield* client.take(5 + 2 + 3 + 130 + 70_010)
        const expected = ["one", "", "t", "w".repeat(126), long].map((payload) => [opcode, payload] as const)
        assert.deepStrictEqual(Sockets.framesOf(got), expected)
      }
    }),
  )

  it.live("puts fragments together and answers a ping between them", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined()
      client.socket.write(Sockets.frame("a", { fin: false }))
      client.socket.write(Sockets.frame("are you there", { opcode: 9 }))
      client.socket.write(Sockets.frame("b", { fin: false, opcode: 0 }))
      client.socket.write(Sockets.frame("c", { opcode: 0 }))
      assert.strictEqual(String(yield* readBytes(wire, 7)), text("abc"))
      assert.deepStrictEqual(Sockets.framesOf(yield* client.take(15)), [[10, "are you there"]])
    }),
  )

  it.live("takes a message of the longest length", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined()
      client.socket.write(Sockets.frame("m".repeat(1000)))
      assert.strictEqual((yield* readBytes(wire, 1004)).length, 1004)
    }),
  )

  const fragments = (count: number) =>
    Buffer.concat([
      Sockets.frame("", { fin: false }),
      ...Array.from({ length: count - 1 }, () => Sockets.frame("", { fin: false, opcode: 0 })),
    ])
  const violations: ReadonlyArray<readonly [title: string, bytes: Buffer, code: string, status: number]> = [
    ["has no mask", Sockets.frame("x", { masked: false }), "WS_ERR_EXPECTED_MASK", 1002],
    ["has a reserved bit", Sockets.frame("x", { rsv: 2 }), "WS_ERR_UNEXPECTED_RSV_2_3", 1002],
    ["is compressed without asking", Sockets.frame("x", { rsv: 4 }), "WS_ERR_UNEXPECTED_RSV_1", 1002],
    ["has an unknown opcode", Sockets.frame("x", { opcode: 3 }), "WS_ERR_INVALID_OPCODE", 1002],
    ["continues nothing", Sockets.frame("x", { opcode: 0 }), "WS_ERR_INVALID_OPCODE", 1002],
    ["is a control frame in fragments", Sockets.frame("x", { fin: false, opcode: 9 }), "WS_ERR_EXPECTED_FIN", 1002],
    ["is no UTF-8", Sockets.frame(Buffer.from([0xc3, 0x28])), "WS_ERR_INVALID_UTF8", 1007],
    ["is of the other kind", Sockets.frame("x", { opcode: 2 }), "WS_ERR_WRONG_KIND", 1003],
    ["declares a byte too many", Sockets.frame("", { declared: 1001 }), "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", 1009],
    ["declares 4 GiB", Sockets.frame("", { declared: 2 ** 32 }), "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", 1009],
    [
      "grows too long by fragments",
      Buffer.concat([
        Sockets.frame("m".repeat(600), { fin: false }),
        Sockets.frame("m".repeat(401), { fin: false, opcode: 0 }),
      ]),
      "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH",
      1009,
    ],
    ["has too many fragments", fragments(WebSocketWire.maxPieces + 1), "WS_ERR_TOO_MANY_BUFFERED_PARTS", 1008],
    [
      "is a ping too many in a second",
      Buffer.concat(
        Array.from({ length: WebSocketWire.maxControlFramesPerSecond + 1 }, () => Sockets.frame("", { opcode: 9 })),
      ),
      "WS_ERR_TOO_MANY_PINGS",
      1008,
    ],
  ]
  for (const [title, bytes, code, status] of violations) {
    it.live(`that ${title} breaks a rule, and is told so with ${status} behind what came before it`, () =>
      Effect.gen(function* () {
        const { client, wire } = yield* joined()
        client.socket.write(Buffer.concat([Sockets.frame("fine"), bytes, Sockets.frame("not read any more")]))
        assert.strictEqual(String(yield* readBytes(wire, 8)), text("fine"))
        const reason = yield* failureOf(wire)
        const rule = status === 1009 ? "tooLarge" : "protocol"
        assert.deepInclude(reason, { _tag: "WireViolated", code, rule })
        wire.writeUnsafe([Buffer.from(text("goodbye"))])
        wire.endUnsafe()
        yield* client.ended
        const frames = Sockets.framesOf(client.received()).filter(([opcode]) => opcode !== 10)
        assert.deepStrictEqual(frames[0], [1, "goodbye"])
        assert.strictEqual(Sockets.codeOf(client.received().subarray(-4)), status)
        client.socket.end()
        yield* wire.closed
      }),
    )
  }

  it.live("takes as many fragments and pings as are allowed", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined()
      client.socket.write(fragments(WebSocketWire.maxPieces - 1))
      for (let i = 0; i < WebSocketWire.maxControlFramesPerSecond; i++) {
        client.socket.write(Sockets.frame("", { opcode: 9 + (i % 2) }))
      }
      client.socket.write(Sockets.frame("end", { opcode: 0 }))
      assert.strictEqual(String(yield* readBytes(wire, 7)), text("end"))
    }),
  )

  it.live("ends with the farewell's code and its message, cut between characters at 123 bytes", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined()
      wire.endUnsafe({ code: 4001, message: `${"g".repeat(122)}é` })
      assert.isTrue(wire.writeUnsafe([Buffer.from(text("too late"))]))
      const got = yield* client.take(126)
      assert.deepStrictEqual(
        [got.subarray(0, 4), String(got.subarray(4))],
        [Buffer.from("887c0fa1", "hex"), "g".repeat(122)],
      )
      client.socket.write(Sockets.frame(Buffer.from("0fa1", "hex"), { opcode: 8 }))
      assert.strictEqual(String(yield* readAll(wire)), "")
      yield* client.ended
      assert.strictEqual(client.received().length, 0)
      client.socket.end()
      yield* wire.closed
    }),
  )

  it.live("ends with 1000 where nothing else is said", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined()
      wire.endUnsafe()
      assert.deepStrictEqual(yield* client.take(4), Buffer.from("880203e8", "hex"))
    }),
  )

  for (const [title, payload, answer] of [
    ["with its own code", "0fa0", "88020fa0"],
    ["with none where it gave none", "", "8800"],
  ] as const) {
    it.live(`answers a close frame ${title}, when everything before it is handled`, () =>
      Effect.gen(function* () {
        const { client, wire } = yield* joined()
        client.socket.write(Sockets.frame("last"))
        client.socket.write(Sockets.frame(Buffer.from(payload, "hex"), { opcode: 8 }))
        client.socket.write(Sockets.frame("behind the end"))
        assert.strictEqual(String(yield* readAll(wire)), text("last"))
        wire.writeUnsafe([Buffer.from(text("ok"))])
        wire.endUnsafe({ code: 4000, message: "closed by the peer" })
        yield* client.ended
        assert.deepStrictEqual(client.received(), Buffer.from(`81026f6b${answer}`, "hex"))
        client.socket.end()
        yield* wire.closed
      }),
    )
  }

  it.live("is lost when its peer leaves without a close frame", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined()
      client.socket.end()
      assert.deepInclude((yield* lossOf(wire)).reason, { _tag: "WireLost", code: "WS_ERR_ABNORMAL_CLOSURE" })
      wire.abortUnsafe()
      yield* wire.closed
    }),
  )

  it.live("owes one answer to a peer that pings and does not read", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined()
      client.socket.pause()
      const unread = Buffer.alloc(16 * 1024 * 1024)
      unread.writeUInt32BE(unread.length - 4)
      wire.writeUnsafe([unread])
      const before = wire.unsentUnsafe()
      for (let i = 0; i < 50; i++) client.socket.write(Sockets.frame("p".repeat(100), { opcode: 9 }))
      client.socket.write(Sockets.frame("pinged"))
      assert.strictEqual(String(yield* readBytes(wire, 10)), text("pinged"))
      assert.isAtMost(wire.unsentUnsafe(), before)
      wire.abortUnsafe()
      yield* until(() => wire.unsentUnsafe() === 0)
    }),
  )
})

describe("dialling a WebSocket", () => {
  const dial = (transport: Transport["Service"], offer: Subprotocols) =>
    Effect.provideService(WebSocketTransport.dial({ host: "127.0.0.1", port: portOf(transport.address) }), Offer, offer)

  it.live("asks for what its client speaks, and speaks what was agreed on", () =>
    Effect.gen(function* () {
      const transport = yield* listen()
      const client = yield* dial(transport, { "test.unknown": "binary", "test.text": "text" })
      const server = yield* acceptOne(transport)
      assert.deepStrictEqual([client.subprotocol, server.subprotocol], ["test.text", "test.text"])
      client.writeUnsafe([lengthPrefixed("up")])
      server.writeUnsafe([lengthPrefixed("down")])
      assert.strictEqual(String(yield* readBytes(server, 6)), text("up"))
      assert.strictEqual(String(yield* readBytes(client, 8)), text("down"))
      server.endUnsafe({ code: 4001, message: "going away" })
      yield* readAll(client)
      assert.deepStrictEqual(client.heardUnsafe?.(), { code: 4001, message: "going away" })
    }),
  )

  it.live("fails where nothing that it asks for is spoken", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(dial(yield* listen(), { "test.unknown": "text" }))
      assert.deepInclude(refused.reason, { _tag: "HandshakeFailed", code: "HTTP_400" })
      const unanswered = yield* Effect.flip(dial(yield* listen({ subprotocols: {} }), { "test.text": "text" }))
      assert.deepInclude(unanswered.reason, { _tag: "HandshakeFailed", code: "WS_ERR_BAD_SUBPROTOCOL" })
    }),
  )
})
