/** Compressed messages (permessage-deflate), both ways: what is agreed on, what they save, and what they may not become. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import { constants, deflateRawSync, inflateRawSync } from "node:zlib"
import type { TransportError, Wire } from "../../src/transport/Transport.ts"
import * as WebSocketDeflate from "../../src/transport/WebSocketDeflate.ts"
import * as WebSocketTransport from "../../src/transport/WebSocketTransport.ts"
import { frame as lengthPrefixed, frames as lengthPrefixedFrames } from "../support/frames.ts"
import * as Sockets from "../support/websockets.ts"
import { acceptOne, readAll, readBytes, turn, until } from "../support/wires.ts"

const maxMessageBytes = 10_000
const offer = "permessage-deflate"

const listen = (options: Partial<WebSocketTransport.Options> = {}) =>
  WebSocketTransport.make({ port: 0, compression: true, maxMessageBytes, ...options })

/** The extensions that are answered to those offered. */
const agreedOn = (offered: string, options?: Partial<WebSocketTransport.Options>) =>
  Effect.gen(function* () {
    const client = yield* Sockets.hostile(yield* listen(options))
    client.socket.write(Sockets.request({ "Sec-WebSocket-Extensions": offered }))
    const answer = yield* client.answer
    assert.include(answer, "101 Switching Protocols")
    return /Sec-WebSocket-Extensions: (.*)\r\n/.exec(answer)?.[1]
  })

/** A client that has agreed, and the wire of it. */
const joined = (options?: Partial<WebSocketTransport.Options>, offered = offer) =>
  Effect.gen(function* () {
    const transport = yield* listen(options)
    const client = yield* Sockets.hostile(transport)
    client.socket.write(Sockets.request({ "Sec-WebSocket-Extensions": offered }))
    const wire = yield* acceptOne(transport)
    yield* client.answer
    return { client, wire }
  })

const { Z_SYNC_FLUSH: finishFlush } = constants

const compressed = (body: string | Uint8Array): Buffer => deflateRawSync(body, { finishFlush }).subarray(0, -4)

/** A compressed message as a client sends it. */
const message = (body: string | Uint8Array) => Sockets.frame(compressed(body), { opcode: 2, rsv: 4 })

const failureOf = (wire: Wire) => Effect.map(Effect.flip(wire.pull), (error) => (error as TransportError).reason)

