/**
 * Frames as they go over the wire, by hand: a big-endian length of 4 bytes, and the body.
 * Knows neither a limit nor the encoder under test.
 */

/** One frame. */
export const frame = (body: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(body)
  const header = Buffer.alloc(4)
  header.writeUInt32BE(bytes.length)
  return Buffer.concat([header, bytes])
}

/** Frames side by side, as one read brings them. */
export const frames = (...bodies: ReadonlyArray<string | Uint8Array>): Buffer => Buffer.concat(bodies.map(frame))
