/**
 * Bodies that no client of good will sends: each is refused or is some message, without a throw, in bounded time. What
 * they may hold is bounded by the frame; these have the size of the largest one.
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Data from "../../../src/gateway/protocol/Data.ts"
import * as ProtobufProtocol from "../../../src/gateway/protocol/ProtobufProtocol.ts"
import * as Envelopes from "../../support/envelopes.ts"

const codec = ProtobufProtocol.make()
const frameBytes = 64 * 1024
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"))

/** A message by its number in `Envelope`, with this content. */
const envelope = (number: number, content: Uint8Array) =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(content).finish()
const [connect, publish] = [5, 6]
const repeated = (hex: string) => Buffer.alloc(frameBytes - 8, bytes(hex))

/** `refused`, the path of what is malformed, or the type. */
const outcome = (body: Uint8Array) => {
  const decoded = codec.decode(body)
  if (Result.isFailure(decoded)) return "refused"
  return decoded.success.type === "malformed" ? decoded.success.path : decoded.success.type
}

describe("hostile bodies", () => {
  it.each([
    ["a tag that is cut off", "0a"],
    ["a length that is cut off", "2a ff"],
    ["a length of 4 GiB", "2a ff ff ff ff 0f"],
    ["a length beyond 64 bits", "2a ff ff ff ff ff ff ff ff ff ff 01"],
    ["a length of a text inside beyond the body", "42 04 12 ff ff 7f"],
    ["a tag beyond 32 bits", "ff ff ff ff ff ff ff ff ff 01"],
    ["field number 0", "00 00"],
    ["wire types 6 and 7", "06 07"],
    ["the end of a group that has not begun", "0c"],
    ["a group without an end", "a3 06"],
    ["a name in invalid UTF-8", "42 04 12 02 c3 28"],
    ["a name with a surrogate in UTF-8", "42 05 12 03 ed a0 80"],
    ["JSON data in invalid UTF-8", "32 08 12 01 61 1a 03 0a 01 ff"],
  ])("%s is refused", (_, hex) => assert.strictEqual(outcome(bytes(hex)), "refused"))

  it.each([
    ["groups in each other", repeated("a3 06")],
    [
      "groups in each other that end",
      Buffer.concat([repeated("a3 06").subarray(0, 30_000), Buffer.alloc(30_000, bytes("a4 06"))]),
    ],
    ["empty subscriptions", envelope(connect, Buffer.concat([bytes("08 01 10 01"), repeated("32 00")]))],
    ["empty tags", envelope(publish, repeated("2a 00"))],
    [
      "tags that differ",
      envelope(
        publish,
        Buffer.concat(Array.from({ length: 5000 }, (_, i) => bytes(`2a 06 0a 04 ${(0x61616161 + i).toString(16)}`))),
      ),
    ],
    [
      "the same message again and again",
      Buffer.concat(Array.from({ length: 5000 }, () => envelope(connect, bytes("08 01 10 01")))),
    ],
    [
      "one message after another in one oneof",
      Buffer.concat(Array.from({ length: 5000 }, (_, i) => envelope(1 + (i % 8), bytes("08 01")))),
    ],
    ["numbers in ten bytes each", envelope(publish, repeated("08 80 80 80 80 80 80 80 80 80 00"))],
    ["unknown fields", repeated("a2 06 00")],
    [
      "brackets as data",
      Envelopes.write({ type: "publish", channel: "a", data: { type: "json", text: "[".repeat(frameBytes - 32) } }),
    ],
  ])("a frame full of %s takes less than 100 ms", (_, body) => {
    const costs = [1, 2, 3].map(() => {
      const before = process.cpuUsage()
      outcome(body)
      const { system, user } = process.cpuUsage(before)
      return (system + user) / 1000
    })
    assert.isBelow(Math.min(...costs), 100)
  })

  it("a message that is cut off anywhere is refused, or is one with fewer fields", () => {
    const whole = Envelopes.write({
      type: "publish",
      id: 1,
      channel: "abc",
      data: Data.json([1]),
      tags: { a: "b" },
      key: "k",
    })
    for (let end = 1; end < whole.length; end++)
      assert.strictEqual(outcome(whole.subarray(0, end)), "refused", `${end}`)
  })

  it("a field of another wire type is refused or malformed, never taken", () => {
    // channel as a number, id as a text, data as a number, the message itself as a number.
    for (const hex of ["42 02 10 05", "42 03 0a 01 61", "32 05 12 01 61 18 01", "28 01", "2d 01 00 00 00"]) {
      assert.notInclude(["unsubscribe", "publish", "connect"], outcome(bytes(hex)), hex)
    }
  })

  it("any bytes are refused or are some message, and none throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (body) => void outcome(body)),
      { numRuns: 2000 },
    )
  })

  it("so is any message with a byte changed", () => {
    const message = { type: "connect", id: 1, version: 1, client: { name: "c", version: "1" } }
    const subscriptions = [{ channel: "a", position: { offset: 5, epoch: "e" }, mode: "live", presence: true }]
    const good = Envelopes.write({ ...message, subscriptions })
    fc.assert(
      fc.property(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }), (at, byte) => {
        const body = Uint8Array.from(good)
        body[at] = byte
        outcome(body)
      }),
      { numRuns: 2000 },
    )
  })
})
