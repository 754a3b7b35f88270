/** The life of `node dist/main.js`: from its ready line to its exit code, on real sockets. Needs a build. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { X509Certificate } from "node:crypto"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Tls from "node:tls"
import { type Certificates, makeCertificates } from "../support/certificates.ts"
import { frame } from "../support/frames.ts"
import * as Gateway from "../support/gateway.ts"
import * as Peer from "../support/peer.ts"
import * as Spawned from "../support/spawned.ts"

const started: Array<Gateway.Gateway> = []
const start = async (...args: ReadonlyArray<string>) => {
  const gateway = await Gateway.start(args)
  started.push(gateway)
  return gateway
}
const atOnce = ["--drain-grace", "0s", "--drain-timeout", "1s"]

afterEach(async () => {
  await Promise.all(started.splice(0).map((gateway) => gateway.stop("SIGKILL")))
})

describe("a drain", () => {
  it("by SIGTERM tells every client, closes it, and ends with exit code 0", async () => {
    const gateway = await start("--drain-grace", "100ms", "--drain-timeout", "5s")
    const peers = [await Peer.connect({ port: gateway.port }), await Peer.connect({ port: gateway.port })]
    const exited = gateway.stop("SIGTERM")
    for (const peer of peers) {
      const notice = { type: "notice", code: 4001, message: "the server is going away", waitMs: 100 }
      assert.deepStrictEqual(await peer.next(), notice)
      const bye = { type: "bye", code: 4001, message: "the server is draining", retry: "backoff" }
      assert.deepStrictEqual(await peer.next(), bye)
      assert.strictEqual(await peer.next(), "closed")
      peer.socket.destroy()
    }
    assert.deepStrictEqual(await exited, { code: 0, signal: null })
  })

  it("by SIGINT is the same", async () => {
    const gateway = await start(...atOnce)
    assert.deepStrictEqual(await gateway.stop("SIGINT"), { code: 0, signal: null })
  })

  it("lets a client finish within the grace, and ends when the last one has left", async () => {
    const gateway = await start("--drain-grace", "10m", "--drain-timeout", "1s")
    const peer = await Peer.connect({ port: gateway.port })
    const exited = gateway.stop("SIGTERM")
    await peer.next()
    peer.send({ type: "publish", id: 2, channel: "a", data: 1 })
    assert.deepInclude(await peer.next(), { type: "published", id: 2, offset: 1 })
    peer.socket.end()
    assert.deepStrictEqual(await exited, { code: 0, signal: null })
  })

  it("is ended at once by a second signal", async () => {
    const gateway = await start("--drain-grace", "10m", "--drain-timeout", "10m")
    const peer = await Peer.connect({ port: gateway.port })
    const first = gateway.stop("SIGTERM")
    await peer.next()
    assert.deepStrictEqual(await gateway.stop("SIGTERM"), { code: 0, signal: null })
    assert.deepStrictEqual(await first, { code: 0, signal: null })
  })

  it("holds its deadline against a client that never reads", async () => {
    const gateway = await start(...atOnce)
    const deaf = await Peer.connect({ port: gateway.port })
    deaf.send({ type: "subscribe", id: 2, channel: "a" })
    await deaf.next()
    deaf.socket.pause()
    const publisher = await Peer.connect({ port: gateway.port })
    const data = "x".repeat(60_000)
    for (let id = 1; id <= 10; id++) {
      publisher.send({ type: "publish", id, channel: "a", data })
      await publisher.next()
    }
    assert.deepStrictEqual(await gateway.stop("SIGTERM"), { code: 0, signal: null })
    deaf.socket.destroy()
  })
})

describe("the address", () => {
  it("that is taken ends with exit code 1 and one line that names it", async () => {
    const gateway = await start()
    const second = Spawned.start(process.execPath, [Gateway.program, "--port", String(gateway.port)])
    assert.deepStrictEqual(await second.exited, { code: 1, signal: null })
    assert.deepStrictEqual(second.errorLines, [
      `longline: 127.0.0.1:${gateway.port} is in use: stop the process that listens there, or choose another address`,
    ])
  })

  it("may be a unix socket, whose file is gone afterwards", async () => {
    const directory = mkdtempSync(join(tmpdir(), "longline-"))
    const path = join(directory, "s")
    const gateway = await start("--unix", path, ...atOnce)
    const peer = await Peer.connect({ path })
    peer.socket.destroy()
    await gateway.stop()
    const error = await new Promise<Error>((resolve) => Net.connect({ path }).once("error", resolve))
    assert.match(error.message, /ENOENT/)
    rmSync(directory, { recursive: true })
  })

  it("may speak TLS", async () => {
    const { ca, server } = makeCertificates()
    const directory = mkdtempSync(join(tmpdir(), "longline-"))
    const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")]
    writeFileSync(cert, server.cert)
    writeFileSync(key, server.key)
    const gateway = await start("--tls-cert", cert, "--tls-key", key)
    rmSync(directory, { recursive: true })
    const socket = Tls.connect({ port: gateway.port, host: "127.0.0.1", ca, servername: "localhost" })
    const peer = Peer.over(socket)
    peer.send({ type: "connect", id: 1, version: 1 })
    assert.deepInclude(await peer.next(), { type: "connected" })
    socket.destroy()
  })

  it("may ask for certificates, and outlives clients that show none", async () => {
    const { ca, client, server } = makeCertificates()
    const directory = mkdtempSync(join(tmpdir(), "longline-"))
    const file = (name: string, pem: string) => {
      writeFileSync(join(directory, name), pem)
      return join(directory, name)
    }
    const files = ["--tls-cert", file("cert", server.cert), "--tls-key", file("key", server.key)]
    const gateway = await start(...files, "--tls-client-ca", file("ca", ca))
    rmSync(directory, { recursive: true })
    const dial = (identity: object) =>
      Tls.connect({ port: gateway.port, host: "127.0.0.1", ca, servername: "localhost", ...identity })
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"]) {
      const stranger = dial({ maxVersion }).on("error", () => {})
      await new Promise((resolve) => stranger.once("close", resolve))
    }
    const peer = Peer.over(dial(client))
    peer.send({ type: "connect", id: 1, version: 1 })
    assert.deepInclude(await peer.next(), { type: "connected" })
    peer.socket.destroy()
  })
})

describe("SIGHUP", () => {
  const hangUp = (gateway: Gateway.Gateway) => process.kill(gateway.pid!, "SIGHUP")
  const said = (gateway: Gateway.Gateway, text: string) =>
    gateway.line(text, (line) => (line.includes(text) ? line : undefined))

  it("makes the gateway show the certificate that is in its files now, on both ports, and touches no connection", async () => {
    const directory = mkdtempSync(join(tmpdir(), "longline-"))
    const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")]
    const [first, second] = [makeCertificates(), makeCertificates()]
    const put = ({ server }: Certificates) => {
      writeFileSync(cert, server.cert)
      writeFileSync(key, server.key)
    }
    const dial = (port: number, { ca }: Certificates) =>
      Tls.connect({ port, host: "127.0.0.1", ca, servername: "localhost" })
    const shown = (port: number, trusted: Certificates) =>
      new Promise<string>((resolve, reject) => {
        const socket = dial(port, trusted).once("error", reject)
        socket.once("secureConnect", () => {
          resolve(socket.getPeerX509Certificate()!.serialNumber)
          socket.destroy()
        })
      })
    const serialOf = ({ server }: Certificates) => new X509Certificate(server.cert).serialNumber

    put(first)
    const gateway = await start("--tls-cert", cert, "--tls-key", key, "--ws-port", "0")
    const webSockets = await gateway.line("ready line", (line) => /:(\d+)".*"websocket"/.exec(line)?.[1])
    const peer = Peer.over(dial(gateway.port, first))
    peer.send({ type: "connect", id: 1, version: 1 })
    assert.deepInclude(await peer.next(), { type: "connected" })

    put(second)
    hangUp(gateway)
    await said(gateway, `the TLS certificate was read again: serial ${serialOf(second)}`)
    for (const port of [gateway.port, Number(webSockets)])
      assert.strictEqual(await shown(port, second), serialOf(second))
    peer.send({ type: "publish", id: 2, channel: "a", data: 1 })
    assert.deepInclude(await peer.next(), { type: "published", id: 2 })

    writeFileSync(key, first.server.key)
    hangUp(gateway)
    await said(gateway, `the TLS certificate stays as it was: --tls-key is`)
    assert.strictEqual(await shown(gateway.port, second), serialOf(second))
    peer.send({ type: "publish", id: 3, channel: "a", data: 1 })
    assert.deepInclude(await peer.next(), { type: "published", id: 3 })
    peer.socket.destroy()
    rmSync(directory, { recursive: true })
  })

  it("ends no gateway, not even one without a certificate", async () => {
    const gateway = await start(...atOnce)
    hangUp(gateway)
    await said(gateway, "SIGHUP: there is no TLS certificate to read again")
    assert.deepStrictEqual(await gateway.stop(), { code: 0, signal: null })
  })
})

describe("the data directory", () => {
  it("that cannot be had ends with exit code 1 and one line that names it, and nothing in it is changed", async () => {
    const directory = mkdtempSync(join(tmpdir(), "longline-"))
    const [mine, theirs] = [join(directory, "mine"), join(directory, "theirs")]
    const gateway = await start("--data", mine)
    mkdirSync(theirs)
    writeFileSync(join(theirs, "diary.txt"), "dear diary")
    const refusals = [
      [mine, `another server has it open (process ${gateway.pid}); stop that one, or choose another directory`],
      [
        theirs,
        "holds 1 entries that are not of a longline store (diary.txt); choose an empty directory, or one that does not exist",
      ],
    ] as const
    for (const [data, why] of refusals) {
      const second = Spawned.start(process.execPath, [Gateway.program, "--port", "0", "--data", data])
      assert.deepStrictEqual(await second.exited, { code: 1, signal: null })
      assert.deepStrictEqual(second.errorLines, [`longline: data directory ${data}: ${why}`])
    }
    assert.deepStrictEqual(readdirSync(theirs), ["diary.txt"])
    rmSync(directory, { recursive: true })
  })
})

describe("the log", () => {
  it("says in one line that everybody may do everything, until there is authentication", async () => {
    const directory = mkdtempSync(join(tmpdir(), "longline-"))
    const secret = join(directory, "secret")
    writeFileSync(secret, "s".repeat(32))
    for (const [args, said] of [
      [[], 1],
      [["--auth-secret-file", secret], 0],
    ] as const) {
      const gateway = await start(...args)
      await gateway.stop("SIGTERM")
      const line = "no authentication: whoever connects may do everything"
      assert.lengthOf(
        gateway.lines.filter((each) => each.includes(line)),
        said,
      )
    }
    rmSync(directory, { recursive: true })
  })

  it("whose reader has gone takes nobody with it", async () => {
    const child = spawn(process.execPath, [Gateway.program, "--port", "0", "--log-level", "debug", ...atOnce], {
      stdio: ["ignore", "pipe", "ignore"],
    })
    const exited = new Promise((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })))
    const port = await new Promise<number>((resolve) => {
      let log = ""
      child.stdout.on("data", (chunk) => {
        const [, found] = /listening on 127\.0\.0\.1:(\d+)/.exec((log += String(chunk))) ?? []
        if (found !== undefined) resolve(Number(found))
      })
    })
    child.stdout.destroy()
    for (let i = 0; i < 3; i++) {
      const peer = await Peer.connect({ port })
      peer.socket.end()
      assert.deepInclude(await peer.next(), { type: "bye", code: 4000 })
      await peer.next()
    }
    child.kill("SIGTERM")
    assert.deepStrictEqual(await exited, { code: 0, signal: null })
  })
})

describe("limits", () => {
  it("a client too many is told that the node is full", async () => {
    const gateway = await start("--max-connections", "1")
    const first = await Peer.connect({ port: gateway.port })
    const second = Peer.over(Net.connect({ port: gateway.port }))
    const message = "refused: 1 connections, allowed are 1"
    assert.deepStrictEqual(await second.next(), { type: "bye", code: 4101, message, retry: "elsewhere" })
    first.socket.destroy()
    second.socket.destroy()
  })

  it("a client too many from one address is told so", async () => {
    const gateway = await start("--max-connections-per-address", "1")
    const first = await Peer.connect({ port: gateway.port })
    const second = Peer.over(Net.connect({ port: gateway.port }))
    assert.deepInclude(await second.next(), { type: "bye", code: 4301, waitMs: 5000 })
    first.socket.destroy()
    second.socket.destroy()
  })

  it("clients that together leave too many frames unfinished lose the largest holders, and the log says so", async () => {
    const gateway = await start("--buffer-bytes", "1MiB")
    const peers: Array<Peer.Peer> = []
    // The last of them passes the limit: each makes the gateway keep 64 KiB.
    for (let i = 0; i < 17; i++) {
      const peer = await Peer.connect({ port: gateway.port })
      peer.socket.write(frame("x".repeat(64 * 1024 - 4)).subarray(0, -1))
      peers.push(peer)
    }
    const bye = { type: "bye", code: 4302, message: "overloaded", retry: "backoff", waitMs: 1000 }
    assert.deepStrictEqual(await Promise.race(peers.map(({ next }) => next())), bye)
    await gateway.line("what was shed", (line) =>
      line.includes("3 connections shed that held 196608 bytes") ? line : undefined,
    )
    for (const { socket } of peers) socket.destroy()
  })

  it("a client that goes silent is probed, told bye 4003 and closed", async () => {
    const gateway = await start("--heartbeat-interval", "100ms", "--heartbeat-timeout", "100ms")
    const peer = await Peer.connect({ port: gateway.port })
    assert.deepStrictEqual(await peer.next(), {
      type: "bye",
      code: 4003,
      message: "nothing received within 100 ms after a heartbeat",
      retry: "backoff",
    })
    assert.strictEqual(peer.heartbeats(), 1)
    assert.strictEqual(await peer.next(), "closed")
    peer.socket.destroy()
  })

  it("a client that does not connect is told bye 4502", async () => {
    const gateway = await start("--connect-timeout", "100ms")
    const peer = Peer.over(Net.connect({ port: gateway.port }))
    assert.deepInclude(await peer.next(), { type: "bye", code: 4502 })
    peer.socket.destroy()
  })
})
