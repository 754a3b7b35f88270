/**
 * One connection of a client that is held to the protocol, from the server's side: judges every message, answers what is
 * asked, and beats, so that a script can be played on it. Keeps no publications: what is recovered is the script's to say.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as ClientMessage from "../gateway/protocol/ClientMessage.ts"
import { maxClientFrameBytes, maxFrameBytesBeforeConnect } from "../gateway/protocol/FrameLimits.ts"
import type { Position } from "../gateway/protocol/Fields.ts"
import * as JsonProtocol from "../gateway/protocol/JsonProtocol.ts"
import * as ProtobufProtocol from "../gateway/protocol/ProtobufProtocol.ts"
import type { Wire } from "../transport/Transport.ts"
import type { Ledger } from "./ClientRules.ts"
import * as Peer from "./Peer.ts"

/** What clients are told of heartbeats: short, so that a silence is soon one. */
export const heartbeat = { intervalMs: 1_000, timeoutMs: 1_000 }

/** How often a client that waits hears something. */
const beatMs = 300

/** What a client is told of a channel. */
export interface Joined {
  readonly position: Position
  readonly recovered: "yes" | "none" | "no"
  readonly publications: ReadonlyArray<object>
  readonly more?: boolean
}

/** What the script says on a connection. */
export interface Script {
  /** The key of its session. */
  readonly key: string
  readonly resumed: boolean
  /** The answer to the first subscription, the second, and so on. */
  readonly join: (channel: string, count: number) => Joined
  /** Whether publications are left without an answer. */
  readonly isMute?: boolean
}

/** Every session is the same one: there is one client. */
export const sessionId = "conformance"

const codec = JsonProtocol.make()

/** Whether the body is a `connect` in the other encoding, which is a client's to choose. */
const isProtobuf = (body: Uint8Array | undefined): boolean => {
  const decoded = body && ProtobufProtocol.make().decode(body)
  return decoded !== undefined && Result.isSuccess(decoded) && decoded.success.type === "connect"
}

/** The client's connection. */
export class StrictServer {
  readonly peer: Peer.Peer<ClientMessage.ClientFrame>
  readonly arrivedAt = performance.now()
  /** Its first message. */
  first: ClientMessage.Connect | undefined
  /** Every subscription that it has asked for, those in `connect` too. */
  readonly joins: Array<ClientMessage.Subscription> = []
  readonly served: Array<string> = []
  readonly published: Array<ClientMessage.Publish> = []
  readonly answered: Array<ClientMessage.Response | ClientMessage.ResponseError> = []
  isClosed = false

  readonly #ledger: Ledger
  readonly #script: Script
  readonly #subscribed = new Set<string>()
  #beatsSent = 0
  #beatsHeard = 0
  #offset = 0

  constructor(wire: Wire, ledger: Ledger, script: Script) {
    this.peer = new Peer.Peer(wire, codec.decode, maxClientFrameBytes)
    this.#ledger = ledger
    this.#script = script
  }

  /** Takes `connect` and answers it byte by byte. Gives the reason if there is nobody to go on with. */
  readonly connect = (withinMs: number): Effect.Effect<string | undefined> =>
    Effect.gen({ self: this }, function* () {
      const heard = yield* this.peer.said(withinMs)
      if (heard._tag === "Unreadable" && isProtobuf(heard.body)) {
        return "the client speaks Protobuf, and only JSON is looked at"
      }
      const connect = heard._tag === "Message" && heard.message.type === "connect" ? heard.message : undefined
      const isFit = heard._tag === "Message" && heard.bytes <= maxFrameBytesBeforeConnect && connect?.version === 1
      this.#ledger.judge("connect.first", isFit, `first came ${Peer.shown(heard)}`)
      if (connect === undefined) return "connect did not come"
      this.first = connect
      const riding = connect.subscriptions ?? []
      const entries = riding.flatMap((entry) => (Result.isSuccess(entry) ? [entry.success] : []))
      this.#ledger.judge("messages.wellFormed", entries.length === riding.length, "a subscription in connect was not")
      yield* this.peer.drip(Peer.frameOf(this.#connected(connect.id, entries)))
      return undefined
    })

  /** Lets the client go on until this is so, at most for so long. It is answered, and hears heartbeats meanwhile. */
  readonly until = (isSo: () => boolean, withinMs: number): Effect.Effect<boolean> =>
    Effect.gen({ self: this }, function* () {
      const end = performance.now() + withinMs
      while (!isSo() && !this.isClosed) {
        const left = end - performance.now()
        if (left <= 0) break
        const heard = yield* this.peer.next(Math.min(beatMs, left))
        if (heard._tag === "Silence") this.#beat()
        else this.#take(heard)
      }
      return isSo()
    })

  /** Whether every heartbeat is answered, one more than before: what was sent until now has then been read. */
  readonly probe = (withinMs: number): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      this.#beat()
      return this.until(() => this.#beatsHeard >= this.#beatsSent, withinMs)
    })

  /** Says nothing any more, not even a heartbeat: whether the client leaves within so long. */
  readonly leaves = (withinMs: number): Effect.Effect<boolean> =>
    Effect.gen({ self: this }, function* () {
      const end = performance.now() + withinMs
      while (performance.now() < end) {
        const heard = yield* this.peer.said(end - performance.now())
        if (heard._tag !== "Message") return heard._tag === "Closed"
      }
      return false
    })

  /** Ends the connection with a bye. */
  sendAway(facts: object): void {
    this.peer.say({ type: "bye", ...facts })
    this.peer.wire.endUnsafe()
  }

  #beat(): void {
    this.#beatsSent++
    this.peer.beat()
  }

