/**
 * The gateway as a layer: its protocol, its channels and services, and a server that gives every client a session.
 * Binds nothing (a transport does) and reads no configuration file, flag or environment.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Deadlines from "../connection/Deadlines.ts"
import * as Heartbeat from "../connection/Heartbeat.ts"
import * as Outbox from "../connection/Outbox.ts"
import * as Protocol from "../connection/Protocol.ts"
import * as RateLimit from "../connection/RateLimit.ts"
import * as FrameLayout from "../frame/FrameLayout.ts"
import * as Limit from "../limit/Limit.ts"
import * as Server from "../server/Server.ts"
import type { Transport } from "../transport/Transport.ts"
import * as Access from "./Access.ts"
import { Authenticator } from "./auth/Identity.ts"
import * as Revocations from "./auth/Revocations.ts"
import * as Channels from "./Channels.ts"
import type { Encoded } from "./Encoded.ts"
import { Engine } from "./engine/Engine.ts"
import * as Expiry from "./Expiry.ts"
import * as Journal from "./Journal.ts"
import { Policies } from "./Policy.ts"
import * as Presence from "./Presence.ts"
import * as ByeCode from "./protocol/ByeCode.ts"
import type { ClientFrame } from "./protocol/ClientMessage.ts"
import * as FrameLimits from "./protocol/FrameLimits.ts"
import * as JsonProtocol from "./protocol/JsonProtocol.ts"
import * as ProtobufProtocol from "./protocol/ProtobufProtocol.ts"
import type { ServerMessage } from "./protocol/ServerMessage.ts"
import * as Subprotocol from "./protocol/Subprotocol.ts"
import { RandomText } from "./RandomText.ts"
import * as Services from "./Services.ts"
import * as RevocationFeed from "./RevocationFeed.ts"
import * as Serve from "./Serve.ts"
import type { Session } from "./Session.ts"
import * as Sessions from "./Sessions.ts"
import type { Shared } from "./Shared.ts"
import * as Subscriptions from "./Subscriptions.ts"

export { maxClientFrameBytes, maxFrameBytesBeforeConnect, maxServerFrameBytes } from "./protocol/FrameLimits.ts"

/** Messages of one client in a second; heartbeats count too. */
export const defaultCommandsPerSecond = 1_000

/** How long the first message may take. */
export const defaultConnectTimeout = Duration.seconds(10)

/** How often is looked for what is late, expired or idle, and presence told. */
export const housekeepingInterval = Duration.seconds(1)

/** Members told and channels detached in a turn of the event loop, beside what one channel takes: about a millisecond. */
export const housekeepingPerTurn = 1_000

/** What a WebSocket has to ask for, and the messages that go with it. */
export const subprotocols = Subprotocol.kinds

/** What a gateway can be told. */
export interface Options {
  /** Default: 10 s. */
  readonly connectTimeout?: Duration.Input | undefined
  /** Default: 1 000. */
  readonly commandsPerSecond?: number | undefined
  /** How long a session is kept without a connection. Default: 60 s. */
  readonly sessionTtl?: Duration.Input | undefined
  /** Sessions kept without a connection. Default: 100 000. */
  readonly maxKeptSessions?: number | undefined
  /** Subscriptions of one client. Default: 1 000. */
  readonly maxSubscriptions?: number | undefined
  /** Services of one client. Default: 1 000. */
  readonly maxServices?: number | undefined
  /** Requests of one client that wait for an answer, and requests that one responder is given. Default: 1 000. */
  readonly maxRequests?: number | undefined
  /** Channels with subscribers. Default: 1 000 000. */
  readonly maxSubscribedChannels?: number | undefined
  /** Members of all channels together. Default: 1 000 000. */
  readonly maxPresenceMembers?: number | undefined
  /** Reads for recovery under way. Default: 1 000. */
  readonly maxReads?: number | undefined
  /** Whether to publish in `$sys:connections` who connects and who has gone. Default: false. */
  readonly journal?: boolean | undefined
  /** How long the engine may take to attach or to read, in milliseconds. Default: 5 000. */
  readonly engineTimeoutMs?: number | undefined
  /** What clients are told the server is. */
  readonly server: { readonly name: string; readonly version: string }
}

const json = JsonProtocol.make()
const protobuf = ProtobufProtocol.make()

/** Protocol version 1, as docs/protocol.md has it: in Protobuf for whoever begins with anything but a JSON object. */
export const protocol: Protocol.Protocol<ClientFrame, ServerMessage> = Protocol.fromCodec({
  name: "longline",
  codec: json,
  codecFor: (firstBody) => (firstBody[0] === JsonProtocol.firstByte ? json : protobuf),
  subprotocols: { [Subprotocol.names.json]: json, [Subprotocol.names.protobuf]: protobuf },
  layout: FrameLayout.makeUnsafe({ maxFrameBytes: FrameLimits.maxFrameBytesBeforeConnect }),
  maxOutboundFrameBytes: FrameLimits.maxServerFrameBytes,
  peerBegins: true,
  goodbye: (reason) => {
    const bye = ByeCode.of(reason)
    return bye && { type: "bye", ...bye }
  },
  farewell: ByeCode.of,
  draining: (grace) => {
    const { code, message } = ByeCode.make("draining")
    return { type: "notice", code, message, waitMs: Duration.toMillis(grace) }
  },
})

