/**
 * One connection to a gateway from its dial to its end: `connect`, then every message in order, heartbeats answered and
 * watched. Tries once, and says how it ended.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as CloseReason from "../connection/CloseReason.ts"
import type { ConnectionError } from "../connection/Connection.ts"
import * as Dial from "../connection/Dial.ts"
import * as Heartbeat from "../connection/Heartbeat.ts"
import type { Protocol } from "../connection/Protocol.ts"
import type { Settings } from "../connection/Settings.ts"
import * as ByeCode from "../gateway/protocol/ByeCode.ts"
import type { Bye } from "../gateway/protocol/ServerMessage.ts"
import { type Farewell, Offer, type Subprotocols, type Wire } from "../transport/Transport.ts"
import type { Link } from "./Asking.ts"
import type { Connect, Connected, Inbound, Outbound } from "./Message.ts"

export { type Dialer } from "../connection/Dial.ts"

/** What a connection is for. */
export interface Owner {
  /** The first message. */
  readonly connect: () => Connect
  /** The gateway has answered; runs in the connection's scope before any further message. */
  readonly connected: (link: Link, answer: Connected) => Effect.Effect<void, never, Scope.Scope>
  /** Every other message that is not this connection's own affair. */
  readonly received: (link: Link, message: Inbound) => void
  /** Nothing is answered any more; called once or twice, before the connection is closed. */
  readonly ended: () => void
  /** Waits between reads while what was read has no room. */
  readonly hold: Effect.Effect<void>
  /** Whether `hold` waits. */
  readonly isHeld: () => boolean
}

/** What a connection is made of. */
export interface Options {
  readonly dial: Dial.Dialer
  readonly protocol: Protocol<Inbound, Outbound>
  /** What to ask for where a handshake agrees on a subprotocol. */
  readonly offer: Subprotocols
  readonly settings: Settings
  /** For dialling, and then again for the answer to `connect`. */
  readonly timeout: Duration.Duration
}

/** How a connection, or an attempt, ended. */
export interface Ending {
  /** The gateway's last word, if it said one. */
  readonly bye: Bye | undefined
  /** One sentence for a person. */
  readonly message: string
  /** How long it was connected; undefined for an attempt that failed. */
  readonly connectedMs: number | undefined
}

/** What is learned on the way. */
interface Record {
  bye?: Bye
  refusal?: string
  connectedAt?: number
  wire?: Wire
}

/** Dials, connects, and serves the owner until the end. Never fails: whatever happens is an ending. */
export const run = (options: Options, owner: Owner): Effect.Effect<Ending> =>
  Effect.gen(function* () {
    const record: Record = {}
    const reason = yield* Dial.serve(
      {
        ...options,
        dial: Effect.provideService(options.dial, Offer, options.offer),
        id: 1,
        onOpenedUnsafe: () => {},
        onEndedUnsafe: () => owner.ended(),
      },
      (link, wire) => {
        record.wire = wire
        return converse(options, owner, record, wire, link)
      },
    )
    const { bye = byeOf(record.wire?.heardUnsafe?.()), connectedAt, refusal } = record
    const connectedMs = connectedAt === undefined ? undefined : options.settings.now() - connectedAt
    return { bye, message: bye?.message ?? refusal ?? CloseReason.format(reason), connectedMs }
  }).pipe(Effect.catch(({ message }) => Effect.succeed({ bye: undefined, message, connectedMs: undefined })))

const converse = (options: Options, owner: Owner, record: Record, wire: Wire, link: Link) =>
  Effect.gen(function* () {
    yield* link.send(owner.connect())
    const answer = yield* Effect.timeoutOption(firstOf(link), options.timeout)
    if (answer._tag === "None") record.refusal = "connect was not answered in time"
    else if (answer.value.type === "bye") record.bye = answer.value
    else if (answer.value.type !== "connected") record.refusal = refusalOf(answer.value)
    else {
      record.connectedAt = options.settings.now()
      yield* owner.connected(link, answer.value)
      yield* watch(options.settings, owner, wire, link, answer.value.heartbeat)
      yield* Effect.forever(
        Effect.flatMap(link.batch, (messages) => {
          for (const message of messages) receive(owner, record, link, message)
          return owner.hold
        }),
        { disableYield: true },
      )
    }
  }).pipe(Pull.catchDone(() => Effect.void))

/** A WebSocket's close code is a bye, for whoever was not sent one: the gateway's are from 4000 on. */
const byeOf = (heard: Farewell | undefined): Bye | undefined =>
  heard === undefined || heard.code < 4000 ? undefined : { type: "bye", ...heard, retry: ByeCode.retryOf(heard.code) }

/** The first message that is no heartbeat. */
const firstOf = (link: Link): Pull.Pull<Inbound, ConnectionError> =>
  Effect.flatMap(link.receive, (message) => {
    if (message.type !== "heartbeat") return Effect.succeed(message)
    link.sendUnsafe(message)
    return firstOf(link)
  })

const refusalOf = (message: Inbound): string =>
  message.type === "error" ? message.message : `connect was answered by ${message.type}`

const receive = (owner: Owner, record: Record, link: Link, message: Inbound): void => {
  switch (message.type) {
    case "heartbeat":
      return void link.sendUnsafe(message)
    case "bye":
      // Its last word: nobody is answered any more.
      record.bye = message
      return owner.ended()
    default:
      return owner.received(link, message)
  }
}

/**
 * Ends the connection when the gateway is silent for longer than it has said that it may be. While this side does not
 * read, silence is no sign; the gateway's probes are then answered unread, lest it take this side for gone.
 */
const watch = (
  settings: Settings,
  owner: Owner,
  wire: Wire,
  link: Link,
  { intervalMs, timeoutMs }: Connected["heartbeat"],
) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const heartbeat = { interval: Duration.millis(intervalMs), timeout: Duration.millis(timeoutMs) }
      const heard: Heartbeat.Heard = {
        receivedBytes: () => wire.receivedUnsafe(),
        isExcused: owner.isHeld,
        // It is read until its end, which ends the connection.
        hasEnded: () => false,
        isBusy: owner.isHeld,
        probe: () => void link.sendUnsafe({ type: "heartbeat" }),
        closeUnsafe: link.closeUnsafe,
      }
      return new Heartbeat.Listening(heard, { ...settings, heartbeat })
    }),
    (listening) => Effect.sync(() => listening.stop()),
  )
