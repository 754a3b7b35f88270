/** Loads over real sockets, against one gateway in a process of its own: exact counts, and no time asserted. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { afterAll, beforeAll } from "vitest"
import * as BenchWay from "../../src/cli/BenchWay.ts"
import * as Target from "../../src/cli/Target.ts"
import * as Crew from "../../src/load/Crew.ts"
import type { Plan } from "../../src/load/Plan.ts"
import * as Report from "../../src/load/Report.ts"
import * as Work from "../../src/load/Work.ts"
import * as Gateway from "../support/gateway.ts"
import { counted, plan } from "./support.ts"

const seats = 10

let gateway: Gateway.Gateway
let webSocket: string
beforeAll(async () => {
  gateway = await Gateway.start(["--ws-port", "0", "--max-connections-per-address", String(seats)])
  const address = (line: string) =>
    line.includes("websocket") ? /listening on ([^\s"',]+)/.exec(line)?.[1] : undefined
  webSocket = `ws://${await gateway.line("the address for WebSockets", address)}`
})
afterAll(async () => void (await gateway.stop("SIGKILL")))

/** Seats for 40 connections: from as many addresses as it takes. */
const load = (different: Partial<Plan>, url = gateway.address, sources = 4) =>
  Effect.gen(function* () {
    const given = plan({
      run: `s${different.scenario}`,
      connections: 20,
      durationMs: 200,
      settleMs: 5000,
      ...different,
    })
    const way = { target: Result.getOrThrow(Target.parse(url)), trust: {}, sources }
    const work = Work.run({ plan: given, crew: Crew.alone(() => {}), dial: BenchWay.dialer(way) })
    const report = Report.make(given, [yield* work])
    assert.deepStrictEqual(report.problems, [])
    return counted(report)
  })

const sent = { sent: 30, expected: 30, received: 30 }
const heard = { sent: 30, expected: 600, received: 600 }

const cases: ReadonlyArray<readonly [Partial<Plan>, Readonly<Record<string, number>>]> = [
  [{ scenario: "idle", rate: 0, connections: 40 }, { connections: 40 }],
  [{ scenario: "fan-out" }, { connections: 21, ...heard }],
  [
    { scenario: "rooms", rooms: 10 },
    { connections: 20, sent: 30, expected: 60, received: 60 },
  ],
  [{ scenario: "publish" }, { connections: 20, ...sent }],
  [{ scenario: "request" }, { connections: 21, ...sent }],
  [{ scenario: "reconnect-storm" }, { connections: 21, ...heard }],
  [
    { scenario: "slow-reader", slow: 2 },
    { connections: 21, sent: 30, expected: 540, received: 540 },
  ],
  [{ scenario: "churn" }, { connections: 20, ...sent }],
]

describe("over tcp", () => {
  for (const [different, expected] of cases) {
    it.live(`${different.scenario} comes back whole`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* load(different), expected)
      }),
    )
  }

  it.live("each source has seats of its own, and one alone has too few", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(
        load({ scenario: "idle", connections: seats + 1, settleMs: 300 }, undefined, 1),
      )
      assert.match(message, /^1 of 11 could not connect: bye 4301: /)
    }),
  )
})

describe("over WebSocket", () => {
  it.live("publications are found in messages, too", () =>
    Effect.gen(function* () {
      const different = { scenario: "fan-out", connections: seats - 1 } as const
      const expected = { connections: seats, sent: 30, expected: 270, received: 270 }
      assert.deepStrictEqual(yield* load(different, webSocket), expected)
    }),
  )
})