describe("compression", () => {
  const bothSides = "server_no_context_takeover; client_no_context_takeover"
  for (const [offered, agreed] of [
    [offer, `${offer}; ${bothSides}`],
    [`${offer}; client_max_window_bits`, `${offer}; ${bothSides}`],
    [`${offer}; server_max_window_bits=9`, `${offer}; server_max_window_bits=9; ${bothSides}`],
    [`${offer}; server_max_window_bits=8`, undefined],
    [`${offer}; server_max_window_bits=16`, undefined],
    [`${offer}; unknown`, undefined],
    ["x-other", undefined],
    ["no; header;;", undefined],
  ] as const) {
    it.live(`offered as ${offered} is answered by ${agreed ?? "nothing"}`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* agreedOn(offered), agreed)
      }),
    )
  }

  it.live("is never agreed on where it is not turned on", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* agreedOn(offer, { compression: false }))
      assert.isUndefined(yield* agreedOn(offer, { compression: undefined }))
    }),
  )

  it.live("makes messages of 1 KiB and more smaller on the wire, and sends others as they are", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined()
      const short = "a".repeat(WebSocketDeflate.thresholdBytes - 1)
      const noise = randomBytes(2048)
      wire.writeUnsafe([lengthPrefixedFrames(short, `${short}a`, noise)])
      const first = yield* client.take(4 + short.length)
      assert.deepStrictEqual([first[0], String(first.subarray(4))], [0x82, short])
      const second = yield* client.take(2)
      assert.isBelow(second[1]!, 20)
      assert.strictEqual(second[0], 0xc2)
      const body = yield* client.take(second[1]!)
      const inflated = inflateRawSync(Buffer.concat([body, Buffer.from([0, 0, 255, 255])]), { finishFlush })
      assert.strictEqual(String(inflated), `${short}a`)
      const third = yield* client.take(4 + noise.length)
      assert.deepStrictEqual([third[0], third.subarray(4).equals(noise)], [0x82, true])
    }),
  )

  it.live("keeps to the window that a client asked for", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined({}, `${offer}; server_max_window_bits=9`)
      // Repeats itself beyond 512 bytes only: with a larger window it would be half as long.
      const half = randomBytes(1024)
      wire.writeUnsafe([lengthPrefixed(Buffer.concat([half, half]))])
      const head = yield* client.take(4)
      assert.deepStrictEqual([head[0], head.readUInt16BE(2)], [0x82, 2048])
    }),
  )

  it.live("is read, in one piece or several, in order with what is not compressed", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined()
      const body = compressed("in pieces ".repeat(50))
      client.socket.write(
        Buffer.concat([
          message("one"),
          Sockets.frame("two", { opcode: 2 }),
          Sockets.frame(body.subarray(0, 5), { opcode: 2, rsv: 4, fin: false }),
          Sockets.frame("", { opcode: 9 }),
          Sockets.frame(body.subarray(5), { opcode: 0 }),
          message(""),
          Sockets.frame(Buffer.from([3, 232]), { opcode: 8 }),
        ]),
      )
      const expected = lengthPrefixedFrames("one", "two", "in pieces ".repeat(50), "")
      assert.isTrue((yield* readBytes(wire, expected.length)).equals(expected))
      assert.propertyVal(yield* Effect.flip(wire.pull), "_tag", "Done")
    }),
  )

  it.live("may become a message of the longest length, and a longer one is a bomb: 1009", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined()
      const longest = Buffer.alloc(maxMessageBytes)
      const bomb = message(Buffer.alloc(maxMessageBytes + 1))
      assert.isBelow(bomb.length, 50)
      client.socket.write(Buffer.concat([message(longest), bomb, message("not read any more")]))
      assert.isTrue((yield* readBytes(wire, 4 + longest.length)).equals(lengthPrefixed(longest)))
      const reason = yield* failureOf(wire)
      assert.deepInclude(reason, { _tag: "WireViolated", rule: "tooLarge", code: "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" })
      wire.endUnsafe()
      yield* client.ended
      assert.strictEqual(Sockets.codeOf(client.received()), 1009)
    }),
  )

  it.live(
    "may be longer than the longest message on the wire, where it made it grow; what is sent as it is may not",
    () =>
      Effect.gen(function* () {
        const { client, wire } = yield* joined()
        const noise = randomBytes(maxMessageBytes)
        const grown = deflateRawSync(noise, { finishFlush, memLevel: 1, windowBits: 9 }).subarray(0, -4)
        assert.isAbove(grown.length, maxMessageBytes)
        client.socket.write(Sockets.frame(grown, { opcode: 2, rsv: 4 }))
        client.socket.write(Sockets.frame(noise, { opcode: 2 }))
        client.socket.write(Sockets.frame(Buffer.alloc(maxMessageBytes + 1), { opcode: 2 }))
        const expected = lengthPrefixedFrames(noise, noise)
        assert.isTrue((yield* readBytes(wire, expected.length)).equals(expected))
        const reason = yield* failureOf(wire)
        assert.deepInclude(reason, {
          _tag: "WireViolated",
          rule: "tooLarge",
          code: "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH",
        })
        wire.endUnsafe()
        yield* client.ended
        assert.strictEqual(Sockets.codeOf(client.received()), 1009)
      }),
  )

  it("is given up as soon as it is too long, and not when all of it is there", () => {
    const bomb = compressed(Buffer.alloc(maxMessageBytes + 1))
    const inflate = (maxBytes: number) => WebSocketDeflate.inflateUnsafe([bomb], maxBytes).length
    assert.throws(() => inflate(maxMessageBytes), RangeError)
    assert.strictEqual(inflate(maxMessageBytes + 1), maxMessageBytes + 1)
  })

  it.live("that is none breaks a rule: 1007", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined()
      client.socket.write(Sockets.frame(Buffer.from([255, 255, 255]), { opcode: 2, rsv: 4 }))
      const reason = yield* failureOf(wire)
      assert.deepInclude(reason, { _tag: "WireViolated", rule: "protocol", code: "WS_ERR_INVALID_COMPRESSED_DATA" })
      wire.endUnsafe()
      yield* client.ended
      assert.strictEqual(Sockets.codeOf(client.received()), 1007)
    }),
  )

  it.live("is inflated while there is room only: a read full of small bombs waits for its reader", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined({ readBufferBytes: 2 * maxMessageBytes })
      const count = 50
      client.socket.write(Buffer.concat(Array.from({ length: count }, () => message(Buffer.alloc(maxMessageBytes)))))
      yield* until(() => wire.pausedUnsafe())
      for (let i = 0; i < 10; i++) yield* turn
      assert.strictEqual(wire.unreadUnsafe(), 2 * (4 + maxMessageBytes))
      const all = yield* readBytes(wire, count * (4 + maxMessageBytes))
      assert.strictEqual(all.length, count * (4 + maxMessageBytes))
    }),
  )

  it.live("that waits for room is read to its close frame, although the peer has left", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined({ readBufferBytes: 2 * maxMessageBytes })
      const body = Buffer.alloc(maxMessageBytes, "a")
      const bodies = Array.from({ length: 50 }, () => body)
      client.socket.end(Buffer.concat([...bodies.map(message), Sockets.frame(Buffer.from([3, 232]), { opcode: 8 })]))
      yield* until(() => wire.pausedUnsafe())
      for (let i = 0; i < 10; i++) yield* turn
      assert.isTrue((yield* readAll(wire)).equals(lengthPrefixedFrames(...bodies)))
      assert.deepStrictEqual(wire.heardUnsafe?.(), { code: 1000, message: "" })
    }),
  )

  for (const [what, last, code] of [
    ["without a close frame loses the wire", message("last"), "WS_ERR_ABNORMAL_CLOSURE"],
    [
      "with a message that is none breaks a rule",
      Sockets.frame(Buffer.from([255]), { opcode: 2, rsv: 4 }),
      "WS_ERR_INVALID_COMPRESSED_DATA",
    ],
  ] as const) {
    it.live(`that waits for room and ends ${what}, when it was read`, () =>
      Effect.gen(function* () {
        const { client, wire } = yield* joined({ readBufferBytes: maxMessageBytes })
        const body = Buffer.alloc(maxMessageBytes)
        client.socket.end(Buffer.concat([message(body), message(body), last]))
        yield* until(() => wire.pausedUnsafe())
        for (let i = 0; i < 10; i++) yield* turn
        yield* readBytes(wire, 2 * (4 + body.length))
        if (code === "WS_ERR_ABNORMAL_CLOSURE") yield* readBytes(wire, 4 + 4)
        assert.propertyVal(yield* failureOf(wire), "code", code)
      }),
    )
  }

  it.live("without an agreement breaks a rule", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* joined({ compression: false })
      client.socket.write(message("one"))
      assert.deepInclude(yield* failureOf(wire), { _tag: "WireViolated", code: "WS_ERR_UNEXPECTED_RSV_1" })
    }),
  )
})

