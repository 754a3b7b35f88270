import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Pull from "effect/Pull"
import * as Deferred from "effect/Deferred"
import * as Result from "effect/Result"
import * as Codec from "../../src/codec/Codec.ts"
import * as Attribute from "../../src/connection/Attribute.ts"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import * as Connection from "../../src/connection/Connection.ts"
import * as Lifetime from "../../src/connection/Lifetime.ts"
import * as Protocol from "../../src/connection/Protocol.ts"
import * as Settings from "../../src/connection/Settings.ts"
import { FrameError, FrameTooLarge, FrameTruncated } from "../../src/frame/FrameError.ts"
import { HandshakeFailed, TransportError, WireLost } from "../../src/transport/Transport.ts"
import { MemoryWire } from "../../src/transport/MemoryWire.ts"
import { open, pass, refusal, texts } from "../support/connections.ts"
import { frame, frames } from "../support/frames.ts"
import { settled } from "../support/wires.ts"

const protocol = texts
const tooLarge = (declared: number, limit = 65_536) =>
  new FrameError({ reason: new FrameTooLarge({ limit, declared }) })

/** Collects `messages` as they come, batch by batch, and what they end with. */
const collecting = () => {
  const batches: Array<ReadonlyArray<string>> = []
  let end: unknown = "none"
  const handler = (connection: Connection.Connection<string, string>) =>
    connection.messages.pipe(
      Stream.runForEachArray((batch) => Effect.sync(() => void batches.push(batch))),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          end = exit._tag === "Success" ? "end" : exit.cause.reasons.map((r) => (r._tag === "Fail" ? r.error : r._tag))
        }),
      ),
    )
  return { batches, handler, end: () => end }
}

describe("messages", () => {
  it.effect("come in batches as they were read, heartbeats left out", () =>
    Effect.gen(function* () {
      const { batches, handler } = collecting()
      const { connection, peer } = yield* open({ protocol }, handler)
      peer.say("a", "", "b", "c")
      yield* settled
      peer.say("", "")
      yield* settled
      peer.say("d")
      yield* settled
      assert.deepStrictEqual(batches, [["a", "b", "c"], ["d"]])
      assert.strictEqual(connection.framesReceived, 7)
    }),
  )

  it.effect("before a bad header are delivered, then the stream fails with the reason", () =>
    Effect.gen(function* () {
      const { batches, end, handler } = collecting()
      const { connection, peer } = yield* open({ protocol }, handler)
      peer.write(Buffer.concat([frames("a", "b"), Buffer.from("00ffffff", "hex")]))
      const reason = CloseReason.BadFrame({ error: tooLarge(0xffffff) })
      assert.deepStrictEqual(yield* connection.closed, reason)
      yield* settled
      assert.deepStrictEqual(batches, [["a", "b"]])
      assert.deepStrictEqual(end(), [new Connection.ConnectionError({ reason })])
    }),
  )

  it.effect("before one that the codec refuses are delivered, those behind it are not", () =>
    Effect.gen(function* () {
      const { batches, end, handler } = collecting()
      const { connection, peer } = yield* open({ protocol }, handler)
      peer.write(Buffer.concat([frames("a", "?", "b"), Buffer.from("ffffffff", "hex")]))
      const reason = CloseReason.BadMessage({ error: refusal("decode", "?") })
      assert.deepStrictEqual(yield* connection.closed, reason)
      yield* settled
      assert.deepStrictEqual(batches, [["a"]])
      assert.deepStrictEqual(end(), [new Connection.ConnectionError({ reason })])
    }),
  )

  it.effect("end with the peer's FIN, and what is answered after it still arrives", () =>
    Effect.gen(function* () {
      const { peer, serving } = yield* open({ protocol }, (connection) =>
        Effect.gen(function* () {
          const asked = yield* Stream.runCollect(connection.messages)
          yield* Effect.sleep("5 seconds")
          yield* connection.sendAll(asked.map((message) => `${message}!`))
        }),
      )
      const listening = yield* Effect.forkChild(peer.listen)
      peer.say("a", "b")
      peer.wire.endUnsafe()
      yield* pass("5 seconds")
      assert.deepStrictEqual(yield* Fiber.join(listening), ["a!", "b!", "bye PeerClosed"])
      assert.deepStrictEqual(yield* Fiber.join(serving), CloseReason.PeerClosed())
    }),
  )

  it.effect("that end inside a frame fail with what was there of it", () =>
    Effect.gen(function* () {
      const { batches, end, handler } = collecting()
      const { peer, serving } = yield* open({ protocol }, handler)
      peer.write(Buffer.concat([frame("a"), frame("bcd").subarray(0, 5)]))
      peer.wire.endUnsafe()
      const error = new FrameError({ reason: new FrameTruncated({ received: 5, needed: 7 }) })
      const reason = CloseReason.Truncated({ error })
      yield* pass("1 second")
      assert.deepStrictEqual(yield* Fiber.join(serving), reason)
      assert.deepStrictEqual(batches, [["a"]])
      assert.deepStrictEqual(end(), [new Connection.ConnectionError({ reason })])
    }),
  )

  it.effect("may be run again after an interruption, and nothing is lost in between", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { peer } = yield* open({ protocol }, (connection) => {
        const take = Stream.runForEach(connection.messages, (message) => Effect.sync(() => void seen.push(message)))
        return Effect.andThen(Effect.raceFirst(take, Effect.sleep("1 second")), take)
      })
      peer.say("a")
      peer.write(frame("bcd").subarray(0, 6))
      yield* pass("1 second")
      peer.write(frame("bcd").subarray(6))
      yield* settled
      assert.deepStrictEqual(seen, ["a", "bcd"])
    }),
  )
})

