import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Path from "node:path"
import * as Target from "../../src/cli/Target.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as TlsTransport from "../../src/transport/TlsTransport.ts"
import type { Transport, TransportError } from "../../src/transport/Transport.ts"
import * as WebSocketTransport from "../../src/transport/WebSocketTransport.ts"
import { makeCertificates } from "../support/certificates.ts"
import { frame } from "../support/frames.ts"
import { acceptOne, portOf, readBytes, temporaryFolder } from "../support/wires.ts"

describe("a target", () => {
  const written: ReadonlyArray<readonly [text: string, target: Target.Target, canonical?: string]> = [
    ["tcp://gateway.example:1", { _tag: "Tcp", host: "gateway.example", port: 1 }],
    ["tcp://gateway.example", { _tag: "Tcp", host: "gateway.example", port: 7557 }, "tcp://gateway.example:7557"],
    ["127.0.0.1:65535", { _tag: "Tcp", host: "127.0.0.1", port: 65535 }, "tcp://127.0.0.1:65535"],
    ["localhost", { _tag: "Tcp", host: "localhost", port: 7557 }, "tcp://localhost:7557"],
    ["[::1]:7000", { _tag: "Tcp", host: "::1", port: 7000 }, "tcp://[::1]:7000"],
    ["::1", { _tag: "Tcp", host: "::1", port: 7557 }, "tcp://[::1]:7557"],
    ["tcp://a:1/", { _tag: "Tcp", host: "a", port: 1 }, "tcp://a:1"],
    ["tls://a", { _tag: "Tls", host: "a", port: 7557 }, "tls://a:7557"],
    ["unix:/run/l.sock", { _tag: "Unix", path: "/run/l.sock" }],
    ["unix:///run/l.sock", { _tag: "Unix", path: "/run/l.sock" }, "unix:/run/l.sock"],
    ["unix:l.sock", { _tag: "Unix", path: "l.sock" }],
    ["ws://a:7558/connect", { _tag: "Ws", host: "a", port: 7558, path: "/connect" }],
    ["ws://a/", { _tag: "Ws", host: "a", port: 80, path: "/connect" }, "ws://a:80/connect"],
    ["wss://a/live/now", { _tag: "Wss", host: "a", port: 443, path: "/live/now" }, "wss://a:443/live/now"],
  ]
  for (const [text, target, canonical = text] of written) {
    it(`${text} is read, and written back`, () => {
      assert.deepStrictEqual(Target.parse(text), Result.succeed(target))
      assert.strictEqual(Target.format(target), canonical)
      assert.deepStrictEqual(Target.parse(canonical), Result.succeed(target))
    })
  }

  it.each(
    [
      ["", ":1", "a:", "a:b", "a b", "tcp:a:1", "http://a:1", "TCP://a", "tcp://", "tcp://a:1/path", "tcp://u@a:1"],
      ["unix:", "ws://a:1/?q", "ws://a:1/#h", "[::1", "[a]b:1", "[1]:2:3", "/run/l.sock", "constructor://a"],
    ].flat(),
  )("%j is refused with everything that it could be", (text) => {
    assert.deepStrictEqual(Target.parse(text), Result.fail(Target.allowed))
  })

  it.each(["a:0", "a:65536", "wss://a:99999"])("%s has no such port", (text) => {
    assert.deepStrictEqual(Target.parse(text), Result.fail("an address with a port from 1 to 65535"))
  })

  it("is local where no packet leaves the machine", () => {
    const local = ["127.3.2.1", "[::1]:1", "localhost", "unix:/a", "ws://127.0.0.1:1"]
    const remote = ["10.0.0.1", "gateway.example", "wss://gateway.example"]
    const isLocal = (text: string) => Result.map(Target.parse(text), Target.isLocal)
    assert.deepStrictEqual([...local, ...remote].map(isLocal), [
      ...local.map(() => Result.succeed(true)),
      ...remote.map(() => Result.succeed(false)),
    ])
  })
})

