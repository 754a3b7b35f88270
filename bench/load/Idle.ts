/**
 * Connections that say nothing once they have said something: what they occupy, what is given back when they leave, and
 * what their heartbeats cost. Judges memory only when it has settled and garbage is gone: it hides leaks and feigns them.
 */
import { setTimeout as sleep } from "node:timers/promises"
import * as Proc from "../harness/Proc.ts"
import * as GatewayClient from "./GatewayClient.ts"
import type { Load, Outcome, Plan } from "./Plan.ts"
import * as Sockets from "./Sockets.ts"
import * as Window from "./Window.ts"

/** What each echoed connection says, once. */
const hello = Buffer.concat([Buffer.from([0, 0, 0, 5]), Buffer.from("hello")])

/**
 * Garbage is gone after the first collection. Only one that comes when the server has been quiet since makes V8 give back
 * what the storm has made its young generation, 32 MB, and the pages that it has emptied.
 */
const collections = 3

/** Samples a second apart that must agree, and by how much, for memory to count as settled. */
const settledSamples = 5
const settledWithin = 0.005

/** Measures memory before, during and after; a few connections come and go first, so that code is loaded and warm. */
export const memory = async (plan: Plan, load: Extract<Load, { kind: "idle" }>): Promise<Outcome> => {
  const { connections, settleSeconds, warmUps } = load
  await Sockets.closeAll(await hold(plan, warmUps))
  return weigh(plan, settleSeconds, connections, async () => {
    const peers = await hold(plan, connections)
    return () => Sockets.closeAll(peers)
  })
}

/** Measures memory around something that there is `count` times; `make` gives what takes it away again. */
export const weigh = async (
  plan: Plan,
  settleSeconds: number,
  count: number,
  make: () => Promise<() => Promise<void>>,
): Promise<Outcome> => {
  const collected = async (times = plan.collects ? collections : 0): Promise<number> => {
    if (times > 0) process.kill(plan.pid, "SIGUSR2")
    const bytes = await settledBytes(plan.pid, settleSeconds)
    return times > 1 ? collected(times - 1) : bytes
  }
  const before = await collected()
  const window = Window.open(plan.pid, 0)
  const remove = await make()
  const outcome = window.close(count)
  const uncollected = await settledBytes(plan.pid, settleSeconds)
  const held = await collected()
  await remove()
  await settledBytes(plan.pid, settleSeconds)
  const after = await collected()
  return { ...outcome, memory: { before, uncollected, held, after, connections: count } }
}

/** Measures CPU time while nothing but heartbeats goes to and fro. Counts those that came. */
export const heartbeats = async (plan: Plan, load: Extract<Load, { kind: "heartbeats" }>): Promise<Outcome> => {
  const seconds = Math.max(plan.seconds, load.leastSeconds)
  let count = 0
  const peers = await hold(plan, load.connections, () => count++)
  const outcome = await Window.measure({ ...plan, seconds }, () => count)
  await Sockets.closeAll(peers)
  if (load.leastSeconds > 0 && count < load.connections) {
    throw new Error(`${count} heartbeats came on ${load.connections} connections in ${seconds} s`)
  }
  return outcome
}

/** Connections that have had one answer from the server, and from then on answer its heartbeats. */
const hold = (plan: Plan, count: number, onHeartbeat?: () => void): Promise<ReadonlyArray<Sockets.Peer>> =>
  Sockets.connectAll(plan.port, count, async (peer) => {
    await (plan.speaks === "gateway" ? GatewayClient.greet(peer, "idle") : echoOnce(peer))
    peer.receive = (buffer, bytes) => {
      const isHeartbeat = bytes === GatewayClient.heartbeat.length && buffer.readUInt32BE(0) === 0
      if (!isHeartbeat) throw new Error("an idle connection was sent a message")
      onHeartbeat?.()
      peer.write(GatewayClient.heartbeat)
    }
  })

const echoOnce = (peer: Sockets.Peer): Promise<void> =>
  new Promise((resolve) => {
    peer.receive = (buffer, bytes) => {
      if (bytes !== hello.length || hello.compare(buffer, 0, bytes) !== 0) throw new Error("hello came back changed")
      resolve()
    }
    peer.write(hello)
  })

/** Resident memory when it no longer moves, or after the time given. */
const settledBytes = async (pid: number, seconds: number): Promise<number> => {
  const samples: Array<number> = [Proc.residentBytes(pid)]
  for (let second = 0; second < seconds; second++) {
    await sleep(1000)
    samples.push(Proc.residentBytes(pid))
    const last = samples.slice(-settledSamples)
    const isSettled = Math.max(...last) - Math.min(...last) <= settledWithin * Math.max(...last)
    if (last.length === settledSamples && isSettled) break
  }
  return samples.at(-1)!
}
