import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Access from "../../src/gateway/Access.ts"
import * as Channels from "../../src/gateway/Channels.ts"
import type { Encoded } from "../../src/gateway/Encoded.ts"
import { Engine } from "../../src/gateway/engine/Engine.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import * as Policy from "../../src/gateway/Policy.ts"
import * as Presence from "../../src/gateway/Presence.ts"
import type { Position } from "../../src/gateway/protocol/Fields.ts"
import type { Publication } from "../../src/gateway/protocol/ServerMessage.ts"
import { SharedMessage } from "../../src/connection/Protocol.ts"
import { Subscriptions } from "../../src/gateway/Subscriptions.ts"
import { settled, until } from "../support/wires.ts"
import { draft } from "./engine/publishing.ts"
import { engines, gated } from "./engines.ts"

// A history, a buffer and a budget of a few publications, so that each is too small about as often as not.
const policy = { ...Policy.open, history: { size: 4, ageMs: 600_000 } }
const publicationBytes = 100
const heldPublications = 3
const answeredBytes = 600

const gates = ["attach", "attached", "detach", "read", "answer"] as const
const gate = fc.constantFrom(...gates)
const peer = fc.nat({ max: 2 })
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("publish" as const), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("subscribe" as const), peer, fresh: fc.nat({ max: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("unsubscribe" as const), peer }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("close" as const), gate }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("open" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("tick" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("turn" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("stored" as const) }) },
)

/** A client that believes what it is told, and knows at each moment which publication has to come next. */
class Peer {
  readonly id: string
  readonly user = undefined
  readonly identity = Access.unrestricted
  readonly room = Effect.void
  readonly maxHeldBytes = heldPublications * publicationBytes
  subscriptions: Subscriptions
  position: Position | undefined
  /** Answered and not ended. */
  isLive = false
  isBusy = false
  wasTooSlow = false
  readonly #shared: ConstructorParameters<typeof Subscriptions>[0]

  constructor(id: string, shared: ConstructorParameters<typeof Subscriptions>[0]) {
    this.id = id
    this.#shared = shared
    this.subscriptions = new Subscriptions(shared, this)
  }

  sizeOf(): number {
    return publicationBytes
  }

  deliver(message: Encoded): void {
    const { bytes } = Result.getOrThrow(message.frameFor(Gateway.protocol.codec))
    this.hear(JSON.parse(Buffer.from(bytes.subarray(4)).toString()) as Publication)
  }

  hear({ epoch, offset, previous }: Publication): void {
    assert.isTrue(this.isLive, "a publication before the answer or after the end")
    assert.deepStrictEqual({ offset: previous, epoch }, this.position, "a hole, a duplicate or another order")
    this.position = { offset, epoch }
  }

  deliverOrDrop(): void {
    assert.fail("the policy is to close")
  }

  forget(): void {}

  tooSlow(): void {
    this.wasTooSlow = true
    this.end()
  }

  end(): void {
    this.isLive = false
    this.subscriptions.leave()
    this.subscriptions = new Subscriptions(this.#shared, this)
  }

  /** Asks with the position it knows, unless it begins anew. */
  subscribe(fresh: boolean): Effect.Effect<void> {
    if (this.isLive) this.end()
    if (fresh) this.position = undefined
    const { position, subscriptions } = this
    const outcome = subscriptions.begin({ channel: "a", ...(position !== undefined && { position }) })
    return Effect.flatMap(Effect.isEffect(outcome) ? outcome : Effect.succeed(outcome), (known) => {
      const { message, start } = subscriptions.answer(known, answeredBytes)
      if (message.type === "error") throw new Error(message.message)
      assert.strictEqual(position === undefined, message.recovered === "none")
      this.isLive = true
      if (message.recovered !== "yes") this.position = message.position
      message.publications.forEach((publication) => this.hear(publication))
      if (message.more !== true && message.recovered === "yes") assert.deepStrictEqual(message.position, this.position)
      return start() ?? Effect.void
    })
  }
}

type Steps = ReadonlyArray<typeof step extends fc.Arbitrary<infer A> ? A : never>

const run = (inner: (typeof engines)[string], steps: Steps) =>
  Effect.gen(function* () {
    const { gates: gatesOf, layer } = gated(inner)
    const policies = Layer.succeed(Policy.Policies, { of: () => policy })
    const engine = Context.get(yield* Layer.build(Layer.provide(layer, policies)), Engine)
    let unanswered = 0
    const encode = (message: Publication) => new SharedMessage(Gateway.protocol, message)
    const channels = yield* Channels.make({ policyOf: () => policy, encode }).pipe(
      Effect.provideService(Engine, engine),
    )
    const presence = Presence.make<Encoded>({ now: () => 0, monotonic: () => 0, encode: () => assert.fail() })
    const shared = { channels, presence, policyOf: () => policy, maxSubscriptions: 10 }
    const peers = ["0", "1", "2"].map((id) => new Peer(id, shared))
    for (const each of steps) {
      switch (each.do) {
        case "publish":
          unanswered += each.count
          for (let n = 0; n < each.count; n++) engine.publishUnsafe(draft("a"), () => unanswered--)
          break
        case "subscribe": {
          const known = peers[each.peer]!
          if (known.isBusy) break
          known.isBusy = true
          // A busy one that fails stays busy, and is found below.
          const subscribing = Effect.map(known.subscribe(each.fresh === 0), () => (known.isBusy = false))
          yield* Effect.forkScoped(subscribing, { startImmediately: true })
          break
        }
        case "unsubscribe":
          if (!peers[each.peer]!.isBusy) {
            peers[each.peer]!.isLive = false
            peers[each.peer]!.subscriptions.unsubscribe("a")
          }
          break
        case "close":
          gatesOf[each.gate].close()
          break
        case "open":
          for (const name of gates) gatesOf[name].open()
          break
        case "tick":
          Array.from(channels.tick())
          break
        case "stored":
          yield* until(() => unanswered === 0)
          break
        case "turn":
          yield* settled
      }
    }
    for (const name of gates) gatesOf[name].open()
    yield* until(() => unanswered === 0)
    yield* settled
    const top = yield* engine.position("a")
    for (const each of peers) {
      assert.isFalse(each.isBusy, "still waiting, or failed")
      if (each.isLive) assert.deepStrictEqual(each.position, top, "what was published last is missing")
      each.subscriptions.leave()
    }
    Array.from(channels.tick())
    yield* settled
    assert.deepStrictEqual(channels.counts(), { channels: 0, subscriptions: 0, reads: 0 })
  }).pipe(Effect.scoped)

describe("Subscriptions", () => {
  for (const [name, engine] of Object.entries(engines)) {
    const title = `deliver every publication once and in order, whatever is slow, on the ${name} engine`
    it(title, { timeout: 60_000 }, () =>
      fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), (steps) =>
          Effect.runPromise(run(engine, steps)),
        ),
        { numRuns: name === "Memory" ? 600 : 40 },
      ),
    )
  }
})
