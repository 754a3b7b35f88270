/**
 * The reference for the gateway: a bare loop over the subscribers, one write a socket and turn of the event loop.
 * Speaks as much of protocol version 1 as the bench does. Validates, limits and remembers nothing.
 */
import { randomBytes } from "node:crypto"
import type * as Net from "node:net"
import * as NodeFrames from "./NodeFrames.ts"

interface Channel {
  offset: number
  readonly subscribers: Set<Client>
}

interface Message {
  readonly type: string
  readonly id?: number
  readonly channel: string
  readonly data?: unknown
  readonly subscriptions?: ReadonlyArray<{ readonly channel: string }>
}

const epoch = randomBytes(9).toString("base64url")
const channels = new Map<string, Channel>()
let dirty: Array<Client> = []

const obtain = (name: string): Channel => {
  let channel = channels.get(name)
  if (channel === undefined) channels.set(name, (channel = { offset: 0, subscribers: new Set() }))
  return channel
}

const frameOf = (message: unknown): Buffer => {
  const text = JSON.stringify(message)
  const bytes = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(4 + bytes)
  frame.writeUInt32BE(bytes, 0)
  frame.write(text, 4)
  return frame
}

const flush = () => {
  const clients = dirty
  dirty = []
  for (const client of clients) client.flush()
}

class Client {
  readonly id = randomBytes(9).toString("base64url")
  readonly #socket: Net.Socket
  readonly #channels = new Set<Channel>()
  #frames: Array<Buffer> = []

  constructor(socket: Net.Socket) {
    this.#socket = socket
  }

  push(frame: Buffer): void {
    if (this.#frames.push(frame) === 1 && dirty.push(this) === 1) setImmediate(flush)
  }

  flush(): void {
    const frames = this.#frames
    this.#frames = []
    this.#socket.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames))
  }

  handle({ channel: name, data, id, subscriptions, type }: Message): void {
    switch (type) {
      case "publish":
        return this.#publish(name, data, id)
      case "subscribe":
        return this.push(frameOf({ id, ...this.#subscribe(name) }))
      case "connect": {
        const answers = subscriptions?.map(({ channel }) => [channel, this.#subscribe(channel)])
        const session = { id: this.id, key: randomBytes(18).toString("base64url"), ttlMs: 0 }
        const answer = { type: "connected", id, connection: this.id, session, resumed: false, time: Date.now() }
        return this.push(
          frameOf(answers === undefined ? answer : { ...answer, subscriptions: Object.fromEntries(answers) }),
        )
      }
    }
  }

  leave(): void {
    for (const channel of this.#channels) channel.subscribers.delete(this)
  }

  #subscribe(name: string) {
    const channel = obtain(name)
    channel.subscribers.add(this)
    this.#channels.add(channel)
    return {
      type: "subscribed",
      channel: name,
      position: { offset: channel.offset, epoch },
      recovered: "none",
      publications: [],
    }
  }

  #publish(name: string, data: unknown, id: number | undefined): void {
    const channel = obtain(name)
    const previous = channel.offset
    const offset = ++channel.offset
    if (channel.subscribers.size > 0) {
      const from = { connection: this.id }
      const frame = frameOf({
        type: "publication",
        channel: name,
        offset,
        previous,
        epoch,
        data,
        from,
        time: Date.now(),
      })
      for (const subscriber of channel.subscribers) subscriber.push(frame)
    }
    if (id !== undefined) this.push(frameOf({ type: "published", id, offset, epoch }))
  }
}

NodeFrames.listen((socket) => {
  const client = new Client(socket)
  socket.on("close", () => client.leave())
  NodeFrames.onBodies(socket, (bodies) => {
    // An empty body is a heartbeat.
    for (const body of bodies) if (body.length > 0) client.handle(JSON.parse(body.toString()) as Message)
  })
})