describe("a dialler", () => {
  const { ca, server } = makeCertificates()
  const subprotocols = { "longline.v1.protobuf": "binary", "longline.v1.json": "text" } as const

  it.live.each<readonly [text: string, listen: Effect.Effect<Transport["Service"], TransportError, Scope.Scope>]>([
    ["127.0.0.1", TcpTransport.make({ port: 0 })],
    ["tls://127.0.0.1", TlsTransport.make({ port: 0, ...server })],
    ["ws://127.0.0.1", WebSocketTransport.make({ port: 0, subprotocols })],
    ["ws://127.0.0.1/live", WebSocketTransport.make({ port: 0, subprotocols, path: "/live" })],
    ["wss://127.0.0.1", WebSocketTransport.make({ port: 0, subprotocols, tls: server })],
  ])("carries frames both ways to %s", ([text, listen]) =>
    Effect.gen(function* () {
      const transport = yield* listen
      yield* exchange(transport, text.replace("127.0.0.1", `127.0.0.1:${portOf(transport.address)}`), { ca })
    }),
  )

  it.live("carries frames both ways to a unix socket", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryFolder, "l.sock")
      yield* exchange(yield* TcpTransport.makeUnix({ path }), `unix:${path}`, {})
    }),
  )

  it.live.each(["tls", "wss"])("trusts nobody but the authorities, and asks for the name: %s", (scheme) =>
    Effect.gen(function* () {
      const transport = yield* scheme === "tls"
        ? TlsTransport.make({ port: 0, ...server })
        : WebSocketTransport.make({ port: 0, subprotocols, tls: server })
      const failing = (trust: TlsTransport.Trust) =>
        Effect.map(
          Effect.flip(Effect.scoped(dial(`${scheme}://127.0.0.1:${portOf(transport.address)}`, trust))),
          ({ message }) => message.replace(/^(TLS|WebSocket) (handshake failed: ).*\((\w+)\)$/, "$2$3"),
        )
      assert.deepStrictEqual(
        [yield* failing({}), yield* failing({ ca, servername: "other.example" })],
        ["handshake failed: UNABLE_TO_VERIFY_LEAF_SIGNATURE", "handshake failed: ERR_TLS_CERT_ALTNAME_INVALID"],
      )
    }),
  )

  it.live("is refused where no subprotocol of its own is spoken", () =>
    Effect.gen(function* () {
      const refusedBy = (options: Partial<WebSocketTransport.Options>) =>
        Effect.gen(function* () {
          const transport = yield* WebSocketTransport.make({ port: 0, ...options })
          return (yield* Effect.flip(dial(`ws://127.0.0.1:${portOf(transport.address)}`, {}))).message
        })
      assert.deepStrictEqual(
        [yield* refusedBy({}), yield* refusedBy({ subprotocols: { other: "text" } })],
        ["WebSocket handshake failed: WS_ERR_BAD_SUBPROTOCOL", "WebSocket handshake failed: HTTP_400"],
      )
    }),
  )
})

const dial = (text: string, trust: TlsTransport.Trust) => Target.dialer(Result.getOrThrow(Target.parse(text)), trust)

/** A frame goes there, and comes back. */
const exchange = Effect.fnUntraced(function* (
  transport: Transport["Service"],
  text: string,
  trust: TlsTransport.Trust,
) {
  const accepting = yield* Effect.forkScoped(acceptOne(transport))
  const there = yield* dial(text, trust)
  const here = yield* Fiber.join(accepting)
  there.writeUnsafe([frame("{}")])
  assert.deepStrictEqual(Buffer.concat([yield* readBytes(here, 6)]), frame("{}"))
  here.writeUnsafe([frame("[]")])
  assert.deepStrictEqual(Buffer.concat([yield* readBytes(there, 6)]), frame("[]"))
})
