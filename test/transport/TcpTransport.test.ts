import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import { hostOf, ListenFailed, Transport, type TransportError } from "../../src/transport/Transport.ts"
import { acceptOne, portOf, readBytes, temporaryFolder } from "../support/wires.ts"

const summary = ({ message, reason }: TransportError) => [
  reason._tag,
  "code" in reason ? reason.code : undefined,
  message,
]

const socketPath = Effect.map(temporaryFolder, (folder) => Path.join(folder, "longline.sock"))

describe("TcpTransport", () => {
  it.live("refuses to listen on a port that is taken, and says what to do", () =>
    Effect.gen(function* () {
      const port = portOf((yield* TcpTransport.make({ port: 0 })).address)
      const error = yield* Effect.flip(TcpTransport.make({ port }))
      assert.deepStrictEqual(summary(error), [
        "ListenFailed",
        "EADDRINUSE",
        `127.0.0.1:${port} is in use: stop the process that listens there, or choose another address`,
      ])
    }),
  )

  it.live("gives its port back with its scope, though a wire lives on", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const transport = yield* Scope.provide(TcpTransport.make({ port: 0 }), scope)
      const port = portOf(transport.address)
      const client = yield* TcpTransport.dial({ host: "127.0.0.1", port })
      const server = yield* acceptOne(transport)
      yield* Scope.close(scope, Exit.void)
      const again = yield* TcpTransport.make({ port })
      assert.strictEqual(portOf(again.address), port)
      client.writeUnsafe([Buffer.from("on")])
      assert.strictEqual(String(yield* readBytes(server, 2)), "on")
    }),
  )

  it.live("says who cannot be reached", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const port = portOf((yield* Scope.provide(TcpTransport.make({ port: 0 }), scope)).address)
      yield* Scope.close(scope, Exit.void)
      const error = yield* Effect.flip(TcpTransport.dial({ host: "127.0.0.1", port }))
      assert.deepStrictEqual(summary(error), [
        "DialFailed",
        "ECONNREFUSED",
        `cannot connect to 127.0.0.1:${port}: ECONNREFUSED`,
      ])
    }),
  )

  it.live("tells each peer's address, and resets a dialled wire with its scope", () =>
    Effect.gen(function* () {
      const transport = yield* TcpTransport.make({ port: 0 })
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(
        TcpTransport.dial({ host: "127.0.0.1", port: portOf(transport.address) }),
        scope,
      )
      const server = yield* acceptOne(transport)
      assert.deepStrictEqual(client.peer, transport.address)
      assert.deepStrictEqual(server.peer, { _tag: "Tcp", host: "127.0.0.1", port: portOf(server.peer) })
      yield* Scope.close(scope, Exit.void)
      const error = yield* Effect.flip(server.pull)
      assert.strictEqual(error._tag, "TransportError")
    }),
  )
})

