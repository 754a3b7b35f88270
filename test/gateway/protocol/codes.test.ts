import { assert, describe, it } from "@effect/vitest"
import { CodecError } from "../../../src/codec/Codec.ts"
import * as CloseReason from "../../../src/connection/CloseReason.ts"
import { FrameError, FrameTooLarge, FrameTruncated, LengthUnsafe } from "../../../src/frame/FrameError.ts"
import * as ByeCode from "../../../src/gateway/protocol/ByeCode.ts"
import * as ErrorCode from "../../../src/gateway/protocol/ErrorCode.ts"
import { TransportError, WireLost, WireViolated } from "../../../src/transport/Transport.ts"

describe("ErrorCode", () => {
  it("every error of section 8 is there with its advice, and no other", () => {
    const codes = Object.values(ErrorCode.table).map(({ code, retry }) => `${code}${retry ? "*" : ""}`)
    assert.strictEqual(codes.join(" "), "100* 103 105 106 107 108 109 110 111* 112 113* 114* 115 116 117* 118 119")
  })

  it("details replace the default message and nothing else", () => {
    assert.deepStrictEqual(ErrorCode.make("busy"), { code: 113, message: "busy", retry: true })
    assert.deepStrictEqual(ErrorCode.make("tooManyCommands", { message: "101 commands", waitMs: 20 }), {
      code: 111,
      message: "101 commands",
      retry: true,
      waitMs: 20,
    })
  })
})

