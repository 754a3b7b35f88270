/**
 * The rules for services: asking, answering, giving up (docs/protocol.md, section 4).
 * Where a server lets nobody serve, they are not seen.
 */
import * as Effect from "effect/Effect"
import type { ServerRule } from "./ServerRule.ts"
import { connect, type Server } from "./StrictClient.ts"
import * as Verdict from "./Verdict.ts"

/** Somebody who serves, and somebody who asks: each on a connection of its own. */
const both = Effect.fnUntraced(function* (server: Server, service: string) {
  const [{ client: responder }, { client: asker }] = [yield* connect(server), yield* connect(server)]
  yield* responder.ask("serving", { type: "serve", service })
  return { responder, asker }
})

/** Asks with an id of its own, so that it can be told from the server's. */
const askedId = 4_711

const request = { type: "request", id: askedId, data: { question: 1 } }

/** Every rule for services. */
export const all: ReadonlyArray<ServerRule> = [
  {
    id: "services.response",
    section: 4,
    text: "a request reaches a responder, and its response the asker, with the asker's id",
    judge: ({ server, name: service }) =>
      Effect.gen(function* () {
        const { asker, responder } = yield* both(server, service)
        asker.peer.say({ ...request, service })
        const { data, id } = yield* responder.expect("request", (asked) => asked.service === service)
        responder.peer.say({ type: "response", id, data: [data] })
        const response = yield* asker.expect("response", (answer) => answer.id === askedId)
        const seen = JSON.stringify(response.data)
        if (seen !== JSON.stringify([request.data])) yield* Verdict.broken(`the data came back as ${seen}`)
      }),
  },
  {
    id: "services.error",
    section: 4,
    text: "an error of a responder reaches the asker as it is, with the asker's id",
    judge: ({ server, name: service }) =>
      Effect.gen(function* () {
        const { asker, responder } = yield* both(server, service)
        asker.peer.say({ ...request, service })
        const { id } = yield* responder.expect("request")
        responder.peer.say({ type: "error", id, code: 418, message: "a teapot", retry: false })
        yield* asker.refusal(418, askedId)
      }),
  },
  {
    id: "services.none",
    section: 8,
    text: "a request that nobody serves is error 114 at once",
    judge: ({ server, name: service }) =>
      Effect.flatMap(connect(server), ({ client }) => client.refused(114, { type: "request", service, data: 1 })),
  },
  {
    id: "services.cancel",
    section: 4,
    text: "a cancelled request is error 119, and its responder is told",
    judge: ({ server, name: service }) =>
      Effect.gen(function* () {
        const { asker, responder } = yield* both(server, service)
        asker.peer.say({ ...request, service })
        const { id } = yield* responder.expect("request")
        asker.peer.say({ type: "cancel", id: askedId })
        yield* asker.refusal(119, askedId)
        yield* responder.expect("cancel", (cancel) => cancel.id === id)
      }),
  },
  {
    id: "services.timeout",
    section: 8,
    text: "a request without an answer within timeoutMs is error 115",
    judge: ({ server, name: service }) =>
      Effect.gen(function* () {
        const { asker, responder } = yield* both(server, service)
        asker.peer.say({ ...request, service, timeoutMs: 200 })
        yield* responder.expect("request")
        yield* asker.refusal(115, askedId)
      }),
  },
  {
    id: "services.vanished",
    section: 4,
    text: "a request whose responder leaves is error 115 at once",
    judge: ({ server, name: service }) =>
      Effect.gen(function* () {
        const { asker, responder } = yield* both(server, service)
        asker.peer.say({ ...request, service })
        yield* responder.expect("request")
        responder.peer.wire.abortUnsafe()
        yield* asker.refusal(115, askedId)
      }),
  },
  {
    id: "services.unserve",
    section: 4,
    text: "after unserved no more requests come, and serve and unserve twice are answered as if",
    judge: ({ server, name: service }) =>
      Effect.gen(function* () {
        const { asker, responder } = yield* both(server, service)
        yield* responder.ask("serving", { type: "serve", service })
        for (const _ of [1, 2]) yield* responder.ask("unserved", { type: "unserve", service })
        yield* asker.refused(114, { type: "request", service, data: 1 })
      }),
  },
]
