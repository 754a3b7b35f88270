import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import type * as Scope from "effect/Scope"
import * as Client from "../../src/client/Client.ts"
import * as ClientPool from "../../src/client/ClientPool.ts"
import * as JsonCodec from "../../src/codec/JsonCodec.ts"
import * as Deadlines from "../../src/connection/Deadlines.ts"
import * as Dial from "../../src/connection/Dial.ts"
import * as Heartbeat from "../../src/connection/Heartbeat.ts"
import * as Outbox from "../../src/connection/Outbox.ts"
import * as RateLimit from "../../src/connection/RateLimit.ts"
import * as Defaults from "../../src/gateway/Defaults.ts"
import * as LmdbEngine from "../../src/gateway/engine/LmdbEngine.ts"
import * as MemoryEngine from "../../src/gateway/engine/MemoryEngine.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import * as Limit from "../../src/limit/Limit.ts"
import * as RpcDialer from "../../src/rpc/RpcDialer.ts"
import * as RpcListener from "../../src/rpc/RpcListener.ts"
import * as Admission from "../../src/server/Admission.ts"
import * as Drain from "../../src/server/Drain.ts"
import * as MemoryBudget from "../../src/server/MemoryBudget.ts"
import * as BrowserTransport from "../../src/transport/BrowserTransport.ts"
import * as HandshakingWire from "../../src/transport/HandshakingWire.ts"
import * as MemoryTransport from "../../src/transport/MemoryTransport.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as TlsTransport from "../../src/transport/TlsTransport.ts"
import * as Transport from "../../src/transport/Transport.ts"
import * as WebSocketTransport from "../../src/transport/WebSocketTransport.ts"
import { settled } from "../support/wires.ts"

/** No folder, so that nothing is opened. */
const directory = "/dev/null"
const retention = () => ({ size: 1, ageMs: 1 })
const memory = MemoryTransport.layer()
const server = { name: "test", version: "0" }
const gateway = (options: Partial<Gateway.Options>) =>
  Layer.build(Gateway.layer({ server, ...options }).pipe(Layer.provide([Defaults.layer, memory])))
const refused = Effect.fail(Transport.lostWith("ECONNREFUSED"))
const client = (options: Partial<ClientPool.Options & Client.Options>) =>
  Client.make({ dial: refused, firstAttempts: 1, ...options })
const pool = (options: Partial<ClientPool.Options>) => ClientPool.make({ dial: refused, firstAttempts: 1, ...options })
const tcp = { host: "127.0.0.1", port: 0 }
const identity = { cert: "", key: "" }
const page = { url: "no URL" }
const rpc = (options: RpcListener.Options) =>
  RpcListener.make(RpcGroup.make(), options).pipe(Effect.provide([RpcSerialization.layerJson, memory]))
const caller = (options: Partial<RpcDialer.Options>) =>
  RpcDialer.make({ dial: refused, ...options }).pipe(Effect.provide(RpcSerialization.layerJson))

/** What sets a limit: at once, or as an Effect whose failures are its own affair. */
type Setter<A> = (limit: A) => unknown

