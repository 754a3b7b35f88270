/**
 * The reference for the client: parses the same JSON, answers heartbeats, and looks up who wants it. Validates nothing,
 * and does not come again.
 */
import * as Net from "node:net"
import { channelName } from "../load/Order.ts"
import * as ClientProcess from "./ClientProcess.ts"
import * as NodeFrames from "./NodeFrames.ts"

interface Message {
  readonly type: string
  readonly channel: string
  readonly offset: number
  readonly data: unknown
}

const heartbeat = Buffer.alloc(0)

ClientProcess.obey(({ channels, clients, port }, makeTake) => {
  const sockets = Array.from({ length: clients }, () => {
    const socket = Net.connect({ host: "127.0.0.1", port, noDelay: true })
    const takes = new Map<string, ClientProcess.Take>()
    const write = (message: object) => NodeFrames.writeBodies(socket, [Buffer.from(JSON.stringify(message))])
    write({ type: "connect", id: 1, version: 1 })
    for (let number = 0; number < channels; number++) {
      const channel = channelName(number)
      takes.set(channel, makeTake())
      write({ type: "subscribe", id: number + 2, channel })
    }
    NodeFrames.onBodies(socket, (bodies) => {
      for (const body of bodies) {
        if (body.length === 0) {
          NodeFrames.writeBodies(socket, [heartbeat])
          continue
        }
        const message = JSON.parse(body.toString()) as Message
        if (message.type === "publication") takes.get(message.channel)?.(message.offset, message.data)
      }
    })
    return socket
  })
  return () => sockets.forEach((socket) => socket.destroy())
})
