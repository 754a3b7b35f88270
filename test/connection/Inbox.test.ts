import { assert, describe, it } from "@effect/vitest"
import { Inbox } from "../../src/connection/Inbox.ts"
import * as Protocol from "../../src/connection/Protocol.ts"
import { Turn } from "../../src/connection/Turn.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import { text, texts } from "../support/connections.ts"
import { frame } from "../support/frames.ts"

const beat = frame("")
const unlimited = { framesPerSecond: Infinity, bytesPerSecond: Infinity, heartbeatsPerSecond: Infinity }

/** An inbox at 7 ms that has had one message. */
const make = (options: { readonly protocol?: typeof texts; readonly heartbeatsPerSecond?: number } = {}) => {
  const protocol = options.protocol ?? texts
  const rateLimit = { ...unlimited, onExceeded: "close" as const, ...options }
  const settings = { decoding: {}, rateLimit, now: () => 7, turn: new Turn(() => 7) }
  return new Inbox({ protocol, settings, codecOf: () => protocol.codec, probe: () => {} })
}

const begun = (options?: Parameters<typeof make>[0]) => {
  const inbox = make(options)
  inbox.take([frame("hello")])
  return inbox
}

const counts = (inbox: Inbox<string>) => [inbox.frames, inbox.heartbeats]

describe("A chunk that is one heartbeat", () => {
  it("is taken and counted as the read of it would be", () => {
    const [taken, read] = [begun(), begun()]
    assert.isTrue(taken.takesHeartbeat(beat))
    assert.deepStrictEqual(read.take([beat]), [])
    assert.deepStrictEqual([counts(taken), taken.receivedAt], [counts(read), read.receivedAt])
    assert.deepStrictEqual(counts(taken), [2, 1])
  })

  it("is taken in any layout whose frames can be empty", () => {
    const layout = FrameLayout.makeUnsafe({ width: 2, lengthOffset: 1, adjustment: -3 })
    const protocol = Protocol.fromCodec({ name: "texts", codec: text, layout })
    const inbox = make({ protocol })
    const empty = protocol.emptyFrame!
    assert.deepStrictEqual(inbox.take([empty]), [])
    assert.isTrue(inbox.takesHeartbeat(empty))
    assert.deepStrictEqual(counts(inbox), [2, 2])
  })

  const others: Readonly<Record<string, readonly [inbox: Inbox<string>, chunk: Uint8Array]>> = {
    "the first frame, by which strangers are known": [make(), beat],
    "inside another frame": (() => {
      const inbox = begun()
      inbox.take([frame("hello").subarray(0, 5)])
      return [inbox, beat] as const
    })(),
    "over its limit": [begun({ heartbeatsPerSecond: 0.5 }), beat],
    "a message to a protocol without heartbeats": [begun({ protocol: { ...texts, heartbeat: "none" } }), beat],
    "a message of the same size": [begun(), Buffer.from([0, 0, 0, 1])],
    "two heartbeats": [begun(), Buffer.concat([beat, beat])],
  }
  others["over its limit"]![0].take([beat])
  for (const [name, [inbox, chunk]] of Object.entries(others)) {
    it(`is left alone if it is ${name}`, () => {
      const before = counts(inbox)
      assert.isFalse(inbox.takesHeartbeat(chunk))
      assert.deepStrictEqual(counts(inbox), before)
    })
  }

  it("is left alone after a failure", () => {
    const inbox = begun()
    inbox.take([frame("?")])
    assert.strictEqual(inbox.failure?._tag, "BadMessage")
    assert.isFalse(inbox.takesHeartbeat(beat))
  })
})
