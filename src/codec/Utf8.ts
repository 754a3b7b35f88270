/**
 * Strict UTF-8: the text of well-formed bytes, or where they are malformed.
 * Repairs nothing and strips nothing, a byte order mark included.
 */

// Measured on Node 20.20, µs for a JSON text of 32 / 120 / 1000 bytes of ASCII and 120 bytes of mixed text:
//   TextDecoder, fatal          0.09  0.10  0.20  0.24
//   isUtf8, then utf8Slice      0.12  0.12  0.23  0.25
//   isAscii, then latin1Slice   0.10  0.10  0.17  0.28
// Nothing of Node's own is worth giving up browsers for. The decoders hold no state between calls.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const lossy = new TextDecoder("utf-8", { ignoreBOM: true })
const encoder = new TextEncoder()
const replacement = "\ufffd"

/** The text, or undefined if the bytes are not UTF-8. */
export const decode = (bytes: Uint8Array): string | undefined => {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

/** The offset of the first byte that belongs to no character, or undefined if there is none. Linear. */
export const malformedAt = (bytes: Uint8Array): number | undefined => {
  const repaired = lossy.decode(bytes)
  let offset = 0
  let from = 0
  for (;;) {
    const at = repaired.indexOf(replacement, from)
    if (at === -1) return undefined
    offset += encoder.encode(repaired.slice(from, at)).length
    // Either a replacement character the sender wrote, or one the decoder put in.
    if (bytes[offset] !== 0xef || bytes[offset + 1] !== 0xbf || bytes[offset + 2] !== 0xbd) return offset
    offset += 3
    from = at + 1
  }
}
