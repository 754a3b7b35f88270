import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import type { ServerResponse } from "node:http"
import * as JwksUrl from "../../../src/gateway/auth/JwksUrl.ts"
import { listen } from "../../support/http.ts"

/** What fetching from a server that answers so comes to; its address is written `URL`. */
const fetched = Effect.fnUntraced(function* (answer: (response: ServerResponse, url: string) => void) {
  const { url } = yield* listen((request, response) => answer(response, request.url ?? ""))
  const text = yield* Effect.match(JwksUrl.fetchText(url), { onSuccess: (text) => text, onFailure: (e) => e.message })
  return text.replaceAll(url, "URL")
})

const full = "x".repeat(JwksUrl.maxJwksBytes)

describe("fetching a key set", () => {
  it.live("gives the text", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* fetched((response) => response.end(`{"keys":["é"]}`)), `{"keys":["é"]}`)
    }),
  )

  it.live.each([201, 204, 304, 404, 500, 503])("status %d is no key set", (status) =>
    Effect.gen(function* () {
      const refused = yield* fetched((response) => response.writeHead(status).end())
      assert.strictEqual(refused, `URL answered with status ${status}, and 200 is expected`)
    }),
  )

  it.live("a redirect is not followed", () =>
    Effect.gen(function* () {
      const refused = yield* fetched((response, path) => {
        if (path === "/elsewhere") response.end("{}")
        else response.writeHead(302, { location: "/elsewhere" }).end()
      })
      assert.strictEqual(refused, "URL answered with status 302, and 200 is expected")
    }),
  )

  it.live("as much as the bound is read, and not a byte more", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* fetched((response) => response.end(full)), full)
      const over = yield* fetched((response) => response.end(`${full}x`))
      assert.strictEqual(over, `URL sent more than ${JwksUrl.maxJwksBytes} bytes`)
    }),
  )

  it.live("one that never ends is left at the bound", () =>
    Effect.gen(function* () {
      const left = yield* Deferred.make<void>()
      const refused = yield* fetched((response) => {
        const more = () => void response.write(full.slice(0, 65_536))
        response.on("drain", more).on("close", () => Deferred.doneUnsafe(left, Exit.void))
        more()
      })
      assert.strictEqual(refused, `URL sent more than ${JwksUrl.maxJwksBytes} bytes`)
      yield* Deferred.await(left)
    }),
  )

  it.live("a connection that breaks off is told as what it is", () =>
    Effect.gen(function* () {
      const refused = yield* fetched((response) => void response.socket?.destroy())
      assert.strictEqual(refused, "URL cannot be read: other side closed")
      const cut = yield* fetched((response) => {
        response.writeHead(200, { "content-length": "10" }).write("12345")
        response.socket?.end()
      })
      assert.match(cut, /^URL cannot be read: /)
    }),
  )

  it.live("an address where nobody listens is told as what it is", () =>
    Effect.gen(function* () {
      const { url, close } = yield* listen(() => {})
      yield* close
      const error = yield* Effect.flip(JwksUrl.fetchText(url))
      assert.match(error.message.replace(url, "URL"), /^URL cannot be read: connect ECONNREFUSED /)
    }),
  )

  it.effect("one that is silent, or stops half way, is left after five seconds", () =>
    Effect.gen(function* () {
      for (const begin of ["", `{"keys":`]) {
        const asked = yield* Deferred.make<void>()
        const left = yield* Deferred.make<void>()
        const { url } = yield* listen((_, response) => {
          if (begin !== "") response.write(begin)
          response.on("close", () => Deferred.doneUnsafe(left, Exit.void))
          Deferred.doneUnsafe(asked, Exit.void)
        })
        const fiber = yield* Effect.forkChild(Effect.flip(JwksUrl.fetchText(url)), { startImmediately: true })
        yield* Deferred.await(asked)
        yield* TestClock.adjust(JwksUrl.fetchTimeoutMs - 1)
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* Fiber.join(fiber)).message, `${url} gave no answer within 5000 ms`)
        yield* Deferred.await(left)
      }
    }),
  )
})
