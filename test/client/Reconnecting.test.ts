/** What a client does when its connection is lost, told off, or silent. In memory and virtual time. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Client from "../../src/client/Client.ts"
import * as ClientErrors from "../../src/client/ClientError.ts"
import * as ClientEvent from "../../src/client/ClientEvent.ts"
import * as Heartbeat from "../../src/connection/Heartbeat.ts"
import { settled, until } from "../support/wires.ts"
import * as Puppet from "./puppet.ts"
import { brief, hear, network, networkIn, pass, tags } from "./support.ts"

const reasonOf = <A, R>(effect: Effect.Effect<A, ClientErrors.ClientError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

describe.each(["json", "protobuf"] as const)("a connection that is lost, in %s,", (encoding) => {
  const network = networkIn(encoding)

  it.effect("is made again with its session and its positions: nothing is missing, nothing comes twice", () =>
    Effect.gen(function* () {
      const { client, connect, reset, wires } = yield* network()
      const ann = yield* client()
      const events = yield* hear(ann.events)
      const heard = yield* hear(ann.subscribe("a"))
      const ben = yield* connect()
      const publish = (data: number) => ben.ask({ type: "publish", id: data, channel: "a", data })
      yield* publish(1)
      yield* reset
      yield* publish(2)
      yield* publish(3)
      yield* pass("1 seconds")
      yield* publish(4)
      yield* settled
      assert.deepStrictEqual(brief(heard.items), ["subscribed none", 1, "subscribed yes", 2, 3, 4])
      assert.deepStrictEqual(tags(events.items), ["Connected", "Disconnected", "Connecting", "Connected"])
      const [first, , , second] = events.items
      assert.deepInclude(second, { resumed: true })
      assert.strictEqual(
        first?._tag === "Connected" && first.connection,
        second?._tag === "Connected" && second.connection,
      )
      assert.strictEqual(wires.length, 2)
    }),
  )

  it.effect("is recovered before the first message was heard", () =>
    Effect.gen(function* () {
      const { client, connect, reset } = yield* network()
      const ann = yield* client()
      const heard = yield* hear(ann.subscribe("a"))
      yield* reset
      yield* (yield* connect()).ask({ type: "publish", id: 2, channel: "a", data: 1 })
      yield* pass("1 seconds")
      assert.deepStrictEqual(brief(heard.items), ["subscribed none", "subscribed yes", 1])
    }),
  )

  it.effect("says what it could not recover", () =>
    Effect.gen(function* () {
      const { client, connect, reset, setDown } = yield* network({ commandsPerSecond: 2_000 })
      const ann = yield* client()
      const heard = yield* hear(ann.subscribe("a"))
      const ben = yield* connect()
      setDown(true)
      yield* reset
      // More than a recovery goes back.
      for (let id = 1; id <= 1_001; id++) ben.send({ type: "publish", channel: "a", data: id })
      yield* settled
      setDown(false)
      yield* pass("21 seconds")
      assert.deepStrictEqual(brief(heard.items), ["subscribed none", "subscribed no"])
    }),
  )

  it.effect("is told of to `onEvent` from the first attempt on", () =>
    Effect.gen(function* () {
      const { client, setDown } = yield* network()
      const events: Array<ClientEvent.ClientEvent> = []
      setDown(true)
      const onEvent = (event: ClientEvent.ClientEvent) => void events.push(event)
      const making = yield* Effect.forkScoped(client({ onEvent }), { startImmediately: true })
      yield* until(() => events.length === 2)
      assert.deepStrictEqual(tags(events), ["Connecting", "Disconnected"])
      assert.propertyVal(events[1], "message", "cannot connect to memory:gateway: ECONNREFUSED")
      setDown(false)
      yield* pass("1 seconds")
      yield* Fiber.join(making)
      assert.deepStrictEqual(tags(events), ["Connecting", "Disconnected", "Connecting", "Connected"])
    }),
  )

  it.effect("is tried again for as long as it takes", () =>
    Effect.gen(function* () {
      const { client, reset, setDown, wires } = yield* network()
      const ann = yield* client()
      const events = yield* hear(ann.events)
      setDown(true)
      yield* reset
      yield* pass("10 minutes")
      const attempts = events.items.filter(({ _tag }) => _tag === "Connecting").length
      // A wait is 10 seconds on average once the ceiling is reached.
      assert.isTrue(attempts > 20 && attempts < 200, `${attempts} attempts`)
      setDown(false)
      yield* pass("21 seconds")
      assert.strictEqual(wires.length, 2)
      assert.deepInclude(yield* ann.publish("a", 1), { offset: 1 })
    }),
  )

  it.effect("is tried as often as it may before the first one, and for as long as it takes afterwards", () =>
    Effect.gen(function* () {
      const { client, dial, reset, setDown, wires } = yield* network()
      setDown(true)
      let attempts = 0
      const counting = Effect.andThen(
        Effect.sync(() => attempts++),
        dial,
      )
      const making = yield* Effect.forkScoped(reasonOf(client({ dial: counting, firstAttempts: 2 })))
      yield* pass("1 minutes")
      const message = "cannot connect to memory:gateway: ECONNREFUSED"
      assert.deepStrictEqual(yield* Fiber.join(making), new ClientErrors.Ended({ code: undefined, message }))
      assert.strictEqual(attempts, 2)
      setDown(false)
      const ann = yield* client({ firstAttempts: 1 })
      setDown(true)
      yield* reset
      yield* pass("1 minutes")
      setDown(false)
      yield* pass("21 seconds")
      assert.strictEqual(wires.length, 2)
      assert.deepInclude(yield* ann.publish("a", 1), { offset: 1 })
    }),
  )

  for (const what of ["dial", "token"] as const) {
    it.effect(`is the end of a client whose ${what} dies: nobody waits for ever`, () =>
      Effect.gen(function* () {
        const { client, dial, reset } = yield* network()
        let isBroken = false
        const dies = Effect.suspend(() => (isBroken ? Effect.die(new RangeError("a bug")) : Effect.void))
        const options = what === "dial" ? { dial: Effect.andThen(dies, dial) } : { token: Effect.as(dies, "anybody's") }
        const ann = yield* client(options)
        const heard = yield* hear(ann.subscribe("a"))
        isBroken = true
        yield* reset
        yield* pass("1 seconds")
        const ended = new ClientErrors.Ended({ code: undefined, message: "connecting died: RangeError: a bug" })
        assert.deepStrictEqual(yield* reasonOf(Fiber.join(heard.fiber)), ended)
        assert.deepStrictEqual(yield* reasonOf(ann.publish("a", 1)), ended)
        assert.deepStrictEqual(yield* reasonOf(client(options)), ended)
      }),
    )
  }

  it.effect("offers its services again, and interrupts what it was answering", () =>
    Effect.gen(function* () {
      const { client, connect, reset } = yield* network()
      const ann = yield* client()
      let interrupted = 0
      yield* ann.serve("s", ({ data }) =>
        data === "stay"
          ? Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
          : Effect.succeed(data),
      )
      const ben = yield* connect()
      ben.send({ type: "request", id: 2, service: "s", data: "stay" })
      yield* settled
      yield* reset
      yield* pass("1 seconds")
      assert.strictEqual(interrupted, 1)
      assert.deepInclude(yield* ben.next, { type: "error", id: 2, code: 115 })
      assert.deepInclude(yield* ben.ask({ type: "request", id: 3, service: "s", data: 7 }), { id: 3, data: 7 })
    }),
  )

  it.effect("takes as many channels along as fit into its first message, and the others behind it", () =>
    Effect.gen(function* () {
      const { client, connect, reset } = yield* network()
      const ann = yield* client()
      const channels = Array.from({ length: 400 }, (_, index) => `${"x".repeat(200)}${index}`)
      const heard = yield* Effect.forEach(channels, (channel) => hear(ann.subscribe(channel)))
      yield* reset
      const ben = yield* connect()
      for (const channel of channels) ben.send({ type: "publish", channel, data: channel })
      yield* pass("1 seconds")
      yield* until(() => heard.every(({ items }) => items.length === 3))
      const told = new Set(heard.map(({ items }, index) => brief(items).join().replace(channels[index]!, "its own")))
      assert.deepStrictEqual([...told], ["subscribed none,subscribed yes,its own"])
    }),
  )
})

describe("what is asked while there is no connection", () => {
  it.effect("fails at once, or waits in a queue that was asked for", () =>
    Effect.gen(function* () {
      const { client, setDown, wires } = yield* network()
      const [ann, ben] = [yield* client(), yield* client({ offlineQueue: 1 })]
      setDown(true)
      for (const wire of wires) wire.resetUnsafe()
      yield* settled
      assert.deepInclude(yield* reasonOf(ann.publish("a", 0)), { _tag: "Offline", maxWaiting: 0 })
      const waiting = yield* Effect.forkScoped(ben.publish("a", 1))
      yield* settled
      assert.deepInclude(yield* reasonOf(ben.publish("a", 2)), { _tag: "Offline", maxWaiting: 1 })
      setDown(false)
      yield* pass("21 seconds")
      assert.deepInclude(yield* Fiber.join(waiting), { offset: 1 })
    }),
  )
})

describe("a publication whose answer was lost", () => {
  /** The client's next message reaches the gateway, and nothing comes back but a reset. */
  const loseAnswer = Effect.fnUntraced(function* (wire: { stallUnsafe: () => void; resetUnsafe: () => void }) {
    wire.stallUnsafe()
    yield* settled
    wire.resetUnsafe()
  })

  it.effect("is repeated under its key until it is known to be there, once", () =>
    Effect.gen(function* () {
      const { client, wires } = yield* network()
      const ann = yield* client()
      const publishing = yield* Effect.forkScoped(ann.publish("a", 1, { key: "k" }), { startImmediately: true })
      yield* loseAnswer(wires[0]!)
      yield* pass("1 seconds")
      assert.deepInclude(yield* Fiber.join(publishing), { offset: 1, duplicate: true })
      assert.strictEqual((yield* ann.history("a")).publications.length, 1)
    }),
  )

  it.effect("without a key has an unknown outcome, and is not repeated", () =>
    Effect.gen(function* () {
      const { client, wires } = yield* network()
      const ann = yield* client()
      const publishing = yield* Effect.forkScoped(reasonOf(ann.publish("a", 1)), { startImmediately: true })
      yield* loseAnswer(wires[0]!)
      assert.deepInclude(yield* Fiber.join(publishing), { _tag: "OutcomeUnknown", cause: "lost" })
      yield* pass("1 seconds")
      assert.strictEqual((yield* ann.history("a")).publications.length, 1)
    }),
  )

  it.effect("has an unknown outcome when its time is up", () =>
    Effect.gen(function* () {
      const { client, setDown, wires } = yield* network()
      const ann = yield* client()
      const publish = ann.publish("a", 1, { key: "k", timeout: "5 seconds" })
      const publishing = yield* Effect.forkScoped(reasonOf(publish), { startImmediately: true })
      setDown(true)
      yield* loseAnswer(wires[0]!)
      yield* pass("5 seconds")
      assert.deepInclude(yield* Fiber.join(publishing), { _tag: "OutcomeUnknown", cause: "deadline" })
    }),
  )
})

