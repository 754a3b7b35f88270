/**
 * Clients that all connect in the same moment, each with a subscription; then they leave, and come again.
 * Counts the server's CPU time from the first SYN to the last answer, not what leaving costs.
 */
import { setTimeout as sleep } from "node:timers/promises"
import * as GatewayClient from "./GatewayClient.ts"
import type { Load, Outcome, Plan } from "./Plan.ts"
import * as Sockets from "./Sockets.ts"
import * as Window from "./Window.ts"

/** Rest after the clients have left, so that the next storm does not pay for it. */
const restMs = 200

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
    await sleep(restMs)
  } while (Date.now() < until)
  return outcomes
}
