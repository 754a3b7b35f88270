/**
 * Two clients that share no line with the gateway meet on it. Refuses fakes: the gateway is `node dist/main.js`, the
 * clients are those that people are told to run.
 */
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, beforeAll, describe, it, onTestFinished } from "@effect/vitest"
import { frame } from "../support/frames.ts"
import * as Gateway from "../support/gateway.ts"
import * as Foreign from "./foreign.ts"

const intricate = {
  text: 'Zürich, 東京, \u{1F600}, e\u0301, \u2028, "quoted\\", tab\t, nul\u0000',
  ключ: [[], {}, [{ deep: [[null, true, false]] }]],
  numbers: [0, -1, 9_007_199_254_740_991, 0.1, -2.5e-7, 1e21],
}

const hurried = ["--heartbeat-interval", "200ms", "--heartbeat-timeout", "200ms"]

/** The same JSON with every other character as an escape, those beyond the first plane as two: decoders must join them. */
const ascii = (json: string): string =>
  json.replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** A gateway for one test. */
const temporary = async (args: ReadonlyArray<string>): Promise<Gateway.Gateway> => {
  const gateway = await Gateway.start(args)
  onTestFinished(async () => {
    await gateway.stop("SIGKILL")
  })
  return gateway
}

/** A server that answers `connect` and is silent from then on: its port, and for how many milliseconds its client bears it. */
const silent = async (heartbeat: object) => {
  const limits = { frameBytes: 65_536 }
  const session = { id: "s", key: "k", ttlMs: 1_000 }
  const connected = frame(
    JSON.stringify({ type: "connected", id: 1, connection: "s", session, resumed: false, heartbeat, limits }),
  )
  const server = Net.createServer()
  await once(server.listen(0, "127.0.0.1"), "listening")
  onTestFinished(() => void server.close())
  const bear = async () => {
    const [socket] = (await once(server, "connection")) as [Net.Socket]
    await once(socket, "data")
    const since = performance.now()
    socket.resume().write(connected)
    await once(socket, "close")
    return performance.now() - since
  }
  return { port: (server.address() as Net.AddressInfo).port, borne: bear() }
}

