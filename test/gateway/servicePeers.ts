/** Peers that keep what they are sent, services with a clock of the test's own, and the messages that are expected. */
import { assert } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Data from "../../src/gateway/protocol/Data.ts"
import * as Services from "../../src/gateway/Services.ts"

export interface Peer extends Services.Peer {
  readonly sent: Array<Services.Outgoing>
}

export const makePeer = (): Peer => {
  const sent: Array<Services.Outgoing> = []
  return { sent, send: (message) => void sent.push(message) }
}

export const setup = (options?: Partial<Services.Options>) => {
  const clock = { now: 1000 }
  const services = Services.make<Peer>({ now: () => clock.now, ...options })
  const responder = (...names: ReadonlyArray<string>) => {
    const peer = makePeer()
    for (const name of names) Result.getOrThrow(services.serve(name, peer))
    return peer
  }
  const ask = (asker: Peer, id: number, service = "s", timeoutMs = 50) =>
    services.request({ asker, id, service, data: Data.json({ id }), from, timeoutMs })
  return { ask, clock, responder, services }
}

export const from = { connection: "c", user: "u" }
export const asked = (id: number, data: unknown, service = "s", timeoutMs = 50) => ({
  type: "request",
  id,
  service,
  data: Data.json(data),
  from,
  timeoutMs,
})
export const answered = (id: number, data: unknown) => ({ type: "response", id, data: Data.json(data) }) as const
export const cancelled = (id: number) => ({ type: "cancel", id })
export const error = (id: number, code: number, message: string, retry = false) => ({
  type: "error",
  id,
  code,
  message,
  retry,
})
export const vanished = (id: number) => error(id, 115, "the responder vanished: the outcome is unknown")
export const timedOut = (id: number) => error(id, 115, "timed out: the outcome is unknown")
export const sees = (peer: Peer, ...messages: ReadonlyArray<object>) =>
  assert.deepStrictEqual<unknown>(peer.sent, messages)
export const idle = { services: 0, peers: 0, openRequests: 0 }
