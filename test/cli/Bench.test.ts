/** What `longline bench` refuses before it connects to anybody. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { longline, refused } from "./harness.ts"

const bench = (...args: ReadonlyArray<string>) =>
  longline({ args: ["bench", ...args], env: { LONGLINE_URL: "tcp://127.0.0.1:7557" } })

const refuses = (args: ReadonlyArray<string>, line: string) =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* bench(...args), refused(line))
  })

describe("longline bench", () => {
  it.effect("names the scenarios when it is given another", () =>
    refuses(
      ["fanout"],
      `the scenario is "fanout"; it must be idle, fan-out, rooms, publish, request, reconnect-storm, slow-reader, churn, drain`,
    ),
  )

  it.effect("tells what a number, a size and a duration must be", () =>
    Effect.gen(function* () {
      yield* refuses(["publish", "--rate", "0"], `--rate is "0"; it must be a whole number from 1 to 1000000`)
      yield* refuses(["publish", "--workers", "2.5"], `--workers is "2.5"; it must be a whole number from 1 to 64`)
      yield* refuses(
        ["publish", "--payload", "63"],
        `--payload is "63"; it must be a size from 64 to 60KiB, written like 65536, 64KiB or 1MiB`,
      )
      yield* refuses(
        ["publish", "--duration", "10"],
        `--duration is "10"; it must be a duration from 100ms to 1h, written like 500ms, 25s, 2m or 1h`,
      )
    }),
  )

  it.effect("puts no load on another machine unless one says that one may", () =>
    refuses(
      ["publish", "--url", "tcp://192.0.2.1:7557"],
      "tcp://192.0.2.1:7557 is not on this machine; --i-own-this-server says that you may put a load on it",
    ),
  )

  it.effect("reads the address from LONGLINE_URL where there is no flag, and says which was wrong", () =>
    Effect.gen(function* () {
      const env = { LONGLINE_URL: "http://127.0.0.1" }
      const { stderr } = yield* longline({ args: ["bench", "publish"], env })
      assert.match(stderr, /^longline: LONGLINE_URL is "http:\/\/127.0.0.1"; it must be /)
    }),
  )

  it.effect("names what can be asserted", () =>
    Effect.gen(function* () {
      const { exitCode, stderr } = yield* bench("publish", "--assert", "p98<5ms")
      assert.deepStrictEqual(
        [exitCode, stderr.slice(0, 92)],
        [2, `longline: --assert: "p98" is nothing that is measured; known are p50, p99, p99.9, max, conne`],
      )
    }),
  )

  it.effect("refuses what means nothing together", () =>
    Effect.gen(function* () {
      yield* refuses(["publish", "--csv", "--json"], "--csv must be left out when --json is given")
      yield* refuses(["publish", "--pid", "1"], "--pid must be left out of publish: it is for drain")
      yield* refuses(
        ["idle", "--rate", "5"],
        "--rate must be left out of idle: it is for fan-out, rooms, publish, request, reconnect-storm, slow-reader, churn",
      )
      yield* refuses(["fan-out", "--rooms", "5"], "--rooms must be left out of fan-out: it is for rooms")
      yield* refuses(
        ["publish", "--connections", "2", "--workers", "3"],
        "--workers must be at most --connections, which is 2",
      )
      yield* refuses(
        ["publish", "--url", "unix:/tmp/longline.sock", "--sources", "2"],
        "--sources must be left out: unix:/tmp/longline.sock is not tcp on loopback",
      )
    }),
  )

  it.effect("bounds what one run sends, just above the bound", () =>
    refuses(
      ["publish", "--rate", "1000000", "--warm-up", "1ms", "--duration", "100s"],
      "--rate and --duration make 100001000 messages; they must be at most 100000000 together",
    ),
  )

  it.effect("refuses more connections than this process may have descriptors", () =>
    Effect.gen(function* () {
      const { exitCode, stderr } = yield* bench("idle", "--connections", "500000")
      assert.strictEqual(exitCode, 2)
      assert.match(
        stderr,
        /^longline: 500000 connections need about 500065 descriptors, this process may have \d+: raise ulimit -n, or lower --connections$/,
      )
    }),
  )
})
