/**
 * Requests and their answers: who serves what, which request waits for whom, and until when.
 * Knows no socket and arms no timer: `run` is the one fiber that sleeps until the next deadline. Every request gets
 * exactly one answer, unless its asker has left.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as DeadlineQueue from "../connection/DeadlineQueue.ts"
import type { Response, ResponseError } from "./protocol/ClientMessage.ts"
import * as Data from "./protocol/Data.ts"
import * as ErrorCode from "./protocol/ErrorCode.ts"
import * as Fields from "./protocol/Fields.ts"
import type * as ServerMessage from "./protocol/ServerMessage.ts"

/** Requests of one asker that wait for an answer. Over it: error 106. */
export const defaultMaxOpenRequests = 1000

/** Requests that one responder is given before it has answered. When no responder has room: error 113. */
export const defaultMaxInFlight = 1000

/** Services that one responder serves. Over it: error 106. */
export const defaultMaxServices = 1000

/** What a peer is sent: answers to its requests as an asker, requests and their cancellation as a responder. */
export type Outgoing =
  | ServerMessage.Response
  | ServerMessage.ErrorMessage
  | ServerMessage.Request
  | ServerMessage.Cancel

/** Somebody who asks, serves, or both. */
export interface Peer {
  /** Must return at once and not throw. May call `leave`. What is sent to a peer that has left is lost. */
  readonly send: (message: Outgoing) => void
}

/** What an asker wants. */
export interface Request<P> {
  readonly asker: P
  /** The asker's own. */
  readonly id: number
  readonly service: string
  readonly data: Data.Data
  /** What the responder is told of the asker. */
  readonly from: ServerMessage.Request["from"]
  /** Default: `Fields.defaultTimeoutMs`. */
  readonly timeoutMs?: number
  /** Bytes of data that the answer may have. Over it the asker gets error 116 instead. Default: no limit. */
  readonly maxAnswerBytes?: number
}

/** What is kept in memory, for metrics and limits. */
export interface Counts {
  readonly services: number
  readonly peers: number
  readonly openRequests: number
}

/** The services of one node. Every method is synchronous; what becomes of a request is sent to its asker. */
export interface Services<P> {
  /** Requests for the service come to this peer too. Serving it already is as good; error 106 over the limit. */
  readonly serve: (service: string, peer: P) => Result.Result<void, ErrorCode.ErrorFacts>
  /** What the peer serves. */
  readonly served: (peer: P) => ReadonlyArray<string>
  /** No new requests. Those at hand may still be answered. */
  readonly unserve: (service: string, peer: P) => void
  /**
   * Sends the request to one responder: of the next two in turn the one with fewer requests at hand, so that equal ones
   * share evenly, a slow one gets less, and nobody is searched through. Answers at once with error 106, 107 (the id is
   * in flight), 113 or 114 if there is nothing to wait for.
   */
  readonly request: (request: Request<P>) => void
  /** Passes an answer on. False if nobody waits for it: unknown, late, or answered already. */
  readonly respond: (responder: P, answer: Response | ResponseError) => boolean
  /** Gives a request up: error 119 to the asker, `cancel` to the responder. Nothing happens if it is not in flight. */
  readonly cancel: (asker: P, id: number) => void
  /**
   * The peer is gone, and is named to no other method after this: who waits for it gets error 115 at once, whom it asked
   * gets `cancel`, it gets nothing.
   */
  readonly leave: (peer: P) => void
  /**
   * Ends what is due: error 115 to the asker, `cancel` to the responder. Returns the milliseconds until more is due, and
   * calls `onEarlier` once if a request is made that is due before that. The next call replaces the listener.
   */
  readonly expire: (onEarlier?: () => void) => number | undefined
  readonly counts: () => Counts
}

/** What `make` takes. */
export interface Options {
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
  /** Default: `defaultMaxOpenRequests`. */
  readonly maxOpenRequests?: number | undefined
  /** Default: `defaultMaxInFlight`. */
  readonly maxInFlight?: number | undefined
  /** Default: `defaultMaxServices`. */
  readonly maxServices?: number | undefined
  /** The last id that a responder is sent before the ids begin again at 1. Default: `Fields.maxId`. */
  readonly maxId?: number | undefined
}

