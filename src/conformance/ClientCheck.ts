/**
 * Holds a client to the rules by being its server, a strict one, for a few connections one behind the other: a script that
 * drops, repeats and withholds. What the client does not do by itself (subscribe, publish, serve) is not seen.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type { Position } from "../gateway/protocol/Fields.ts"
import type { Transport, Wire } from "../transport/Transport.ts"
import { Ledger } from "./ClientRules.ts"
import { heartbeat, type Joined, type Script, sessionId, StrictServer } from "./StrictServer.ts"
import type { Verdict } from "./Verdict.ts"

/** How long the first connection may take. */
export const defaultFirstWithinMs = 60_000

/** How long a client may take to come back: the longest wait of full jitter, and a dial. */
const backWithinMs = 30_000

/** How long an answer may take, and a client to begin what it is there for. */
const patienceMs = 2_000

/** How long after a bye for ever is looked for a client that comes all the same. */
const neverMs = 3_000

/** What a bye asks for. Timers of the other side may round. */
const waitMs = 300
const roundingMs = 5

/** The client has left of its own accord, or never came: nobody is there to be judged. */
class Left extends Data.TaggedError("Left")<{ readonly why: string }> {}

const publication = (channel: string, offset: number, epoch = "e1") => ({
  type: "publication",
  channel,
  offset,
  previous: offset - 1,
  epoch,
  data: { number: offset },
  time: 0,
})

const range = (channel: string, first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => publication(channel, first + index))

const joined = (offset: number, epoch: string, recovered: Joined["recovered"], rest: Partial<Joined> = {}): Joined => ({
  position: { offset, epoch },
  recovered,
  publications: [],
  ...rest,
})

/** Plays the script with whoever connects. */
export const check = (
  transport: Transport["Service"],
  options: { readonly firstWithinMs?: number } = {},
): Effect.Effect<ReadonlyArray<Verdict>> =>
  Effect.suspend(() => {
    const ledger = new Ledger()
    const script = new ClientScript(transport, ledger)
    return Effect.match(script.play(options.firstWithinMs ?? defaultFirstWithinMs), {
      onSuccess: () => ledger.verdicts,
      onFailure: ({ why }) => {
        ledger.stop(why)
        return ledger.verdicts
      },
    })
  })

class ClientScript {
  readonly #transport: Transport["Service"]
  readonly #ledger: Ledger
  /** Arrived, and not played with yet. */
  readonly #waiting: Array<Wire> = []
  /** What the client subscribes to and serves. */
  #channel: string | undefined
  #service: string | undefined

  constructor(transport: Transport["Service"], ledger: Ledger) {
    this.#transport = transport
    this.#ledger = ledger
  }

  /** The connections, one behind the other. */
  readonly play = (firstWithinMs: number): Effect.Effect<void, Left> =>
    Effect.gen({ self: this }, function* () {
      yield* this.#live(firstWithinMs)
      yield* this.#recover()
      yield* this.#lose()
      yield* this.#serveAndPublish()
      const wire = yield* this.#arrival(neverMs)
      this.#judge("bye.never", wire === undefined, "it came back")
      wire?.abortUnsafe()
    })