describe("a service that is refused when it is offered again", () => {
  it.effect("is offered once more as soon as the gateway says, or not served any more", () =>
    Effect.gen(function* () {
      const puppet = yield* Puppet.make
      const { client, peer: first } = yield* puppet.client()
      const events = yield* hear(client.events)
      const serving = yield* Effect.forkScoped(client.serve("s", () => Effect.void))
      first.say({ type: "serving", id: (yield* first.next)["id"], service: "s" })
      yield* Fiber.join(serving)
      first.wire.abortUnsafe()
      yield* pass("1 seconds")
      const peer = yield* puppet.accept()
      const refuse = Effect.fnUntraced(function* (rest: object) {
        const { id, ...message } = yield* peer.next
        assert.deepStrictEqual(message, { type: "serve", service: "s" })
        peer.say({ type: "error", id, code: 111, message: "no", ...rest })
      })
      yield* refuse({ retry: true, waitMs: 3_000 })
      const received = peer.wire.receivedUnsafe()
      yield* pass("2999 millis")
      assert.strictEqual(peer.wire.receivedUnsafe(), received)
      yield* TestClock.adjust("1 millis")
      yield* refuse({ retry: false })
      yield* settled
      assert.strictEqual(tags(events.items).at(-1), "ServeRefused")
    }),
  )
})

