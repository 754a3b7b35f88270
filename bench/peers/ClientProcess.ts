/**
 * What the client processes of the bench share: the control connection by which they get their order and report what has
 * come, and the check of every publication. Connects no client itself.
 */
import { dataAt, type Order } from "../load/Order.ts"
import * as NodeFrames from "./NodeFrames.ts"

/** Takes the next publication of a subscription; one that is not right ends the process. */
export type Take = (offset: number, data: unknown) => void

/** What a client process is given: a `Take` for each subscription. */
export type MakeTake = () => Take

/** Runs the order of each control connection until it closes; `run` gives what then has the clients leave. */
export const obey = (run: (order: Order, makeTake: MakeTake) => () => void): void =>
  NodeFrames.listen((control) => {
    let count = 0
    let isTold = true
    const tell = () => {
      isTold = true
      NodeFrames.writeBodies(control, [Buffer.from(JSON.stringify({ type: "received", count }))])
    }
    const makeTake = (): Take => {
      let last = 0
      return (offset, data) => {
        if (offset !== ++last || data !== dataAt(offset))
          throw new Error(`publication ${last} came as ${offset}: ${JSON.stringify(data)}`)
        count++
        if (!isTold) return
        isTold = false
        setImmediate(tell)
      }
    }
    NodeFrames.onBodies(control, ([body]) => {
      control.once("close", run(JSON.parse(String(body)) as Order, makeTake))
    })
  })
