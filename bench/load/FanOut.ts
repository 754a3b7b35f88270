/**
 * One publisher and many subscribers of one channel, as fast as the subscribers receive, or at a gentle pace.
 * A delivery counts when it has come whole; no subscriber may lack one in the end.
 */
import * as GatewayClient from "./GatewayClient.ts"
import type { Load, Outcome, Plan } from "./Plan.ts"
import { PublicationLog } from "./PublicationLog.ts"
import * as Sockets from "./Sockets.ts"
import * as Window from "./Window.ts"

/** Bytes of a publication's data as JSON, its quotes included. */
export const dataBytes = 128

/** Runs until the window is over, and then until everybody has everything. */
export const run = async (plan: Plan, load: Extract<Load, { kind: "fanOut" }>): Promise<Outcome> => {
  const { pace, subscribers } = load
  const channel = `fan-out:${process.pid}`
  const log = new PublicationLog({ channel, dataOf })
  const peers = await GatewayClient.connectAll(plan.port, subscribers, channel)
  const [publisher] = await GatewayClient.connectAll(plan.port, 1)
  const positions = new Float64Array(subscribers)
  let receivedBytes = 0
  let published = 0
  let delivered = 0
  let isOver = false

  const publish = (count: number) => {
    const frames: Array<Buffer> = []
    for (let i = 0; i < count; i++) {
      frames.push(GatewayClient.frameOf({ type: "publish", channel, data: dataOf(++published) }))
    }
    publisher!.write(Buffer.concat(frames))
  }

  // A publication counts as delivered when so many bytes have come as if all had it; half a window is then published
  // at once, in one write.
  const refill = (inFlight: number) => {
    while (delivered < log.ends.length && log.ends[delivered]! * subscribers <= receivedBytes) delivered++
    if (!isOver && published - delivered <= inFlight / 2) publish(inFlight - (published - delivered))
  }

  peers.forEach((peer, index) => {
    peer.receive = (buffer, bytes) => {
      const position = positions[index]!
      log.check(position, buffer, bytes)
      positions[index] = position + bytes
      receivedBytes += bytes
      if ("inFlight" in pace) refill(pace.inFlight)
    }
  })
  if ("inFlight" in pace) publish(pace.inFlight)
  const timer = "perSecond" in pace ? setInterval(() => publish(1), 1000 / pace.perSecond) : undefined

  const deliveries = () => positions.reduce((sum, position) => sum + log.countAt(position), 0)
  const outcome = await Window.measure(plan, deliveries)
  isOver = true
  clearInterval(timer)
  await Window.until(
    () => deliveries() === published * subscribers,
    () => `${published * subscribers - deliveries()} of ${published * subscribers} deliveries were missing`,
  )
  await Sockets.closeAll([publisher!, ...peers])
  return outcome
}

/** The number of the publication, and filling. */
const dataOf = (offset: number): string =>
  String(offset)
    .padStart(10, "0")
    .padEnd(dataBytes - 2, " longline")
