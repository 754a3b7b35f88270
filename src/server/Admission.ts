/**
 * Seats: how many connections a server holds, how many of them from one address, and how fast it takes new ones.
 * Knows no sockets: a seat is taken for an address and given back.
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as CloseReason from "../connection/CloseReason.ts"
import * as Limit from "../limit/Limit.ts"
import { TokenBucket } from "../connection/RateLimit.ts"

/** Connections in all. Each needs a descriptor: keep `ulimit -n` above it. */
export const defaultMaxConnections = 10_000

/** Connections from one address. Every peer of a unix socket has the same. */
export const defaultMaxConnectionsPerAddress = 1_000

/** New connections in a second; a burst of one second's worth is taken at once. */
export const defaultAcceptsPerSecond = 5_000

/** The limits of a server. */
export interface AdmissionLimits {
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  readonly acceptsPerSecond: number
}

/** The limits in force. */
export const AdmissionLimits = Context.Reference<AdmissionLimits>("longline/server/AdmissionLimits", {
  defaultValue: () => ({
    maxConnections: defaultMaxConnections,
    maxConnectionsPerAddress: defaultMaxConnectionsPerAddress,
    acceptsPerSecond: defaultAcceptsPerSecond,
  }),
})

/** Limits as a layer; what is not given keeps its default (10 000, 1 000, 5 000). `Infinity` switches one off. */
export const layer = (options: {
  readonly maxConnections?: number | undefined
  readonly maxConnectionsPerAddress?: number | undefined
  readonly acceptsPerSecond?: number | undefined
}): Layer.Layer<never> =>
  Layer.succeed(
    AdmissionLimits,
    Limit.checkedUnsafe({
      maxConnections: options.maxConnections ?? defaultMaxConnections,
      maxConnectionsPerAddress: options.maxConnectionsPerAddress ?? defaultMaxConnectionsPerAddress,
      acceptsPerSecond: options.acceptsPerSecond ?? defaultAcceptsPerSecond,
    }),
  )

/** The seats of one server. Mutable, owned by its accept loop. */
export class Seats {
  /** Seats taken. */
  taken = 0
  readonly #byHost = new Map<string, number>()
  readonly #limits: AdmissionLimits
  readonly #rate: TokenBucket

  constructor(limits: AdmissionLimits, now: number) {
    this.#limits = limits
    this.#rate = new TokenBucket(limits.acceptsPerSecond, now)
  }

  /** Addresses that hold a seat: as many as are remembered. */
  get hosts(): number {
    return this.#byHost.size
  }

  /** Takes a seat for an address, or tells why there is none. Asked at most once a connection, at the time `now` (ms). */
  take(host: string, now: number): CloseReason.CloseReason | undefined {
    const { maxConnections, maxConnectionsPerAddress, acceptsPerSecond } = this.#limits
    const ofHost = this.#byHost.get(host) ?? 0
    if (this.taken >= maxConnections) {
      return CloseReason.Refused({ limit: "connections", allowed: maxConnections, observed: this.taken })
    }
    if (ofHost >= maxConnectionsPerAddress) {
      return CloseReason.Refused({
        limit: "connectionsPerAddress",
        allowed: maxConnectionsPerAddress,
        observed: ofHost,
      })
    }
    if (!this.#rate.take(1, now)) {
      return CloseReason.Refused({ limit: "acceptsPerSecond", allowed: acceptsPerSecond, observed: acceptsPerSecond })
    }
    this.taken++
    this.#byHost.set(host, ofHost + 1)
    return undefined
  }

  /** Gives a seat back. */
  free(host: string): void {
    this.taken--
    const ofHost = this.#byHost.get(host) ?? 0
    if (ofHost > 1) this.#byHost.set(host, ofHost - 1)
    else this.#byHost.delete(host)
  }
}