/**
 * A peer that has asked or served. Kept until it leaves: ids that began again could give a late answer to a request that
 * it does not belong to.
 */
interface Member<P> {
  readonly peer: P
  readonly serves: Set<Service<P>>
  /** Requests of its own, by its own ids. */
  readonly asked: Map<number, Open<P>>
  /** Requests that it was sent, by the ids that they were sent with. */
  readonly inFlight: Map<number, Open<P>>
  lastId: number
}

interface Service<P> {
  readonly name: string
  readonly responders: Array<Member<P>>
  /** Whose turn it is. */
  turn: number
}

/** A request that waits for its answer. It is in `asked`, `inFlight` and the queue, or in none of them. */
interface Open<P> extends DeadlineQueue.Entry {
  readonly asker: Member<P>
  readonly askerId: number
  readonly responder: Member<P>
  readonly responderId: number
  readonly maxAnswerBytes: number
}

/** Starts with no service and no peer. */
export const make = <P extends Peer>(options: Options): Services<P> => {
  const { now } = options
  const maxId = options.maxId ?? Fields.maxId
  const maxOpenRequests = options.maxOpenRequests ?? defaultMaxOpenRequests
  // There is always an id that is not in flight.
  const maxInFlight = Math.min(options.maxInFlight ?? defaultMaxInFlight, maxId)
  const maxServices = options.maxServices ?? defaultMaxServices
  const services = new Map<string, Service<P>>()
  const members = new Map<P, Member<P>>()
  const deadlines = DeadlineQueue.make<Open<P>>()
  // Who sleeps until `wakeBefore` and wants to know of anything that is due earlier.
  let wake: (() => void) | undefined
  let wakeBefore = Infinity

  const obtain = (peer: P): Member<P> => {
    let member = members.get(peer)
    if (member === undefined) {
      members.set(peer, (member = { peer, serves: new Set(), asked: new Map(), inFlight: new Map(), lastId: 0 }))
    }
    return member
  }

  const withdraw = (service: Service<P>, member: Member<P>) => {
    const at = service.responders.indexOf(member)
    service.responders.splice(at, 1)
    if (at < service.turn) service.turn--
    if (service.responders.length === 0) services.delete(service.name)
  }

  const pick = ({ responders, turn }: Service<P>): Member<P> | undefined => {
    for (let step = 0; step < responders.length; step++) {
      const first = responders[(turn + step) % responders.length]!
      // Only those without room are passed over, so two are looked at unless the service is nearly full.
      if (first.inFlight.size >= maxInFlight) continue
      const second = responders[(turn + step + 1) % responders.length]!
      return second.inFlight.size < first.inFlight.size ? second : first
    }
    return undefined
  }

  const nextId = (member: Member<P>): number => {
    do member.lastId = member.lastId >= maxId ? 1 : member.lastId + 1
    while (member.inFlight.has(member.lastId))
    return member.lastId
  }

  const settle = (open: Open<P>) => {
    deadlines.remove(open)
    open.asker.asked.delete(open.askerId)
    open.responder.inFlight.delete(open.responderId)
  }

  const refuse = (asker: P, id: number, name: ErrorCode.ErrorName, message?: string) =>
    asker.send({ type: "error", id, ...ErrorCode.make(name, message === undefined ? undefined : { message }) })

  const tellCancelled = (open: Open<P>) => open.responder.peer.send({ type: "cancel", id: open.responderId })

  return {
    serve: (name, peer) => {
      const member = obtain(peer)
      let service = services.get(name)
      if (service !== undefined && member.serves.has(service)) return Result.void
      if (member.serves.size >= maxServices) {
        return Result.fail(ErrorCode.make("limitReached", { message: `${maxServices} services, more are not allowed` }))
      }
      if (service === undefined) services.set(name, (service = { name, responders: [], turn: 0 }))
      service.responders.push(member)
      member.serves.add(service)
      return Result.void
    },

    served: (peer) => Array.from(members.get(peer)?.serves ?? [], ({ name }) => name),

    unserve: (name, peer) => {
      const service = services.get(name)
      const member = members.get(peer)
      if (service === undefined || member === undefined || !member.serves.delete(service)) return
      withdraw(service, member)
    },

    request: ({ asker: peer, data, from, id, service: name, ...options }) => {
      const { maxAnswerBytes = Infinity, timeoutMs = Fields.defaultTimeoutMs } = options
      const asker = obtain(peer)
      if (asker.asked.has(id)) return refuse(peer, id, "malformed", `id ${id} is still in flight`)
      if (asker.asked.size >= maxOpenRequests) {
        return refuse(peer, id, "limitReached", `${maxOpenRequests} open requests, more are not allowed`)
      }
      const service = services.get(name)
      if (service === undefined) return refuse(peer, id, "noResponder")
      const responder = pick(service)
      if (responder === undefined)
        return refuse(peer, id, "busy", "every responder has as many requests as it may have")
      service.turn = (service.turn + 1) % service.responders.length

      const deadline = now() + timeoutMs
      const open: Open<P> = {
        deadline,
        slot: DeadlineQueue.noSlot,
        asker,
        askerId: id,
        responder,
        responderId: nextId(responder),
        maxAnswerBytes,
      }
      asker.asked.set(id, open)
      responder.inFlight.set(open.responderId, open)
      deadlines.add(open)
      responder.peer.send({ type: "request", id: open.responderId, service: name, data, from, timeoutMs })
      if (wake !== undefined && deadline < wakeBefore) {
        const listener = wake
        wake = undefined
        listener()
      }
    },

    respond: (responder, answer) => {
      const open = members.get(responder)?.inFlight.get(answer.id)
      if (open === undefined) return false
      settle(open)
      const id = open.askerId
      if (answer.type === "response" && Data.byteLength(answer.data) > open.maxAnswerBytes) {
        const message = `an answer of ${Data.byteLength(answer.data)} bytes, allowed are ${open.maxAnswerBytes}`
        refuse(open.asker.peer, id, "tooLarge", message)
        return true
      }
      open.asker.peer.send(
        answer.type === "response"
          ? { type: "response", id, data: answer.data }
          : { type: "error", id, code: answer.code, message: answer.message, retry: answer.retry ?? false },
      )
      return true
    },

    cancel: (asker, id) => {
      const open = members.get(asker)?.asked.get(id)
      if (open === undefined) return
      settle(open)
      refuse(asker, id, "cancelled")
      tellCancelled(open)
    },

    leave: (peer) => {
      const member = members.get(peer)
      if (member === undefined) return
      members.delete(peer)
      for (const service of member.serves) withdraw(service, member)
      // Everything is settled before anybody is told: a send may end another peer. A request to itself is in the first.
      const asked = [...member.asked.values()]
      asked.forEach(settle)
      const inFlight = [...member.inFlight.values()]
      inFlight.forEach(settle)
      for (const open of asked) if (open.responder !== member) tellCancelled(open)
      for (const open of inFlight) {
        refuse(open.asker.peer, open.askerId, "outcomeUnknown", "the responder vanished: the outcome is unknown")
      }
    },

    expire: (onEarlier) => {
      const time = now()
      let due = deadlines.first()
      for (; due !== undefined && due.deadline <= time; due = deadlines.first()) {
        settle(due)
        refuse(due.asker.peer, due.askerId, "outcomeUnknown", "timed out: the outcome is unknown")
        tellCancelled(due)
      }
      wake = onEarlier
      wakeBefore = due?.deadline ?? Infinity
      return due === undefined ? undefined : due.deadline - time
    },

    counts: () => ({ services: services.size, peers: members.size, openRequests: deadlines.size() }),
  }
}

/**
 * Ends requests at their deadlines, for as long as it runs. It sleeps until the next one, and an answered request does
 * not wake it, so that it costs a turn per timeout and nothing per request. `now` must be the clock it sleeps by.
 */
export const run = <P>(services: Services<P>): Effect.Effect<never> =>
  Effect.forever(
    Effect.suspend(() => {
      const earlier = Deferred.makeUnsafe<void>()
      const waitMs = services.expire(() => Deferred.doneUnsafe(earlier, Exit.void))
      const woken = Deferred.await(earlier)
      return waitMs === undefined ? woken : Effect.raceFirst(woken, Effect.sleep(waitMs))
    }),
  )
