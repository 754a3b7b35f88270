/**
 * Names what a stranger is speaking, from the first bytes of a connection whose first header was bad.
 * Guesses only for a person to read: nothing is decided by it, and no byte is answered in the stranger's protocol.
 */
import type { FrameLayout } from "./FrameLayout.ts"
import * as LengthField from "./LengthField.ts"

/** A protocol that is not ours. `name` is for metrics, `message` one sentence with what to do about it. */
export interface Stranger {
  readonly _tag: "Stranger"
  readonly name: "http" | "tls" | "ssh" | "proxy-protocol" | "little-endian" | "big-endian"
  readonly message: string
}

/** The most body bytes that a length read in the opposite byte order may mean for it to be taken for one: 16 KiB. */
export const maxOppositeOrderBytes = 16 * 1024

/** Fewer bytes than these prove nothing, unless a signature is shorter. */
const enoughBytes = 4

const stranger = (name: Stranger["name"], message: string): Stranger => ({ _tag: "Stranger", name, message })

const http = stranger(
  "http",
  "this looks like HTTP on a port for frames: use the HTTP port, or a client of this protocol",
)
const tls = stranger("tls", "this looks like TLS on a plain port: enable TLS here or connect without it")
const ssh = stranger("ssh", "this looks like SSH: check the port number")
const proxy = stranger(
  "proxy-protocol",
  "this looks like the PROXY protocol, which is not enabled here: enable it, or turn it off in the proxy",
)
const littleEndian = stranger("little-endian", "this looks like a little-endian length: send it big-endian")
const bigEndian = stranger("big-endian", "this looks like a big-endian length: send it little-endian")

const signatures: ReadonlyArray<readonly [string, Stranger]> = [
  ["GET ", http],
  ["POST ", http],
  ["PUT ", http],
  ["HEAD ", http],
  ["DELETE ", http],
  ["OPTIONS ", http],
  ["PATCH ", http],
  ["CONNECT ", http],
  ["PRI * HTTP/2", http],
  // A TLS record of type handshake (22), version 3.x (RFC 8446, section 5.1).
  ["\x16\x03", tls],
  ["SSH-", ssh],
  ["PROXY ", proxy],
  // Version 2 of the PROXY protocol is binary (its specification, section 2.2).
  ["\r\n\r\n\0\r\nQUIT\n", proxy],
]

/**
 * What begins with `head`, the first bytes of a connection (`FrameDecoder.failureHead`); four are enough. Undefined if it
 * is nothing known.
 */
export const diagnose = (head: Uint8Array, layout: FrameLayout): Stranger | undefined =>
  signatures.find(([signature]) => isBegunBy(head, signature))?.[1] ?? diagnoseByteOrder(head, layout)

/** Whether the two agree as far as both go, and that is far enough. */
const isBegunBy = (head: Uint8Array, signature: string): boolean => {
  const bytes = Math.min(head.length, signature.length)
  if (bytes < Math.min(signature.length, enoughBytes)) return false
  for (let i = 0; i < bytes; i++) {
    if (head[i] !== signature.charCodeAt(i)) return false
  }
  return true
}

const diagnoseByteOrder = (head: Uint8Array, layout: FrameLayout): Stranger | undefined => {
  const { adjustment, lengthOffset, minHeaderBytes, width } = layout
  if (width === "varint" || width === 1 || head.length < minHeaderBytes) return undefined
  const opposite = layout.byteOrder === "big" ? "little" : "big"
  const bodyBytes = LengthField.readFixed(head, lengthOffset, width, opposite) + adjustment
  if (bodyBytes < 0 || bodyBytes > maxOppositeOrderBytes) return undefined
  return opposite === "little" ? littleEndian : bigEndian
}