/** A gateway that listens on the transport it is provided with, and drains when its scope closes. */
export const layer = (options: Options): Layer.Layer<never, never, Transport | Engine | Policies | Authenticator> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const commandsPerSecond = options.commandsPerSecond ?? defaultCommandsPerSecond
      const { connectTimeout } = Limit.durationsUnsafe({
        connectTimeout: options.connectTimeout ?? defaultConnectTimeout,
      })
      const shared = yield* makeShared(options, commandsPerSecond)
      yield* Effect.forkScoped(Services.run(shared.services))
      yield* Effect.forkScoped(keepHouse(shared))
      return Server.serve(protocol, Serve.serve(shared)).pipe(
        Layer.provide([
          Deadlines.layer({ firstFrame: connectTimeout, firstMessage: connectTimeout }),
          RateLimit.layer({ heartbeatsPerSecond: commandsPerSecond }),
        ]),
      )
    }),
  )

/** One fiber for all that is late, expired or idle, whoever it belongs to: once a second is soon enough. */
const keepHouse = ({ channels, expiry, presence, sessions }: Shared): Effect.Effect<never> =>
  Effect.gen(function* () {
    expiry.tick()
    yield* inTurns(presence.tick())
    sessions.expire()
    yield* inTurns(channels.tick())
  }).pipe(
    // Nobody would notice that nothing expires any more.
    Effect.catchCause((cause) => Effect.logError("BUG: housekeeping failed", cause)),
    Effect.delay(housekeepingInterval),
    Effect.forever,
  )

/**
 * Takes all steps, and lets others have a turn of the event loop whenever they have cost enough. A hundred clients who left
 * a hundred thousand channels held everybody up for half a second.
 */
const inTurns = (steps: Iterable<number>): Effect.Effect<void> =>
  Effect.gen(function* () {
    let cost = 0
    for (const step of steps) {
      cost += step
      if (cost < housekeepingPerTurn) continue
      cost = 0
      yield* Effect.yieldNow
    }
  })

const makeShared = Effect.fnUntraced(function* (options: Options, commandsPerSecond: number) {
  const clock = yield* Clock.Clock
  const heartbeat = yield* Heartbeat.HeartbeatSettings
  const outbox = yield* Outbox.OutboxLimits
  const engine = yield* Engine
  const authenticator = yield* Authenticator
  const policyOf = Access.policyOf(yield* Policies)
  const now = () => clock.currentTimeMillisUnsafe()
  const monotonic = () => Deadlines.monotonicMs(clock)
  const random = new RandomText()
  const encode = (message: ServerMessage) => new Protocol.SharedMessage<ServerMessage>(protocol, message)
  const { maxKeptSessions, maxPresenceMembers, maxReads, maxRequests, maxServices } = options
  const { engineTimeoutMs = Channels.defaultEngineTimeoutMs, maxSubscribedChannels, maxSubscriptions } = options
  const { sessionTtl } = Limit.durationsUnsafe({ sessionTtl: options.sessionTtl ?? Sessions.defaultTtlMs })
  const sessionTtlMs = Duration.toMillis(sessionTtl)
  Limit.checkedUnsafe({ commandsPerSecond, engineTimeoutMs, maxKeptSessions, maxPresenceMembers, maxReads })
  Limit.checkedUnsafe({ maxRequests, maxServices, maxSubscribedChannels, maxSubscriptions })
  const fork = yield* FiberSet.makeRuntime()
  const warn = (message: string, facts: object) => void fork(Effect.logWarning(message, facts))
  const channels = yield* Channels.make<Encoded>({
    policyOf,
    encode,
    engineTimeoutMs,
    ...(maxSubscribedChannels !== undefined && { maxChannels: maxSubscribedChannels }),
    ...(maxReads !== undefined && { maxReads }),
  })
  const sessions = Sessions.make<Session>({
    now: monotonic,
    random,
    ttlMs: sessionTtlMs,
    ...(maxKeptSessions !== undefined && { maxKept: maxKeptSessions }),
  })
  const revocations = Revocations.make({ now })
  const shared: Shared = {
    engine,
    authenticator,
    fork: (effect) => void fork(effect),
    policyOf,
    channels,
    presence: Presence.make({
      now,
      monotonic,
      encode,
      ...(maxPresenceMembers !== undefined && { maxMembers: maxPresenceMembers }),
    }),
    services: Services.make({
      now: monotonic,
      ...(maxServices !== undefined && { maxServices }),
      ...(maxRequests !== undefined && { maxOpenRequests: maxRequests, maxInFlight: maxRequests }),
    }),
    sessions,
    revocations,
    journal:
      options.journal === true
        ? Journal.make(engine, (reason) => warn("an entry of the lifecycle journal was lost", { reason }))
        : undefined,
    expiry: Expiry.make(now),
    maxSubscriptions: maxSubscriptions ?? Subscriptions.defaultMaxSubscriptions,
    engineTimeoutMs,
    sessionTtlMs: finite(sessionTtlMs),
    heartbeat: {
      intervalMs: finite(Duration.toMillis(heartbeat.interval)),
      timeoutMs: finite(Duration.toMillis(heartbeat.timeout)),
    },
    limits: {
      frameBytes: FrameLimits.maxClientFrameBytes,
      subscriptions: finite(maxSubscriptions ?? Subscriptions.defaultMaxSubscriptions),
      commandsPerSecond: finite(commandsPerSecond),
      outboxBytes: finite(outbox.maxBytes),
    },
    server: { ...options.server, node: random.take(6) },
    now,
    monotonic,
  }
  // Without knowing what was revoked, nobody is let in.
  yield* RevocationFeed.follow({
    engine,
    engineTimeoutMs,
    channels,
    revocations,
    onRevoked: () => sessions.each((session) => session.endIfRevoked()),
    onRefused: (reason) => warn("a revocation has no effect", { reason }),
  }).pipe(Effect.catch(({ message }) => Effect.die(new Error(`revocations could not be read: ${message}`))))
  return shared
})

/** What is not limited, as clients are told it: JSON has no infinity. */
const finite = (limit: number): number => Math.min(limit, Number.MAX_SAFE_INTEGER)