  /** Everything on one connection: frames, heartbeats, publications, a hole, and a bye. */
  readonly #live = Effect.fnUntraced({ self: this }, function* (this: ClientScript, withinMs: number) {
    const server = yield* this.#accept(withinMs, {
      key: "k1",
      resumed: false,
      join: (channel, count) =>
        count === 1 ? joined(10, "e1", "none") : joined(15, "e1", "yes", { publications: range(channel, 13, 15) }),
    })
    const isBeating = yield* server.probe(patienceMs)
    this.#judge("heartbeat.answered", isBeating, "nothing came back")
    const hasBegun = () => server.joins.length + server.served.length + server.published.length > 0
    this.#judge("frames.split", (yield* server.until(hasBegun, patienceMs)) || isBeating, "it did not go on")
    this.#channel = server.joins[0]?.channel
    this.#service = server.served[0]
    server.peer.say({ type: "weather", sun: true })
    yield* server.probe(patienceMs)
    this.#judge("messages.unknownType", !server.isClosed, "it left")
    yield* this.#present(server)
    server.peer.say({ type: "error", code: 111, message: "too many commands", retry: true })
    server.peer.say({ type: "error", id: 2 ** 31 - 1, code: 107, message: "malformed", retry: false })
    yield* server.probe(patienceMs)
    this.#judge("error.stray", !server.isClosed, "it left")
    yield* this.#present(server)
    if (this.#channel !== undefined) yield* this.#holes(server, this.#channel)
    yield* this.#present(server)
    server.sendAway({ code: 4001, message: "the server is going away", retry: "backoff", waitMs })
  })

  /** A publication twice, one that is missing, and a gap. */
  readonly #holes = Effect.fnUntraced(
    { self: this },
    function* (this: ClientScript, server: StrictServer, channel: string) {
      server.peer.say(
        publication(channel, 11),
        publication(channel, 12),
        publication(channel, 11),
        publication(channel, 15),
      )
      const isAgain = yield* server.until(() => server.joins.length > 1, patienceMs)
      this.#judge("publications.gap", isAgain, "it did not give up its subscription and subscribe again")
      if (isAgain) {
        const position = server.joins[1]?.position
        this.#judge("publications.duplicate", position?.offset !== 11, "the position was that of the publication again")
        this.#at("publications.gap", position, 12)
      }
      server.peer.say({ type: "gap", channel, from: 16, to: 20, count: 5 }, publication(channel, 21))
      yield* server.probe(patienceMs)
      this.#judge(
        "gap.position",
        server.joins.length <= 2,
        "it subscribed again, though the gap had told of what is missing",
      )
    },
  )

  /** A session that goes on, recovery in parts, and a reset in the middle of it. */
  readonly #recover = Effect.fnUntraced({ self: this }, function* (this: ClientScript) {
    const toldAt = performance.now()
    const server = yield* this.#accept(
      backWithinMs,
      {
        key: "k2",
        resumed: true,
        join: (channel) => joined(30, "e1", "yes", { publications: range(channel, 22, 23), more: true }),
      },
      "reconnect.bye",
    )
    const passed = Math.round(server.arrivedAt - toldAt)
    this.#judge("reconnect.waitMs", passed >= waitMs - roundingMs, `it came back after ${passed} ms, not ${waitMs}`)
    this.#session("session.sent", server, "k1")
    yield* this.#rejoined(server, "position.sent", 21)
    if (this.#channel !== undefined && server.joins.length > 0) {
      this.#at("gap.position", server.joins[0]?.position, 21)
      server.peer.say(publication(this.#channel, 24))
    }
    yield* server.probe(patienceMs)
    yield* this.#present(server)
    server.peer.wire.abortUnsafe()
  })

  /** A position that is lost, and a server that says nothing any more. */
  readonly #lose = Effect.fnUntraced({ self: this }, function* (this: ClientScript) {
    const script: Script = { key: "k3", resumed: false, join: () => joined(3, "e2", "no") }
    const server = yield* this.#accept(backWithinMs, script, "reconnect.reset")
    this.#session("session.latestKey", server, "k2")
    yield* this.#rejoined(server, "recovery.more", 24)
    if (this.#channel !== undefined) server.peer.say(publication(this.#channel, 4, "e2"))
    yield* server.probe(patienceMs)
    yield* this.#present(server)
    const allowedMs = heartbeat.intervalMs + heartbeat.timeoutMs + patienceMs
    this.#judge("heartbeat.silence", yield* server.leaves(allowedMs), `it was still there after ${allowedMs} ms`)
    server.peer.wire.abortUnsafe()
  })

  /** A request, a publication that is left without an answer, and a bye for ever. */
  readonly #serveAndPublish = Effect.fnUntraced({ self: this }, function* (this: ClientScript) {
    const script: Script = { key: "k4", resumed: false, join: () => joined(4, "e2", "yes") }
    const mute = yield* this.#accept(backWithinMs, { ...script, isMute: true })
    yield* this.#rejoined(mute, "recovery.no", 4, "e2")
    if (this.#service !== undefined) yield* this.#request(mute, this.#service)
    yield* mute.until(() => mute.published.length > 0, patienceMs)
    const first = mute.published.find(({ id, key }) => id !== undefined && key !== undefined)
    let server = mute
    if (first !== undefined) {
      mute.peer.wire.abortUnsafe()
      server = yield* this.#accept(backWithinMs, { ...script, key: "k5" })
      const { published } = server
      const isAgain = () =>
        published.some(({ data, key }) => key === first.key && JSON.stringify(data) === JSON.stringify(first.data))
      const isRepeated = yield* server.until(isAgain, patienceMs)
      this.#judge("publish.repeated", isRepeated, `the publication with key ${first.key} did not come again`)
    }
    yield* this.#present(server)
    server.sendAway({ code: 4501, message: "thank you", retry: "never" })
  })

  readonly #request = Effect.fnUntraced(
    { self: this },
    function* (this: ClientScript, server: StrictServer, service: string) {
      const isServing = yield* server.until(() => server.served.includes(service), patienceMs)
      this.#judge("serve.again", isServing, "it did not serve again")
      const request = {
        type: "request",
        id: 77,
        service,
        data: "question",
        from: { connection: "c" },
        timeoutMs: patienceMs,
      }
      server.peer.say(request)
      yield* server.until(() => server.answered.length > 0, patienceMs)
      yield* server.probe(patienceMs)
      const ids = server.answered.map(({ id }) => id)
      this.#judge(
        "serve.answered",
        ids.join() === "77",
        ids.length === 0 ? "no answer came" : `the answers had ids ${ids.join()}`,
      )
    },
  )

  /** The next connection, which has been told `connected`. The rule is about whether there is one. */
  readonly #accept = Effect.fnUntraced(
    { self: this },
    function* (this: ClientScript, withinMs: number, script: Script, rule?: string) {
      const wire = yield* this.#arrival(withinMs)
      if (rule !== undefined) this.#judge(rule, wire !== undefined, `it had not come back after ${withinMs} ms`)
      if (wire === undefined) return yield* new Left({ why: `nobody connected within ${withinMs} ms` })
      const server = new StrictServer(wire, this.#ledger, script)
      const why = yield* server.connect(patienceMs)
      if (why === undefined) return server
      wire.abortUnsafe()
      return yield* new Left({ why })
    },
  )

  readonly #arrival = (withinMs: number): Effect.Effect<Wire | undefined> =>
    Effect.suspend(() => {
      const next = this.#waiting.shift()
      if (next !== undefined) return Effect.succeed(next)
      return Effect.flatMap(Effect.timeoutOption(this.#arrived, withinMs), (arrived) =>
        arrived._tag === "None" ? Effect.succeed(undefined) : Effect.succeed(this.#waiting.shift()),
      )
    })

  readonly #arrived: Effect.Effect<void> = Effect.suspend(() =>
    this.#transport.accept.pipe(
      Effect.map((wires) => void this.#waiting.push(...wires)),
      Pull.catchDone(() => Effect.void),
      Effect.catch(() => this.#arrived),
    ),
  )

  /** Fails if the client has left, which it may, but not before it is told to. */
  #present({ isClosed }: StrictServer): Effect.Effect<void, Left> {
    return isClosed ? Effect.fail(new Left({ why: "the client had left" })) : Effect.void
  }

  /** Whether the client, which had subscribed, does so again, and from where. */
  #rejoined(server: StrictServer, rule: string, offset: number, epoch = "e1"): Effect.Effect<void> {
    if (this.#channel === undefined) return Effect.void
    return Effect.map(
      server.until(() => server.joins.length > 0, patienceMs),
      (isAgain) => {
        if (isAgain) this.#at(rule, server.joins[0]?.position, offset, epoch)
        else this.#judge(rule, false, "it did not subscribe again")
      },
    )
  }

  #at(rule: string, position: Position | undefined, offset: number, epoch = "e1"): void {
    const seen = position === undefined ? "there was no position" : `the position was ${JSON.stringify(position)}`
    this.#judge(
      rule,
      position?.offset === offset && position.epoch === epoch,
      `${seen}, not offset ${offset} of ${epoch}`,
    )
  }

  #session(rule: string, { first }: StrictServer, key: string): void {
    const session = first?.session
    this.#judge(rule, session?.id === sessionId && session.key === key, `session was ${JSON.stringify(session)}`)
  }

  #judge(rule: string, isKept: boolean, seen: string): void {
    this.#ledger.judge(rule, isKept, seen)
  }
}
