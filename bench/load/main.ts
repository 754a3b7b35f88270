/**
 * The load generator: one plan as JSON in its argument, one outcome as JSON on standard output.
 * Ends with an error at the first byte that is wrong or missing.
 */
import * as Clients from "./Clients.ts"
import * as ClosedLoop from "./ClosedLoop.ts"
import * as FanOut from "./FanOut.ts"
import * as Idle from "./Idle.ts"
import * as OpenLoop from "./OpenLoop.ts"
import type { Outcome, Plan } from "./Plan.ts"
import * as Publish from "./Publish.ts"
import * as Storm from "./Storm.ts"

const run = (plan: Plan): Promise<Outcome> => {
  const { load } = plan
  switch (load.kind) {
    case "closed":
      return ClosedLoop.run(plan, load)
    case "open":
      return OpenLoop.run(plan, load)
    case "fanOut":
      return FanOut.run(plan, load)
    case "publish":
      return Publish.run(plan, load)
    case "storm":
      return Storm.run(plan, load)
    case "clients":
      return Clients.fanOut(plan, load)
    case "subscriptions":
      return Clients.memory(plan, load)
    case "idle":
      return Idle.memory(plan, load)
    case "heartbeats":
      return Idle.heartbeats(plan, load)
  }
}

const plan = JSON.parse(process.argv[2] ?? "null") as Plan
console.log(JSON.stringify(await run(plan)))
