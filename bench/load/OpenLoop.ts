/**
 * Open loop: frames leave at their time, whether the answers have come or not, and latency counts from that time: a
 * server that stalls is charged for all that should have been sent meanwhile.
 */
import { EchoScript } from "./EchoScript.ts"
import type { Latency, Load, Outcome, Plan } from "./Plan.ts"
import * as Sockets from "./Sockets.ts"
import * as Window from "./Window.ts"

/** Frames that may be on their way on one connection before the server counts as overrun. */
const maxInFlight = 512

/** Runs warm-up and window at one pace, and then until every frame has come back. */
export const run = async (plan: Plan, load: Extract<Load, { kind: "open" }>): Promise<Outcome> => {
  const { bodyBytes, connections, perSecond } = load
  const scripts = Array.from(
    { length: connections },
    (_, connection) => new EchoScript({ connection, inFlight: maxInFlight, body: "bytes", bodyBytes }),
  )
  const peers = await Sockets.connectAll(plan.port, connections)
  const total = Math.ceil((plan.warmUpSeconds + plan.seconds) * perSecond)
  const firstCounted = Math.floor(plan.warmUpSeconds * perSecond)
  const latencies = new Float64Array(total)
  const lateness = new Float64Array(total)
  const everyMs = 1000 / perSecond
  const startedAt = performance.now()
  let sent = 0
  let echoes = 0

  // Frame n goes to connection n modulo their number, so that the frame that comes back tells its own time.
  peers.forEach((peer, connection) => {
    const script = scripts[connection]!
    peer.receive = (buffer, bytes) => {
      const whole = script.check(buffer, bytes)
      echoes += whole
      const at = performance.now() - startedAt
      for (let i = script.received - whole; i < script.received; i++) {
        const n = i * connections + connection
        latencies[n] = at - n * everyMs
      }
    }
  })

  // No timer is fine enough: the generator looks at the clock in every turn, and so is always busy.
  const tick = () => {
    const at = performance.now() - startedAt
    while (sent < total && sent * everyMs <= at) {
      const n = sent++
      const connection = n % connections
      const script = scripts[connection]!
      if (script.sent - script.received >= maxInFlight) throw new Error(`the server cannot keep up with ${perSecond}/s`)
      lateness[n] = at - n * everyMs
      peers[connection]!.write(script.next(1))
    }
    if (sent < total) setImmediate(tick)
  }
  tick()

  const outcome = await Window.measure(plan, () => echoes)
  await Window.until(
    () => echoes === total,
    () => `${total - echoes} of ${total} frames had not come back`,
  )
  await Sockets.closeAll(peers)
  return { ...outcome, latency: summary(latencies.subarray(firstCounted), lateness.subarray(firstCounted)) }
}

const summary = (latencies: Float64Array, lateness: Float64Array): Latency => {
  latencies.sort()
  lateness.sort()
  return {
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    p999: percentile(latencies, 0.999),
    max: latencies.at(-1)!,
    lateP99: percentile(lateness, 0.99),
  }
}

const percentile = (sorted: Float64Array, part: number): number => sorted[Math.ceil(part * sorted.length) - 1]!