describe("foreign clients", () => {
  let gateway: Gateway.Gateway
  let compiled: Foreign.Erlang
  let built: Foreign.Go
  let at: ReadonlyArray<string>

  beforeAll(() => {
    compiled = Foreign.compileErlang()
    return compiled.dispose
  })
  beforeAll(() => {
    built = Foreign.compileGo()
    return built.dispose
  }, 120_000)
  beforeAll(async () => {
    gateway = await Gateway.start(hurried)
    at = ["--port", String(gateway.port)]
    return () => gateway.stop("SIGKILL")
  })

  const erlang: Foreign.Language = (...args) => compiled.erlang(...args)
  const go: Foreign.Language = (...args) => built.go(...args)
  const pairs: ReadonlyArray<readonly [string, Foreign.Language, string, Foreign.Language]> = [
    ["Python", Foreign.python, "Erlang", erlang],
    ["Erlang", erlang, "Go", go],
    ["Go", go, "Python", Foreign.python],
  ]

  for (const [hearer, listening, speaker, speaking] of pairs) {
    it(`a publication from ${speaker} reaches ${hearer} whole`, async () => {
      const channel = `pub:${speaker}-ü`
      const subscriber = listening(...at, "sub", channel, "--count", "2")
      const subscribed = await subscriber.message("subscribed")
      const epoch = (subscribed["position"] as { readonly epoch: string }).epoch
      assert.deepStrictEqual(subscribed["position"], { offset: 0, epoch })

      const published = [
        await speaking(...at, "pub", channel, ascii(JSON.stringify(intricate))).ended(),
        await speaking(...at, "pub", channel, "null", "--key", "once").ended(),
        await speaking(...at, "pub", channel, "null", "--key", "once").ended(),
      ]
      assert.deepStrictEqual(published, [
        { code: 0, messages: [{ type: "published", offset: 1, epoch }] },
        { code: 0, messages: [{ type: "published", offset: 2, epoch }] },
        { code: 0, messages: [{ type: "published", offset: 2, epoch, duplicate: true }] },
      ])

      const heard = await subscriber.ended()
      assert.strictEqual(heard.code, 0)
      assert.deepStrictEqual(
        heard.messages
          .filter((message) => message.type === "publication")
          .map(({ channel, data, epoch, offset, previous }) => ({ channel, data, epoch, offset, previous })),
        [
          { channel, data: intricate, epoch, offset: 1, previous: 0 },
          { channel, data: null, epoch, offset: 2, previous: 1 },
        ],
      )
    })

    it(`a request from ${speaker} is answered by ${hearer}`, async () => {
      const service = `upper:${hearer}-ü`
      const responder = listening(...at, "serve", service, "--count", "2")
      await responder.message("serving")

      const answered = [
        await speaking(...at, "req", service, '"zürich 東京"').ended(),
        await speaking(...at, "req", service, JSON.stringify(intricate), "--timeout-ms", "9000").ended(),
      ]
      assert.deepStrictEqual(answered, [
        { code: 0, messages: [{ type: "response", data: "ZÜRICH 東京" }] },
        { code: 0, messages: [{ type: "response", data: intricate }] },
      ])

      const served = await responder.ended()
      assert.strictEqual(served.code, 0)
      assert.deepStrictEqual(
        served.messages.filter((message) => message.type === "request"),
        [
          { type: "request", service, data: "zürich 東京" },
          { type: "request", service, data: intricate },
        ],
      )
    })

    it(`${hearer} answers heartbeats and so outlives many timeouts`, async () => {
      const channel = `quiet:${hearer}`
      const subscriber = listening(...at, "sub", channel, "--count", "1")
      await subscriber.message("subscribed")
      await subscriber.messages("heartbeat", 5)

      assert.strictEqual((await speaking(...at, "pub", channel, '"still here"').ended()).code, 0)
      assert.strictEqual((await subscriber.message("publication"))["data"], "still here")
      assert.strictEqual((await subscriber.ended()).code, 0)
    })

    it(`${hearer} bears a silence that the jitter of its server explains, and no endless one`, async () => {
      const server = await silent({ intervalMs: 2_000, timeoutMs: 100 })
      const client = listening("--port", String(server.port), "sub", "silence")
      assert.isAtLeast(await server.borne, 2_000 * 1.11 + 100)
      assert.strictEqual(await client.exitCode(), 3)
    })

    it(`${speaker} is told the code of an error and how to go on`, async () => {
      const errors = await Promise.all([
        speaking(...at, "req", `nobody:${speaker}`, "1").ended(),
        speaking(...at, "pub", "control\u0007character", "1").ended(),
        speaking(...at, "sub", "é".repeat(128)).ended(),
      ])
      assert.deepStrictEqual(
        errors.map(({ code, messages }) => ({
          exit: code,
          errors: messages.map(({ code, retry, type }) => ({ type, code, retry })),
        })),
        [
          { exit: 1, errors: [{ type: "error", code: 114, retry: true }] },
          { exit: 1, errors: [{ type: "error", code: 107, retry: false }] },
          { exit: 1, errors: [{ type: "error", code: 107, retry: false }] },
        ],
      )
    })

    it(`${hearer} is told the goodbye of a gateway that stops`, async () => {
      const stopping = await temporary(["--drain-grace", "0s", "--drain-timeout", "1s"])
      const subscriber = listening("--port", String(stopping.port), "sub", "farewell")
      await subscriber.message("subscribed")

      assert.deepStrictEqual(await stopping.stop("SIGTERM"), { code: 0, signal: null })
      const { code, messages } = await subscriber.ended()
      assert.deepStrictEqual(
        { exit: code, last: messages.slice(-2).map(({ code, type }) => ({ type, code })) },
        {
          exit: 3,
          last: [
            { type: "notice", code: 4001 },
            { type: "bye", code: 4001 },
          ],
        },
      )
    })
  }

  it("the clients meet on a unix socket as well", async () => {
    const folder = mkdtempSync(join(tmpdir(), "longline-unix-"))
    const path = join(folder, "gateway.sock")
    await temporary(["--unix", path])
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const subscriber = Foreign.python("--unix", path, "sub", "local", "--count", "1")
    await subscriber.message("subscribed")
    assert.strictEqual((await erlang("--unix", path, "pub", "local", "7").ended()).code, 0)
    assert.strictEqual((await subscriber.message("publication"))["data"], 7)
  })

  const seen = {
    type: "seen",
    twice: 105,
    heard: [["heard", { size: "small" }]],
    refused: 418,
    crashed: 100,
    stopped: true,
    large: "too large",
    unserved: 114,
  }

  it("the Python library unsubscribes, refuses, cancels, and bounds what it sends", async () => {
    const { code, messages } = await Foreign.pythonScenario(String(gateway.port)).ended()
    assert.deepStrictEqual({ code, messages }, { code: 0, messages: [seen] })
  })

  it("the Erlang library unsubscribes, refuses, cancels, and bounds what it sends", async () => {
    const { code, messages } = await compiled.erlangScenario(String(gateway.port)).ended()
    assert.deepStrictEqual({ code, messages }, { code: 0, messages: [{ ...seen, cancelled: 119, closedTwice: "ok" }] })
  })
})