describe("receive", () => {
  it.effect("takes one message, and messages has the others of its batch", () =>
    Effect.gen(function* () {
      const { peer, serving } = yield* open({ protocol }, (connection) =>
        Effect.gen(function* () {
          const one = yield* connection.receive
          const two = yield* connection.receive
          const others = yield* Stream.runCollect(connection.messages)
          yield* connection.sendAll([one, two, others.join()])
        }),
      )
      peer.say("a", "b", "c", "d")
      peer.wire.endUnsafe()
      assert.deepStrictEqual(yield* peer.listen, ["a", "b", "c,d", "bye PeerClosed"])
      assert.deepStrictEqual(yield* Fiber.join(serving), CloseReason.PeerClosed())
    }),
  )

  it.effect("is done after the peer's FIN", () =>
    Effect.gen(function* () {
      const { peer } = yield* open({ protocol }, (connection) =>
        Effect.forever(connection.receive).pipe(Pull.catchDone(() => connection.send("done"))),
      )
      peer.say("a", "b")
      peer.wire.endUnsafe()
      assert.deepStrictEqual(yield* peer.listen, ["done", "bye PeerClosed"])
    }),
  )

  it.effect("gives what was read before a bad header first", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { connection, peer } = yield* open({ protocol }, (connection) =>
        Effect.forever(Effect.map(connection.receive, (message) => seen.push(message))),
      )
      peer.write(Buffer.concat([frames("a", "b", "c"), Buffer.from("00ffffff", "hex")]))
      assert.strictEqual((yield* connection.closed)._tag, "BadFrame")
      assert.deepStrictEqual(seen, ["a", "b", "c"])
    }),
  )

  it.effect(
    "costs the same for every message of a large batch",
    () =>
      Effect.gen(function* () {
        // One batch of 200 000: a copy of the others for each message would be 160 GB.
        const count = 200_000
        let received = 0
        const { peer, serving } = yield* open({ protocol, readBufferBytes: 8 * 1024 * 1024 }, (connection) =>
          Effect.sleep("1 second").pipe(
            Effect.andThen(Effect.forever(Effect.map(connection.receive, () => received++))),
            Pull.catchDone(() => Effect.void),
          ),
        )
        peer.write(Buffer.concat(Array.from({ length: count }, () => frame("a"))))
        peer.wire.endUnsafe()
        yield* pass("1 second")
        yield* Fiber.join(serving)
        assert.strictEqual(received, count)
      }),
    5_000,
  )
})

