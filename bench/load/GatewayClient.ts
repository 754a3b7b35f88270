/**
 * A client of the gateway, as far as the bench needs one: connects, and takes its answers apart.
 * Keeps no position and answers no heartbeat by itself.
 */
import * as Sockets from "./Sockets.ts"

/** A message of the server; its fields are checked where they are used. */
export type Message = { readonly type: string } & Readonly<Record<string, unknown>>

/** A heartbeat on the wire: a length of 0 and no body. */
export const heartbeat = Buffer.alloc(4)

/** A message as it goes over the wire. */
export const frameOf = (message: Message): Buffer => {
  const body = Buffer.from(JSON.stringify(message))
  const frame = Buffer.allocUnsafe(4 + body.length)
  frame.writeUInt32BE(body.length, 0)
  body.copy(frame, 4)
  return frame
}

/** Cuts what arrives into messages, whatever the pieces. A heartbeat is undefined. Sizes are of the whole frame. */
export const parser = (receive: (message: Message | undefined, frameBytes: number) => void): Sockets.Receive => {
  let rest: Buffer = Buffer.alloc(0)
  return (buffer, bytes) => {
    // The buffer is the generator's only one: what is kept is copied.
    let chunk = rest.length === 0 ? buffer.subarray(0, bytes) : Buffer.concat([rest, buffer.subarray(0, bytes)])
    while (chunk.length >= 4) {
      const end = 4 + chunk.readUInt32BE(0)
      if (chunk.length < end) break
      receive(end === 4 ? undefined : (JSON.parse(chunk.toString("utf8", 4, end)) as Message), end)
      chunk = chunk.subarray(end)
    }
    rest = Buffer.from(chunk)
  }
}

/** Says `connect`, with a subscription to the channel if there is one, and completes with the right answer. */
export const greet = (peer: Sockets.Peer, channel?: string): Promise<void> =>
  new Promise((resolve) => {
    peer.receive = parser((message) => {
      if (message === undefined) return peer.write(heartbeat)
      const subscriptions = message["subscriptions"] as Readonly<Record<string, Message>> | undefined
      const isRight =
        message.type === "connected" &&
        message["id"] === 1 &&
        (channel === undefined || subscriptions?.[channel]?.type === "subscribed")
      if (!isRight) throw new Error(`connect was answered with ${JSON.stringify(message)}`)
      resolve()
    })
    const subscriptions = channel === undefined ? {} : { subscriptions: [{ channel }] }
    peer.write(frameOf({ type: "connect", id: 1, version: 1, ...subscriptions }))
  })

/** Connects so many clients; each has its answer. */
export const connectAll = (port: number, count: number, channel?: string): Promise<ReadonlyArray<Sockets.Peer>> =>
  Sockets.connectAll(port, count, (peer) => greet(peer, channel))