const numbers: ReadonlyArray<readonly [title: string, set: Setter<number>]> = [
  ["Admission maxConnections", (maxConnections) => Admission.layer({ maxConnections })],
  ["Admission maxConnectionsPerAddress", (maxConnectionsPerAddress) => Admission.layer({ maxConnectionsPerAddress })],
  ["Admission acceptsPerSecond", (acceptsPerSecond) => Admission.layer({ acceptsPerSecond })],
  ["RateLimit framesPerSecond", (framesPerSecond) => RateLimit.layer({ framesPerSecond })],
  ["RateLimit bytesPerSecond", (bytesPerSecond) => RateLimit.layer({ bytesPerSecond })],
  ["RateLimit heartbeatsPerSecond", (heartbeatsPerSecond) => RateLimit.layer({ heartbeatsPerSecond })],
  ["Outbox maxBytes", (maxBytes) => Outbox.layer({ maxBytes })],
  ["Deadlines frameBytesPerSecond", (frameBytesPerSecond) => Deadlines.layer({ frameBytesPerSecond })],
  ["MemoryBudget maxBufferedBytes", (maxBufferedBytes) => MemoryBudget.make({ maxBufferedBytes })],
  ["MemoryBudget maxMemoryShare", (maxMemoryShare) => MemoryBudget.make({ maxMemoryShare })],
  ["JsonCodec maxDepth", (maxDepth) => JsonCodec.make({ maxDepth })],
  ["Transport readBufferBytes", (readBufferBytes) => Transport.boundsOf({ readBufferBytes })],
  ["Transport writeHighWaterBytes", (writeHighWaterBytes) => Transport.boundsOf({ writeHighWaterBytes })],
  ["MemoryTransport acceptBacklog", (acceptBacklog) => MemoryTransport.make({ acceptBacklog })],
  ["TcpTransport backlog", (backlog) => TcpTransport.make({ ...tcp, host: "no address", backlog })],
  [
    "TcpTransport.dial readBufferBytes",
    (readBufferBytes) => TcpTransport.dial({ path: "/nowhere/at/all", readBufferBytes }),
  ],
  ["TlsTransport.dial readBufferBytes", (readBufferBytes) => TlsTransport.dial({ ...tcp, readBufferBytes })],
  [
    "WebSocketTransport.dial maxMessageBytes",
    (maxMessageBytes) => WebSocketTransport.dial({ ...tcp, maxMessageBytes }),
  ],
  ["BrowserTransport.dial maxMessageBytes", (maxMessageBytes) => BrowserTransport.dial({ ...page, maxMessageBytes })],
  ["BrowserTransport.dial maxUnreadBytes", (maxUnreadBytes) => BrowserTransport.dial({ ...page, maxUnreadBytes })],
  ["RpcListener maxCalls", (maxCalls) => rpc({ maxCalls })],
  ["RpcListener maxFrameBytes", (maxFrameBytes) => rpc({ maxFrameBytes })],
  ["RpcDialer maxFrameBytes", (maxFrameBytes) => caller({ maxFrameBytes })],
  ["Client offlineQueue", (offlineQueue) => client({ offlineQueue })],
  ["Client firstAttempts", (firstAttempts) => client({ dial: Effect.die("once"), firstAttempts })],
  ["ClientPool min", (min) => pool({ min: Math.min(min, 1) })],
  ["ClientPool maxWaiting", (maxWaiting) => pool({ maxWaiting })],
  ["Gateway commandsPerSecond", (commandsPerSecond) => gateway({ commandsPerSecond })],
  ["Gateway maxKeptSessions", (maxKeptSessions) => gateway({ maxKeptSessions })],
  ["Gateway maxSubscriptions", (maxSubscriptions) => gateway({ maxSubscriptions })],
  ["Gateway maxServices", (maxServices) => gateway({ maxServices })],
  ["Gateway maxRequests", (maxRequests) => gateway({ maxRequests })],
  ["Gateway maxSubscribedChannels", (maxSubscribedChannels) => gateway({ maxSubscribedChannels })],
  ["Gateway maxPresenceMembers", (maxPresenceMembers) => gateway({ maxPresenceMembers })],
  ["Gateway maxReads", (maxReads) => gateway({ maxReads })],
  ["Gateway engineTimeoutMs", (engineTimeoutMs) => gateway({ engineTimeoutMs })],
  ["MemoryEngine maxBytes", (maxBytes) => MemoryEngine.make({ retention, maxBytes })],
  ["MemoryEngine maxChannels", (maxChannels) => MemoryEngine.make({ retention, maxChannels })],
  ["MemoryEngine windowMs", (windowMs) => MemoryEngine.make({ retention, keys: { windowMs } })],
  ["MemoryEngine maxKeys", (maxKeys) => MemoryEngine.make({ retention, keys: { maxKeys } })],
  ["LmdbEngine reserveBytes", (reserveBytes) => LmdbEngine.make({ directory, retention, reserveBytes })],
  ["LmdbEngine maxChannels", (maxChannels) => LmdbEngine.make({ directory, retention, maxChannels })],
  ["LmdbEngine maxLogged", (maxLogged) => LmdbEngine.make({ directory, retention, maxLogged })],
  ["LmdbEngine maxKeys", (maxKeys) => LmdbEngine.make({ directory, retention, keys: { maxKeys } })],
]

