/**
 * The generator's sockets: one shared read buffer, no stream between the system and the check.
 * A socket that ends by itself ends the generator: no server of the bench may close a connection.
 */
import * as Net from "node:net"

/** Gets the bytes that arrived; they are gone when it returns. */
export type Receive = (buffer: Buffer, bytes: number) => void

/** One connection of the generator. */
export interface Peer {
  readonly write: (bytes: Uint8Array) => void
  receive: Receive
  /** Completes when the socket is closed: by a reset, so that its port is free at once. */
  readonly close: () => Promise<void>
}

/** Connections from one address stay below the ports that the system has for it. */
const connectionsPerAddress = 2_000

/** Connects that are under way at the same time, well below the backlog of the servers. */
const connectsAtOnce = 256

// Read, checked and done with, one socket after the other: none needs a buffer of its own.
const readBuffer = Buffer.allocUnsafeSlow(256 * 1024)

/** Connects once. `index` picks the source address. */
export const connect = (port: number, index: number): Promise<Peer> =>
  new Promise((resolve, reject) => {
    const socket = Net.connect({
      host: "127.0.0.1",
      port,
      localAddress: `127.0.0.${1 + Math.floor(index / connectionsPerAddress)}`,
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (bytes) => {
          peer.receive(readBuffer, bytes)
          return true
        },
      },
    })
    let isClosing = false
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()))
    const peer: Peer = {
      write: (bytes) => void socket.write(bytes),
      receive: (_buffer, bytes) => {
        throw new Error(`connection ${index} received ${bytes} bytes that nobody asked for`)
      },
      close: () => {
        isClosing = true
        socket.resetAndDestroy()
        return closed
      },
    }
    socket.once("connect", () => resolve(peer))
    socket.on("error", (error) => {
      if (isClosing) return
      isClosing = true
      reject(error)
    })
    socket.once("close", () => {
      if (!isClosing) throw new Error(`the server closed connection ${index}`)
    })
  })

/** Connects so many times, some at once; each is greeted as soon as it is there, before a server tires of waiting. */
export const connectAll = async (
  port: number,
  count: number,
  greet?: (peer: Peer) => Promise<void>,
): Promise<ReadonlyArray<Peer>> => {
  const connectOne = async (index: number) => {
    const peer = await connect(port, index)
    await greet?.(peer)
    return peer
  }
  const peers: Array<Peer> = []
  while (peers.length < count) {
    const from = peers.length
    const size = Math.min(connectsAtOnce, count - from)
    peers.push(...(await Promise.all(Array.from({ length: size }, (_, i) => connectOne(from + i)))))
  }
  return peers
}

/** Closes all of them. */
export const closeAll = async (peers: ReadonlyArray<Peer>): Promise<void> => {
  await Promise.all(peers.map((peer) => peer.close()))
}
