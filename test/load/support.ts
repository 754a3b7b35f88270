/**
 * Loads in virtual time, against the gateway or against a server that the test makes up; a millisecond at a time, so that
 * whatever is under way has come before the clock moves on. Judges nothing.
 */
import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as FrameDecoder from "../../src/frame/FrameDecoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import * as Crew from "../../src/load/Crew.ts"
import type { Dialer, Message } from "../../src/load/Link.ts"
import type { Plan } from "../../src/load/Plan.ts"
import * as Report from "../../src/load/Report.ts"
import * as Work from "../../src/load/Work.ts"
import * as MemoryTransport from "../../src/transport/MemoryTransport.ts"
import type { Wire } from "../../src/transport/Transport.ts"
import * as Clients from "../support/clients.ts"
import { frame } from "../support/frames.ts"
import { settled } from "../support/wires.ts"

/** A small load; the test says what is different. */
export const plan = (different: Partial<Plan>): Plan => ({
  scenario: "fan-out",
  run: "t1",
  connections: 4,
  connectRate: 1000,
  helpers: 1,
  rooms: 2,
  slow: 1,
  rate: 100,
  payloadBytes: 64,
  warmUpMs: 100,
  durationMs: 400,
  settleMs: 500,
  connectTimeoutMs: 500,
  seed: 1,
  workers: 1,
  spin: false,
  ...different,
})

/** Far above what a load of this size takes. */
const patienceMs = 20_000

/** Lets virtual time pass, everything that it wakes done after each millisecond, until the effect has ended. */
export const within = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
  for (let ms = 0; fiber.pollUnsafe() === undefined && ms < patienceMs; ms++) {
    yield* settled
    yield* TestClock.adjust(1)
  }
  assert.isDefined(fiber.pollUnsafe(), `not done after ${patienceMs} ms`)
  return yield* Fiber.join(fiber)
})

/** Puts a load on whoever is dialled, with all its workers in this thread, and gives the report. */
export const load = Effect.fnUntraced(function* (dial: Dialer, different: Partial<Plan>) {
  const given = plan(different)
  const meeting = Crew.makeMeeting(given.workers)
  let met = Deferred.makeUnsafe<ReadonlyArray<number>>()
  const meet: Crew.Crew["meet"] = (counts) =>
    Effect.suspend(() => {
      const here = met
      const sums = meeting(counts)
      if (sums !== undefined) {
        met = Deferred.makeUnsafe()
        Deferred.doneUnsafe(here, Effect.succeed(sums))
      }
      return Deferred.await(here)
    })
  const workers = Array.from({ length: given.workers }, (_, worker) =>
    Work.run({ plan: given, crew: { worker, meet, tell: () => {} }, dial: () => dial }),
  )
  return Report.make(given, yield* within(Effect.all(workers, { concurrency: "unbounded" })))
})

/** The counts of a report that are not 0. */
export const counted = ({ counts }: Report.Report) =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0))

/** How many latencies of each kind a report has. */
export const measured = ({ latencies }: Report.Report) =>
  Object.fromEntries(latencies.map(([measure, { count }]) => [measure, count]))

const reset = <E, R>(wire: Effect.Effect<Wire, E, R>) =>
  Effect.acquireRelease(wire, (wire) => Effect.sync(() => wire.abortUnsafe()))

/** A gateway in memory, and how to dial it. */
export const gateway = Effect.fnUntraced(function* (...given: Parameters<typeof Clients.gateway>) {
  const { dial } = yield* Clients.gateway(...given)
  return reset(Effect.map(dial, ({ wire }): Wire => wire))
})

/** A client of a server that is made up. */
export interface Peer {
  readonly connect: Message
  readonly channels: ReadonlyArray<string>
  readonly say: (...texts: ReadonlyArray<string>) => void
  readonly hangUp: () => void
}

/** A server that lets everybody in and leaves the rest to the test; `peers` grows as they connect. */
export const fake = Effect.fnUntraced(function* (
  answer: (message: Message, peer: Peer) => void,
  greet: (text: string) => string = (text) => text,
): Effect.fn.Return<{ readonly dial: Dialer; readonly peers: ReadonlyArray<Peer> }, never, Scope.Scope> {
  const { memory, transport } = yield* MemoryTransport.make()
  const peers: Array<Peer> = []
  const serve = (wire: Wire) => {
    const decoder = FrameDecoder.make(FrameLayout.u32)
    const say = (...texts: ReadonlyArray<string>) =>
      void wire.writeUnsafe([Buffer.concat(texts.map((text) => frame(text)))])
    let peer: Peer | undefined
    const receive = (message: Message) => {
      if (message.type !== "connect") return answer(message, peer!)
      const subscriptions = (message["subscriptions"] ?? []) as ReadonlyArray<{ readonly channel: string }>
      const channels = subscriptions.map(({ channel }) => channel)
      peer = { connect: message, channels, say, hangUp: () => wire.endUnsafe() }
      peers.push(peer)
      say(greet(connected(channels)))
    }
    return wire.pull.pipe(
      Effect.map((chunks) => {
        for (const body of chunks.flatMap((chunk) => decoder.push(chunk))) {
          receive(body.length === 0 ? { type: "heartbeat" } : (JSON.parse(Buffer.from(body).toString()) as Message))
        }
      }),
      Effect.forever({ disableYield: true }),
      Effect.catch(() => Effect.void),
    )
  }
  yield* transport.accept.pipe(
    Effect.flatMap((wires) => Effect.forEach(wires, (wire) => Effect.forkScoped(serve(wire)))),
    Effect.forever({ disableYield: true }),
    Effect.catch(() => Effect.void),
    Effect.forkScoped,
  )
  return { dial: reset(memory.connect), peers }
})

const connected = (channels: ReadonlyArray<string>): string =>
  JSON.stringify({
    type: "connected",
    id: 1,
    session: { id: "s", key: "k", ttlMs: 60_000 },
    limits: { commandsPerSecond: 1000 },
    subscriptions: Object.fromEntries(
      channels.map((channel) => [
        channel,
        { type: "subscribed", channel, position: { offset: 0, epoch: "e" }, recovered: "none", publications: [] },
      ]),
    ),
  })

/** What everybody who hears a channel is sent for a publication. */
export const publicationOf = (message: Message, offset: number): string =>
  JSON.stringify({
    type: "publication",
    channel: message["channel"],
    offset,
    previous: offset - 1,
    epoch: "e",
    data: message["data"],
    time: 0,
  })

/** The answer to a publication. */
export const publishedOf = (message: Message, offset: number): string =>
  JSON.stringify({ type: "published", id: message["id"], offset, epoch: "e" })