const durations: ReadonlyArray<readonly [title: string, set: Setter<Duration.Input>]> = [
  ["Deadlines firstFrame", (firstFrame) => Deadlines.layer({ firstFrame })],
  ["Deadlines goodbye", (goodbye) => Deadlines.layer({ goodbye })],
  ["Heartbeat interval", (interval) => Heartbeat.layer({ interval })],
  ["Heartbeat timeout", (timeout) => Heartbeat.layer({ timeout })],
  ["Outbox maxAge", (maxAge) => Outbox.layer({ maxAge })],
  ["Drain grace", (grace) => Drain.layer({ grace })],
  ["Drain timeout", (timeout) => Drain.layer({ timeout })],
  ["MemoryBudget checkInterval", (checkInterval) => MemoryBudget.make({ checkInterval })],
  ["Dial timeout", (timeout) => Dial.open({ protocol: Gateway.protocol, dial: refused, timeout })],
  ["HandshakingWire handshakeTimeout", (handshakeTimeout) => HandshakingWire.timeoutMs(handshakeTimeout)],
  ["TlsTransport handshakeTimeout", (handshakeTimeout) => TlsTransport.make({ ...tcp, ...identity, handshakeTimeout })],
  ["TcpTransport.dial timeout", (timeout) => TcpTransport.dial({ path: "/nowhere/at/all", timeout })],
  ["BrowserTransport.dial timeout", (timeout) => BrowserTransport.dial({ ...page, timeout })],
  ["RpcDialer timeout", (timeout) => caller({ timeout })],
  ["Client timeout", (timeout) => client({ timeout })],
  ["Client connectTimeout", (connectTimeout) => client({ connectTimeout })],
  ["ClientPool timeToLive", (timeToLive) => pool({ timeToLive })],
  ["Gateway connectTimeout", (connectTimeout) => gateway({ connectTimeout })],
  ["Gateway sessionTtl", (sessionTtl) => gateway({ sessionTtl })],
  ["MemoryEngine positionTtl", (positionTtl) => MemoryEngine.make({ retention, positionTtl })],
  ["LmdbEngine positionTtl", (positionTtl) => LmdbEngine.make({ directory, retention, positionTtl })],
]

/** How it ends; one that would go on is interrupted. */
const endOf = <A>(set: Setter<A>, limit: A) =>
  Effect.gen(function* () {
    const setting = Effect.suspend(() => {
      const made = set(limit)
      return Effect.isEffect(made) ? (made as Effect.Effect<unknown, unknown, Scope.Scope>) : Effect.void
    })
    const fiber = yield* Effect.forkChild(Effect.scoped(setting), { startImmediately: true })
    yield* settled
    return yield* Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber))
  })

const refusalIn = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  return error instanceof RangeError ? error.message : undefined
}

const nameOf = (title: string) => title.slice(title.indexOf(" ") + 1)

describe("A limit", () => {
  for (const [title, set] of numbers) {
    it.effect(`${title} is refused when it is set if it is no number from 0 on, and else not`, () =>
      Effect.gen(function* () {
        for (const wrong of [NaN, -1]) {
          const expected = `${nameOf(title)} is ${wrong}; it must be a number from 0 on`
          assert.strictEqual(refusalIn(yield* endOf(set, wrong)), expected)
        }
        for (const right of [0, 1, Infinity]) assert.strictEqual(refusalIn(yield* endOf(set, right)), undefined)
      }),
    )
  }

  it("that is not set is not judged", () => {
    assert.deepStrictEqual(Limit.checkedUnsafe({ maxKeys: undefined }), { maxKeys: undefined })
  })
})

describe("A duration", () => {
  for (const [title, set] of durations) {
    it.effect(`${title} is refused when it is set if it is none from 0 on, and else not`, () =>
      Effect.gen(function* () {
        for (const [wrong, shown] of [
          [NaN, "NaN"],
          ["-1 second", "-1s"],
        ] as const) {
          const expected = `${nameOf(title)} is ${shown}; it must be a duration from 0 on`
          assert.strictEqual(refusalIn(yield* endOf(set, wrong)), expected)
        }
        // An interval of nothing is none: test/connection/Heartbeat.test.ts.
        for (const right of [title === "Heartbeat interval" ? 1 : 0, "1 second", Duration.infinity] as const) {
          assert.strictEqual(refusalIn(yield* endOf(set, right)), undefined)
        }
      }),
    )
  }

  it("is no number in whatever form it is written", () => {
    for (const age of [NaN, [NaN, 0], [1, NaN], { seconds: NaN }, { days: 1, seconds: NaN }] as const) {
      assert.throws(() => Limit.durationsUnsafe({ age }), "age is NaN; it must be a duration from 0 on")
    }
    assert.deepStrictEqual(Limit.durationsUnsafe({ age: "1 second", rest: { seconds: 0 } }), {
      age: Duration.seconds(1),
      rest: Duration.zero,
    })
  })
})
