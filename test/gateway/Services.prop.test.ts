import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Data from "../../src/gateway/protocol/Data.ts"
import * as Services from "../../src/gateway/Services.ts"

// Few peers, services and ids, and limits of about as many, so that every rule meets every other one.
const maxOpenRequests = 3
const maxInFlight = 2
const maxServices = 1
const slots = [0, 1, 2, 3]

const slot = fc.constantFrom(...slots)
const service = fc.constantFrom("s", "t")
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("serve" as const), slot, service }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("unserve" as const), slot, service }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("request" as const),
      slot,
      service,
      id: fc.integer({ min: 1, max: 4 }),
      timeoutMs: fc.integer({ min: 1, max: 9 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("respond" as const),
      slot,
      id: fc.integer({ min: 1, max: 3 }),
      fails: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel" as const), slot, id: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("leave" as const), slot }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat({ max: 5 }) }) },
)

/** What is sent, with the slot it is sent to, told by what matters: type, id, and code or data. */
type Told = readonly [slot: number, type: string, id: number | undefined, detail?: unknown]

interface Open {
  readonly asker: number
  readonly askerId: number
  readonly responder: number
  readonly responderId: number
  readonly deadline: number
}

const tell = (to: number, message: Services.Outgoing): Told => {
  const detail = message.type === "error" ? message.code : message.type === "cancel" ? undefined : message.data
  return detail === undefined ? [to, message.type, message.id] : [to, message.type, message.id, detail]
}

const sorted = (told: ReadonlyArray<Told>) => told.map((each) => JSON.stringify(each)).toSorted()

describe("Services", () => {
  it("every request has exactly one answer, the right one, whoever comes and goes", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100, size: "max" }), (steps) => {
        let now = 0
        let told: Array<Told> = []
        const services = Services.make<Services.Peer>({
          now: () => now,
          maxOpenRequests,
          maxInFlight,
          maxServices,
          maxId: 3,
        })
        const join = (at: number): Services.Peer => ({ send: (message) => void told.push(tell(at, message)) })
        const peers = slots.map(join)
        const serves: Array<Set<string>> = slots.map(() => new Set())
        let open: ReadonlyArray<Open> = []

        const askedBy = (asker: number) => open.filter((each) => each.asker === asker)
        const inFlightAt = (responder: number) => open.filter((each) => each.responder === responder)
        const close = (closed: ReadonlyArray<Open>) => (open = open.filter((each) => !closed.includes(each)))
        const expect = (expected: ReadonlyArray<Told>) => {
          assert.deepStrictEqual(sorted(told), sorted(expected))
          told = []
        }

        const request = (asker: number, name: string, id: number, timeoutMs: number) => {
          const responders = slots.filter((each) => serves[each]!.has(name))
          const free = responders.filter((each) => inFlightAt(each).length < maxInFlight)
          const refusal = askedBy(asker).some((each) => each.askerId === id)
            ? 107
            : askedBy(asker).length >= maxOpenRequests
              ? 106
              : responders.length === 0
                ? 114
                : free.length === 0
                  ? 113
                  : undefined
          const token = `${asker}/${id}/${now}`
          const from = { connection: `${asker}` }
          services.request({ asker: peers[asker]!, id, service: name, data: Data.json(token), from, timeoutMs })
          if (refusal !== undefined) return expect([[asker, "error", id, refusal]])
          const [responder, , responderId] = told[0]!
          assert.include(free, responder)
          assert.notInclude(
            inFlightAt(responder).map((each) => each.responderId),
            responderId,
          )
          expect([[responder, "request", responderId, Data.json(token)]])
          open = [...open, { asker, askerId: id, responder, responderId: responderId!, deadline: now + timeoutMs }]
        }

        const leave = (at: number) => {
          const waiting = inFlightAt(at).filter((each) => each.asker !== at)
          const given = askedBy(at).filter((each) => each.responder !== at)
          services.leave(peers[at]!)
          expect([
            ...waiting.map((each): Told => [each.asker, "error", each.askerId, 115]),
            ...given.map((each): Told => [each.responder, "cancel", each.responderId]),
          ])
          close([...inFlightAt(at), ...askedBy(at)])
          serves[at]!.clear()
          peers[at] = join(at)
        }

        for (const each of steps) {
          if (each.do === "serve") {
            const allowed = serves[each.slot]!.has(each.service) || serves[each.slot]!.size < maxServices
            assert.strictEqual(Result.isSuccess(services.serve(each.service, peers[each.slot]!)), allowed)
            if (allowed) serves[each.slot]!.add(each.service)
            expect([])
          } else if (each.do === "unserve") {
            services.unserve(each.service, peers[each.slot]!)
            serves[each.slot]!.delete(each.service)
            expect([])
          } else if (each.do === "request") {
            request(each.slot, each.service, each.id, each.timeoutMs)
          } else if (each.do === "respond") {
            const found = inFlightAt(each.slot).filter(({ responderId }) => responderId === each.id)
            const answered = services.respond(
              peers[each.slot]!,
              each.fails
                ? { type: "error", id: each.id, code: 200, message: "no" }
                : { type: "response", id: each.id, data: Data.json("yes") },
            )
            assert.strictEqual(answered, found.length === 1)
            expect(
              found.map(({ asker, askerId }) => [
                asker,
                each.fails ? "error" : "response",
                askerId,
                each.fails ? 200 : Data.json("yes"),
              ]),
            )
            close(found)
          } else if (each.do === "cancel") {
            const found = askedBy(each.slot).filter(({ askerId }) => askerId === each.id)
            services.cancel(peers[each.slot]!, each.id)
            expect(
              found.flatMap(({ responder, responderId }): ReadonlyArray<Told> => [
                [each.slot, "error", each.id, 119],
                [responder, "cancel", responderId],
              ]),
            )
            close(found)
          } else if (each.do === "leave") {
            leave(each.slot)
          } else {
            now += each.ms
            const due = open.filter(({ deadline }) => deadline <= now)
            const next = services.expire()
            expect(
              due.flatMap(({ asker, askerId, responder, responderId }): ReadonlyArray<Told> => [
                [asker, "error", askerId, 115],
                [responder, "cancel", responderId],
              ]),
            )
            close(due)
            assert.strictEqual(next ?? Infinity, Math.min(...open.map(({ deadline }) => deadline - now)))
          }
          assert.strictEqual(services.counts().openRequests, open.length)
        }

        for (const each of slots) leave(each)
        assert.deepStrictEqual(services.counts(), { services: 0, peers: 0, openRequests: 0 })
      }),
      { numRuns: 500 },
    )
  })
})