describe("a publication of which the gateway's engine does not know", () => {
  const refused = (id: unknown) => ({ type: "error", id, code: 117, message: "the engine is unavailable", retry: true })

  it.effect("has an unknown outcome, and is not repeated without a key", () =>
    Effect.gen(function* () {
      const puppet = yield* Puppet.make
      const { client, peer } = yield* puppet.client()
      const publishing = yield* Effect.forkScoped(reasonOf(client.publish("a", 1)))
      peer.say(refused((yield* peer.next)["id"]))
      assert.deepInclude(yield* Fiber.join(publishing), { _tag: "OutcomeUnknown", cause: "engine" })
    }),
  )

  it.effect("is repeated under its key, and not said to be unsent when the connection is lost for good", () =>
    Effect.gen(function* () {
      const puppet = yield* Puppet.make
      const { client, peer } = yield* puppet.client({ reconnect: false })
      const publishing = yield* Effect.forkScoped(reasonOf(client.publish("a", 1, { key: "k" })))
      const { id: _, ...message } = yield* peer.next
      peer.say(refused(1))
      yield* pass("1 seconds")
      assert.deepInclude(yield* peer.next, message)
      peer.say({ type: "error", id: 2, code: 113, message: "busy", retry: true })
      yield* settled
      peer.bye(4000, { retry: "backoff" })
      yield* pass("1 seconds")
      assert.deepInclude(yield* Fiber.join(publishing), { _tag: "OutcomeUnknown", cause: "lost" })
    }),
  )
})

