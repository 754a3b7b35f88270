/**
 * Protobuf as others have it: Google's own compiler writes and reads the bodies by `longline.proto`, and shares no line with
 * the gateway, which is `node dist/main.js`. Refuses to skip: without protoc it fails.
 */
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import * as Net from "node:net"
import { fileURLToPath } from "node:url"
import * as FrameDecoder from "../../src/frame/FrameDecoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import { frame } from "../support/frames.ts"
import * as Gateway from "../support/gateway.ts"
import * as Peer from "../support/peer.ts"
import * as Vectors from "../support/vectors.ts"

const folder = fileURLToPath(new URL("../../src/gateway/protocol/", import.meta.url))

const protoc = (step: "encode" | "decode", input: string | Uint8Array): Buffer => {
  try {
    const args = [`--${step}=longline.v1.Envelope`, `--proto_path=${folder}`, "longline.proto"]
    return execFileSync("protoc", args, { input, stdio: ["pipe", "pipe", "pipe"] })
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT"
    throw isMissing ? new Error("protoc is missing. Install it: apt-get install protobuf-compiler", { cause }) : cause
  }
}

/** A message in Protobuf's text format, on one line and without what differs every time. */
const textOf = (body: Uint8Array): string =>
  protoc("decode", body)
    .toString()
    .replaceAll(/(epoch|connection|key|node|version): "[^"]*"/g, '$1: ""')
    .replaceAll(/(time): \d+/g, "$1: 0")
    .replaceAll(/\s+/g, " ")
    .trim()

/** A client on a socket: says messages in the text format, and hears them so. */
const dial = (port: number) => {
  const socket = Net.connect({ port, host: "127.0.0.1" })
  onTestFinished(() => void socket.destroy())
  const decoder = FrameDecoder.make(FrameLayout.makeUnsafe({ maxFrameBytes: 2 ** 21 }))
  const bodies: Array<Uint8Array> = []
  let wake = () => {}
  socket.on("data", (chunk) => {
    bodies.push(...decoder.push(chunk).map((body) => Uint8Array.from(body)))
    wake()
  })
  const next = async (): Promise<string> => {
    while (bodies.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    return textOf(bodies.shift()!)
  }
  const say = (text: string) => void socket.write(frame(protoc("encode", text)))
  const ask = (text: string) => {
    say(text)
    return next()
  }
  return { ask, next, say }
}

const start = async () => {
  const gateway = await Gateway.start()
  onTestFinished(async () => {
    await gateway.stop("SIGKILL")
  })
  return gateway
}

const channel = "news ü"
const connect = `connect { id: 1 version: 1 client { name: "protoc" version: "3" } }`

describe("protoc reads and writes the vectors of", () => {
  const files = { "client-messages.json": Vectors.clientMessages, "server-messages.json": Vectors.serverMessages }
  it.each(Object.entries(files))("%s", (_, vectors) => {
    for (const { name, protobuf, readOnly } of Vectors.good(vectors)) {
      if (protobuf === undefined) continue
      // What is only read is read all the same: protoc is stricter than the gateway's own decoder.
      const text = protoc("decode", Vectors.bytesOf(protobuf))
      if (!readOnly) assert.strictEqual(Vectors.hexOf(protoc("encode", text)), protobuf, name)
    }
  })
})

describe("a client that writes and reads by protoc", () => {
  it("connects, and shares a channel with a client that speaks JSON", async () => {
    const gateway = await start()
    const protobuf = dial(gateway.port)
    assert.match(
      await protobuf.ask(connect),
      /^connected \{ id: 1 .* heartbeat \{ interval_ms: 25000 timeout_ms: 10000 \}/,
    )
    const json = await Peer.connect({ port: gateway.port, host: "127.0.0.1" })
    onTestFinished(() => void json.socket.destroy())

    assert.strictEqual(
      await protobuf.ask(`subscribe { id: 2 channel: "${channel}" mode: MODE_LIVE }`),
      String.raw`subscribed { id: 2 channel: "news \303\274" position { epoch: "" } recovered: RECOVERED_NONE }`,
    )
    json.send({ type: "subscribe", id: 2, channel })
    await json.next()

    json.send({ type: "publish", channel, data: { text: "é" }, tags: { t: "v" } })
    const first = String.raw`channel: "news \303\274" offset: 1 epoch: "" data { json: "{\"text\":\"\303\251\"}" }`
    assert.strictEqual(
      await protobuf.next(),
      `publication { ${first} from { connection: "" } tags { key: "" value: "v" } time: 0 }`,
    )
    await json.next()

    protobuf.say(`publish { channel: "${channel}" data { binary: "\\000\\377" } echo: false }`)
    const heard = await json.next()
    assert.deepInclude(heard, { type: "publication", offset: 2, previous: 1, data: "AP8=", binary: true })
  })

  it("asks and serves", async () => {
    const gateway = await start()
    const [asker, responder] = [dial(gateway.port), dial(gateway.port)]
    for (const client of [asker, responder]) await client.ask(connect)
    assert.strictEqual(await responder.ask(`serve { id: 2 service: "s" }`), `serving { id: 2 service: "s" }`)
    asker.say(`request { id: 7 service: "s" data { json: "[1, 2.50]" } timeout_ms: 5000 }`)
    assert.strictEqual(
      await responder.next(),
      `request { id: 1 service: "s" data { json: "[1,2.5]" } timeout_ms: 5000 from { connection: "" } }`,
    )
    responder.say(`error { id: 1 code: 200 message: "no" retry: true }`)
    assert.strictEqual(await asker.next(), `error { id: 7 code: 200 message: "no" retry: true }`)
  })

  it("is told about its mistakes, and of the drain", async () => {
    const gateway = await start()
    const client = dial(gateway.port)
    await client.ask(connect)
    assert.strictEqual(
      await client.ask(`publish { id: 3 channel: "a" data { json: "{" } }`),
      `error { id: 3 code: 107 message: "expected one JSON value at data, got \\"{\\"" retry: false }`,
    )
    const stopped = gateway.stop("SIGTERM")
    assert.match(await client.next(), /^notice \{ code: 4001 .*wait_ms: \d+ \}$/)
    assert.match(await client.next(), /^bye \{ code: 4001 .*retry: RETRY_BACKOFF \}$/)
    assert.strictEqual((await stopped).code, 0)
  })
})
