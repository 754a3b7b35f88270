import { assert, describe, it } from "@effect/vitest"
import { CodecError } from "../../src/codec/Codec.ts"
import * as CloseReason from "../../src/connection/CloseReason.ts"
import { FrameError, FrameTooLarge, FrameTruncated } from "../../src/frame/FrameError.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import * as WrongProtocol from "../../src/frame/WrongProtocol.ts"
import { TransportError, WireLost, WireViolated } from "../../src/transport/Transport.ts"

const tooLarge = new FrameError({ reason: new FrameTooLarge({ limit: 3, declared: 4 }) })
const truncated = new FrameError({ reason: new FrameTruncated({ received: 5, needed: 7 }) })
const lost = new TransportError({ reason: new WireLost({ code: "ECONNRESET" }) })
const refused = new CodecError({ direction: "decode", path: "data", expected: "a string", actual: "7" })
const stranger = WrongProtocol.diagnose(Buffer.from("GET / HTTP/1.1\r\n"), FrameLayout.u32)!

const sentences: ReadonlyArray<readonly [reason: CloseReason.CloseReason, sentence: string]> = [
  [CloseReason.Done(), "closed by this side"],
  [CloseReason.PeerClosed(), "closed by the peer"],
  [CloseReason.WireLost({ error: lost }), "connection lost: ECONNRESET"],
  [CloseReason.Truncated({ error: truncated }), "the bytes ended inside a frame, after 5 of 7 bytes"],
  [CloseReason.BadFrame({ error: tooLarge }), "frame of 4 bytes is over the limit of 3 bytes"],
  [
    CloseReason.WrongProtocol({ stranger, error: tooLarge }),
    `${stranger.message} (frame of 4 bytes is over the limit of 3 bytes)`,
  ],
  [CloseReason.BadMessage({ error: refused }), "cannot decode message: expected a string at data, got 7"],
  [CloseReason.BadOutbound({ error: tooLarge }), "frame of 4 bytes is over the limit of 3 bytes"],
  [CloseReason.FirstFrameLate({ limitMs: 10 }), "no complete frame within 10 ms"],
  [CloseReason.FirstMessageLate({ limitMs: 10 }), "no message within 10 ms"],
  [
    CloseReason.FrameTooSlow({ limitMs: 10, declaredBytes: 8, receivedBytes: 5 }),
    "a frame of 8 bytes was not complete within 10 ms: 5 bytes arrived",
  ],
  [CloseReason.HeartbeatTimeout({ intervalMs: 20, timeoutMs: 10 }), "nothing received within 10 ms after a heartbeat"],
  [
    CloseReason.SlowConsumer({ limit: "bytes", allowed: 5, observed: 6 }),
    "the outbox holds 6 bytes, allowed are 5: the peer reads too slowly",
  ],
  [
    CloseReason.SlowConsumer({ limit: "age", allowed: 5, observed: 6 }),
    "the oldest unsent frame is 6 ms old, allowed are 5 ms: the peer reads too slowly",
  ],
  [CloseReason.WriteStalled({ limitMs: 10, unsentBytes: 6 }), "a write made no progress within 10 ms: 6 bytes unsent"],
  [CloseReason.RateLimited({ unit: "frames", perSecond: 5 }), "more than 5 frames per second"],
  [CloseReason.Refused({ limit: "connections", allowed: 5, observed: 6 }), "refused: 6 connections, allowed are 5"],
  [
    CloseReason.Refused({ limit: "memory", allowed: 500, observed: 600 }),
    "refused: 600 bytes of memory in use, allowed are 500",
  ],
  [
    CloseReason.Overloaded({ allowed: 500, observed: 600, held: 100 }),
    "all connections together hold 600 bytes, allowed are 500: this one held 100",
  ],
  [CloseReason.Draining(), "the server is draining"],
  [CloseReason.HandlerFailed({ cause: new Error("secret") }), "the handler failed"],
  [CloseReason.Application({ code: 4503, message: "kicked" }), "kicked"],
]

describe("CloseReason", () => {
  for (const [reason, sentence] of sentences) {
    it(`${reason._tag} says: ${sentence}`, () => assert.strictEqual(CloseReason.format(reason), sentence))
  }

  it("can be told to every peer but one that is gone", () => {
    const untold = sentences.filter(([reason]) => !CloseReason.canBeTold(reason)).map(([reason]) => reason._tag)
    assert.deepStrictEqual(untold, ["WireLost", "Truncated"])
    const broken = new TransportError({ reason: new WireViolated({ rule: "protocol", code: "WS_ERR_X" }) })
    assert.isTrue(CloseReason.canBeTold(CloseReason.WireLost({ error: broken })))
  })
})
