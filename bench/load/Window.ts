/**
 * The counted window: what server and generator used between two moments. Reads both in the tick in which the messages
 * are counted, so that nothing is attributed to the wrong side of an edge.
 */
import { setTimeout as sleep } from "node:timers/promises"
import * as Proc from "../harness/Proc.ts"
import type { Outcome, Plan } from "./Plan.ts"

/**
 * Runs warm-up and window while the load goes on by itself; `count` is asked at both edges. A server that can collects its
 * garbage first: how often V8 does by itself depends on when it did last, and would be luck.
 */
export const measure = async (plan: Plan, count: () => number): Promise<Outcome> => {
  if (plan.collects) process.kill(plan.pid, "SIGUSR2")
  await sleep(plan.warmUpSeconds * 1000)
  const window = open(plan.pid, count())
  await sleep(plan.seconds * 1000)
  return window.close(count())
}

/** A window that its owner closes. */
export interface Window {
  readonly close: (count: number) => Outcome
}

/** Opens a window at a count. */
export const open = (pid: number, countBefore: number): Window => {
  const serverBefore = Proc.cpuNs(pid)
  const generatorBefore = process.cpuUsage()
  const before = process.hrtime.bigint()
  return {
    close: (count) => {
      const seconds = Number(process.hrtime.bigint() - before) / 1e9
      const serverCpuNs = Proc.cpuNs(pid) - serverBefore
      const { system, user } = process.cpuUsage(generatorBefore)
      return { messages: count - countBefore, seconds, serverCpuNs, generatorCpuNs: (system + user) * 1000 }
    },
  }
}

/** Several windows as one. */
export const sum = (outcomes: ReadonlyArray<Outcome>): Outcome =>
  outcomes.reduce((all, one) => ({
    messages: all.messages + one.messages,
    seconds: all.seconds + one.seconds,
    serverCpuNs: all.serverCpuNs + one.serverCpuNs,
    generatorCpuNs: all.generatorCpuNs + one.generatorCpuNs,
  }))

/** Waits until `isTrue`, or fails: whatever is still missing then is lost. */
export const until = async (isTrue: () => boolean, what: () => string): Promise<void> => {
  const deadline = Date.now() + drainMs
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`${what()} after ${drainMs} ms`)
    await sleep(2)
  }
}

/** How long the last answers of a run may take. */
const drainMs = 20_000
