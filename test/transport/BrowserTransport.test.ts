/** What the wire of a browser adds to the contract of transports, over a socket that does what a test says. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as BrowserTransport from "../../src/transport/BrowserTransport.ts"
import type { Close, WebSocketLike } from "../../src/transport/BrowserWire.ts"
import { drainPollMs } from "../../src/transport/BrowserWire.ts"
import { Offer, type TransportError, type Wire } from "../../src/transport/Transport.ts"
import { frame, frames } from "../support/frames.ts"
import { lossOf } from "../support/wires.ts"

/** A socket whose other side is the test. */
class FakeSocket implements WebSocketLike {
  binaryType = "blob"
  bufferedAmount = 0
  protocol = ""
  readonly url: string
  readonly asked: ReadonlyArray<string>
  readonly sent: Array<string | ReadonlyArray<number>> = []
  readonly closes: Array<readonly [code: number | undefined, reason: string | undefined]> = []
  readonly #listeners = new Map<string, (event: never) => void>()

  constructor(url: string, asked: ReadonlyArray<string>) {
    if (!url.startsWith("ws")) throw new SyntaxError("no WebSocket URL")
    this.url = url
    this.asked = asked
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners.set(type, listener)
  }

  send(data: string | Uint8Array): void {
    this.sent.push(typeof data === "string" ? data : Array.from(data))
    this.bufferedAmount += data.length
  }

  close(code?: number, reason?: string): void {
    this.closes.push([code, reason])
  }

  open(protocol: string): void {
    this.protocol = protocol
    this.#tell("open", {})
  }

  say(data: string | ArrayBuffer): void {
    this.#tell("message", { data })
  }

  closed(close: Partial<Close> = {}): void {
    this.#tell("close", { code: 1000, reason: "", wasClean: true, ...close })
  }

  #tell(type: string, event: object): void {
    this.#listeners.get(type)?.(event as never)
  }
}

const url = "wss://gateway.example/connect"
const offer = { "test.text": "text", "test.binary": "binary" } as const

/** Dials, and gives the socket that was made for it. */
const dialling = Effect.fnUntraced(function* (options: Partial<BrowserTransport.DialOptions> = {}) {
  const sockets: Array<FakeSocket> = []
  const WebSocket = class extends FakeSocket {
    constructor(url: string, asked: Array<string>) {
      super(url, asked)
      sockets.push(this)
    }
  }
  const dial = BrowserTransport.dial({ url, WebSocket, ...options })
  const fiber = yield* Effect.forkScoped(Effect.provideService(dial, Offer, offer), { startImmediately: true })
  return { fiber, socket: sockets[0]! }
})

/** A wire that is open. */
const opened = Effect.fnUntraced(function* (
  protocol: keyof typeof offer,
  options: Partial<BrowserTransport.DialOptions> = {},
) {
  const { fiber, socket } = yield* dialling(options)
  socket.open(protocol)
  return { socket, wire: yield* Fiber.join(fiber) }
})

const reasonOf = <A>(effect: Effect.Effect<A, unknown>) =>
  Effect.map(Effect.flip(effect), (error) => (error as TransportError).reason)

const textOf = (wire: Wire) => Effect.map(wire.pull, (chunks) => Buffer.concat(chunks).toString())

describe("a browser's dial", () => {
  it.effect("asks for what its client speaks, and is open when the gateway has agreed", () =>
    Effect.gen(function* () {
      const { socket, wire } = yield* opened("test.binary")
      assert.deepStrictEqual(
        [socket.url, socket.asked, socket.binaryType],
        [url, ["test.text", "test.binary"], "arraybuffer"],
      )
      assert.strictEqual(wire.subprotocol, "test.binary")
      assert.deepStrictEqual(wire.peer, { _tag: "Tcp", host: "gateway.example", port: 443 })
    }),
  )

  it.effect("refuses a gateway that agrees on nothing", () =>
    Effect.gen(function* () {
      const { fiber, socket } = yield* dialling()
      socket.open("")
      const reason = yield* reasonOf(Fiber.join(fiber))
      assert.deepInclude(reason, { _tag: "HandshakeFailed", of: "WebSocket", code: "WS_ERR_BAD_SUBPROTOCOL" })
      assert.strictEqual(socket.closes.length, 1)
    }),
  )

  it.effect("fails when the socket closes before it opens, or cannot be made", () =>
    Effect.gen(function* () {
      const { fiber, socket } = yield* dialling()
      socket.closed({ code: 1006, wasClean: false })
      const reason = yield* reasonOf(Fiber.join(fiber))
      assert.deepInclude(reason, { _tag: "DialFailed", address: url, code: "WS_ERR_NOT_OPENED" })
      const none = yield* reasonOf(Fiber.join((yield* dialling({ url: "gateway.example" })).fiber))
      assert.deepInclude(none, { _tag: "DialFailed", code: "WS_ERR_NOT_DIALLED" })
    }),
  )

  it.effect("waits ten seconds for the handshake", () =>
    Effect.gen(function* () {
      const early = yield* dialling()
      const late = yield* dialling()
      yield* TestClock.adjust(9_999)
      early.socket.open("test.text")
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(early.fiber)).subprotocol, "test.text")
      assert.deepInclude(yield* reasonOf(Fiber.join(late.fiber)), {
        _tag: "HandshakeFailed",
        code: "WS_ERR_HANDSHAKE_TIMEOUT",
      })
    }),
  )
})

