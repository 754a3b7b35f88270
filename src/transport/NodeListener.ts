/**
 * A listening Node server as a scoped listener: arrivals wait in a bounded queue, its errors are values.
 * Makes no wire itself: the transport says what an accepted socket becomes.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import * as Limit from "../limit/Limit.ts"
import { Arrivals } from "./Arrivals.ts"
import { codeOf } from "./NodeWire.ts"
import {
  AcceptFailed,
  type Address,
  formatAddress,
  ListenFailed,
  type Transport,
  TransportError,
  type Wire,
} from "./Transport.ts"

/** What the listener is told by its transport. */
export interface Options {
  readonly name: string
  /** Where to listen. */
  readonly address: Address
  /** Connections that the system completes before this process accepts them. */
  readonly backlog: number
  /** Arrivals that may wait for `accept`. */
  readonly acceptBacklog: number
  /** Makes the wire of one accepted socket. */
  readonly wireUnsafe: (socket: Net.Socket, peer: Address) => Wire
}

/** Silence after which the system asks a tcp peer whether it is still there, in milliseconds. Heartbeats ask sooner. */
export const keepAliveDelayMillis = 60_000

/** The socket options of both sides. Half-open, since a client may end its side and still read the answers. */
export const socketOptions = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: keepAliveDelayMillis,
} as const

/** Listens until the scope closes. Fails with `ListenFailed` when the address cannot be bound. */
export const make = (options: Options): Effect.Effect<Transport["Service"], TransportError, Scope.Scope> =>
  Effect.gen(function* () {
    Limit.checkedUnsafe({ backlog: options.backlog })
    const arrivals = new Arrivals(options.acceptBacklog)
    const server = Net.createServer({ allowHalfOpen: true })
    /** Sockets to come that are given their options one by one. */
    let toBeGiven = Infinity
    const closeUnsafe = (): void => {
      // The callback, which waits for every connection to end, is not for us: the wires have other owners.
      if (server.listening) server.close()
      arrivals.close()
    }
    server.on("connection", (socket) => {
      if (toBeGiven-- > 0) socket.setNoDelay(true).setKeepAlive(true, keepAliveDelayMillis)
      const peer = peerOf(socket, options.address)
      if (peer !== undefined) return arrivals.push(options.wireUnsafe(socket, peer))
      socket.on("error", ignore).destroy()
      arrivals.fail(new AcceptFailed({ code: "ECONNABORTED" }))
    })
    yield* Effect.acquireRelease(listen(server, options), () =>
      Effect.sync(() => {
        closeUnsafe()
        arrivals.abort()
      }),
    )
    // Who was waiting already when the listener got them has not inherited them; more than the backlog cannot have waited.
    if (isInheritedUnsafe(server)) toBeGiven = options.backlog + 1
    // Not EMFILE, on Linux: libuv keeps one descriptor back to accept and hang up on those who come then, and tells
    // nobody (seen: 90 clients, a limit of 60 descriptors, 50 hung up on, no error). Seats must stay below the limit.
    server.on("error", (cause) => arrivals.fail(new AcceptFailed({ code: codeOf(cause), cause })))
    return {
      name: options.name,
      address: boundAddress(server, options.address),
      accept: arrivals.accept,
      acceptWithUnsafe: arrivals.acceptWithUnsafe,
      close: Effect.sync(closeUnsafe),
    }
  })

const listen = (server: Net.Server, options: Options): Effect.Effect<void, TransportError> =>
  Effect.callback((resume) => {
    const { address, backlog } = options
    const onError = (cause: Error): void => {
      const reason = new ListenFailed({ address: formatAddress(address), code: codeOf(cause), cause })
      resume(Effect.fail(new TransportError({ reason })))
    }
    server.once("error", onError)
    server.once("listening", () => {
      server.off("error", onError)
      resume(Effect.void)
    })
    try {
      if (address._tag === "Tcp") server.listen({ host: address.host, port: address.port, backlog })
      else server.listen({ path: address._tag === "Unix" ? address.path : address.name, backlog })
    } catch (cause) {
      // A port beyond 65535 is not the system's to refuse.
      onError(cause as Error)
    }
  })

/** What Node has in its listener and in its sockets, and does not publish. */
interface Handle {
  readonly setNoDelay?: (enable: boolean) => number
  readonly setKeepAlive?: (enable: boolean, delaySeconds: number) => number
  readonly getpeername?: (out: { address?: string; port?: number }) => number
}

const handleOf = (of: Net.Server | Net.Socket): Handle | null | undefined =>
  (of as unknown as { readonly _handle?: Handle | null })._handle

/**
 * Gives a tcp listener the options of its sockets, and says whether they will inherit them, as they do on Linux: five calls
 * of the system fewer for each, which was 3 µs of a connect (bench, connect). Read in `lib/net.js` of Node 20.20.2.
 */
const isInheritedUnsafe = (server: Net.Server): boolean => {
  const handle = handleOf(server)
  return (
    process.platform === "linux" &&
    handle?.setNoDelay?.(true) === 0 &&
    handle.setKeepAlive?.(true, keepAliveDelayMillis / 1000) === 0
  )
}

/**
 * Where a peer connects from; nothing when it was gone before it was accepted, since the system forgot it then. Asked of
 * Node's handle where there is one: the socket would keep an answer of its own (56 bytes of each idle connection).
 */
const peerOf = (socket: Net.Socket, listening: Address): Address | undefined => {
  if (listening._tag !== "Tcp") return listening
  // With its members there: to be given them is a quarter of what the call takes.
  const out: { address?: string; family?: string; port?: number } = { address: "", family: "", port: 0 }
  const isTold = handleOf(socket)?.getpeername?.(out) === 0
  const host = isTold ? out.address : socket.remoteAddress
  const port = isTold ? out.port : socket.remotePort
  return host === undefined || port === undefined ? undefined : { _tag: "Tcp", host, port }
}

const boundAddress = (server: Net.Server, asked: Address): Address => {
  const bound = server.address()
  return bound === null || typeof bound === "string" ? asked : { _tag: "Tcp", host: bound.address, port: bound.port }
}

const ignore = (): void => {}