describe("a bye", () => {
  /** A client that was told to go, and what came of it. */
  const toldToGo = Effect.fnUntraced(function* (code: number, rest: object, options: Partial<Client.Options> = {}) {
    const puppet = yield* Puppet.make
    const { client: ann, peer } = yield* puppet.client(options)
    const events = yield* hear(ann.events)
    const heard = yield* hear(Stream.result(ann.subscribe("a")))
    peer.bye(code, rest)
    yield* settled
    return { puppet, ann, events, heard }
  })

  it.effect("of a session that was taken over is the end: nobody connects again, and everybody is told", () =>
    Effect.gen(function* () {
      const { ann, events, heard, puppet } = yield* toldToGo(4005, { retry: "never" })
      yield* pass("10 minutes")
      const ended = new ClientErrors.Ended({ code: 4005, message: "told to go" })
      assert.strictEqual(yield* puppet.waiting, 0)
      assert.deepStrictEqual(events.items.at(-1), ClientEvent.Ended({ code: 4005, message: "told to go" }))
      assert.deepStrictEqual(heard.items, [Result.fail(ClientErrors.of(ended))])
      assert.deepStrictEqual(yield* reasonOf(ann.publish("a", 1)), ended)
      assert.deepStrictEqual(yield* reasonOf(Stream.runDrain(ann.subscribe("b"))), ended)
    }),
  )

  it.effect("asks for a new token where there is a way to one, and is the end where there is none", () =>
    Effect.gen(function* () {
      let tokens = 0
      const token = Effect.sync(() => `t${++tokens}`)
      const { puppet } = yield* toldToGo(4200, { retry: "reauth" }, { token })
      yield* pass("1 seconds")
      assert.deepInclude((yield* puppet.accept()).connect, { token: "t2" })
      const { events } = yield* toldToGo(4200, { retry: "reauth" }, { token: "t" })
      assert.deepInclude(events.items.at(-1), { _tag: "Ended", code: 4200 })
    }),
  )

  it.effect("is heeded: the client waits as long as it says, and goes elsewhere if it says so", () =>
    Effect.gen(function* () {
      const other = yield* Puppet.make
      const puppet = yield* Puppet.make
      const { peer } = yield* puppet.client({ dial: [puppet.dial, other.dial] })
      peer.bye(4300, { retry: "backoff", waitMs: 7_000 })
      yield* pass("6999 millis")
      assert.strictEqual(yield* puppet.waiting, 0)
      yield* pass("1 seconds")
      const again = yield* puppet.accept()
      again.bye(4100, { retry: "elsewhere" })
      yield* pass("2 seconds")
      assert.deepStrictEqual([yield* puppet.waiting, yield* other.waiting], [0, 1])
      // The session goes along.
      assert.deepInclude((yield* other.accept()).connect, { session: { id: "c", key: "k" } })
    }),
  )

  it.effect("before the first connection that must not be repeated fails the client", () =>
    Effect.gen(function* () {
      const puppet = yield* Puppet.make
      const making = yield* Effect.forkScoped(Effect.scoped(reasonOf(Client.make({ dial: puppet.dial, token: "bad" }))))
      ;(yield* puppet.dialled).bye(4500, { retry: "never" })
      assert.deepInclude(yield* Fiber.join(making), { _tag: "Ended", code: 4500 })
    }),
  )
})