describe("what goes to many", () => {
  const { Deflater, maxRemembered, maxRememberedBytes, maxWindowBits } = WebSocketDeflate
  const text = (n: number, bytes = 2000) => Buffer.from(`${n} `.repeat(bytes).slice(0, bytes))

  it("is compressed once, and for each window by itself", () => {
    const deflater = new Deflater()
    const once = deflater.deflate(text(1), maxWindowBits)!
    assert.strictEqual(String(inflateRawSync(once, { finishFlush })), String(text(1)))
    assert.strictEqual(deflater.deflate(text(1), maxWindowBits), once)
    const small = deflater.deflate(text(1), 9)
    assert.notStrictEqual(small, once)
    assert.deepStrictEqual(
      [deflater.deflate(text(1), maxWindowBits), deflater.deflate(text(1), 9)].map((bytes) => bytes === once),
      [true, false],
    )
  })

  it("is told by its bytes, wherever they are: memory that is written again is another message", () => {
    const deflater = new Deflater()
    const memory = text(1)
    const first = deflater.deflate(memory, maxWindowBits)!
    text(2).copy(memory)
    const second = deflater.deflate(memory, maxWindowBits)!
    assert.strictEqual(String(inflateRawSync(second, { finishFlush })), String(text(2)))
    assert.strictEqual(deflater.deflate(text(1), maxWindowBits), first)
  })

  it("is remembered while few others came since, and little, or none", () => {
    const deflater = new Deflater()
    const first = deflater.deflate(text(0), maxWindowBits)
    for (let n = 1; n < maxRemembered; n++) deflater.deflate(text(n), maxWindowBits)
    assert.strictEqual(deflater.deflate(text(0), maxWindowBits), first)
    deflater.deflate(text(maxRemembered), maxWindowBits)
    assert.notStrictEqual(deflater.deflate(text(0), maxWindowBits), first)

    const large = deflater.deflate(text(1, maxRememberedBytes + 1), maxWindowBits)
    assert.strictEqual(deflater.deflate(text(1, maxRememberedBytes + 1), maxWindowBits), large)
    deflater.deflate(text(0), maxWindowBits)
    assert.notStrictEqual(deflater.deflate(text(1, maxRememberedBytes + 1), maxWindowBits), large)
    const after = deflater.deflate(text(1), maxWindowBits)
    deflater.deflate(text(2), maxWindowBits)
    assert.strictEqual(deflater.deflate(text(1), maxWindowBits), after)
  })

  it("that does not shrink is remembered as such, and is sent as it is", () => {
    const noise = randomBytes(2000)
    const deflater = new Deflater()
    assert.deepStrictEqual(
      [1, 2].map(() => deflater.deflate(noise, maxWindowBits)),
      [undefined, undefined],
    )
  })

  it.live("is the same for all of them, and each has its own", () =>
    Effect.gen(function* () {
      const transport = yield* listen()
      const clients = yield* Effect.forEach([1, 2, 3], () =>
        Effect.gen(function* () {
          const client = yield* Sockets.hostile(transport)
          client.socket.write(Sockets.request({ "Sec-WebSocket-Extensions": offer }))
          const wire = yield* acceptOne(transport)
          yield* client.answer
          return { client, wire }
        }),
      )
      const both = (n: number) => lengthPrefixedFrames(text(0), text(n))
      clients.forEach(({ wire }, n) => wire.writeUnsafe([both(n)]))
      for (const [n, { client }] of clients.entries()) {
        for (const expected of [text(0), text(n)]) {
          const head = yield* client.take(2)
          const body = yield* client.take(head[1]!)
          const inflated = inflateRawSync(Buffer.concat([body, Buffer.from([0, 0, 255, 255])]), { finishFlush })
          assert.deepStrictEqual([head[0], String(inflated)], [0xc2, String(expected)])
        }
      }
    }),
  )
})