  #take(heard: Peer.Heard<ClientMessage.ClientFrame>): void {
    if (heard._tag === "Heartbeat") this.#beatsHeard++
    if (heard._tag === "Closed" || heard._tag === "Unreadable") this.isClosed = true
    const isWell = heard._tag === "Message" && heard.message.type !== "malformed" && heard.message.type !== "connect"
    if (heard._tag === "Message" || heard._tag === "Unreadable") {
      this.#ledger.judge("messages.wellFormed", isWell, Peer.shown(heard))
    }
    if (heard._tag !== "Message") return
    const answer = this.#answer(heard.message)
    if (answer !== undefined) this.peer.say(answer)
  }

  #answer(message: ClientMessage.ClientFrame): object | undefined {
    switch (message.type) {
      case "subscribe":
        // As the gateway does: who passes here without `unsubscribe` would be refused there.
        return this.#subscribed.has(message.channel)
          ? { type: "error", id: message.id, code: 105, message: "already subscribed", retry: false }
          : { ...this.#joined(message), id: message.id }
      case "unsubscribe":
        this.#subscribed.delete(message.channel)
        return { type: "unsubscribed", id: message.id, channel: message.channel }
      case "publish":
        remember(this.published, message)
        if (message.id === undefined || this.#script.isMute) return undefined
        return { type: "published", id: message.id, offset: ++this.#offset, epoch: "published" }
      case "history":
        return { ...answerTo(message), publications: [], position: { offset: 0, epoch: "published" } }
      case "presence":
        return { ...answerTo(message), members: [], count: 0 }
      case "serve":
        remember(this.served, message.service)
        return { type: "serving", id: message.id, service: message.service }
      case "unserve":
        return { type: "unserved", id: message.id, service: message.service }
      case "request":
        return { type: "error", id: message.id, code: 114, message: "nobody serves this", retry: true }
      case "refresh":
        return { type: "refreshed", id: message.id }
      case "response":
      case "error":
        remember(this.answered, message)
        return undefined
      default:
        return undefined
    }
  }

  #joined(entry: ClientMessage.Subscription): object {
    remember(this.joins, entry)
    this.#subscribed.add(entry.channel)
    return { type: "subscribed", channel: entry.channel, ...this.#script.join(entry.channel, this.joins.length) }
  }

  #connected(id: number, entries: ReadonlyArray<ClientMessage.Subscription>): object {
    const { key, resumed } = this.#script
    return {
      type: "connected",
      id,
      connection: sessionId,
      session: { id: sessionId, key, ttlMs: 60_000 },
      resumed,
      heartbeat,
      limits: {
        frameBytes: maxClientFrameBytes,
        subscriptions: 1_000,
        commandsPerSecond: 1_000,
        outboxBytes: 1_048_576,
      },
      server: { name: "longline conformance", version: "1", node: "n" },
      time: Date.now(),
      weather: { of: [1] },
      ...(entries.length > 0 && {
        subscriptions: Object.fromEntries(entries.map((entry) => [entry.channel, this.#joined(entry)])),
      }),
    }
  }
}

/** What is remembered of one kind; a client that does more of it in a script shows nothing new. */
const maxRemembered = 10_000

const remember = <A>(list: Array<A>, item: A): void => {
  if (list.length < maxRemembered) list.push(item)
}

const answerTo = ({ channel, id, type }: ClientMessage.History | ClientMessage.Presence) => ({ type, id, channel })
