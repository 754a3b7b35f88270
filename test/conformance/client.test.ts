/** `ClientCheck` with our client, and with clients that break a rule: the right ones fail, and no other. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as Client from "../../src/client/Client.ts"
import * as ClientCheck from "../../src/conformance/ClientCheck.ts"
import * as ClientRules from "../../src/conformance/ClientRules.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import { frame } from "../support/frames.ts"
import * as Tampering from "../support/tampering.ts"

const patience = 90_000

/** No jitter: what is waited for is what the server asks for. */
const atOnce = { nextDoubleUnsafe: () => 0, nextIntUnsafe: () => 0 }

/** A client that subscribes, serves and publishes for as long as it can. */
const busy = (dial: Client.Dialer) =>
  Effect.gen(function* () {
    const client = yield* Client.make({ dial, offlineQueue: 1 })
    yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(client.subscribe("a"))))
    yield* client.serve("s", ({ data }) => Effect.succeed(data))
    for (let number = 0; ; number++) {
      yield* client.publish("b", number, { key: `k${number}`, timeout: Duration.minutes(1) })
      // Its pace, and nothing that the test waits for: a client that publishes without one is over the rate.
      yield* Effect.sleep("100 millis")
    }
  }).pipe(Effect.scoped, Effect.ignore, Effect.provideService(Random.Random, atOnce))

/** The rules that are not kept by who dials like this. */
const judged = (tamper: Fault[1]) =>
  Effect.gen(function* () {
    const transport = yield* TcpTransport.make({ port: 0 })
    const { address } = transport
    let connections = 0
    if (address._tag !== "Tcp") return yield* Effect.die("not tcp")
    yield* Effect.forkScoped(busy(Tampering.dialer(TcpTransport.dial(address), () => tamper(++connections))))
    const verdicts = yield* ClientCheck.check(transport)
    assert.strictEqual(verdicts.length, ClientRules.all.length)
    return verdicts.filter(({ outcome }) => outcome !== "pass").map(({ id, outcome }) => `${id} ${outcome}`)
  }).pipe(Effect.scoped)

const without =
  (name: string, ...types: ReadonlyArray<string>): Tampering.Change =>
  (message) => {
    if (!types.includes(message.type)) return message
    const { [name]: _, ...rest } = message
    return rest as Tampering.Message
  }

/** Changes each message of a type. */
const each =
  (type: string, change: (message: Tampering.Message) => ReturnType<Tampering.Change>): Tampering.Change =>
  (message) =>
    message.type === type ? change(message) : message

/** What a client does wrong on its first, second or any connection, and what is said of the rules. */
type Fault = readonly [
  name: string,
  tamper: (connection: number) => { readonly sent?: Tampering.Change; readonly received?: Tampering.Change },
  broken: ReadonlyArray<string>,
]

const faults: ReadonlyArray<Fault> = [
  ["answers no heartbeat", () => ({ sent: each("heartbeat", () => undefined) }), ["heartbeat.answered fail"]],
  [
    "speaks another version",
    () => ({ sent: each("connect", (message) => ({ ...message, version: 2 })) }),
    ["connect.first fail"],
  ],
  [
    "forgets its session",
    () => ({ sent: without("session", "connect") }),
    ["session.sent fail", "session.latestKey fail"],
  ],
  [
    "sends what is malformed",
    () => ({ sent: each("publish", (message) => [message, { type: "cancel" }]) }),
    ["messages.wellFormed fail"],
  ],
  [
    "forgets where it was",
    () => ({
      sent: (message) =>
        "subscriptions" in message
          ? { ...message, subscriptions: [{ channel: "a" }] }
          : without("position", "subscribe")(message),
    }),
    ["publications.gap fail", "gap.position fail", "position.sent fail", "recovery.more fail", "recovery.no fail"],
  ],
  [
    "overlooks what is missing",
    (connection) => {
      let last = 10
      const follow = (message: Tampering.Message) => {
        const previous = last
        last = Math.max(last, message["offset"] as number)
        return { ...message, previous }
      }
      return connection === 1 ? { received: each("publication", follow) } : {}
    },
    ["publications.gap fail", "publications.duplicate notSeen"],
  ],
  [
    "subscribes again to what it is subscribed to",
    () => ({ sent: each("unsubscribe", () => undefined) }),
    // Refused, as the gateway would refuse it, it has lost the channel.
    [
      "publications.gap fail",
      "publications.duplicate notSeen",
      "position.sent fail",
      "recovery.more fail",
      "recovery.no fail",
    ],
  ],
  [
    "goes back with a publication that comes again",
    (connection) => ({
      sent:
        connection === 1
          ? each("subscribe", (message) =>
              "position" in message ? { ...message, position: { offset: 11, epoch: "e1" } } : message,
            )
          : (message) => message,
    }),
    ["publications.gap fail", "publications.duplicate fail"],
  ],
  ["passes over gaps", () => ({ received: each("gap", () => undefined) }), ["gap.position fail", "position.sent fail"]],
  [
    "leaves when it hears something new",
    () => ({ received: each("weather", () => ({ type: "serving" })) }),
    ["messages.unknownType fail", ...ClientRules.all.slice(5).map(({ id }) => `${id} notSeen`)],
  ],
  ["does not wait", () => ({ received: without("waitMs", "bye") }), ["reconnect.waitMs fail"]],
  [
    "stays with a server that says nothing",
    () => ({
      received: each("connected", (message) => ({ ...message, heartbeat: { intervalMs: 25_000, timeoutMs: 10_000 } })),
    }),
    ["heartbeat.silence fail"],
  ],
  [
    "does not serve again",
    (connection) => ({ sent: connection === 1 ? (message) => message : each("serve", () => undefined) }),
    ["serve.again fail"],
  ],
  ["answers twice", () => ({ sent: each("response", (message) => [message, message]) }), ["serve.answered fail"]],
  [
    "publishes under another key each time",
    (connection) => ({ sent: each("publish", (m) => ({ ...m, key: `${String(m["key"])} ${connection}` })) }),
    ["publish.repeated fail"],
  ],
  [
    "comes back whatever it is told",
    () => ({ received: each("bye", (message) => ({ ...message, retry: "backoff" })) }),
    ["bye.never fail"],
  ],
]

describe("a client", () => {
  it.live(
    "that is ours keeps every rule",
    () =>
      Effect.map(
        judged(() => ({})),
        (broken) => assert.deepStrictEqual(broken, []),
      ),
    patience,
  )

  it.live("that speaks Protobuf has broken no rule, and is told why none is seen", () =>
    Effect.gen(function* () {
      const transport = yield* TcpTransport.make({ port: 0 })
      const { address } = transport
      if (address._tag !== "Tcp") return yield* Effect.die("not tcp")
      const wire = yield* TcpTransport.dial(address)
      // The `connect` of docs/protocol.md, section 11.
      wire.writeUnsafe([frame(Buffer.from("2a0408011001", "hex"))])
      const verdicts = yield* ClientCheck.check(transport)
      const why = "the client speaks Protobuf, and only JSON is looked at"
      assert.deepStrictEqual(
        verdicts,
        ClientRules.all.map((rule) => ({ ...rule, outcome: "notSeen", detail: why })),
      )
    }).pipe(Effect.scoped),
  )

  for (const [name, tamper, broken] of faults) {
    it.live(
      `that ${name} is told so, by that rule`,
      () => Effect.map(judged(tamper), (verdicts) => assert.deepStrictEqual(verdicts, broken)),
      { timeout: patience, concurrent: true },
    )
  }
})
