/** What the page of a test runs: a client, and what it has heard, for the test to ask from outside. Judges nothing. */
import * as Effect from "effect/Effect"
import { BrowserTransport } from "longline/client/browser"
import { connect } from "longline/client/promise"

const clients = []

/** Why something failed, in short: values come out of a page, errors as texts only. */
const named = ({ reason }) => `${reason._tag} ${reason.code}`

globalThis.driver = {
  /** Connects; gives the number of the client. */
  connect: async (url, { dial, ...options } = {}) => {
    const client = await connect({ dial: BrowserTransport.dial({ url, ...dial }), ...options })
    const events = []
    void (async () => {
      for await (const event of client.events) events.push(event)
    })()
    return clients.push({ client, events, heard: [], hold: Promise.resolve(), release: () => {} }) - 1
  },
  /** Reads a channel from now on; completes with the first item. */
  subscribe: (number, channel, options) =>
    new Promise((resolve, reject) => {
      const driven = clients[number]
      void (async () => {
        for await (const item of driven.client.subscribe(channel, options)) {
          driven.heard.push(item)
          resolve(item)
          await driven.hold
        }
      })().catch(reject)
    }),
  /** Has the readers of a client stop before their next item. */
  hold: (number) => {
    clients[number].hold = new Promise((resolve) => (clients[number].release = resolve))
  },
  release: (number) => clients[number].release(),
  publish: (number, ...args) => clients[number].client.publish(...args),
  request: (number, ...args) => clients[number].client.request(...args).catch(named),
  serveDouble: (number) =>
    clients[number].client.serve("double", ({ data }) => (data instanceof Uint8Array ? data : data * 2)),
  presence: (number, channel) => clients[number].client.presence(channel),
  /** Items in short: a publication is its data, all else its type and what it says of recovery. */
  heard: (number) =>
    clients[number].heard.map((item) =>
      item.type === "publication" ? item.data : `${item.type} ${item.recovered ?? ""}`.trim(),
    ),
  events: (number) => clients[number].events,
  /** Bytes there and back, as numbers. */
  echoBytes: async (number, bytes) => {
    const answer = await clients[number].client.request("double", Uint8Array.from(bytes))
    return answer instanceof Uint8Array && Array.from(answer)
  },
  /** The reason for which dialling fails. */
  refusal: (url, options) =>
    Effect.runPromise(Effect.map(Effect.flip(Effect.scoped(BrowserTransport.dial({ url, ...options }))), named)),
  /** How a bare WebSocket ends that says something wrong. */
  bare: (url, subprotocol, said) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, subprotocol)
      socket.addEventListener("open", () => socket.send(said))
      socket.addEventListener("close", ({ code, reason, wasClean }) => resolve({ code, reason, wasClean }))
    }),
}
