/** What a peer is waited for, and what it may do meanwhile. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Ledger } from "../../src/conformance/ClientRules.ts"
import * as Peer from "../../src/conformance/Peer.ts"
import { StrictServer } from "../../src/conformance/StrictServer.ts"
import * as JsonProtocol from "../../src/gateway/protocol/JsonProtocol.ts"
import { MemoryWire } from "../../src/transport/MemoryWire.ts"

const bounds = { readBufferBytes: 64 * 1024, writeHighWaterBytes: 64 * 1024 }

/** Two ends of a wire. */
const wires = () => {
  const [near, far] = [
    new MemoryWire({ _tag: "Memory", name: "far" }, bounds),
    new MemoryWire({ _tag: "Memory", name: "near" }, bounds),
  ]
  MemoryWire.joinUnsafe(near, far)
  return { near, far }
}

const heartbeat = new Uint8Array(4)

describe("a peer that is waited for", () => {
  it.live("and only beats says nothing", () =>
    Effect.gen(function* () {
      const { far, near } = wires()
      const peer = new Peer.Peer(near, JsonProtocol.make().decode, 1024)
      const beat = () => void far.writeUnsafe([heartbeat])
      beat()
      assert.deepStrictEqual(yield* peer.said(20, beat), { _tag: "Silence" })
    }),
  )

  it.live("to leave, and says what is no frame instead, has not left", () =>
    Effect.gen(function* () {
      const { far, near } = wires()
      const server = new StrictServer(near, new Ledger(), { key: "k", resumed: false, join: () => assert.fail() })
      far.writeUnsafe([Uint8Array.of(0x7f, 0xff, 0xff, 0xff)])
      assert.isFalse(yield* server.leaves(60_000))
    }),
  )
})
