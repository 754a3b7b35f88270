/** The client's face without Effect, against a gateway on a real socket. Needs a build. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { connect, connectPool, ServiceError } from "../../src/client/PromiseClient.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as Gateway from "../support/gateway.ts"

let gateway: Gateway.Gateway
beforeAll(async () => {
  gateway = await Gateway.start()
})
afterAll(async () => {
  await gateway.stop("SIGKILL")
})

const dial = () => TcpTransport.dial({ host: "127.0.0.1", port: gateway.port })

/** What a promise was rejected with. */
const rejected = (promise: Promise<unknown>) =>
  promise.then(
    () => assert.fail("not rejected"),
    (error: unknown) => error as { readonly reason: unknown },
  )

describe("without Effect", () => {
  it("a channel is an async iterator, and leaving the loop leaves the channel", async () => {
    const client = await connect({ dial: dial() })
    const titles: Array<unknown> = []
    for (const round of [1, 2]) {
      for await (const item of client.subscribe("news")) {
        if (item.type === "subscribed") await client.publish("news", round)
        else if (item.type === "publication") {
          titles.push(item.data)
          break
        }
      }
    }
    assert.deepStrictEqual(titles, [1, 2])
    const { publications } = await client.history("news")
    assert.strictEqual(publications.length, 2)
    await client.close()
  })

  it("a service is a function, which may refuse, and is told by a signal that nobody waits", async () => {
    const client = await connect({ dial: dial(), token: async () => "any" })
    const gaveUp = new AbortController()
    const stop = await client.serve("shout", async ({ data }, signal) => {
      if (data === "wait") return new Promise(() => signal.addEventListener("abort", () => gaveUp.abort()))
      if (typeof data !== "string") throw new ServiceError({ code: 200, message: "text, please" })
      return data.toUpperCase()
    })
    assert.strictEqual(await client.request("shout", "hello"), "HELLO")
    assert.deepInclude((await rejected(client.request("shout", 1))).reason, { code: 200, message: "text, please" })
    const giving = new AbortController()
    const asking = rejected(client.request("shout", "wait", { signal: giving.signal }))
    await client.request("shout", "behind")
    giving.abort()
    await asking
    while (!gaveUp.signal.aborted) await client.presence("any")
    await stop()
    assert.deepInclude((await rejected(client.request("shout", "hello"))).reason, { code: 114 })
    await client.close()
  })

  it("a pool publishes, asks and reads by promises until it is closed", async () => {
    const client = await connect({ dial: dial() })
    const stop = await client.serve("double", ({ data }) => Number(data) * 2)
    const pool = await connectPool({ dial: dial(), token: () => "any", max: 2 })
    const first = await pool.publish("pooled", 1, { key: "k" })
    assert.deepStrictEqual(await pool.publish("pooled", 1, { key: "k" }), { ...first, duplicate: true })
    assert.strictEqual(await pool.request("double", 21), 42)
    assert.strictEqual((await pool.history("pooled")).publications.length, 1)
    assert.deepStrictEqual(await pool.stats(), { idle: 1, used: 0, pending: 0, min: 1, max: 2 })
    await pool.close()
    await stop()
    await client.close()
  })

  it("a client that was closed says so, and its events end", async () => {
    const client = await connect({ dial: dial() })
    const events: Array<string> = []
    const watching = (async () => {
      for await (const { _tag } of client.events) events.push(_tag)
    })()
    while (events.length === 0) await client.presence("a")
    await client.close()
    await watching
    assert.deepStrictEqual(events, ["Connected", "Ended"])
    assert.deepInclude((await rejected(client.publish("a", 1))).reason, { _tag: "Ended", code: undefined })
  })

  it("a signal that is aborted gives up connecting, and its reason is what was wrong", async () => {
    const nobody = TcpTransport.dial({ path: "/nobody/listens/here" })
    const giving = new AbortController()
    const connecting = rejected(connect({ dial: nobody, signal: giving.signal }))
    giving.abort("enough")
    assert.strictEqual<unknown>(await connecting, "enough")
  })

  it("what a signal gives up is rejected with its reason, and not sent if it was aborted before", async () => {
    const client = await connect({ dial: dial() })
    await client.serve("never", () => new Promise(() => {}))
    const giving = new AbortController()
    const asking = rejected(client.request("never", 1, { signal: giving.signal }))
    giving.abort()
    assert.propertyVal(await asking, "name", "AbortError")
    assert.strictEqual(await asking, giving.signal.reason)
    const refused = rejected(client.publish("given up", 1, { signal: giving.signal }))
    assert.strictEqual(await refused, giving.signal.reason)
    assert.deepStrictEqual((await client.history("given up")).publications, [])
    // An answer that came before the signal is the answer.
    const late = new AbortController()
    const answered = rejected(client.request("nobody", 1, { signal: late.signal }))
    const { reason } = await answered
    late.abort()
    assert.deepInclude(reason, { code: 114 })
    await client.close()
  })

  it("a signal leaves a channel that says nothing, which may be iterated again at once", async () => {
    const client = await connect({ dial: dial() })
    const leaving = new AbortController()
    const types: Array<string> = []
    const loop = async () => {
      for await (const { type } of client.subscribe("silent", { signal: leaving.signal })) types.push(type)
    }
    const left = rejected(loop())
    while (types.length === 0) await client.presence("any")
    leaving.abort("unmounted")
    const again = client.subscribe("silent")[Symbol.asyncIterator]()
    assert.deepInclude((await again.next()).value, { type: "subscribed" })
    assert.strictEqual<unknown>(await left, "unmounted")
    assert.strictEqual<unknown>(await rejected(loop()), "unmounted")
    assert.deepStrictEqual(types, ["subscribed"])
    await again.return?.()
    await client.close()
  })
})
