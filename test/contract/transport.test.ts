/** Runs the transport contract against every transport. Adds no rule of its own. */
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import * as BrowserTransport from "../../src/transport/BrowserTransport.ts"
import * as MemoryTransport from "../../src/transport/MemoryTransport.ts"
import * as MergedTransport from "../../src/transport/MergedTransport.ts"
import * as SocketServerTransport from "../../src/transport/SocketServerTransport.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as TlsTransport from "../../src/transport/TlsTransport.ts"
import type { Transport } from "../../src/transport/Transport.ts"
import * as WebSocketTransport from "../../src/transport/WebSocketTransport.ts"
import { makeCertificates } from "../support/certificates.ts"
import { withoutSharedReads } from "../support/sharedReads.ts"
import { portOf, temporaryFolder } from "../support/wires.ts"
import { type ContractOptions, transportContract } from "./transport.contract.ts"
import * as SocketServer from "effect/socket/SocketServer"
import { WebSocket } from "ws"

const dialTcp = (transport: Transport["Service"], options: ContractOptions) =>
  TcpTransport.dial({ host: "127.0.0.1", port: portOf(transport.address), ...options })

transportContract("tcp", {
  listen: (options) =>
    Effect.map(TcpTransport.make({ port: 0, ...options }), (transport) => ({
      transport,
      dial: dialTcp(transport, options),
    })),
  resets: true,
  native: true,
})

transportContract("tcp without shared reads", {
  listen: (options) =>
    Effect.gen(function* () {
      yield* withoutSharedReads
      const transport = yield* TcpTransport.make({ port: 0, ...options })
      return { transport, dial: dialTcp(transport, options) }
    }),
  resets: true,
  native: true,
})

transportContract("unix", {
  listen: (options) =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryFolder, "longline.sock")
      const transport = yield* TcpTransport.makeUnix({ path, ...options })
      return { transport, dial: TcpTransport.dial({ path, ...options }) }
    }),
  resets: false,
  native: true,
})

const certificates = makeCertificates()

transportContract("tls", {
  listen: (options) =>
    Effect.map(TlsTransport.make({ port: 0, ...certificates.server, ...options }), (transport) => ({
      transport,
      dial: TlsTransport.dial({
        host: "127.0.0.1",
        port: portOf(transport.address),
        ca: certificates.ca,
        ...options,
      }),
    })),
  resets: true,
  native: true,
})

transportContract("websocket", {
  listen: (options) =>
    Effect.map(WebSocketTransport.make({ port: 0, messages: "bytes", ...options }), (transport) => ({
      transport,
      dial: WebSocketTransport.dial({
        host: "127.0.0.1",
        port: portOf(transport.address),
        messages: "bytes",
        ...options,
      }),
    })),
  resets: true,
  native: true,
})

transportContract("browser", {
  listen: (options) =>
    Effect.map(WebSocketTransport.make({ port: 0, messages: "bytes", ...options }), (transport) => ({
      transport,
      dial: BrowserTransport.dial({
        url: `ws://127.0.0.1:${portOf(transport.address)}/connect`,
        messages: "bytes",
        WebSocket,
        ...options,
      }),
    })),
  resets: false,
  native: false,
})

transportContract("memory", {
  listen: (options) =>
    Effect.map(MemoryTransport.make(options), ({ memory, transport }) => ({ transport, dial: memory.connect })),
  resets: true,
  native: true,
})

transportContract("merged", {
  listen: (options) =>
    Effect.gen(function* () {
      const transport = yield* TcpTransport.make({ port: 0, ...options })
      const { transport: beside } = yield* MemoryTransport.make(options)
      const merged = yield* MergedTransport.make([transport, beside], options)
      return { transport: merged, dial: dialTcp(transport, options) }
    }),
  resets: true,
  native: true,
})

transportContract("socket server", {
  listen: ({ acceptBacklog }) =>
    Effect.gen(function* () {
      const server = yield* NodeSocketServer.make({ host: "127.0.0.1", port: 0, allowHalfOpen: true })
      const transport = yield* SocketServerTransport.make({ acceptBacklog }).pipe(
        Effect.provideService(SocketServer.SocketServer, server),
      )
      return { transport, dial: dialTcp(transport, {}) }
    }),
  resets: true,
  native: false,
})
