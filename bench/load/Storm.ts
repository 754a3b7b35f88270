/**
 * Clients that all connect in the same moment, each with a subscription; then they leave, and come again.
 * Counts the server's CPU time from the first SYN to the last answer, not what leaving costs: the next storm begins
 * when the server has come to rest.
 */
import { setTimeout as sleep } from "node:timers/promises"
import * as Proc from "../harness/Proc.ts"
import * as GatewayClient from "./GatewayClient.ts"
import type { Load, Outcome, Plan } from "./Plan.ts"
import * as Sockets from "./Sockets.ts"
import * as Window from "./Window.ts"

/** A server that has used less than `restCpuNs` in this time is at rest, and the next storm does not pay for the last. */
const restMs = 200

/** How long a server is waited for. */
const longestRestMs = 2_000

/** What timers and signals use; a thousand that leave use 50 times as much. */
const restCpuNs = 1_000_000

/** Storms without counting for the time of the warm-up, then counted ones for that of the window; at least one each. */
export const run = async (plan: Plan, load: Extract<Load, { kind: "storm" }>): Promise<Outcome> => {
  await storms(plan, load.clients, plan.warmUpSeconds)
  return Window.sum(await storms(plan, load.clients, plan.seconds))
}

const storms = async (plan: Plan, clients: number, seconds: number): Promise<ReadonlyArray<Outcome>> => {
  const outcomes: Array<Outcome> = []
  const until = Date.now() + seconds * 1000
  do {
    const window = Window.open(plan.pid, 0)
    const peers = await Promise.all(
      Array.from({ length: clients }, async (_, index) => {
        const peer = await Sockets.connect(plan.port, index)
        await GatewayClient.greet(peer, "storm")
        return peer
      }),
    )
    outcomes.push(window.close(clients))
    await Sockets.closeAll(peers)
    await rest(plan.pid)
  } while (Date.now() < until)
  return outcomes
}

/** A busy machine lets a server deal with those who left long after they did. One that never rests is not waited for. */
const rest = async (pid: number): Promise<void> => {
  for (let waited = 0; waited < longestRestMs; waited += restMs) {
    const before = Proc.cpuNs(pid)
    await sleep(restMs)
    if (Proc.cpuNs(pid) - before <= restCpuNs) return
  }
}