describe("limitInboundUnsafe", () => {
  it.effect("lets a frame of the limit pass, and refuses one of a byte more", () =>
    Effect.gen(function* () {
      const { batches, handler } = collecting()
      const { connection, peer } = yield* open({ protocol }, handler)
      connection.limitInboundUnsafe(3)
      peer.say("abc")
      yield* settled
      peer.say("abcd")
      assert.deepStrictEqual(yield* connection.closed, CloseReason.BadFrame({ error: tooLarge(4, 3) }))
      assert.deepStrictEqual(batches, [["abc"]])
    }),
  )
})

describe("send", () => {
  it.effect("goes out when it is run, and once for each run", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* open({ protocol }, () => Effect.never)
      const sending = connection.send("a")
      yield* connection.send("b")
      yield* sending
      yield* sending
      yield* connection.close()
      assert.deepStrictEqual(yield* peer.listen, ["b", "a", "a", "bye Done"])
    }),
  )

  it.effect("fails with BadOutbound if the codec or the layout refuses, and the connection goes on", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* open({ protocol }, () => Effect.never)
      const listening = yield* Effect.forkChild(peer.listen)
      const large = "x".repeat(65_537)
      const refusals = [refusal("encode", "?"), tooLarge(65_537)].map(
        (error) => new Connection.ConnectionError({ reason: CloseReason.BadOutbound({ error }) }),
      )
      assert.deepStrictEqual(
        [yield* Effect.flip(connection.send("?")), yield* Effect.flip(connection.send(large))],
        refusals,
      )
      assert.deepStrictEqual([connection.sendUnsafe("?"), connection.sendUnsafe(large)], refusals)
      yield* connection.send("x".repeat(65_536))
      yield* connection.close()
      assert.deepStrictEqual(yield* Fiber.join(listening), ["x".repeat(65_536), "bye Done"])
    }),
  )

  it.effect(
    "refuses a message that would be a heartbeat, alone, to many and in parting, and only where there are heartbeats",
    () =>
      Effect.gen(function* () {
        const parting = (heartbeat: "empty" | "none") =>
          Protocol.fromCodec({ name: "parting", codec: Codec.bytes, heartbeat, goodbye: () => "" })
        for (const speaks of [parting("empty"), Protocol.dialled(parting("empty"))]) {
          const { connection, peer } = yield* open({ protocol: speaks }, () => Effect.never)
          const error = new Codec.CodecError({
            direction: "encode",
            path: "",
            expected: 'a body (a frame without one is a heartbeat, unless the protocol says heartbeat: "none")',
            actual: "0 bytes",
          })
          const refused = new Connection.ConnectionError({ reason: CloseReason.BadOutbound({ error }) })
          assert.deepStrictEqual(
            [yield* Effect.flip(connection.send("")), connection.sendUnsafe(new Uint8Array(0))],
            [refused, refused],
          )
          assert.deepStrictEqual(new Protocol.SharedMessage(speaks, "").frameFor(speaks.codec), Result.fail(error))
          yield* connection.send("a")
          yield* connection.close()
          assert.deepStrictEqual(yield* peer.listen, ["a"])
        }
        const { connection, peer } = yield* open({ protocol: parting("none") }, () => Effect.never)
        yield* connection.send("")
        assert.strictEqual(connection.sendUnsafe(""), undefined)
        yield* connection.close()
        assert.deepStrictEqual(yield* peer.listen, ["", "", ""])
      }),
  )

  it.effect("that is refused ends the connection with BadOutbound if the handler lets it", () =>
    Effect.gen(function* () {
      const { peer, serving } = yield* open({ protocol }, (connection) => connection.sendAll(["a", "?", "b"]))
      assert.deepStrictEqual(yield* peer.listen, ["a", "bye BadOutbound"])
      peer.wire.endUnsafe()
      assert.deepStrictEqual(yield* Fiber.join(serving), CloseReason.BadOutbound({ error: refusal("encode", "?") }))
    }),
  )

  it.effect("fails with the reason after the end, and nothing is written behind the goodbye", () =>
    Effect.gen(function* () {
      const { connection, peer } = yield* open({ protocol }, () => Effect.never)
      const reason = CloseReason.Application({ code: 4000, message: "enough" })
      yield* connection.send("a")
      yield* connection.close(reason)
      yield* connection.close()
      const error = new Connection.ConnectionError({ reason })
      assert.deepStrictEqual(yield* Effect.flip(connection.send("b")), error)
      assert.deepStrictEqual(yield* Effect.flip(connection.sendAll(["b"])), error)
      assert.deepStrictEqual([connection.sendUnsafe("b"), connection.sendUnsafe("?")], [error, error])
      assert.deepStrictEqual(yield* peer.listen, ["a", "bye Application"])
    }),
  )
})

