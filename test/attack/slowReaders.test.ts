/**
 * Clients of the built gateway that read a byte at a time while their channel is busy, under each policy for slow
 * consumers: they go, and whoever publishes and reads beside them does not notice. Needs a build.
 */
import { afterAll, afterEach, assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { frame } from "../support/frames.ts"
import * as Gateway from "../support/gateway.ts"
import * as Peer from "../support/peer.ts"

/** The most that is published before the slow one must have gone. */
const maxPublications = 20_000
const data = "x".repeat(60_000)

const directory = mkdtempSync(join(tmpdir(), "longline-slow-"))
const config = join(directory, "longline.json")
const ended: Array<() => unknown> = []

afterEach(async () => {
  for (const end of ended.splice(0)) await end()
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Subscribes as it connects, and takes a byte of what it is sent whenever it is told to; `taken` is how many so far. */
const readByByte = (port: number, channel: string) => {
  const socket = Net.connect({ host: "127.0.0.1", port, onread: { buffer: Buffer.alloc(1), callback: () => false } })
  ended.push(() => socket.destroy())
  socket.on("error", () => {})
  socket.write(frame(JSON.stringify({ type: "connect", id: 1, version: 1, subscriptions: [{ channel }] })))
  return { take: () => void socket.resume(), taken: () => socket.bytesRead }
}

const reasons = [
  ["close", "the outbox holds # bytes, allowed are 65536"],
  ["dropOldest", "the oldest unsent frame is # ms old, allowed are 500 ms"],
  ["latest", "the oldest unsent frame is # ms old, allowed are 500 ms"],
] as const

describe("a client that reads a byte at a time", () => {
  for (const [policy, reason] of reasons) {
    it(
      `is bye 4004 under the policy ${policy}, and nobody else misses or waits for anything`,
      { timeout: 30_000 },
      async () => {
        writeFileSync(config, JSON.stringify({ policy: { slowConsumer: policy } }))
        const limits = ["--outbox-bytes", "64KiB", "--outbox-age", "500ms", "--commands-per-second", "100000"]
        const gateway = await Gateway.start(["--config", config, "--journal", ...limits])
        ended.push(() => gateway.stop("SIGKILL"))
        const peers = await Promise.all([1, 2].map(() => Peer.connect({ port: gateway.port })))
        const [decent, publisher] = peers as [Peer.Peer, Peer.Peer]
        for (const [id, channel] of ["busy", "$sys:connections"].entries()) {
          decent.send({ type: "subscribe", id: id + 2, channel })
          await decent.next()
        }
        const slow = readByByte(gateway.port, "busy")
        const heard: Array<unknown> = []
        const journal: Array<{ readonly [key: string]: unknown }> = []
        const answers: Array<unknown> = []
        while (journal.length < 2 && answers.length < maxPublications) {
          slow.take()
          publisher.send({ type: "publish", id: answers.length + 2, channel: "busy", data })
          const answer = await publisher.next()
          assert.deepInclude(answer, { type: "published", offset: answers.push(answer) })
          while (heard.length < answers.length) {
            const message = await decent.next()
            if (message === "closed") throw new Error("the decent client was closed")
            const { channel, data, offset, previous } = message
            if (channel === "busy") heard.push([previous, offset])
            else journal.push(data as (typeof journal)[number])
          }
        }
        assert.deepStrictEqual(
          heard,
          Array.from(answers, (_, index) => [index, index + 1]),
        )
        const [opened, closed] = journal
        assert.deepInclude(closed, { event: "closed", connection: opened?.["connection"], code: 4004 })
        assert.strictEqual(String(closed?.["reason"]).replace(/\d+/, "#"), `${reason}: the peer reads too slowly`)
        assert.isTrue(slow.taken() > 0 && slow.taken() <= answers.length)
      },
    )
  }
})
