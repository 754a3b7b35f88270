/**
 * The gateway as a layer: its protocol, its channels and services, and a server that gives every client a session.
 * Binds nothing (a transport does) and reads no configuration file, flag or environment.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Deadlines from "../connection/Deadlines.ts"
import * as Heartbeat from "../connection/Heartbeat.ts"
import * as Outbox from "../connection/Outbox.ts"
import * as Protocol from "../connection/Protocol.ts"
import * as RateLimit from "../connection/RateLimit.ts"
import * as FrameLayout from "../frame/FrameLayout.ts"
import * as Server from "../server/Server.ts"
import type { Transport } from "../transport/Transport.ts"
import * as Channels from "./Channels.ts"
import * as ByeCode from "./protocol/ByeCode.ts"
import type { ClientFrame } from "./protocol/ClientMessage.ts"
import * as JsonProtocol from "./protocol/JsonProtocol.ts"
import type { ServerMessage } from "./protocol/ServerMessage.ts"
import { RandomText } from "./RandomText.ts"
import * as Services from "./Services.ts"
import * as Session from "./Session.ts"

/** Body bytes of a client's frame until it has connected. */
export const maxFrameBytesBeforeConnect = 16 * 1024

/** Body bytes of a client's frame afterwards. */
export const maxClientFrameBytes = 64 * 1024

/** Body bytes of a frame to a client. */
export const maxServerFrameBytes = 1024 * 1024

/** Messages of one client in a second; heartbeats count too. */
export const defaultCommandsPerSecond = 1_000

/** How long the first message may take. */
export const defaultConnectTimeout = Duration.seconds(10)

/** What a gateway can be told. */
export interface Options {
  /** Default: 10 s. */
  readonly connectTimeout?: Duration.Input
  /** Default: 1 000. */
  readonly commandsPerSecond?: number
  /** What clients are told the server is. */
  readonly server: { readonly name: string; readonly version: string }
}

/** Protocol version 1 in JSON, as docs/protocol.md has it. */
export const protocol: Protocol.Protocol<ClientFrame, ServerMessage> = Protocol.fromCodec({
  name: "longline",
  codec: JsonProtocol.make(),
  layout: FrameLayout.makeUnsafe({ maxFrameBytes: maxFrameBytesBeforeConnect }),
  maxOutboundFrameBytes: maxServerFrameBytes,
  goodbye: (reason) => {
    const bye = ByeCode.of(reason)
    return bye && { type: "bye", ...bye }
  },
  draining: (grace) => {
    const { code, message } = ByeCode.make("draining")
    return { type: "notice", code, message, waitMs: Duration.toMillis(grace) }
  },
})

/** A gateway that listens on the transport it is provided with, and drains when its scope closes. */
export const layer = (options: Options): Layer.Layer<never, never, Transport> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const commandsPerSecond = options.commandsPerSecond ?? defaultCommandsPerSecond
      const connectTimeout = Duration.fromInputUnsafe(options.connectTimeout ?? defaultConnectTimeout)
      const shared = yield* makeShared(options, commandsPerSecond)
      yield* Effect.forkScoped(Services.run(shared.services))
      return Server.serve(protocol, Session.serve(shared)).pipe(
        Layer.provide([
          Deadlines.layer({ firstFrame: connectTimeout, firstMessage: connectTimeout }),
          RateLimit.layer({ heartbeatsPerSecond: commandsPerSecond }),
        ]),
      )
    }),
  )

const makeShared = Effect.fnUntraced(function* (options: Options, commandsPerSecond: number) {
  const clock = yield* Clock.Clock
  const heartbeat = yield* Heartbeat.HeartbeatSettings
  const outbox = yield* Outbox.OutboxLimits
  const now = () => clock.currentTimeMillisUnsafe()
  const monotonic = () => Deadlines.monotonicMs(clock)
  const random = new RandomText()
  const shared: Session.Shared = {
    channels: Channels.make({
      epoch: random.take(9),
      now,
      encode: (publication) => new Protocol.SharedMessage<ServerMessage>(protocol, publication),
    }),
    services: Services.make({ now: monotonic }),
    heartbeat: {
      intervalMs: Duration.toMillis(heartbeat.interval),
      timeoutMs: Duration.toMillis(heartbeat.timeout),
    },
    limits: {
      frameBytes: maxClientFrameBytes,
      subscriptions: Channels.defaultMaxSubscriptions,
      commandsPerSecond,
      outboxBytes: outbox.maxBytes,
    },
    server: { ...options.server, node: random.take(6) },
    random,
    now,
    monotonic,
  }
  return shared
})
