/**
 * A client of a server in another process, on a real socket: sends objects, takes objects. Refuses nothing.
 */
import * as Net from "node:net"
import * as FrameDecoder from "../../src/frame/FrameDecoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import type { Message } from "./clients.ts"
import { frame } from "./frames.ts"

/** One client; `heartbeats` counts those received, which are no messages. */
export interface Peer {
  readonly socket: Net.Socket
  readonly heartbeats: () => number
  readonly send: (message: object) => void
  /** The next message, or `closed` after the server's FIN or a reset. */
  readonly next: () => Promise<Message | "closed">
}

/** Speaks the gateway's protocol over a socket that is connected or about to be. */
export const over = (socket: Net.Socket): Peer => {
  const decoder = FrameDecoder.make(FrameLayout.makeUnsafe({ maxFrameBytes: 2 ** 21 }))
  const ready: Array<Message | "closed"> = []
  const waiting: Array<(message: Message | "closed") => void> = []
  let heartbeats = 0
  const give = (message: Message | "closed") => {
    const waiter = waiting.shift()
    if (waiter === undefined) ready.push(message)
    else waiter(message)
  }
  socket.on("data", (chunk) => {
    for (const body of decoder.push(chunk)) {
      if (body.length === 0) heartbeats++
      else give(JSON.parse(Buffer.from(body).toString()) as Message)
    }
  })
  socket.on("error", () => give("closed"))
  socket.on("end", () => give("closed"))
  return {
    socket,
    heartbeats: () => heartbeats,
    send: (message) => void socket.write(frame(JSON.stringify(message))),
    next: () => {
      const message = ready.shift()
      return message === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(message)
    },
  }
}

/** Dials and connects. */
export const connect = async (options: Net.NetConnectOpts): Promise<Peer> => {
  const peer = over(Net.connect(options))
  peer.send({ type: "connect", id: 1, version: 1 })
  const connected = await peer.next()
  if (connected === "closed" || connected.type !== "connected")
    throw new Error(`not connected: ${JSON.stringify(connected)}`)
  return peer
}