describe("a browser's wire", () => {
  it.effect("reads messages as frames, in text and in binary", () =>
    Effect.gen(function* () {
      const text = yield* opened("test.text")
      text.socket.say("hellö")
      text.socket.say("")
      assert.strictEqual(yield* textOf(text.wire), String(frames("hellö", "")))
      const binary = yield* opened("test.binary")
      binary.socket.say(Uint8Array.of(1, 2).buffer)
      assert.deepStrictEqual(Array.from((yield* binary.wire.pull)[0]), Array.from(frame(Uint8Array.of(1, 2))))
    }),
  )

  it.effect("writes each frame as a message of the kind that was agreed on, however frames are cut", () =>
    Effect.gen(function* () {
      const text = yield* opened("test.text")
      const bytes = frames("hellö", "", "you")
      text.wire.writeUnsafe([bytes.subarray(0, 6), bytes.subarray(6, 7), bytes.subarray(7)])
      assert.deepStrictEqual(text.socket.sent, ["hellö", "", "you"])
      const binary = yield* opened("test.binary")
      binary.wire.writeUnsafe([frames(Uint8Array.of(1), Uint8Array.of(2, 3))])
      assert.deepStrictEqual(binary.socket.sent, [[1], [2, 3]])
    }),
  )

  it.effect("takes no message of the other kind, and none beyond the limit", () =>
    Effect.gen(function* () {
      const wrong = yield* opened("test.binary")
      wrong.socket.say("text")
      const reason = yield* reasonOf(wrong.wire.pull)
      assert.deepInclude(reason, { _tag: "WireViolated", rule: "protocol", code: "WS_ERR_WRONG_KIND" })
      const { socket, wire } = yield* opened("test.text", { maxMessageBytes: 3 })
      socket.say("abc")
      socket.say("abcd")
      assert.strictEqual(yield* textOf(wire), String(frame("abc")))
      assert.deepInclude(yield* reasonOf(wire.pull), { _tag: "WireViolated", rule: "tooLarge" })
    }),
  )

  it.effect("is lost when more is unread than may be, since its peer cannot be made to wait", () =>
    Effect.gen(function* () {
      const { socket, wire } = yield* opened("test.text", { maxUnreadBytes: 10, readBufferBytes: 10 })
      socket.say("abcdef")
      assert.deepStrictEqual([wire.unreadUnsafe(), wire.pausedUnsafe(), socket.closes.length], [10, true, 0])
      socket.say("")
      const lost = yield* lossOf(wire)
      assert.deepInclude(lost.reason, { _tag: "WireLost", code: "WS_ERR_TOO_MUCH_UNREAD" })
      assert.strictEqual(socket.closes.length, 1)
    }),
  )

  it.effect("asks its writer to wait for a socket that is behind, until it has sent all", () =>
    Effect.gen(function* () {
      const { socket, wire } = yield* opened("test.text", { writeHighWaterBytes: 6 })
      assert.isTrue(wire.writeUnsafe([frame("12345")]))
      assert.isFalse(wire.writeUnsafe([frame("6")]))
      const drained = yield* Effect.forkScoped(wire.drained, { startImmediately: true })
      socket.bufferedAmount = 1
      yield* TestClock.adjust(drainPollMs)
      assert.isUndefined(drained.pollUnsafe())
      socket.bufferedAmount = 0
      yield* TestClock.adjust(drainPollMs)
      yield* Fiber.join(drained)
    }),
  )

  it.effect("ends with the close frame of its peer, and knows what it said", () =>
    Effect.gen(function* () {
      const { socket, wire } = yield* opened("test.text")
      socket.say("last")
      socket.closed({ code: 4001, reason: "going away" })
      assert.strictEqual(yield* textOf(wire), String(frame("last")))
      const end = yield* Effect.flip(wire.pull)
      assert.propertyVal(end, "_tag", "Done")
      yield* wire.closed
      assert.deepStrictEqual(wire.heardUnsafe?.(), { code: 4001, message: "going away" })
      assert.isTrue(wire.writeUnsafe([frame("nobody reads it")]))
      assert.deepStrictEqual(socket.sent, [])
    }),
  )

  it.effect("is lost when its peer leaves without one", () =>
    Effect.gen(function* () {
      const { socket, wire } = yield* opened("test.text")
      wire.writeUnsafe([frame("1")])
      const waiting = yield* Effect.forkScoped(reasonOf(wire.drained), { startImmediately: true })
      socket.closed({ code: 1006, wasClean: false })
      assert.deepInclude((yield* lossOf(wire)).reason, { _tag: "WireLost", code: "WS_ERR_ABNORMAL_CLOSURE" })
      yield* TestClock.adjust(drainPollMs)
      assert.deepInclude(yield* Fiber.join(waiting), { code: "WS_ERR_ABNORMAL_CLOSURE" })
      assert.deepStrictEqual([wire.heardUnsafe?.(), wire.writeUnsafe([frame("2")])], [undefined, false])
    }),
  )

  it.effect("ends with the farewell's code and its message, cut between characters at 123 bytes", () =>
    Effect.gen(function* () {
      const said = yield* opened("test.text")
      said.wire.endUnsafe({ code: 4000, message: "ö".repeat(62) })
      said.wire.endUnsafe()
      assert.deepStrictEqual(said.socket.closes, [[4000, "ö".repeat(61)]])
      const unsaid = yield* opened("test.text")
      unsaid.wire.endUnsafe()
      assert.deepStrictEqual(unsaid.socket.closes, [[1000, ""]])
    }),
  )

  it.effect("is closed when it is aborted, and forgets what was unread", () =>
    Effect.gen(function* () {
      const { socket, wire } = yield* opened("test.text")
      socket.say("unread")
      wire.abortUnsafe()
      wire.abortUnsafe()
      yield* wire.closed
      assert.deepStrictEqual([socket.closes.length, wire.unreadUnsafe()], [1, 0])
      assert.deepInclude((yield* lossOf(wire)).reason, { _tag: "WireLost", code: "ABORTED" })
    }),
  )
})
