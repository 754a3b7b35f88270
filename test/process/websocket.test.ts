/** WebSockets of `node dist/main.js`, beside its TCP port: both subprotocols, byes and their codes, TLS. Needs a build. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as PromiseClient from "../../src/client/PromiseClient.ts"
import * as WebSocketTransport from "../../src/transport/WebSocketTransport.ts"
import { makeCertificates } from "../support/certificates.ts"
import * as Gateway from "../support/gateway.ts"
import * as Peer from "../support/peer.ts"
import * as WebSocketPeer from "../support/webSocketPeer.ts"

const stops: Array<() => Promise<unknown>> = []
const start = async (...args: ReadonlyArray<string>) => {
  const gateway = await Gateway.start(["--ws-port", "0", ...args])
  stops.push(() => gateway.stop("SIGKILL"))
  const isThere = (line: string) =>
    line.includes("websocket") ? /listening on ([^\s"',]+)/.exec(line)?.[1] : undefined
  const address = await gateway.line("line of the WebSocket listener", isThere)
  return { gateway, url: `ws://${address}/connect` }
}

afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()))
})

describe("WebSockets of the gateway", () => {
  it("share channels with TCP, in text for JSON and binary for Protobuf", async () => {
    const { gateway, url } = await start()
    const tcp = await Peer.connect({ port: gateway.port })
    const webSockets = [await WebSocketPeer.connect(url, "json"), await WebSocketPeer.connect(url, "protobuf")]
    const peers = [tcp, ...webSockets]
    for (const peer of peers) {
      peer.send({ type: "subscribe", id: 2, channel: "chat" })
      assert.deepInclude(await peer.next(), { type: "subscribed", id: 2 })
    }
    for (const [i, sender] of peers.entries()) {
      sender.send({ type: "publish", channel: "chat", data: { type: "json", text: `"from ${i}"` } })
      for (const peer of peers) {
        const message = await peer.next()
        assert.deepInclude(message, { type: "publication", channel: "chat", offset: i + 1 })
      }
    }
    for (const peer of webSockets) peer.socket.close()
    tcp.socket.end()
  })

  it("carry the client of Node, in both encodings", async () => {
    const { url } = await start()
    const { port } = new URL(url)
    const dial = WebSocketTransport.dial({ host: "127.0.0.1", port: Number(port) })
    for (const encoding of ["json", "protobuf"] as const) {
      const client = await PromiseClient.connect({ dial, encoding })
      await client.serve("echo", ({ data }) => data)
      const bytes = Uint8Array.of(0, 255)
      assert.deepStrictEqual(await client.request("echo", { bytes: [bytes.length] }), { bytes: [2] })
      assert.deepStrictEqual(await client.request("echo", bytes), bytes)
      await client.close()
    }
  })

  it("are compressed where that is turned on, and the client offers it", async () => {
    for (const [args, extensions] of [
      [[], ""],
      [["--ws-compression"], "permessage-deflate"],
    ] as const) {
      const { url } = await start(...args)
      const peer = await WebSocketPeer.connect(url)
      assert.strictEqual(peer.socket.extensions, extensions)
      peer.send({ type: "subscribe", id: 2, channel: "a" })
      const text = "long ".repeat(1000)
      peer.send({ type: "publish", channel: "a", data: text })
      assert.deepInclude(await peer.next(), { type: "subscribed" })
      assert.deepInclude(await peer.next(), { type: "publication", data: text })
    }
  })

  it("carry empty messages as heartbeats, and count them as life", async () => {
    const { url } = await start("--heartbeat-interval", "100ms", "--heartbeat-timeout", "200ms")
    const peer = await WebSocketPeer.connect(url)
    const probed = () => new Promise((resolve) => peer.socket.once("message", resolve))
    for (let i = 0; i < 5; i++) {
      await probed()
      peer.socket.send("")
    }
    assert.strictEqual(peer.heartbeats(), 5)
    const end = "nothing received within 200 ms after a heartbeat"
    assert.deepStrictEqual(await peer.next(), { type: "bye", code: 4003, message: end, retry: "backoff" })
    assert.deepStrictEqual(await peer.next(), { type: "closed", code: 4003, reason: end })
  })

  it("end with the code of the bye, which is in the encoding of the subprotocol from the first one on", async () => {
    const { url } = await start()
    for (const encoding of ["json", "protobuf"] as const) {
      const peer = await WebSocketPeer.open(url, encoding)
      peer.send({ type: "unserve", id: 1, service: "s" })
      const bye = (await peer.next()) as { readonly type: "bye"; readonly code: number; readonly message: string }
      assert.deepInclude(bye, { type: "bye", code: 4501 })
      assert.deepStrictEqual(await peer.next(), { type: "closed", code: 4501, reason: bye.message })
    }
  })

  it("hold clients to the subprotocol: no other encoding comes through", async () => {
    const { url } = await start()
    const peer = await WebSocketPeer.open(url, "protobuf")
    peer.socket.send(Buffer.from('{"type":"connect","id":1,"version":1}'))
    assert.deepInclude(await peer.next(), { type: "bye", code: 4501 })
    const other = await WebSocketPeer.open(url, "json")
    other.socket.send(Buffer.from('{"type":"connect","id":1,"version":1}'))
    assert.deepInclude(await other.next(), {
      type: "bye",
      code: 4501,
      message: "messages are text here, by what was agreed on",
    })
  })

  const padded = (bytes: number, message: object) => {
    const text = JSON.stringify({ ...message, pad: "" })
    return text.replace('"pad":""', `"pad":"${"p".repeat(bytes - text.length)}"`)
  }
  const connect = { type: "connect", id: 1, version: 1 }
  const history = { type: "history", id: 2, channel: "a" }

  it("keep the limits of frames: 16 KiB before connect, 64 KiB afterwards, told as 4505", async () => {
    const { url } = await start()
    const peer = await WebSocketPeer.open(url)
    peer.socket.send(padded(16_384, connect))
    assert.deepInclude(await peer.next(), { type: "connected" })
    peer.socket.send(padded(65_536, history))
    assert.deepInclude(await peer.next(), { type: "history", id: 2 })
    peer.socket.send(padded(65_537, history))
    assert.deepInclude(await peer.next(), { type: "bye", code: 4505 })
    assert.deepInclude(await peer.next(), { type: "closed", code: 4505 })
    const early = await WebSocketPeer.open(url)
    early.socket.send(padded(16_385, connect))
    assert.deepInclude(await early.next(), { type: "bye", code: 4505 })
    assert.deepInclude(await early.next(), { type: "closed", code: 4505 })
  })

  it("are drained with everybody else", async () => {
    const { gateway, url } = await start("--drain-grace", "0s", "--drain-timeout", "5s")
    const peer = await WebSocketPeer.connect(url)
    const exited = gateway.stop("SIGTERM")
    assert.deepInclude(await peer.next(), { type: "notice", code: 4001 })
    assert.deepInclude(await peer.next(), { type: "bye", code: 4001 })
    assert.deepInclude(await peer.next(), { type: "closed", code: 4001 })
    assert.deepStrictEqual(await exited, { code: 0, signal: null })
  })

  it("let in pages of listed origins, and answer a client that closes with its own code", async () => {
    const { url } = await start("--ws-origins", "https://app.example")
    const peer = await WebSocketPeer.connect(url, "json", { origin: "https://app.example" })
    peer.socket.close(4999, "done")
    assert.deepInclude(await ended(peer), { type: "closed", code: 4999 })
    const refused = WebSocketPeer.open(url, "json", { origin: "https://app.example:444" })
    const message = await refused.then(String, ({ message }: Error) => message)
    assert.strictEqual(message, "Unexpected server response: 403")
  })

  it("are in TLS where TCP is", async () => {
    const { ca, server } = makeCertificates()
    const folder = mkdtempSync(join(tmpdir(), "longline-tls-"))
    stops.push(async () => rmSync(folder, { recursive: true }))
    const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")]
    writeFileSync(cert, server.cert)
    writeFileSync(key, server.key)
    const { url } = await start("--tls-cert", cert, "--tls-key", key)
    const peer = await WebSocketPeer.connect(url.replace("ws:", "wss:"), "json", { ca })
    peer.send({ type: "publish", id: 2, channel: "a", data: "x".repeat(60_000) })
    assert.deepInclude(await peer.next(), { type: "published", id: 2, offset: 1 })
    peer.socket.close(1000)
    assert.deepInclude(await ended(peer), { type: "closed", code: 1000 })
  })
})

/** How a peer ended, whatever was said before. */
const ended = async (peer: WebSocketPeer.WebSocketPeer) => {
  for (;;) {
    const message = await peer.next()
    if (message.type === "closed") return message
  }
}
