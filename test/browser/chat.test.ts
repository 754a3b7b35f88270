/**
 * The chat of `examples/chat`, as people use it: two tabs of Chromium and a terminal. Needs a build and the browser.
 * With `LONGLINE_SCREENSHOT` set to a file, a picture of it is put there, which is how `docs/chat.png` was made.
 */
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Browser } from "playwright-core"
import * as Gateway from "../support/gateway.ts"
import * as Spawned from "../support/spawned.ts"
import * as Chromium from "./chromium.ts"

const server = fileURLToPath(new URL("../../examples/chat/server.mjs", import.meta.url))

let browser: Browser
const ends: Array<() => unknown> = []

beforeAll(async () => {
  browser = await Chromium.launch()
}, 60_000)

afterAll(() => browser?.close())

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

const node = (...args: ReadonlyArray<string>) => {
  const running = Spawned.start(process.execPath, args)
  ends.push(() => running.stop("SIGKILL"))
  return running
}

/** The chat's server, and how to start its gateway, again and again in the same place, with what it stores or without. */
const chat = async ({ stores }: { readonly stores: boolean }) => {
  const folder = mkdtempSync(join(tmpdir(), "longline-"))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  const port = await Chromium.freePort()
  const serving = node(server, "0", `ws://127.0.0.1:${port}/connect`)
  const origin = await serving.line("line of the chat", (line) => /the chat is on ([^,]+)/.exec(line)?.[1])
  const gateway = async () => {
    const place = ["--ws-port", String(port), "--ws-origins", origin]
    const running = await Gateway.start(stores ? [...place, "--data", join(folder, "data")] : place)
    ends.push(() => running.stop("SIGKILL"))
    return running
  }
  return { origin, gateway }
}

/** A tab of somebody, and what is to be seen in it. */
const enter = async (origin: string, name: string) => {
  const context = await browser.newContext({ viewport: { width: 880, height: 560 } })
  ends.push(() => context.close())
  const tab = await Chromium.open(context, `${origin}/?name=${name}`)
  return {
    ...tab,
    say: async (text: string) => {
      await tab.page.fill("#text", text)
      await tab.page.press("#text", "Enter")
    },
    said: () => tab.page.locator("#messages p").allTextContents(),
    sees: (text: string) => tab.page.locator("#messages p", { hasText: text }).waitFor(),
    is: (state: string) => tab.page.locator(`#state.${state}`).waitFor(),
    /** Waits for them, and nobody else. */
    hasMembers: (...names: ReadonlyArray<string>) =>
      tab.page.locator("#members", { hasText: new RegExp(`^${names.join("")}$`) }).waitFor(),
  }
}

describe("the chat", { timeout: 60_000 }, () => {
  it("goes on across two tabs and a terminal, with its history, those present, and a gateway that comes and goes", async () => {
    const { gateway, origin } = await chat({ stores: true })
    const first = await gateway()
    const ann = await enter(origin, "Ann")
    await ann.say("Is anybody here?")
    const ben = await enter(origin, "Ben")
    await ben.sees("Is anybody here?")
    await ben.say("I am. I saw what you said before I came.")
    const shell = node(Gateway.program, "sub", "chat", "--history", "100", "--raw", "--url", first.address)
    const said = JSON.stringify({ name: "terminal", text: "Me too, from a terminal." })
    await node(Gateway.program, "pub", "chat", said, "--url", first.address).exited
    for (const tab of [ann, ben]) await tab.sees("Me too, from a terminal.")
    await ann.say("Then we are three <b>already</b>.")
    const heard = (line: string) => (line.includes("we are three") ? (JSON.parse(line) as unknown) : undefined)
    assert.deepStrictEqual(await shell.line("what Ann said", heard), {
      name: "Ann",
      text: "Then we are three <b>already</b>.",
    })
    // The terminal reads and is not present: it did not ask to be.
    for (const tab of [ann, ben]) await tab.hasMembers("Ann", "Ben")

    await first.stop("SIGKILL")
    for (const tab of [ann, ben]) await tab.is("offline")
    await ann.say("Said while the gateway was gone.")
    await gateway()
    for (const tab of [ann, ben]) {
      await tab.is("online")
      await tab.sees("Said while the gateway was gone.")
      await tab.hasMembers("Ann", "Ben")
      assert.deepStrictEqual(await tab.said(), [
        "Is anybody here?",
        "I am. I saw what you said before I came.",
        "Me too, from a terminal.",
        "Then we are three <b>already</b>.",
        "Said while the gateway was gone.",
      ])
    }
    const path = process.env["LONGLINE_SCREENSHOT"]
    if (path !== undefined) await ben.page.screenshot({ path })
  })

  it("of a gateway that forgets everything goes on with what is said from then on, and knows again who is there", async () => {
    const { gateway, origin } = await chat({ stores: false })
    const first = await gateway()
    const ann = await enter(origin, "Ann")
    const ben = await enter(origin, "Ben")
    await ann.say("Before.")
    await ben.sees("Before.")
    await first.stop("SIGKILL")
    for (const tab of [ann, ben]) await tab.is("offline")
    await ann.say("Said while the gateway was gone.")
    await gateway()
    for (const tab of [ann, ben]) {
      await tab.is("online")
      await tab.hasMembers("Ann", "Ben")
      await tab.sees("Said while the gateway was gone.")
      assert.deepStrictEqual(await tab.said(), ["Before.", "Said while the gateway was gone."])
    }
  })
})
