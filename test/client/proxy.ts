/** A proxy between a client and a gateway on tcp, for what networks do to connections. Understands nothing that passes. */
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"

/** A proxy to a port, whose connections can be reset. */
export const proxy = Effect.fnUntraced(function* (port: number) {
  const sockets = new Set<Net.Socket>()
  const server = yield* Effect.acquireRelease(
    Effect.callback<Net.Server>((resume) => {
      const server = Net.createServer((socket) => {
        const onward = Net.connect({ port, host: "127.0.0.1" })
        for (const end of [socket, onward])
          sockets.add(end.on("error", () => {}).on("close", () => sockets.delete(end)))
        socket.pipe(onward).pipe(socket)
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close()),
  )
  const reset = Effect.sync(() => sockets.forEach((socket) => socket.resetAndDestroy()))
  return { dial: TcpTransport.dial({ host: "127.0.0.1", port: (server.address() as Net.AddressInfo).port }), reset }
})
