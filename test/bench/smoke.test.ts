/**
 * The bench's own promise: it puts every load on every server, and no wrong, lost or doubled byte gets past it.
 * Asserts no time. Needs a build.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import type { AddressInfo, Socket } from "node:net"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { onTestFinished } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
const run = promisify(execFile)
/** Far above the few seconds that a smoke takes, for a machine that has other work. */
const smokeMs = 60_000

const node = (script: string, ...args: ReadonlyArray<string>) =>
  run(process.execPath, [`${root}/build/bench/${script}`, ...args])

const isLarge = (name: string) => name === "16k" || name === "1m"

const expected = [
  ...["50x1", "500x1", "50x32", "16k", "1m", "open"].flatMap((name) => [
    [`echo-${name}`, "Node by hand"],
    [`echo-${name}`, "Longline"],
    ...(isLarge(name) ? [[`echo-${name}`, "Longline, not bundled"]] : []),
    [`echo-${name}`, "Node, no framing"],
  ]),
  ["router-50x32", "Node by hand"],
  ["router-50x32", "Longline, Router"],
  ...["50x1", "50x32"].flatMap((name) => [
    [`json-${name}`, "Node by hand, JSON"],
    [`json-${name}`, "Longline, JSON and schema"],
  ]),
  ...["fanout-full", "fanout-gentle", "publish"].flatMap((name) => [
    [name, "Node by hand, gateway"],
    [name, "Longline gateway"],
  ]),
  ["publish-durable", "Longline gateway, LMDB, a sync each"],
  ["publish-durable", "Longline gateway, LMDB"],
  ["connect", "Node by hand, gateway"],
  ["connect", "Longline gateway"],
  ...["Node by hand", "Longline", "Node by hand, gateway", "Longline gateway"].map((peer) => ["idle", peer]),
  ["heartbeats", "Longline"],
  ["heartbeats", "Longline gateway"],
  ...["client", "subscriptions"].flatMap((name) => [
    [name, "Node by hand, client"],
    [name, "Longline client"],
  ]),
]

describe("the bench", () => {
  it(
    "every scenario comes back right from every server of ours, in one table",
    async () => {
      const { stdout } = await node("run.js", "--smoke")
      const rows = stdout.split("\n").filter((line) => line.startsWith("|"))
      const cells = rows.map((row) => row.split("|").map((cell) => cell.trim()))
      assert.deepStrictEqual(
        cells.slice(2).map((cells) => cells.slice(1, 3)),
        expected,
      )
    },
    smokeMs,
  )

  it("a scenario or a peer that does not exist is named with those that do", async () => {
    const failed = (...args: ReadonlyArray<string>) =>
      node("run.js", ...args).then(
        ({ stdout }) => assert.fail(stdout),
        ({ stderr }: { readonly stderr: string }) => stderr,
      )
    assert.match(await failed("--only", "ehco"), /no scenario is called ehco; there are echo-50x1, /)
    assert.match(await failed("--peers", "nodee"), /no peer is called nodee: node, longline, /)
  })
})

/** A server that does to the third chunk whatever `harm` does, and runs the generator against it. */
const against = async (harm: (chunk: Buffer, socket: Socket) => void) => {
  const server = createServer((socket) => {
    let chunks = 0
    socket.on("error", () => socket.destroy())
    socket.on("data", (chunk: Buffer) => {
      if (++chunks === 3) harm(chunk, socket)
      else socket.write(chunk)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => void server.close())
  const plan = {
    port: (server.address() as AddressInfo).port,
    pid: process.pid,
    speaks: "frames",
    collects: false,
    warmUpSeconds: 0.05,
    seconds: 0.05,
    load: { kind: "closed", connections: 1, inFlight: 1, body: "bytes", bodyBytes: 64 },
  }
  return node("load/main.js", JSON.stringify(plan)).then(
    ({ stdout }) => stdout,
    (error: { stderr: string }) => error.stderr,
  )
}

describe("the load generator", () => {
  const notThose = /connection 0: the \d+ bytes after frame 2 are not those that were sent/

  it("bytes that come back as they were sent are counted, also in pieces", async () => {
    const outcome = await against((chunk, socket) => {
      socket.write(chunk.subarray(0, 5))
      setImmediate(() => socket.write(chunk.subarray(5)))
    })
    const { messages } = JSON.parse(outcome) as { readonly messages: number }
    assert.isAbove(messages, 0)
  })

  it("a byte that is wrong ends it", async () => {
    const answered = against((chunk, socket) => {
      chunk[40]! ^= 1
      socket.write(chunk)
    })
    assert.match(await answered, notThose)
  })

  it("a frame that comes twice ends it", async () => {
    assert.match(await against((chunk, socket) => socket.write(Buffer.concat([chunk, chunk]))), notThose)
  })

  it("a frame with another's number ends it", async () => {
    const renumbered = against((chunk, socket) => {
      chunk.writeUInt32BE(0, 8)
      socket.write(chunk)
    })
    assert.match(await renumbered, notThose)
  })

  it("a server that closes ends it", async () => {
    assert.match(await against((_chunk, socket) => socket.destroy()), /the server closed connection 0/)
  })
})