describe("ByeCode", () => {
  it("every bye of section 8 is there with its advice, and no other", () => {
    const codes = Object.values(ByeCode.table).map(({ code, retry }) => `${code} ${retry}`)
    assert.deepStrictEqual(codes, [
      "4000 backoff",
      "4001 backoff",
      "4002 backoff",
      "4003 backoff",
      "4004 backoff",
      "4005 never",
      "4006 backoff",
      "4008 backoff",
      "4009 backoff",
      "4100 elsewhere",
      "4101 elsewhere",
      "4200 reauth",
      "4201 reauth",
      "4300 backoff",
      "4301 backoff",
      "4302 backoff",
      "4500 never",
      "4501 never",
      "4502 backoff",
      "4503 never",
      "4504 never",
      "4505 never",
      "4506 never",
      "4509 never",
      "4510 backoff",
    ])
  })

  it("a bye of class 43 says how long to wait", () => {
    const silent = Object.values(ByeCode.table).filter((bye) => Math.trunc(bye.code / 100) === 43 && !("waitMs" in bye))
    assert.deepStrictEqual(silent, [])
  })

  it("a code that is not in the table has the advice of its class", () => {
    const codes = [4099, 4199, 4299, 4399, 4599, 4800, 4900, 4700]
    assert.deepStrictEqual(codes.map(ByeCode.retryOf), [
      "backoff",
      "elsewhere",
      "reauth",
      "backoff",
      "never",
      "backoff",
      "never",
      "backoff",
    ])
  })

  const tooLarge = new FrameError({ reason: new FrameTooLarge({ limit: 8, declared: 9 }) })
  const unsafe = new FrameError({ reason: new LengthUnsafe({ hex: "ff" }) })
  const truncated = new FrameError({ reason: new FrameTruncated({ received: 1, needed: 9 }) })
  const badBody = new CodecError({
    direction: "decode",
    path: "",
    expected: "one JSON object",
    actual: "an empty body",
  })
  const lost = new TransportError({ reason: new WireLost({ code: "ECONNRESET" }) })
  const violated = (rule: WireViolated["rule"]) =>
    new TransportError({ reason: new WireViolated({ rule, code: "WS_ERR_X" }) })
  const refused = (limit: Parameters<typeof CloseReason.Refused>[0]["limit"]) =>
    CloseReason.Refused({ limit, allowed: 2, observed: 3 })

  const rows: ReadonlyArray<readonly [CloseReason.CloseReason, ByeCode.ByeFacts | undefined]> = [
    [CloseReason.Done(), { code: 4000, message: "closed by the server", retry: "backoff" }],
    [CloseReason.PeerClosed(), { code: 4000, message: "closed by the peer", retry: "backoff" }],
    [CloseReason.WireLost({ error: lost }), undefined],
    [
      CloseReason.WireLost({ error: violated("protocol") }),
      { code: 4501, message: "the peer broke the rules of the wire: WS_ERR_X", retry: "never" },
    ],
    [
      CloseReason.WireLost({ error: violated("tooLarge") }),
      { code: 4505, message: "the peer broke the rules of the wire: WS_ERR_X", retry: "never" },
    ],
    [CloseReason.Truncated({ error: truncated }), undefined],
    [
      CloseReason.BadFrame({ error: tooLarge }),
      { code: 4505, message: "frame of 9 bytes is over the limit of 8 bytes", retry: "never" },
    ],
    [
      CloseReason.BadFrame({ error: unsafe }),
      { code: 4501, message: "length field ff is beyond the safe integers", retry: "never" },
    ],
    [
      CloseReason.WrongProtocol({
        stranger: { _tag: "Stranger", name: "tls", message: "this looks like TLS on a plain port" },
        error: tooLarge,
      }),
      { code: 4509, message: "this looks like TLS on a plain port", retry: "never" },
    ],
    [
      CloseReason.BadMessage({ error: badBody }),
      { code: 4501, message: "cannot decode message: expected one JSON object, got an empty body", retry: "never" },
    ],
    [CloseReason.BadOutbound({ error: tooLarge }), { code: 4002, message: "server error", retry: "backoff" }],
    [
      CloseReason.FirstFrameLate({ limitMs: 10 }),
      { code: 4502, message: "no complete frame within 10 ms", retry: "backoff" },
    ],
    [
      CloseReason.FirstMessageLate({ limitMs: 10 }),
      { code: 4502, message: "no message within 10 ms", retry: "backoff" },
    ],
    [
      CloseReason.FrameTooSlow({ limitMs: 10, declaredBytes: 9, receivedBytes: 1 }),
      { code: 4510, message: "a frame of 9 bytes was not complete within 10 ms: 1 bytes arrived", retry: "backoff" },
    ],
    [
      CloseReason.HeartbeatTimeout({ intervalMs: 5, timeoutMs: 2 }),
      { code: 4003, message: "nothing received within 2 ms after a heartbeat", retry: "backoff" },
    ],
    [
      CloseReason.SlowConsumer({ limit: "bytes", allowed: 8, observed: 9 }),
      {
        code: 4004,
        message: "the outbox holds 9 bytes, allowed are 8: the peer reads too slowly",
        retry: "backoff",
      },
    ],
    [
      CloseReason.WriteStalled({ limitMs: 10, unsentBytes: 7 }),
      { code: 4006, message: "a write made no progress within 10 ms: 7 bytes unsent", retry: "backoff" },
    ],
    [
      CloseReason.RateLimited({ unit: "frames", perSecond: 5 }),
      { code: 4300, message: "more than 5 frames per second", retry: "backoff", waitMs: 1000 },
    ],
    [refused("connections"), { code: 4101, message: "refused: 3 connections, allowed are 2", retry: "elsewhere" }],
    [
      refused("connectionsPerAddress"),
      {
        code: 4301,
        message: "refused: 3 connections from this address, allowed are 2",
        retry: "backoff",
        waitMs: 5000,
      },
    ],
    [
      refused("acceptsPerSecond"),
      { code: 4302, message: "refused: 3 new connections in a second, allowed are 2", retry: "backoff", waitMs: 1000 },
    ],
    [refused("memory"), { code: 4302, message: "overloaded", retry: "backoff", waitMs: 1000 }],
    [refused("heap"), { code: 4302, message: "overloaded", retry: "backoff", waitMs: 1000 }],
    [
      CloseReason.Overloaded({ allowed: 8, observed: 9, held: 1 }),
      { code: 4302, message: "overloaded", retry: "backoff", waitMs: 1000 },
    ],
    [CloseReason.Draining(), { code: 4001, message: "the server is draining", retry: "backoff" }],
    [
      CloseReason.HandlerFailed({ cause: new Error("password=hunter2") }),
      { code: 4002, message: "server error", retry: "backoff" },
    ],
    [
      CloseReason.Application({ code: 4900, message: "game over" }),
      { code: 4900, message: "game over", retry: "never" },
    ],
    [
      CloseReason.Application({ code: 4300, message: "slow down" }),
      { code: 4300, message: "slow down", retry: "backoff", waitMs: 1000 },
    ],
  ]

  it.each(rows.map(([reason, bye]) => ({ name: reason._tag, reason, bye })))("$name has its bye", ({ reason, bye }) => {
    assert.deepStrictEqual(ByeCode.of(reason), bye)
  })
})
