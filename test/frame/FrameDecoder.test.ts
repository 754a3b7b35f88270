import { assert, describe, it } from "@effect/vitest"
import {
  FrameError,
  FrameTooLarge,
  FrameTruncated,
  LengthBelowHeader,
  LengthUnsafe,
  VarintTooLong,
} from "../../src/frame/FrameError.ts"
import * as FrameDecoder from "../../src/frame/FrameDecoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import { bytesOf, hexOf } from "./support.ts"

/** The frames of these bytes, which must come out whole, in single bytes and in pairs. */
const framesOf = (options: FrameLayout.Options, hex: string): ReadonlyArray<string> => {
  const bytes = bytesOf(hex)
  const [whole, ...others] = [bytes.length, 1, 2].map((size) => {
    const decoder = FrameDecoder.make(FrameLayout.makeUnsafe(options))
    const frames: Array<string> = []
    for (let at = 0; at < bytes.length; at += size) frames.push(...hexOf(decoder.push(bytes.subarray(at, at + size))))
    assert.strictEqual(decoder.end(), undefined)
    return frames
  })
  for (const other of others) assert.deepStrictEqual(other, whole)
  return whole!
}

/** Why these bytes are refused, and after how many of them. */
const refusalOf = (options: FrameLayout.Options, hex: string): readonly [FrameError["reason"], number] => {
  const bytes = bytesOf(hex)
  const whole = FrameDecoder.make(FrameLayout.makeUnsafe(options))
  assert.deepStrictEqual(whole.push(bytes), [])
  const decoder = FrameDecoder.make(FrameLayout.makeUnsafe(options))
  let pushed = 0
  while (decoder.failure === undefined && pushed < bytes.length) {
    assert.deepStrictEqual(decoder.push(bytes.subarray(pushed, ++pushed)), [])
  }
  assert.deepStrictEqual(decoder.failure, whole.failure)
  assert(decoder.failure !== undefined, "nothing was refused")
  return [decoder.failure.reason, pushed]
}

