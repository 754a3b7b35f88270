/**
 * A gateway's client over `ws`, in either encoding: sends objects, takes objects, and the code of the end. Refuses nothing.
 */
import { WebSocket, type ClientOptions } from "ws"
import type { Message } from "./clients.ts"
import * as Envelopes from "./envelopes.ts"

/** How a WebSocket ended. */
export interface Closed {
  readonly type: "closed"
  readonly code: number
  readonly reason: string
}

/** One client; `heartbeats` counts those received, which are no messages. */
export interface WebSocketPeer {
  readonly socket: WebSocket
  readonly heartbeats: () => number
  readonly send: (message: object) => void
  /** The next message, or how it ended. */
  readonly next: () => Promise<Message | Closed>
}

/** Opens one. */
export const open = (
  url: string,
  encoding: "json" | "protobuf" = "json",
  options: ClientOptions = {},
): Promise<WebSocketPeer> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url, [`longline.v1.${encoding}`], options)
    const ready: Array<Message | Closed> = []
    const waiting: Array<(message: Message | Closed) => void> = []
    let heartbeats = 0
    const give = (message: Message | Closed) => {
      const waiter = waiting.shift()
      if (waiter === undefined) ready.push(message)
      else waiter(message)
    }
    const read = (body: Buffer) => (encoding === "json" ? JSON.parse(body.toString()) : Envelopes.read(body)) as Message
    socket.on("message", (body: Buffer, isBinary) => {
      if (body.length === 0) heartbeats++
      else if (isBinary === (encoding === "protobuf")) give(read(body))
      else socket.terminate()
    })
    socket.on("close", (code, reason) => give({ type: "closed", code, reason: reason.toString() }))
    socket.on("error", reject)
    socket.on("open", () =>
      resolve({
        socket,
        heartbeats: () => heartbeats,
        send: (message) => socket.send(encoding === "json" ? JSON.stringify(message) : Envelopes.write(message)),
        next: () => {
          const message = ready.shift()
          return message === undefined ? new Promise((wait) => waiting.push(wait)) : Promise.resolve(message)
        },
      }),
    )
  })

/** Opens one and connects. */
export const connect = async (...args: Parameters<typeof open>): Promise<WebSocketPeer> => {
  const peer = await open(...args)
  peer.send({ type: "connect", id: 1, version: 1 })
  const connected = await peer.next()
  if (connected.type !== "connected") throw new Error(`not connected: ${JSON.stringify(connected)}`)
  return peer
}
