/**
 * A client that holds a server to the protocol: dials, asks, and takes no other answer than the one it expects.
 * Knows no rules by name: `ServerRules` does.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Dialer } from "../client/Client.ts"
import { maxServerFrameBytes } from "../gateway/protocol/FrameLimits.ts"
import { codec } from "../client/ClientJson.ts"
import type { Inbound } from "../client/Message.ts"
import * as Peer from "./Peer.ts"
import { broken, type Broken, notSeen, type NotSeen } from "./Verdict.ts"

/** How long an answer may take. */
export const patienceMs = 5_000

/** Messages that may come unasked before an answer does. */
const maxAside = 1_000

/** A message of a type. */
export type Of<T extends Inbound["type"]> = Extract<Inbound, { type: T }>

/** A judging, or a part of one. */
export type Judging<A> = Effect.Effect<A, Broken | NotSeen, Scope.Scope>

/** Errors that say that the server does not have it, or not for us. */
const unavailable: ReadonlyArray<number> = [103, 108]

/** One connection, from its client's side. */
export class StrictClient {
  readonly peer: Peer.Peer<Inbound>
  /** What came unasked while an answer was awaited. */
  readonly #aside: Array<Inbound> = []
  #lastId = 1

  constructor(peer: Peer.Peer<Inbound>) {
    this.peer = peer
  }

  /** An id that was not used before. */
  get id(): number {
    return ++this.#lastId
  }

  /** The next message; heartbeats are answered and passed over. */
  readonly next = (withinMs = patienceMs): Effect.Effect<Peer.Heard<Inbound>> =>
    this.peer.said(withinMs, () => this.peer.beat())

  /** The next message that is of the type and suits; those before it that are unasked are kept for later. */
  readonly expect = <T extends Inbound["type"]>(
    type: T,
    suits: (message: Of<T>) => boolean = () => true,
  ): Judging<Of<T>> =>
    Effect.gen({ self: this }, function* () {
      const isIt = (message: Inbound): message is Of<T> => message.type === type && suits(message as Of<T>)
      const at = this.#aside.findIndex(isIt)
      if (at >= 0) return this.#aside.splice(at, 1)[0] as Of<T>
      const end = performance.now() + patienceMs
      while (true) {
        const heard = yield* this.next(end - performance.now())
        if (heard._tag !== "Message") return yield* broken(`expected ${type}, got ${Peer.shown(heard)}`)
        const { message } = heard
        if (isIt(message)) return message
        if (message.type === "error" && unavailable.includes(message.code)) {
          return yield* notSeen(`the server answered with error ${message.code} ${message.message}`)
        }
        if (message.type === "error" || message.type === "bye")
          return yield* broken(`expected ${type}, got ${Peer.shown(heard)}`)
        if (this.#aside.push(message) > maxAside)
          return yield* broken(`expected ${type}, got ${maxAside} other messages`)
      }
    })

  /** Asks, and takes the answer of the type that has the id. */
  readonly ask = <T extends Inbound["type"]>(type: T, message: object): Judging<Of<T>> =>
    Effect.suspend(() => {
      const { id } = this
      this.peer.say({ ...message, id })
      return this.expect(type, (answer) => (answer as { readonly id?: number }).id === id)
    })

  /** Asks, and takes an error with the code, by the same id. */
  readonly refused = (code: number, message: object): Judging<void> =>
    Effect.suspend(() => {
      const { id } = this
      this.peer.say({ id, ...message })
      return this.refusal(code, (message as { readonly id?: number }).id ?? id)
    })

  /** Takes an error with the code and the id. */
  readonly refusal = (code: number, id: number): Judging<void> =>
    Effect.gen({ self: this }, function* () {
      const heard = yield* this.next()
      const isIt =
        heard._tag === "Message" &&
        heard.message.type === "error" &&
        heard.message.code === code &&
        heard.message.id === id
      if (isIt) return
      if (heard._tag === "Message" && heard.message.type === "error" && unavailable.includes(heard.message.code)) {
        return yield* notSeen(`the server answered with error ${heard.message.code}`)
      }
      return yield* broken(`expected error ${code} with id ${id}, got ${Peer.shown(heard)}`)
    })

  /** Takes a bye with the code, and the end of the connection behind it. */
  readonly bye = (code: number): Judging<void> =>
    Effect.gen({ self: this }, function* () {
      const heard = yield* this.next()
      const isIt = heard._tag === "Message" && heard.message.type === "bye" && heard.message.code === code
      if (!isIt) return yield* broken(`expected bye ${code}, got ${Peer.shown(heard)}`)
      const last = yield* this.next()
      if (last._tag !== "Closed") return yield* broken(`expected the end behind the bye, got ${Peer.shown(last)}`)
    })
}

/** The server, and as whom it is talked to. */
export interface Server {
  readonly dial: Dialer
  readonly token?: string
  /** Whether bytes reach it as they are written; a WebSocket carries whole messages. The default is true. */
  readonly hasFrames?: boolean
}

/** A connection that has said nothing yet. */
export const dial = (server: Server): Judging<StrictClient> =>
  Effect.matchEffect(server.dial, {
    onSuccess: (wire) => Effect.succeed(new StrictClient(new Peer.Peer(wire, codec.decode, maxServerFrameBytes))),
    onFailure: ({ message }) => broken(message),
  })

/** The first message. */
export const hello = ({ token }: Server) => ({
  type: "connect",
  id: 1,
  version: 1,
  client: { name: "longline conformance", version: "1" },
  ...(token !== undefined && { token }),
})

/** A connection that has connected, with the rest of its `connect`. */
export const connect = (
  server: Server,
  rest: object = {},
): Judging<{ readonly client: StrictClient; readonly connected: Of<"connected"> }> =>
  Effect.flatMap(dial(server), (client) => {
    client.peer.say({ ...hello(server), ...rest })
    return Effect.map(client.expect("connected"), (connected) => ({ client, connected }))
  })