describe("FrameDecoder", () => {
  describe("cuts by the layout:", () => {
    it("4 bytes, big-endian", () => {
      assert.deepStrictEqual(framesOf({}, "00000002 6869  00000000  00000001 21"), ["6869", "", "21"])
    })

    it("1 byte", () => {
      assert.deepStrictEqual(framesOf({ width: 1 }, "02 6869  00  01 21"), ["6869", "", "21"])
    })

    it("2 bytes, both orders", () => {
      assert.deepStrictEqual(framesOf({ width: 2 }, "0002 6869  0000"), ["6869", ""])
      assert.deepStrictEqual(framesOf({ width: 2, byteOrder: "little" }, "0200 6869  0000"), ["6869", ""])
    })

    it("3 bytes, both orders", () => {
      assert.deepStrictEqual(framesOf({ width: 3 }, "000002 6869  000001 21"), ["6869", "21"])
      assert.deepStrictEqual(framesOf({ width: 3, byteOrder: "little" }, "020000 6869  010000 21"), ["6869", "21"])
    })

    it("4 bytes, little-endian", () => {
      assert.deepStrictEqual(framesOf({ byteOrder: "little" }, "02000000 6869  01000000 21"), ["6869", "21"])
    })

    it("8 bytes, both orders", () => {
      assert.deepStrictEqual(framesOf({ width: 8 }, "0000000000000002 6869"), ["6869"])
      assert.deepStrictEqual(framesOf({ width: 8, byteOrder: "little" }, "0200000000000000 6869"), ["6869"])
    })

    it("a varint, short, long and padded", () => {
      const long = "61".repeat(300)
      assert.deepStrictEqual(framesOf({ width: "varint" }, `02 6869  00  ac02 ${long}  8280808000 6869`), [
        "6869",
        "",
        long,
        "6869",
      ])
    })

    it("a varint of exactly 10 bytes", () => {
      assert.deepStrictEqual(framesOf({ width: "varint" }, "82808080808080808000 6869"), ["6869"])
    })

    it("a length that counts its header", () => {
      assert.deepStrictEqual(framesOf({ width: 2, adjustment: -2 }, "0004 6869  0002  0003 21"), ["6869", "", "21"])
    })

    it("a length that counts less than the body", () => {
      assert.deepStrictEqual(framesOf({ width: 1, adjustment: 2 }, "00 6869  01 212121"), ["6869", "212121"])
    })

    it("bytes before the length, stripped with it", () => {
      assert.deepStrictEqual(framesOf({ width: 1, lengthOffset: 2 }, "a0a1 02 6869  b0b1 00"), ["6869", ""])
      assert.deepStrictEqual(framesOf({ width: "varint", lengthOffset: 1 }, "a0 02 6869  b0 8000"), ["6869", ""])
    })

    it("bytes before the length, delivered with it", () => {
      const layout: FrameLayout.Options = { width: 1, lengthOffset: 2, adjustment: -3, strip: 0 }
      assert.deepStrictEqual(framesOf(layout, "a0a1 05 6869  b0b1 03"), ["a0a1056869", "b0b103"])
    })

    it("bytes before the length, some of them stripped", () => {
      assert.deepStrictEqual(framesOf({ width: 1, lengthOffset: 2, adjustment: -1, strip: 1 }, "a0a1 03 6869"), [
        "a1036869",
      ])
      assert.deepStrictEqual(framesOf({ width: "varint", lengthOffset: 2, strip: 2 }, "a0a1 8200 6869"), ["82006869"])
    })
  })

  describe("refuses as soon as the header shows it:", () => {
    it("a body over the limit, and takes one at the limit", () => {
      assert.deepStrictEqual(framesOf({ maxFrameBytes: 2 }, "00000002 6869"), ["6869"])
      assert.deepStrictEqual(refusalOf({ maxFrameBytes: 2 }, "00000003 686921"), [
        new FrameTooLarge({ limit: 2, declared: 3 }),
        4,
      ])
    })

    it("a body over the limit after adjustment", () => {
      const layout: FrameLayout.Options = { width: 1, adjustment: -3, maxFrameBytes: 2 }
      assert.deepStrictEqual(framesOf(layout, "05 6869"), ["6869"])
      assert.deepStrictEqual(refusalOf(layout, "06 686921"), [new FrameTooLarge({ limit: 2, declared: 3 }), 1])
    })

    it("a length below its header, and takes the empty body", () => {
      const layout: FrameLayout.Options = { width: 2, byteOrder: "little", adjustment: -2 }
      assert.deepStrictEqual(framesOf(layout, "0200"), [""])
      assert.deepStrictEqual(refusalOf(layout, "0100 ff"), [new LengthBelowHeader({ value: 1, adjustment: -2 }), 2])
    })

    it("8 bytes beyond the safe integers", () => {
      assert.deepStrictEqual(refusalOf({ width: 8 }, "001fffffffffffff"), [
        new FrameTooLarge({ limit: 65_536, declared: Number.MAX_SAFE_INTEGER }),
        8,
      ])
      assert.deepStrictEqual(refusalOf({ width: 8 }, "0020000000000000"), [
        new LengthUnsafe({ hex: "0020000000000000" }),
        8,
      ])
      assert.deepStrictEqual(refusalOf({ width: 8, byteOrder: "little" }, "ffffffffffffffff"), [
        new LengthUnsafe({ hex: "ffffffffffffffff" }),
        8,
      ])
    })

    it("a varint beyond the safe integers", () => {
      const all: FrameLayout.Options = { width: "varint", adjustment: -Number.MAX_SAFE_INTEGER }
      assert.deepStrictEqual(framesOf(all, "ffffffffffffff0f"), [""])
      assert.deepStrictEqual(refusalOf(all, "8080808080808010 00"), [new LengthUnsafe({ hex: "8080808080808010" }), 8])
    })

    it("a varint over the limit, before its end, and waits while padding may follow", () => {
      const layout: FrameLayout.Options = { width: "varint", maxFrameBytes: 2 }
      assert.deepStrictEqual(framesOf(layout, "828000 6869"), ["6869"])
      assert.deepStrictEqual(refusalOf(layout, "838080"), [new FrameTooLarge({ limit: 2, declared: 3 }), 1])
      assert.deepStrictEqual(refusalOf(layout, "828180"), [new FrameTooLarge({ limit: 2, declared: 130 }), 2])
    })

    it("a varint below its header, but not before its end", () => {
      const layout: FrameLayout.Options = { width: "varint", adjustment: -129 }
      assert.deepStrictEqual(framesOf(layout, "8101"), [""])
      assert.deepStrictEqual(refusalOf(layout, "8001"), [new LengthBelowHeader({ value: 128, adjustment: -129 }), 2])
    })

    it("a varint of more than 10 bytes", () => {
      assert.deepStrictEqual(refusalOf({ width: "varint" }, "82808080808080808080 00"), [
        new VarintTooLong({ hex: "82808080808080808080" }),
        10,
      ])
    })
  })

  it("returns the frames before a bad header, and nothing ever after", () => {
    const decoder = FrameDecoder.make(FrameLayout.u32)
    assert.deepStrictEqual(hexOf(decoder.push(bytesOf("00000001 61 00000001 62 ffffffff 00000001 63"))), ["61", "62"])
    const failure = new FrameError({ reason: new FrameTooLarge({ limit: 65_536, declared: 0xffffffff }) })
    assert.deepStrictEqual(decoder.failure, failure)
    assert.deepStrictEqual(decoder.push(bytesOf("00000001 64")), [])
    assert.deepStrictEqual(decoder.end(), failure)
    assert.deepStrictEqual([decoder.pending, decoder.framesDecoded, decoder.bufferBytes], [undefined, 2, 0])
  })

  it("copies no frame that is wholly in its chunk", () => {
    const chunk = bytesOf("00000002 6869 00000000 00000001 21")
    const frames = FrameDecoder.make(FrameLayout.u32).push(chunk)
    chunk.fill(0xee)
    assert.deepStrictEqual(hexOf(frames), ["eeee", "", "ee"])
  })

  it("gives a frame in pieces a buffer of its own, with none of it to spare", () => {
    const decoder = FrameDecoder.make(FrameLayout.u32)
    const first = bytesOf("00000002 68")
    const second = bytesOf("69 00000001 21")
    decoder.push(first)
    const frames = decoder.push(second)
    first.fill(0xee)
    second.fill(0xee)
    assert.deepStrictEqual(hexOf(frames), ["6869", "ee"])
    assert.strictEqual(frames[0]!.buffer.byteLength, 6)
  })

  it("delivers plain Uint8Arrays whatever its chunks are, in pieces too", () => {
    const buffers = [bytesOf("00000001 61 0000"), bytesOf("0001 62")]
    for (const chunks of [buffers, buffers.map((chunk) => Uint8Array.from(chunk))]) {
      const decoder = FrameDecoder.make(FrameLayout.u32)
      const frames = chunks.flatMap((chunk) => decoder.push(chunk))
      assert.deepStrictEqual(hexOf(frames), ["61", "62"])
      assert.deepStrictEqual(
        frames.map((frame) => Buffer.isBuffer(frame)),
        [false, false],
      )
    }
  })

  it("is changed by no empty chunk", () => {
    const decoder = FrameDecoder.make(FrameLayout.u32)
    const empty = new Uint8Array(0)
    assert.deepStrictEqual([decoder.push(empty), decoder.pending], [[], undefined])
    decoder.push(bytesOf("0000"))
    assert.deepStrictEqual([decoder.push(empty), decoder.pending], [[], { receivedBytes: 2, declaredBytes: undefined }])
    assert.deepStrictEqual(hexOf(decoder.push(bytesOf("0001 61"))), ["61"])
  })

  it("says how far the pending frame is, and that it is another one", () => {
    const decoder = FrameDecoder.make(FrameLayout.makeUnsafe({ lengthOffset: 1 }))
    const after = (hex: string) => {
      decoder.push(bytesOf(hex))
      return [decoder.pending, decoder.framesDecoded]
    }
    assert.deepStrictEqual(after(""), [undefined, 0])
    assert.deepStrictEqual(after("a0 000000"), [{ receivedBytes: 4, declaredBytes: undefined }, 0])
    assert.deepStrictEqual(after("02"), [{ receivedBytes: 5, declaredBytes: 7 }, 0])
    assert.deepStrictEqual(after("68"), [{ receivedBytes: 6, declaredBytes: 7 }, 0])
    assert.deepStrictEqual(after("69 a1"), [{ receivedBytes: 1, declaredBytes: undefined }, 1])
    assert.deepStrictEqual(after("00000000 a2 00000001"), [{ receivedBytes: 5, declaredBytes: 6 }, 2])
    assert.deepStrictEqual(after("21"), [undefined, 3])
  })

  it("ends well between frames only", () => {
    const endAfter = (hex: string) => {
      const decoder = FrameDecoder.make(FrameLayout.u32)
      decoder.push(bytesOf(hex))
      const error = decoder.end()
      assert.deepStrictEqual([decoder.end(), decoder.push(bytesOf("00000000")).length], [error, error ? 0 : 1])
      assert.deepStrictEqual([decoder.pending, decoder.bufferBytes, decoder.failureHead], [undefined, 0, undefined])
      return error?.reason
    }
    assert.strictEqual(endAfter(""), undefined)
    assert.deepStrictEqual(endAfter("000000"), new FrameTruncated({ received: 3, needed: undefined }))
    assert.deepStrictEqual(endAfter("00000001"), new FrameTruncated({ received: 4, needed: 5 }))
    assert.strictEqual(endAfter("00000001 61"), undefined)
    assert.deepStrictEqual(endAfter("00000001 61 00"), new FrameTruncated({ received: 1, needed: undefined }))
  })

  it("takes another limit for the headers that later pushes complete", () => {
    const decoder = FrameDecoder.make(FrameLayout.makeUnsafe({ maxFrameBytes: 2 }))
    decoder.push(bytesOf("00000002 68"))
    decoder.limit(1)
    assert.deepStrictEqual(hexOf(decoder.push(bytesOf("69 000000"))), ["6869"])
    decoder.limit(3)
    assert.deepStrictEqual(hexOf(decoder.push(bytesOf("03 686921"))), ["686921"])
    decoder.push(bytesOf("00000004"))
    assert.deepStrictEqual(decoder.failure?.reason, new FrameTooLarge({ limit: 3, declared: 4 }))
  })

  it("takes no limit above 1 GiB, and lets nothing pass a limit that is no number", () => {
    const reasonAt = (limit: number, hex: string) => {
      const decoder = FrameDecoder.make(FrameLayout.u32)
      decoder.limit(limit)
      decoder.push(bytesOf(hex))
      return decoder.failure?.reason
    }
    assert.strictEqual(reasonAt(Infinity, "40000000"), undefined)
    assert.deepStrictEqual(reasonAt(Infinity, "40000001"), new FrameTooLarge({ limit: 2 ** 30, declared: 2 ** 30 + 1 }))
    assert.deepStrictEqual(reasonAt(Number.NaN, "00000000"), new FrameTooLarge({ limit: Number.NaN, declared: 0 }))
  })

  it("keeps the first 16 bytes of a connection whose first header is bad", () => {
    const headOf = (...chunks: ReadonlyArray<string>) => {
      const decoder = FrameDecoder.make(FrameLayout.u32)
      for (const chunk of chunks) decoder.push(bytesOf(chunk))
      return decoder.failureHead && Buffer.from(decoder.failureHead).toString("hex")
    }
    assert.strictEqual(headOf("47455420"), "47455420")
    assert.strictEqual(headOf("4745", "5420 2f61"), "474554202f61")
    assert.strictEqual(headOf("47455420 000102030405060708090a0b"), "47455420000102030405060708090a0b")
    assert.strictEqual(headOf("47455420 000102030405060708090a0b0c"), "47455420000102030405060708090a0b")
    assert.strictEqual(headOf("47", "455420 000102030405060708090a0b0c"), "47455420000102030405060708090a0b")
    assert.strictEqual(headOf("00000000 47455420"), undefined)
    assert.strictEqual(headOf("0000000161"), undefined)
  })

  it("keeps no more than 16 bytes of a long first header", () => {
    const decoder = FrameDecoder.make(FrameLayout.makeUnsafe({ lengthOffset: 20, width: 1, maxFrameBytes: 0 }))
    decoder.push(new Uint8Array(20).fill(7))
    decoder.push(Uint8Array.of(1))
    assert.deepStrictEqual(decoder.failureHead, new Uint8Array(16).fill(7))
  })

  it("holds nothing on a peer's word, nothing past a bad header, and nothing between frames", () => {
    const decoder = FrameDecoder.make(FrameLayout.makeUnsafe({ maxFrameBytes: 1 << 20 }))
    const held = [0, 4, 123, 1, 1, 1 << 10].map((bytes, i) => {
      decoder.push(i === 1 ? bytesOf("00100000") : new Uint8Array(bytes))
      return decoder.bufferBytes
    })
    assert.deepStrictEqual(held, [0, 128, 128, 128, 516, 4612])
    decoder.push(new Uint8Array((1 << 20) - 125 - 1024))
    assert.deepStrictEqual([decoder.framesDecoded, decoder.bufferBytes], [1, 0])
    decoder.push(bytesOf("ffff"))
    decoder.push(bytesOf("ffff").subarray(0, 2))
    assert.deepStrictEqual([decoder.failure?.reason._tag, decoder.bufferBytes], ["FrameTooLarge", 0])
  })

  it("absorbs by copy what a pending frame goes on beyond, and refuses its last byte", () => {
    const decoder = FrameDecoder.make(FrameLayout.u32)
    decoder.push(bytesOf("00000005 01"))
    const lent = bytesOf("0203")
    assert.isTrue(decoder.absorb(lent))
    lent.fill(0xff)
    assert.deepStrictEqual(decoder.pending, { receivedBytes: 7, declaredBytes: 9 })
    assert.isFalse(decoder.absorb(bytesOf("0405")))
    assert.isFalse(decoder.absorb(bytesOf("040500000000")))
    assert.isTrue(decoder.absorb(bytesOf("04")))
    assert.deepStrictEqual(hexOf(decoder.push(bytesOf("05"))), ["0102030405"])
  })

  it("absorbs nothing between frames, within a header and behind a bad one", () => {
    const decoder = FrameDecoder.make(FrameLayout.u32)
    assert.isFalse(decoder.absorb(bytesOf("00")))
    decoder.push(bytesOf("ffff"))
    assert.isFalse(decoder.absorb(bytesOf("00")))
    assert.deepStrictEqual(decoder.pending, { receivedBytes: 2, declaredBytes: undefined })
    decoder.push(bytesOf("ffff"))
    assert.isFalse(decoder.absorb(bytesOf("00")))
    assert.deepStrictEqual([decoder.pending, decoder.failure?.reason._tag], [undefined, "FrameTooLarge"])
  })
})
