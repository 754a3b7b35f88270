/**
 * Bare Node sockets that do what a decent client would not, and the count of what a process holds.
 * Knows no Effect on the attacker's side: a socket, bytes, and its end.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { until } from "./wires.ts"

const ignore = (): void => {}

/** A socket on its way to a local port. It reads when somebody listens for `data`, and its errors are its own affair. */
export const dial = (port: number): Net.Socket =>
  Net.connect({ host: "127.0.0.1", port, noDelay: true }).on("error", ignore)

/** Completes when a socket has emitted this. */
export const once = (socket: Net.Socket, event: "connect" | "secureConnect" | "data" | "close"): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const done = (): void => resume(Effect.void)
    socket.once(event, done)
    return Effect.sync(() => void socket.off(event, done))
  })

/** Destroys sockets, and completes when every descriptor is free. */
export const destroyAll = (sockets: ReadonlyArray<Net.Socket>): Effect.Effect<void> =>
  Effect.suspend(() => {
    for (const socket of sockets) socket.destroy()
    return until(() => sockets.every((socket) => socket.closed))
  })

/** Counts the fibers that run with it. */
export const fiberGauge = (): { readonly alive: () => number; readonly layer: Layer.Layer<never> } => {
  let alive = 0
  const layer = Layer.succeed(Metric.FiberRuntimeMetrics, {
    recordFiberStart: () => void alive++,
    recordFiberEnd: () => void alive--,
  })
  return { alive: () => alive, layer }
}

/** What this process holds now: descriptors, and the timers and sockets that keep it alive. */
export const holdings = () => {
  const resources = process.getActiveResourcesInfo()
  const count = (name: string) => resources.filter((resource) => resource === name).length
  return {
    descriptors: Fs.readdirSync("/proc/self/fd").length,
    timers: count("Timeout"),
    sockets: count("TCPSocketWrap"),
  }
}

/**
 * Waits, without a timer of its own, until the readings are what they were at the start, at most five seconds: compare
 * them then. Fewer timers count as the same: the test runner had one of its own at the start.
 */
export const backTo = <A extends { readonly timers: number }>(start: A, read: () => A): Effect.Effect<A> =>
  Effect.suspend(() => {
    const giveUpAt = performance.now() + 5000
    const reading = (): A => {
      const now = read()
      return { ...now, timers: Math.max(now.timers, start.timers) }
    }
    const isBack = (): boolean => JSON.stringify(reading()) === JSON.stringify(start)
    return Effect.map(
      until(() => isBack() || performance.now() > giveUpAt),
      reading,
    )
  })
