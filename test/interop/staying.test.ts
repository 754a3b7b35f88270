/**
 * The clients of `clients/` hold to the vectors, and ride through whatever the gateway does: what was acknowledged is heard
 * once and in order. Refuses fakes: the gateway is `node dist/main.js`, and it is killed.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, beforeAll, describe, it, onTestFinished } from "@effect/vitest"
import * as Gateway from "../support/gateway.ts"
import * as Foreign from "./foreign.ts"

/** Compiling what Go has of its own takes most of it, once a machine. */
const patience = 120_000

const total = 300

describe.each(["Python", "Go"] as const)("the client in %s", (language) => {
  let built: Foreign.Go
  if (language === "Go") {
    beforeAll(() => {
      built = Foreign.compileGo()
      return built.dispose
    }, patience)
  }
  const start: Foreign.Go["staying"] = (input, ...args) =>
    language === "Go" ? built.staying(input, ...args) : Foreign.stayingPython(input, ...args)

  it(
    "reads and writes the vectors",
    async () => {
      assert.strictEqual(await Foreign.ownTests[language]().exitCode(), 0)
    },
    patience,
  )

  it(
    "hears what was acknowledged once and in order, though the gateway is killed",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "longline-riding-"))
      onTestFinished(() => rmSync(folder, { recursive: true }))
      const path = join(folder, "socket")
      const gateway = async () => {
        const drain = ["--drain-grace", "0s", "--drain-timeout", "1s"]
        const started = await Gateway.start(["--unix", path, "--data", join(folder, "data"), ...drain])
        onTestFinished(async () => {
          await started.stop("SIGKILL")
        })
        return started
      }
      const running = await gateway()
      const subscriber = start("", "--unix", path, "sub", "ride", "--count", String(total))
      await subscriber.message("subscribed")
      const numbers = Array.from({ length: total }, (_, index) => index)
      const publisher = start(numbers.join("\n"), "--unix", path, "pub", "ride", "-")
      await subscriber.messages("publication", 100)
      await running.stop("SIGKILL")
      await gateway()

      const published = await publisher.ended()
      await subscriber.messages("publication", total)
      const received = await subscriber.ended()
      assert.deepStrictEqual([published.code, received.code], [0, 0])
      const offsets = published.messages.filter(({ type }) => type === "published").map(({ offset }) => offset)
      const heard = received.messages.filter(({ type }) => type === "publication")
      assert.deepStrictEqual(
        heard.map(({ data }) => data),
        numbers,
      )
      assert.deepStrictEqual(
        heard.map(({ offset }) => offset),
        offsets,
      )
      const recoveries = received.messages.filter(({ type }) => type === "subscribed").map(({ recovered }) => recovered)
      assert.deepStrictEqual(recoveries, ["none", "yes"])
    },
    patience,
  )
})
