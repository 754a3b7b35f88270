/**
 * Publish with answer: each client has one publication in flight, on a channel of its own that nobody hears.
 * The offset in each answer must be the next one.
 */
import { dataBytes } from "./FanOut.ts"
import * as GatewayClient from "./GatewayClient.ts"
import type { Load, Outcome, Plan } from "./Plan.ts"
import * as Sockets from "./Sockets.ts"
import * as Window from "./Window.ts"

/** Runs until the window is over, and then until every client has its answer. */
export const run = async (plan: Plan, load: Extract<Load, { kind: "publish" }>): Promise<Outcome> => {
  const peers = await GatewayClient.connectAll(plan.port, load.clients)
  let answers = 0
  let waiting = load.clients
  let isOver = false
  peers.forEach((peer, client) => {
    const channel = `publish:${process.pid}:${client}`
    const data = `${client}`.padEnd(dataBytes - 2, " longline")
    // An id may be used again once it was answered.
    const frame = GatewayClient.frameOf({ type: "publish", id: 1, channel, data })
    let offset = 0
    let epoch: unknown
    peer.receive = GatewayClient.parser((message) => {
      if (message === undefined) return peer.write(GatewayClient.heartbeat)
      offset++
      epoch ??= message["epoch"]
      const isRight = message.type === "published" && message["id"] === 1 && message["offset"] === offset
      if (!isRight || message["epoch"] !== epoch) {
        throw new Error(`publication ${offset} of client ${client} was answered with ${JSON.stringify(message)}`)
      }
      answers++
      if (isOver) waiting--
      else peer.write(frame)
    })
    peer.write(frame)
  })
  const outcome = await Window.measure(plan, () => answers)
  isOver = true
  await Window.until(
    () => waiting === 0,
    () => `${waiting} answers were missing`,
  )
  await Sockets.closeAll(peers)
  return outcome
}
