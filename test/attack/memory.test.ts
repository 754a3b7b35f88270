/**
 * Hostile peers that make a real server keep as many bytes for them as it will: the budget holds, the largest holders go,
 * and a well-behaved client beside them is answered throughout.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type * as Net from "node:net"
import type { Connection } from "../../src/connection/Connection.ts"
import * as MemoryBudget from "../../src/server/MemoryBudget.ts"
import * as Server from "../../src/server/Server.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import { destroyAll, dial, once } from "../support/attackers.ts"
import { frame } from "../support/frames.ts"
import { closings, listen, record, tagged, Text } from "../support/served.ts"
import { portOf, until } from "../support/wires.ts"

const kib = 1024
const allowedBytes = 2048 * kib

/** A share of it between two looks, and what one step adds: here a chunk and the buffer of a frame, 64 KiB each. */
const boundBytes = allowedBytes * (1 + MemoryBudget.lookShare) + 128 * kib

/** Echoes; sends without end to who says `flood`, waiting for it; and never comes back from `wait`. */
const handler = (connection: Connection<string, string>) =>
  Stream.runForEach(connection.messages, (text) => {
    if (text === "flood") return Effect.forever(connection.send("x".repeat(16 * kib)))
    return text === "wait" ? Effect.never : connection.send(text)
  })

interface Attack {
  readonly attackers: number
  /** What each of them does once it is connected. */
  readonly act: (socket: Net.Socket) => void
}

/** Attacks until some are shed, and then until nothing moves any more. */
const attack = Effect.fnUntraced(function* ({ act, attackers }: Attack) {
  const { events, layer } = record()
  const around = Layer.mergeAll(
    TcpTransport.layer({ port: 0 }),
    layer,
    MemoryBudget.layer({ maxBufferedBytes: allowedBytes }),
  )
  const context = yield* Layer.build(around)
  const server = yield* Effect.provide(Server.make(Text, handler), context)
  const budget = yield* Effect.provide(MemoryBudget.current, context)
  const port = portOf(server.address)
  const decent = yield* Effect.flatMap(TcpTransport.dial({ host: "127.0.0.1", port }), listen)
  const sockets: Array<Net.Socket> = []
  yield* Effect.addFinalizer(() => destroyAll(sockets))
  let mostBytes = 0
  const isAnswered = () => {
    mostBytes = Math.max(mostBytes, budget.heldBytesUnsafe())
    return decent.heard.length === asked
  }
  let asked = 0
  const ask = Effect.suspend(() => {
    decent.say(`question ${asked++}`)
    return until(isAnswered)
  })
  for (let i = 0; i < attackers; i++) {
    const socket = dial(port)
    sockets.push(socket)
    yield* once(socket, "connect")
    act(socket)
    yield* ask
  }
  const shed = () => tagged(events, "BuffersShed")
  yield* Effect.repeat(ask, { until: () => shed().length > 0 }).pipe(Effect.timeout("8 seconds"))
  yield* Effect.repeat(ask, { times: 50 })
  for (const { heldBytes } of shed()) mostBytes = Math.max(mostBytes, heldBytes)
  const gone = shed().reduce((sum, { connections }) => sum + connections, 0)
  return { closings: closings(events), gone, left: server.seatsTaken() - 1, mostBytes, sockets }
})

const judge = ({ closings, gone, left, mostBytes }: Effect.Success<ReturnType<typeof attack>>, attackers: number) => {
  assert.isAbove(mostBytes, allowedBytes)
  assert.isAtMost(mostBytes, boundBytes)
  // Nobody else went, and nobody for another reason.
  assert.deepStrictEqual(
    closings,
    Array.from({ length: gone }, () => "Overloaded"),
  )
  assert.strictEqual(left, attackers - gone)
  assert.isAbove(left, 0)
}

describe("The budget of a process holds against", () => {
  it.live("peers that read nothing of what they ask for", () =>
    Effect.gen(function* () {
      const attackers = 24
      const act = (socket: Net.Socket) => void socket.pause().write(frame("flood"))
      judge(yield* attack({ attackers, act }), attackers)
    }),
  )

  it.live("peers that send all but the last byte of a frame; they are told", () =>
    Effect.gen(function* () {
      const attackers = 60
      let told = 0
      const act = (socket: Net.Socket) => {
        socket.on("data", (bytes: Buffer) => {
          if (bytes.equals(frame("bye Overloaded"))) told++
        })
        socket.write(frame("x".repeat(60 * kib)).subarray(0, -1))
      }
      const outcome = yield* attack({ attackers, act })
      judge(outcome, attackers)
      assert.strictEqual(told, outcome.gone)
    }),
  )

  it.live("peers that send on while nobody reads", () =>
    Effect.gen(function* () {
      const attackers = 40
      const act = (socket: Net.Socket) => {
        socket.write(frame("wait"))
        for (let i = 0; i < 4; i++) socket.write(frame("x".repeat(60 * kib)))
      }
      judge(yield* attack({ attackers, act }), attackers)
    }),
  )
})
