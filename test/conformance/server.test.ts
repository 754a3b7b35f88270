/** `ServerRules` against the gateway, and against servers that break a rule: the right ones fail, and no other. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ServerRules from "../../src/conformance/ServerRules.ts"
import type { Verdict } from "../../src/conformance/Verdict.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as Gateway from "../support/gateway.ts"
import * as Tampering from "../support/tampering.ts"

const patience = 60_000

/** A gateway that ends with the scope. */
const gateway = Effect.map(
  Effect.acquireRelease(
    Effect.promise(() => Gateway.start()),
    (gateway) => Effect.promise(() => gateway.stop("SIGKILL")),
  ),
  ({ port }) => TcpTransport.dial({ host: "127.0.0.1", port }),
)

const failed = (verdicts: ReadonlyArray<Verdict>) =>
  verdicts.filter(({ outcome }) => outcome !== "pass").map(({ id, outcome }) => `${id} ${outcome}`)

const limits = { subscriptions: 1_000, commandsPerSecond: 1_000, outboxBytes: 1_048_576 }

const faults: ReadonlyArray<readonly [string, Tampering.Change, ReadonlyArray<string>]> = [
  [
    "answers a heartbeat",
    // The gateway itself sends none that soon: it is put behind what answers the message after it.
    (message) => (message.type === "unsubscribed" ? [{ type: "heartbeat" }, message] : message),
    ["heartbeat.unanswered fail"],
  ],
  [
    "forgets previous",
    (message) => (message.type === "publication" ? { ...message, previous: 0 } : message),
    ["channels.publish fail", "recovery.yes fail"],
  ],
  [
    "keeps duplicates to itself",
    (message) => (message.type === "published" ? { ...message, duplicate: undefined } : message),
    ["channels.key fail"],
  ],
  ["resumes no session", (m) => (m.type === "connected" ? { ...m, resumed: false } : m), ["session.resumed fail"]],
  [
    "has one bye for all",
    (message) => (message.type === "bye" ? { ...message, code: 4501 } : message),
    [
      "frames.tooLarge fail",
      "frames.limit fail",
      "frames.wrongProtocol fail",
      "connect.version fail",
      "session.takenOver fail",
      "close.answered fail",
    ],
  ],
  [
    "answers with another id",
    (message) => (message.type === "response" ? { ...message, id: 1 } : message),
    ["services.response fail"],
  ],
  [
    "says more than a type allows",
    (message) => (message.type === "serving" ? { ...message, service: 7 } : message),
    [
      "services.response fail",
      "services.error fail",
      "services.cancel fail",
      "services.timeout fail",
      "services.vanished fail",
      "services.unserve fail",
    ],
  ],
  [
    "lets no frame in",
    (message) => (message.type === "connected" ? { ...message, limits: { ...limits, frameBytes: 10 } } : message),
    ["frames.limit fail"],
  ],
  [
    "has no history",
    (m) => (m.type === "history" ? { type: "error", id: m["id"], code: 108, message: "not enabled", retry: false } : m),
    ["history.read notSeen"],
  ],
]

describe("a server", () => {
  it.live(
    "that is the gateway keeps every rule",
    () =>
      Effect.gen(function* () {
        const verdicts = yield* ServerRules.check({ dial: yield* gateway }, { name: "test" })
        assert.deepStrictEqual(failed(verdicts), [])
        assert.strictEqual(verdicts.length, ServerRules.all.length)
      }),
    patience,
  )

  it.live(
    "that breaks a rule is told so, by that rule",
    () =>
      Effect.gen(function* () {
        const dial = yield* gateway
        yield* Effect.forEach(
          faults,
          ([fault, received, expected], index) =>
            Effect.gen(function* () {
              const tampered = Tampering.dialer(dial, () => ({ received }))
              const verdicts = yield* ServerRules.check({ dial: tampered }, { name: `test-${index}` })
              assert.deepStrictEqual(failed(verdicts), expected, `a server that ${fault}`)
            }),
          { concurrency: 4 },
        )
      }),
    patience,
  )

  it.live("that is not there breaks every rule, and says why", () =>
    Effect.gen(function* () {
      const [verdict] = yield* ServerRules.check({ dial: TcpTransport.dial({ path: "/nowhere" }) }, { name: "test" })
      const { detail, outcome } = verdict!
      assert.deepStrictEqual(
        { detail, outcome },
        { detail: "cannot connect to unix:/nowhere: ENOENT", outcome: "fail" },
      )
    }),
  )
})
