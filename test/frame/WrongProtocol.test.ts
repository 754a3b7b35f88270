import { assert, describe, it } from "@effect/vitest"
import * as FrameDecoder from "../../src/frame/FrameDecoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import * as WrongProtocol from "../../src/frame/WrongProtocol.ts"
import { bytesOf } from "./support.ts"

const nameOf = (head: Uint8Array, layout = FrameLayout.u32) => WrongProtocol.diagnose(head, layout)?.name

const openings: ReadonlyArray<readonly [WrongProtocol.Stranger["name"], Buffer]> = [
  ["http", Buffer.from("GET / HTTP/1.1\r\n")],
  ["http", Buffer.from("POST /publish HTTP/1.1\r\n")],
  ["http", Buffer.from("PUT / HTTP/1.1\r\n")],
  ["http", Buffer.from("HEAD / HTTP/1.1\r\n")],
  ["http", Buffer.from("DELETE / HTTP/1.1\r\n")],
  ["http", Buffer.from("OPTIONS * HTTP/1.1\r\n")],
  ["http", Buffer.from("PATCH / HTTP/1.1\r\n")],
  ["http", Buffer.from("CONNECT a:443 HTTP/1.1\r\n")],
  ["http", Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
  ["tls", bytesOf("16030100f8010000f40303")],
  ["ssh", Buffer.from("SSH-2.0-OpenSSH_9.6\r\n")],
  ["proxy-protocol", Buffer.from("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n")],
  ["proxy-protocol", bytesOf("0d0a0d0a000d0a515549540a 21110000")],
]

describe("WrongProtocol", () => {
  it("knows a stranger by its first bytes, and by four of them", () => {
    for (const [name, opening] of openings) {
      for (const bytes of [4, 5, 8, 16, opening.length]) {
        assert.strictEqual(nameOf(opening.subarray(0, bytes)), name, opening.subarray(0, bytes).toString("latin1"))
      }
    }
  })

  it("knows every stranger from what the decoder kept, whatever the pieces", () => {
    for (const [name, opening] of openings) {
      for (const size of [1, 3, opening.length]) {
        const decoder = FrameDecoder.make(FrameLayout.u32)
        for (let at = 0; at < opening.length; at += size) decoder.push(opening.subarray(at, at + size))
        assert.strictEqual(nameOf(decoder.failureHead ?? Buffer.alloc(0)), name)
      }
    }
  })

  it("knows TLS by two bytes, and nothing else by less than four", () => {
    assert.strictEqual(nameOf(bytesOf("1603")), "tls")
    assert.strictEqual(nameOf(bytesOf("16")), undefined)
    assert.strictEqual(nameOf(Buffer.from("GET")), undefined)
    assert.strictEqual(nameOf(new Uint8Array(0)), undefined)
  })

  it("does not take what only begins like a stranger for one", () => {
    for (const text of ["GETA", "POSTMAN", "PRINT", "PROXIES", "\r\n\r\n\0\r\nquit", "\x16\x02\x01\x02"]) {
      assert.strictEqual(nameOf(Buffer.from(text, "latin1")), undefined, text)
    }
  })

  it("takes a length of 0 to 16 KiB in the other byte order for one", () => {
    const other = FrameLayout.makeUnsafe({ byteOrder: "little" })
    assert.strictEqual(nameOf(bytesOf("05000000 68")), "little-endian")
    assert.strictEqual(nameOf(bytesOf("00400000")), "little-endian")
    assert.strictEqual(nameOf(bytesOf("01400000")), undefined)
    assert.strictEqual(nameOf(bytesOf("00004000"), other), "big-endian")
    assert.strictEqual(nameOf(bytesOf("00004001"), other), undefined)
    assert.strictEqual(nameOf(bytesOf("050000")), undefined, "the length is not whole")
  })

  it("reads the other byte order where the layout has its length, and adjusts it", () => {
    const layout = FrameLayout.makeUnsafe({ width: 2, lengthOffset: 1, adjustment: -3 })
    assert.strictEqual(nameOf(bytesOf("ff 0300"), layout), "little-endian")
    assert.strictEqual(nameOf(bytesOf("ff 0200"), layout), undefined)
    assert.strictEqual(nameOf(bytesOf("ff 0340"), layout), "little-endian")
    assert.strictEqual(nameOf(bytesOf("ff 0440"), layout), undefined)
    assert.strictEqual(nameOf(bytesOf("ff 03"), layout), undefined)
  })

  it("knows no other byte order of one byte or a varint", () => {
    for (const width of [1, "varint"] as const) {
      assert.strictEqual(nameOf(bytesOf("05000000"), FrameLayout.makeUnsafe({ width, maxFrameBytes: 2 })), undefined)
    }
  })

  it("says what to do", () => {
    assert.deepStrictEqual(WrongProtocol.diagnose(bytesOf("16030100"), FrameLayout.u32), {
      _tag: "Stranger",
      name: "tls",
      message: "this looks like TLS on a plain port: enable TLS here or connect without it",
    })
  })
})
