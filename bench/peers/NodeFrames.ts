/**
 * Frames of `| u32 length | body |` on `node:net`, as a careful engineer writes them by hand for one program.
 * No limits, no heartbeat, no deadlines; what it has is what a server cannot do without.
 */
import * as Net from "node:net"

/** A frame larger than this is collected in pieces and joined once; a smaller one is joined to the next chunk. */
const joinedBytes = 64 * 1024

/** Bodies from this size on are written as they are, behind a header of their own. */
const referencedBytes = 16 * 1024

/** Unsent bytes from which on a client is not read. */
const highWaterBytes = 1024 * 1024

/** Calls back with all the bodies that a chunk completes, in order: views into the chunk. */
export const onBodies = (socket: Net.Socket, receive: (bodies: Array<Buffer>) => void): void => {
  let rest: Buffer | undefined
  let pieces: Array<Buffer> = []
  let missing = 0
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk: Buffer) => {
    if (missing > chunk.length) {
      missing -= chunk.length
      pieces.push(chunk)
      return
    }
    if (missing > 0) {
      pieces.push(chunk)
      chunk = Buffer.concat(pieces)
      pieces = []
      missing = 0
    } else if (rest !== undefined) {
      chunk = Buffer.concat([rest, chunk])
      rest = undefined
    }
    let at = 0
    const bodies: Array<Buffer> = []
    while (chunk.length - at >= 4) {
      const end = at + 4 + chunk.readUInt32BE(at)
      if (end > chunk.length) break
      bodies.push(chunk.subarray(at + 4, end))
      at = end
    }
    if (at < chunk.length) {
      const tail = chunk.subarray(at)
      const frameBytes = tail.length >= 4 ? tail.readUInt32BE(0) + 4 : 0
      if (frameBytes > joinedBytes) {
        pieces = [tail]
        missing = frameBytes - tail.length
      } else rest = tail
    }
    if (bodies.length > 0) receive(bodies)
  })
}

/** Writes the bodies in one call: small ones side by side in one buffer, a large one by reference. */
export const writeBodies = (socket: Net.Socket, bodies: ReadonlyArray<Buffer>): void => {
  const first = bodies[0]!
  if (bodies.length === 1 && first.length >= referencedBytes) {
    const header = Buffer.allocUnsafe(4)
    header.writeUInt32BE(first.length, 0)
    socket.cork()
    socket.write(header)
    socket.write(first)
    socket.uncork()
  } else socket.write(joined(bodies))
  pauseIfSlow(socket)
}

/** Stops reading from a client that does not read, until it has. */
export const pauseIfSlow = (socket: Net.Socket): void => {
  if (socket.writableLength <= highWaterBytes) return
  socket.pause()
  socket.once("drain", () => socket.resume())
}

/** Listens on a free port of loopback, and says which. */
export const listen = (onSocket: (socket: Net.Socket) => void): void => {
  const server = Net.createServer({ noDelay: true }, onSocket)
  server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
    console.log(`listening on 127.0.0.1:${(server.address() as Net.AddressInfo).port}`)
  })
}

const joined = (bodies: ReadonlyArray<Buffer>): Buffer => {
  let bytes = 0
  for (const body of bodies) bytes += 4 + body.length
  const out = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const body of bodies) {
    out.writeUInt32BE(body.length, at)
    body.copy(out, at + 4)
    at += 4 + body.length
  }
  return out
}
