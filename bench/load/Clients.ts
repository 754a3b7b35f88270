/**
 * Clients as they are measured: the generator is their gateway, and the process under measurement does the receiving.
 * Knows as much of protocol version 1 as they need. Every publication has to come to every client, in order.
 */
import * as Net from "node:net"
import * as GatewayClient from "./GatewayClient.ts"
import * as Idle from "./Idle.ts"
import { channelName, dataAt, type Order } from "./Order.ts"
import type { Load, Outcome, Plan } from "./Plan.ts"
import * as Sockets from "./Sockets.ts"
import * as Window from "./Window.ts"

/** Publishes to all clients, with so many publications in flight. */
export const fanOut = async (plan: Plan, load: Extract<Load, { kind: "clients" }>): Promise<Outcome> => {
  const { clients, inFlight } = load
  const served = await serve(plan, { clients, channels: 1 })
  let published = 0
  let isOver = false
  const refill = () => {
    const missing = inFlight - (published - served.received() / clients)
    if (isOver || missing < inFlight / 2) return
    const frames: Array<Buffer> = []
    for (let i = 0; i < Math.floor(missing); i++) frames.push(publicationFrame(++published))
    served.write(Buffer.concat(frames))
  }
  served.onReceived(refill)
  refill()
  const outcome = await Window.measure(plan, served.received)
  isOver = true
  await Window.until(
    () => served.received() === published * clients,
    () => `${published * clients - served.received()} of ${published * clients} publications were missing`,
  )
  await served.close()
  return outcome
}

/** What clients with subscriptions on which nothing comes occupy. */
export const memory = async (plan: Plan, load: Extract<Load, { kind: "subscriptions" }>): Promise<Outcome> => {
  const { channels, clients, settleSeconds, warmUps } = load
  await (await serve(plan, { clients, channels: warmUps })).close()
  return Idle.weigh(
    plan,
    settleSeconds,
    clients * channels,
    async () => (await serve(plan, { clients, channels })).close,
  )
}

/** Clients that are connected and subscribed. */
interface Served {
  readonly write: (frames: Buffer) => void
  /** Publications that the clients' applications have had. */
  readonly received: () => number
  readonly onReceived: (listener: () => void) => void
  /** Has the clients leave. */
  readonly close: () => Promise<void>
}

/** Listens, has the process under measurement connect its clients, and completes when all are subscribed. */
const serve = async (plan: Plan, { channels, clients }: Pick<Order, "clients" | "channels">): Promise<Served> => {
  const sockets = new Set<Net.Socket>()
  let received = 0
  let listener = () => {}
  const control = await Sockets.connect(plan.port, 0)
  control.receive = GatewayClient.parser((message) => {
    received = Number(message?.["count"])
    listener()
  })
  const server = await new Promise<Net.Server>((ready) => {
    let subscribed = 0
    const server = Net.createServer({ noDelay: true }, (socket) => {
      sockets.add(socket.on("error", () => {}).on("close", () => sockets.delete(socket)))
      const parse = GatewayClient.parser((message) => {
        const answer = answerTo(message)
        if (answer !== undefined) socket.write(GatewayClient.frameOf(answer))
        if (answer?.type === "subscribed" && ++subscribed === clients * channels) ready(server)
      })
      socket.on("data", (chunk: Buffer) => parse(chunk, chunk.length))
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as Net.AddressInfo
      control.write(GatewayClient.frameOf({ type: "subscribe", port, clients, channels }))
    })
  })
  return {
    write: (frames) => sockets.forEach((socket) => socket.write(frames)),
    received: () => received,
    onReceived: (next) => (listener = next),
    close: async () => {
      await control.close()
      await new Promise((closed) => server.close(closed))
    },
  }
}

const epoch = "bench"

const answerTo = (message: GatewayClient.Message | undefined): GatewayClient.Message | undefined => {
  if (message === undefined) return undefined
  const { channel, id, type } = message
  switch (type) {
    case "connect":
      return {
        type: "connected",
        id,
        connection: "c",
        session: { id: "c", key: "k", ttlMs: 0 },
        resumed: false,
        // Longer than any run: what comes is publications.
        heartbeat: { intervalMs: 3_600_000, timeoutMs: 10_000 },
        limits: { frameBytes: 65_536, subscriptions: 1_000_000, commandsPerSecond: 1_000_000, outboxBytes: 1_048_576 },
        server: { name: "bench", version: "0", node: "n" },
        time: Date.now(),
      }
    case "subscribe":
      return { type: "subscribed", id, channel, position: { offset: 0, epoch }, recovered: "none", publications: [] }
    case "unsubscribe":
      return { type: "unsubscribed", id, channel }
    default:
      return undefined
  }
}

const publicationFrame = (offset: number): Buffer =>
  GatewayClient.frameOf({
    type: "publication",
    channel: channelName(0),
    offset,
    previous: offset - 1,
    epoch,
    data: dataAt(offset),
    from: { connection: "publisher" },
    time: Date.now(),
  })
