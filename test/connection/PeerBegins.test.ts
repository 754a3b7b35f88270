/**
 * Connections of protocols in which the peer says the first thing: when their handlers run, and when they never do.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Alarms from "../../src/connection/Alarms.ts"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import * as Deadlines from "../../src/connection/Deadlines.ts"
import * as Protocol from "../../src/connection/Protocol.ts"
import { frame } from "../support/frames.ts"
import { open, pass, text, texts } from "../support/connections.ts"
import { settled } from "../support/wires.ts"

const protocol = Protocol.fromCodec({
  name: "asked",
  codec: text,
  peerBegins: true,
  goodbye: (reason) => `bye ${reason._tag}`,
})

/** Notes what happens to it. */
const noting = () => {
  const noted: Array<string> = []
  const handler = (connection: Connection<string, string>) =>
    Effect.suspend(() => {
      noted.push("runs")
      return Stream.runForEach(connection.messages, (message) => Effect.sync(() => void noted.push(message)))
    })
  return { handler, noted }
}

describe("A handler whose peer begins", () => {
  const beginnings: ReadonlyArray<readonly [what: string, bytes: Uint8Array, noted: Array<string>]> = [
    ["a message has come, which it gets", frame("a"), ["runs", "a"]],
    ["a heartbeat has come", frame(""), ["runs"]],
    ["a part of a frame has come", frame("a").subarray(0, 1), ["runs"]],
  ]
  for (const [what, bytes, expected] of beginnings) {
    it.effect(`runs when ${what}`, () =>
      Effect.gen(function* () {
        const { handler, noted } = noting()
        const { peer } = yield* open({ protocol }, handler)
        yield* settled
        assert.deepStrictEqual(noted, [])
        peer.write(bytes)
        yield* settled
        assert.deepStrictEqual(noted, expected)
      }),
    )
  }

  it.effect("runs when its peer leaves without a word", () =>
    Effect.gen(function* () {
      const { handler, noted } = noting()
      const { ended, peer } = yield* open({ protocol }, handler)
      peer.wire.endUnsafe()
      yield* settled
      assert.deepStrictEqual([noted, ended], [["runs"], [CloseReason.PeerClosed()]])
    }),
  )

  it.effect("runs when its peer is lost, which is the reason", () =>
    Effect.gen(function* () {
      const { handler, noted } = noting()
      const { ended, peer } = yield* open({ protocol }, handler)
      peer.wire.abortUnsafe()
      yield* settled
      assert.deepStrictEqual([noted, ended.map(({ _tag }) => _tag)], [["runs"], ["WireLost"]])
    }),
  )

  it.effect("that throws ends its connection as one that fails", () =>
    Effect.gen(function* () {
      const { ended, peer } = yield* open({ protocol }, (): Effect.Effect<void> => {
        throw new Error("boom")
      })
      peer.say("a")
      yield* settled
      assert.deepStrictEqual(
        ended.map(({ _tag }) => _tag),
        ["HandlerFailed"],
      )
    }),
  )

  it.effect("never runs if its peer says nothing within the deadline of the first frame", () =>
    Effect.gen(function* () {
      const { handler, noted } = noting()
      const deadlines = { ...Deadlines.toMillis(Deadlines.defaults), firstFrame: 10_000 }
      const { ended } = yield* open({ protocol, settings: { deadlines } }, handler)
      yield* pass(9_999)
      assert.deepStrictEqual(ended, [])
      yield* pass(1)
      assert.deepStrictEqual([noted, ended], [[], [CloseReason.FirstFrameLate({ limitMs: 10_000 })]])
    }),
  )

  for (const when of ["while it opens", "later"]) {
    it.effect(`never runs if the connection is closed before, ${when}; the goodbye is said`, () =>
      Effect.gen(function* () {
        const { handler, noted } = noting()
        const close = (connection: Connection<string, string>) => connection.closeUnsafe(CloseReason.Draining())
        const onOpenedUnsafe = when === "later" ? () => undefined : close
        const alarms = yield* Alarms.scoped(() => 0)
        const { connection, peer, serving } = yield* open({ protocol, onOpenedUnsafe, settings: { alarms } }, handler)
        if (when === "later") close(connection)
        yield* settled
        assert.strictEqual(alarms.size, 0, "it owes nothing any more")
        peer.say("a")
        peer.wire.endUnsafe()
        const heard = yield* peer.listen
        assert.deepStrictEqual([noted, heard], [[], ["bye Draining"]])
        assert.deepStrictEqual(yield* Fiber.join(serving), CloseReason.Draining())
      }),
    )
  }

  it.effect("never runs if serving is interrupted before, which waits for nobody", () =>
    Effect.gen(function* () {
      const { handler, noted } = noting()
      const { ended, serving, wire } = yield* open({ protocol }, handler)
      yield* Fiber.interrupt(serving)
      yield* wire.closed
      assert.deepStrictEqual([noted, ended], [[], [CloseReason.Draining()]])
    }),
  )
})

describe("Any other handler", () => {
  for (const [whose, other] of [
    ["of a protocol in which either side begins", texts],
    ["of the side that dialled", Protocol.dialled(protocol)],
  ] as const) {
    it.effect(`${whose} runs at once`, () =>
      Effect.gen(function* () {
        const { handler, noted } = noting()
        yield* open({ protocol: other }, handler)
        assert.deepStrictEqual(noted, ["runs"])
      }),
    )
  }
})