describe("a close code without a bye", () => {
  it.effect("is the bye of that code, where it is one of the gateway's", () =>
    Effect.gen(function* () {
      const puppet = yield* Puppet.make
      const { client, peer } = yield* puppet.client()
      const events = yield* hear(client.events)
      peer.wire.endUnsafe({ code: 3999, message: "not the gateway's" })
      yield* pass("1 seconds")
      const again = yield* puppet.accept()
      yield* settled
      again.wire.endUnsafe({ code: 4503, message: "kicked" })
      yield* settled
      assert.deepInclude(events.items[1], { _tag: "Disconnected", code: undefined })
      assert.deepInclude(events.items.at(-1), { _tag: "Ended", code: 4503, message: "kicked" })
    }),
  )
})

describe("silence", () => {
  it.effect(
    "is broken by an answer to every heartbeat, and ends the connection after interval, jitter and timeout",
    () =>
      Effect.gen(function* () {
        const puppet = yield* Puppet.make
        const { client, peer } = yield* puppet.client()
        const events = yield* hear(client.events)
        yield* pass("34 seconds")
        peer.wire.writeUnsafe([Buffer.alloc(4)])
        yield* settled
        assert.deepStrictEqual(yield* peer.next, { type: "heartbeat" })
        yield* pass("37 seconds")
        assert.deepStrictEqual(tags(events.items), ["Connected"])
        // The watch looks twice in a timeout.
        yield* pass("6 seconds")
        assert.strictEqual(events.items[1]?._tag, "Disconnected")
      }),
  )

  it.effect("of a gateway that is busy with nothing is none: an idle client stays", () =>
    Effect.gen(function* () {
      const { client, wires } = yield* network({}, { settings: Heartbeat.layer({ interval: "5 seconds" }) })
      const ann = yield* client()
      const events = yield* hear(ann.events)
      yield* pass("10 minutes")
      assert.deepStrictEqual(tags(events.items), ["Connected"])
      assert.strictEqual(wires.length, 1)
    }),
  )
})

describe("a token", () => {
  it.effect("is refreshed in place when four fifths of its life are over", () =>
    Effect.gen(function* () {
      const puppet = yield* Puppet.make
      let tokens = 0
      const token = Effect.sync(() => `t${++tokens}`)
      const { client, peer } = yield* puppet.client({ token }, { time: 1_000_000, expiresAt: 1_010_000 })
      const events = yield* hear(client.events)
      yield* pass("8 seconds")
      assert.deepStrictEqual(yield* peer.next, { type: "refresh", id: 1, token: "t2" })
      peer.say({ type: "refreshed", id: 1, expiresAt: 1_108_000 })
      yield* settled
      peer.say({ type: "notice", code: 4200, message: "the token expires", waitMs: 1_000 })
      assert.deepStrictEqual(yield* peer.next, { type: "refresh", id: 2, token: "t3" })
      assert.deepStrictEqual(tags(events.items), ["Connected", "Refreshed", "Notice"])
    }),
  )

  for (const [what, broken] of [
    ["cannot be had", Effect.fail("no such luck")],
    ["dies", Effect.die("no such luck")],
  ] as const) {
    it.effect(`that ${what} while it is refreshed is told, and asked for again`, () =>
      Effect.gen(function* () {
        const puppet = yield* Puppet.make
        let tokens = 0
        const token = Effect.suspend(() => (++tokens === 2 ? broken : Effect.succeed(`t${tokens}`)))
        const { client, peer } = yield* puppet.client({ token }, { expiresAt: 1_000 })
        const events = yield* hear(client.events)
        yield* pass("1 seconds")
        assert.deepStrictEqual(events.items.at(-1), ClientEvent.RefreshFailed({ error: "no such luck" }))
        yield* pass("5 seconds")
        assert.deepStrictEqual(yield* peer.next, { type: "refresh", id: 1, token: "t3" })
      }),
    )
  }
})