describe("TcpTransport on unix sockets", () => {
  it.live("dials from the address that is named", () =>
    Effect.gen(function* () {
      const transport = yield* TcpTransport.make({ port: 0 })
      const port = portOf(transport.address)
      yield* TcpTransport.dial({ host: "127.0.0.1", port, localAddress: "127.0.0.77" })
      const { peer } = yield* acceptOne(transport)
      assert.strictEqual(hostOf(peer), "127.0.0.77")
    }),
  )

  it.live("makes the socket file with the mode asked for, and removes it when it closes", () =>
    Effect.gen(function* () {
      const path = yield* socketPath
      const listening = Effect.gen(function* () {
        const { address, name } = yield* Transport
        assert.deepStrictEqual([name, address], ["unix", { _tag: "Unix", path }])
        assert.strictEqual(Fs.statSync(path).mode & 0o777, 0o600)
      })
      yield* Effect.provide(listening, Layer.fresh(TcpTransport.layerUnix({ path, mode: 0o600 })))
      assert.isFalse(Fs.existsSync(path))
    }),
  )

  it.live("takes over a socket file that nobody listens on", () =>
    Effect.gen(function* () {
      const path = yield* socketPath
      // What a killed process leaves: bound, renamed so that closing does not remove it, and closed.
      const scope = yield* Scope.make()
      yield* Scope.provide(TcpTransport.makeUnix({ path: `${path}.old` }), scope)
      Fs.renameSync(`${path}.old`, path)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Fs.lstatSync(path).isSocket())
      const transport = yield* TcpTransport.makeUnix({ path })
      yield* TcpTransport.dial({ path })
      yield* acceptOne(transport)
    }),
  )

  it.live("leaves a socket file alone that somebody answers on", () =>
    Effect.gen(function* () {
      const path = yield* socketPath
      const first = yield* TcpTransport.makeUnix({ path })
      const error = yield* Effect.flip(TcpTransport.makeUnix({ path }))
      assert.deepStrictEqual(summary(error).slice(0, 2), ["ListenFailed", "EADDRINUSE"])
      yield* acceptOne(first)
      yield* TcpTransport.dial({ path })
      yield* acceptOne(first)
    }),
  )

  for (const [what, make] of [
    ["a plain file", (path: string) => Fs.writeFileSync(path, "precious")],
    ["a folder", (path: string) => Fs.mkdirSync(path)],
    ["a symbolic link", (path: string) => Fs.symlinkSync("/nonexistent", path)],
  ] as const) {
    it.live(`leaves ${what} alone, and says what it is`, () =>
      Effect.gen(function* () {
        const path = yield* socketPath
        make(path)
        const before = Fs.lstatSync(path)
        assert.deepStrictEqual(summary(yield* Effect.flip(TcpTransport.makeUnix({ path }))), [
          "ListenFailed",
          "ENOTSOCK",
          `cannot listen on unix:${path}: ${what} is there; remove it, or choose another path`,
        ])
        assert.deepStrictEqual(Fs.lstatSync(path), before)
      }),
    )
  }

  it.live("refuses a port that is none, on either side", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(summary(yield* Effect.flip(TcpTransport.make({ port: 65_536 }))), [
        "ListenFailed",
        "ERR_SOCKET_BAD_PORT",
        "cannot listen on 127.0.0.1:65536: a port is a whole number from 0 to 65535 (ERR_SOCKET_BAD_PORT)",
      ])
      const error = yield* Effect.flip(TcpTransport.dial({ host: "127.0.0.1", port: 65_536 }))
      assert.deepStrictEqual(summary(error).slice(0, 2), ["DialFailed", "ERR_SOCKET_BAD_PORT"])
    }),
  )

  it.live("says that an address is not this machine's", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(TcpTransport.make({ host: "192.0.2.1", port: 0 }))
      assert.deepStrictEqual(summary(error), [
        "ListenFailed",
        "EADDRNOTAVAIL",
        "cannot listen on 192.0.2.1:0: this machine has no such address (EADDRNOTAVAIL)",
      ])
    }),
  )

  // Whoever runs the tests may be root, whom the system refuses nothing.
  it.each([
    [
      "127.0.0.1:80",
      "EACCES",
      "this user may not; ports below 1024 take the capability CAP_NET_BIND_SERVICE, so grant it, or choose a higher port (EACCES)",
    ],
    [
      "unix:/root/s",
      "EACCES",
      "this user may not make a socket in that folder; change its permissions, or choose another path (EACCES)",
    ],
    ["nowhere.invalid:1", "ENOTFOUND", "the host name is not known (ENOTFOUND)"],
    ["127.0.0.1:80", "ELOOP", "ELOOP"],
  ])("of %s and %s says what a person can do, where there is something", (address, code, advice) => {
    const { message } = new ListenFailed({ address, code, cause: undefined })
    assert.strictEqual(message, `cannot listen on ${address}: ${advice}`)
  })

  it.live("takes paths of up to 107 bytes, and refuses longer ones in place of cutting them off", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const longest = Path.join(folder, "é".repeat(10)).padEnd(107 - 10, "x")
      assert.strictEqual(Buffer.byteLength(longest), 107)
      assert.strictEqual((yield* TcpTransport.makeUnix({ path: longest })).name, "unix")
      yield* TcpTransport.dial({ path: longest })
      const tooLong = `${longest}x`
      assert.deepStrictEqual(summary(yield* Effect.flip(TcpTransport.makeUnix({ path: tooLong }))), [
        "ListenFailed",
        "ENAMETOOLONG",
        `cannot listen on unix:${tooLong}: a path has at most 107 bytes`,
      ])
      const refused = summary(yield* Effect.flip(TcpTransport.dial({ path: tooLong })))
      assert.deepStrictEqual(refused.slice(0, 2), ["DialFailed", "ENAMETOOLONG"])
      assert.deepStrictEqual(Fs.readdirSync(folder), [Path.basename(longest)])
    }),
  )

  it.live("names the folder that is not there", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryFolder, "none", "longline.sock")
      assert.deepStrictEqual(summary(yield* Effect.flip(TcpTransport.makeUnix({ path }))), [
        "ListenFailed",
        "ENOENT",
        `cannot listen on unix:${path}: that folder does not exist (ENOENT)`,
      ])
    }),
  )
})