describe("a handler", () => {
  it.effect("that is busy is interrupted at once when the peer resets", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const { peer, serving } = yield* open({ protocol }, () =>
        Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)),
      )
      peer.wire.abortUnsafe()
      yield* Deferred.await(interrupted)
      const error = new TransportError({ reason: new WireLost({ code: "ECONNRESET" }) })
      assert.deepStrictEqual(yield* Fiber.join(serving), CloseReason.WireLost({ error }))
    }),
  )

  it.effect("that fails with another connection's error has failed itself", () =>
    Effect.gen(function* () {
      const other = new Connection.ConnectionError({
        reason: CloseReason.HeartbeatTimeout({ intervalMs: 1, timeoutMs: 1 }),
      })
      const { connection } = yield* open({ protocol }, () => Effect.fail(other))
      assert.strictEqual((yield* connection.closed)._tag, "HandlerFailed")
    }),
  )

  it.effect("that throws when it is called has failed like any other", () =>
    Effect.gen(function* () {
      const thrown = new Error("no handler")
      const { connection, ended } = yield* open({ protocol }, (): Effect.Effect<void> => {
        throw thrown
      })
      const reason = yield* connection.closed
      yield* settled
      assert.strictEqual(reason._tag, "HandlerFailed")
      assert.deepStrictEqual(ended, [reason])
    }),
  )
})

describe("a wire", () => {
  it.effect("whose handshake fails ends as lost, with no connection and no handler", () =>
    Effect.gen(function* () {
      const error = new TransportError({ reason: new HandshakeFailed({ code: "ERR_SSL_WRONG_VERSION_NUMBER" }) })
      const wire = new MemoryWire({ _tag: "Memory", name: "peer" }, { readBufferBytes: 1, writeHighWaterBytes: 1 })
      const ended: Array<unknown> = []
      const reason = yield* Lifetime.serve(
        {
          id: 1,
          wire: Object.assign(wire, { opened: Effect.fail(error) }),
          protocol,
          settings: yield* Settings.current,
          onOpenedUnsafe: () => assert.fail("opened"),
          onEndedUnsafe: (...end) => void ended.push(...end),
        },
        () => Effect.die("handled"),
      )
      assert.deepStrictEqual(
        [reason, ...ended],
        [CloseReason.WireLost({ error }), CloseReason.WireLost({ error }), undefined],
      )
      yield* wire.closed
    }),
  )

  it.effect("that was lost before it is served ends at once", () =>
    Effect.gen(function* () {
      const limits = { readBufferBytes: 1, writeHighWaterBytes: 1 }
      const wire = new MemoryWire({ _tag: "Memory", name: "peer" }, limits)
      MemoryWire.joinUnsafe(wire, new MemoryWire({ _tag: "Memory", name: "server" }, limits))
      wire.resetUnsafe()
      yield* wire.closed
      const nothing = () => {}
      const reason = yield* Lifetime.serve(
        { id: 1, wire, protocol, settings: yield* Settings.current, onOpenedUnsafe: nothing, onEndedUnsafe: nothing },
        () => Effect.never,
      )
      const error = new TransportError({ reason: new WireLost({ code: "ECONNRESET" }) })
      assert.deepStrictEqual(reason, CloseReason.WireLost({ error }))
    }),
  )
})

describe("attributes", () => {
  const user = Attribute.make<string>("user")
  const sameName = Attribute.make<number>("user")

  it.effect("are told apart by identity, and last of what was set", () =>
    Effect.gen(function* () {
      const { connection } = yield* open({ protocol }, () => Effect.never)
      assert.deepStrictEqual([connection.get(user), connection.get(sameName)], [undefined, undefined])
      connection.set(user, "ada")
      connection.set(sameName, 1)
      connection.set(user, "bob")
      assert.deepStrictEqual([connection.get(user), connection.get(sameName)], ["bob", 1])
    }),
  )
})
