/**
 * What the load generator is told, and what it tells: plain JSON both ways. Does nothing.
 */

/**
 * What a server speaks: frames of bytes that it sends back, or protocol version 1 of the gateway; `orders` are for processes
 * of clients, to which the generator is the gateway.
 */
export type Speaks = "frames" | "gateway" | "orders"

/** What to do to a server. */
export type Load =
  /** Each connection has so many frames in flight, always. */
  | {
      readonly kind: "closed"
      readonly connections: number
      readonly inFlight: number
      readonly body: "bytes" | "json"
      readonly bodyBytes: number
    }
  /** So many frames a second over all connections, whether the answers come or not. */
  | { readonly kind: "open"; readonly connections: number; readonly perSecond: number; readonly bodyBytes: number }
  /** One publisher, one channel: so many publications in flight, or so many a second. */
  | { readonly kind: "fanOut"; readonly subscribers: number; readonly pace: Pace }
  /** Each client publishes to a channel of its own and waits for the answer. */
  | { readonly kind: "publish"; readonly clients: number }
  /** So many clients connect at once, leave, and come again. */
  | { readonly kind: "storm"; readonly clients: number }
  /** Connections that say nothing: what they occupy, and whether it is given back. */
  | { readonly kind: "idle"; readonly connections: number; readonly warmUps: number; readonly settleSeconds: number }
  /** Clients of one channel each, which are sent so many publications ahead of what they have reported. */
  | { readonly kind: "clients"; readonly clients: number; readonly inFlight: number }
  /** Clients with so many channels each, on which nothing comes: what they occupy. */
  | {
      readonly kind: "subscriptions"
      readonly clients: number
      readonly channels: number
      readonly warmUps: number
      readonly settleSeconds: number
    }
  /** Connections that only answer heartbeats. */
  | { readonly kind: "heartbeats"; readonly connections: number; readonly leastSeconds: number }

/** How fast is published. */
export type Pace = { readonly inFlight: number } | { readonly perSecond: number }

/** One run. */
export interface Plan {
  readonly port: number
  /** Of the server, whose CPU time and memory are read. */
  readonly pid: number
  readonly speaks: Speaks
  /** Whether the server collects its garbage on SIGUSR2. */
  readonly collects: boolean
  readonly warmUpSeconds: number
  readonly seconds: number
  readonly load: Load
}

/** Milliseconds from the moment a request should have been sent to its whole answer. */
export interface Latency {
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  /** How late the generator itself was, at its 99th percentile: it is part of the latency. */
  readonly lateP99: number
}

/** Resident bytes of the server: before, with all connections, and after they left. */
export interface Memory {
  readonly before: number
  /** With the garbage that connecting left. */
  readonly uncollected: number
  readonly held: number
  readonly after: number
  readonly connections: number
}

/** What came of a run. A run in which a byte was wrong or missing has no outcome: the generator fails. */
export interface Outcome {
  /** Echoes, deliveries, answers or connects within the window. */
  readonly messages: number
  readonly seconds: number
  readonly serverCpuNs: number
  readonly generatorCpuNs: number
  readonly latency?: Latency
  readonly memory?: Memory
}
