/**
 * What is measured, for whom, and what is to be reached (issues 3 and 4). The first peer of each is the reference.
 * Holds numbers only; sizes shrink for the smoke, never what is done.
 */
import type { Load } from "../load/Plan.ts"

/** What a row of the table shows: CPU time a message, resident memory a connection, or a share of one core. */
export type Figure = "µs" | "KB" | "%"

/** What is to be reached: at most so many times the reference, so much, so much more, or so many times a throughput. */
export type Goal =
  | { readonly ratio: number }
  | { readonly atMost: number }
  | { readonly above: number }
  | { readonly throughput: number; readonly of: string }

/** One thing that is measured. */
export interface Scenario {
  readonly name: string
  readonly figure: Figure
  readonly peers: ReadonlyArray<string>
  readonly goals: Readonly<Record<string, ReadonlyArray<Goal>>>
  readonly load: Load
  /** The same, small. */
  readonly smoke: Load
  /** A server that has served nobody yet, for every run; such runs are long, and warm up by themselves. */
  readonly fresh?: { readonly maxRounds: number }
}

/** What the system costs: they have no frames. */
const floors = ["node-raw", "c"]
const foreign = ["tokio", "go", "go-tutorial", "netty", "erlang"]
const echoes = ["node", "longline", ...floors, ...foreign]
const large = ["node", "longline", "longline-modules", ...floors, ...foreign]
const gateways = ["node-fanout", "gateway"]

const echo = (
  name: string,
  options: { readonly connections: number; readonly inFlight?: number; readonly bodyBytes?: number },
  goals: ReadonlyArray<Goal>,
  peers: ReadonlyArray<string> = echoes,
): Scenario => {
  const load = { kind: "closed", body: "bytes", inFlight: 1, bodyBytes: 64, ...options } as const
  return {
    name: `echo-${name}`,
    figure: "µs",
    peers,
    goals: { longline: goals },
    load,
    smoke: { ...load, connections: 3 },
  }
}

const against = (
  name: string,
  peers: readonly [reference: string, ours: string],
  ratio: number,
  load: Load,
  smoke: Load,
): Scenario => ({ name, figure: "µs", peers, goals: { [peers[1]]: [{ ratio }] }, load, smoke })

const bytes = { kind: "closed", body: "bytes", bodyBytes: 64 } as const
const json = { kind: "closed", body: "json", bodyBytes: 0 } as const
const idle = { kind: "idle", connections: 15_000, warmUps: 1_000, settleSeconds: 30 } as const
const fanOut = { kind: "fanOut", subscribers: 1_000 } as const
const few = { connections: 3 } as const

/** In the order of the table. */
export const all: ReadonlyArray<Scenario> = [
  echo("50x1", { connections: 50 }, [{ ratio: 1.2 }]),
  echo("500x1", { connections: 500 }, [{ ratio: 1.2 }]),
  echo("50x32", { connections: 50, inFlight: 32 }, [{ ratio: 0.9 }, { throughput: 12, of: "go-tutorial" }]),
  // Memory is most of these two, so the reference is there with a program's heap, too.
  echo("16k", { connections: 50, bodyBytes: 16 * 1024 }, [{ ratio: 1.1 }], large),
  echo("1m", { connections: 10, bodyBytes: 1024 * 1024 }, [{ ratio: 1.2 }], large),
  {
    name: "echo-open",
    figure: "µs",
    peers: echoes,
    goals: {},
    load: { kind: "open", connections: 50, perSecond: 10_000, bodyBytes: 64 },
    smoke: { kind: "open", connections: 3, perSecond: 1_000, bodyBytes: 64 },
  },
  against(
    "router-50x32",
    ["node", "longline-router"],
    1.3,
    { ...bytes, connections: 50, inFlight: 32 },
    { ...bytes, ...few, inFlight: 32 },
  ),
  ...[1, 32].map((inFlight) =>
    against(
      `json-50x${inFlight}`,
      ["node-json", "longline-json"],
      1.3,
      { ...json, connections: 50, inFlight },
      { ...json, ...few, inFlight },
    ),
  ),
  against(
    "fanout-full",
    ["node-fanout", "gateway"],
    1.5,
    { ...fanOut, pace: { inFlight: 32 } },
    { ...fanOut, subscribers: 20, pace: { inFlight: 8 } },
  ),
  against(
    "fanout-gentle",
    ["node-fanout", "gateway"],
    1.2,
    { ...fanOut, pace: { perSecond: 20 } },
    { ...fanOut, subscribers: 20, pace: { perSecond: 50 } },
  ),
  against(
    "publish",
    ["node-fanout", "gateway"],
    1.5,
    { kind: "publish", clients: 50 },
    { kind: "publish", clients: 3 },
  ),
  // On the disk that is there, and where not the CPU but the disk is the limit.
  ...["", "-1ms"].map((disk): Scenario => ({
    name: `publish-durable${disk}`,
    figure: "µs",
    peers: [`gateway-each${disk}`, `gateway-durable${disk}`],
    goals: { [`gateway-durable${disk}`]: [{ throughput: 20, of: `gateway-each${disk}` }] },
    load: { kind: "publish", clients: 50 },
    smoke: { kind: "publish", clients: 3 },
  })),
  against(
    "connect",
    ["node-fanout", "gateway"],
    1.5,
    { kind: "storm", clients: 1_000 },
    { kind: "storm", clients: 20 },
  ),
  {
    name: "idle",
    figure: "KB",
    peers: ["node", "longline", ...gateways, ...foreign],
    goals: { longline: [{ above: 3.5 }], gateway: [{ atMost: 9 }] },
    load: idle,
    smoke: { ...idle, connections: 20, warmUps: 5, settleSeconds: 0 },
    fresh: { maxRounds: 3 },
  },
  {
    name: "heartbeats",
    figure: "%",
    peers: ["longline", "gateway"],
    goals: { longline: [{ atMost: 3 }], gateway: [{ atMost: 3 }] },
    // Two intervals of 25 s, so that every connection has as many heartbeats.
    load: { kind: "heartbeats", connections: 15_000, leastSeconds: 50 },
    smoke: { kind: "heartbeats", connections: 20, leastSeconds: 0 },
    fresh: { maxRounds: 3 },
  },
  {
    name: "client",
    figure: "µs",
    peers: ["node-client", "client"],
    goals: {},
    load: { kind: "clients", clients: 50, inFlight: 32 },
    smoke: { kind: "clients", clients: 3, inFlight: 8 },
  },
  {
    name: "subscriptions",
    figure: "KB",
    peers: ["node-client", "client"],
    goals: {},
    load: { kind: "subscriptions", clients: 10, channels: 1_000, warmUps: 100, settleSeconds: 30 },
    smoke: { kind: "subscriptions", clients: 2, channels: 5, warmUps: 1, settleSeconds: 0 },
    fresh: { maxRounds: 3 },
  },
]
