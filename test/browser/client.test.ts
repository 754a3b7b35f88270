/**
 * The client in Chromium, as it is bundled for pages, against `node dist/main.js`. Needs a build and the browser.
 */
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Browser, BrowserContext } from "playwright-core"
import * as PromiseClient from "../../src/client/PromiseClient.ts"
import * as TcpTransport from "../../src/transport/TcpTransport.ts"
import * as Gateway from "../support/gateway.ts"
import { bundle } from "./bundle.ts"
import * as Chromium from "./chromium.ts"

let browser: Browser
let site: Chromium.Site
let context: BrowserContext
const ends: Array<() => unknown> = []

beforeAll(async () => {
  site = await Chromium.serve(await bundle(readFileSync(new URL("driver.mjs", import.meta.url), "utf8")))
  browser = await Chromium.launch()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  site?.close()
})

beforeEach(async () => {
  context = await browser.newContext()
})

afterEach(async () => {
  await context.close()
  for (const end of ends.splice(0).toReversed()) await end()
})

/** A gateway that ends with the test, and lets the page in unless told otherwise. */
const gateway = async (...args: ReadonlyArray<string>) => {
  const origins = args.includes("--ws-origins") || !args.includes("--ws-port") ? [] : ["--ws-origins", site.origin]
  const started = await Gateway.start([...args, ...origins])
  ends.push(() => started.stop("SIGKILL"))
  return started
}

const listening = async (...args: ReadonlyArray<string>) => {
  const port = await Chromium.freePort()
  const running = await gateway("--ws-port", String(port), ...args)
  return { running, port, url: JSON.stringify(`ws://127.0.0.1:${port}/connect`) }
}

/** A tab with the page in it. Tabs of one test share a profile, as a person's do. */
const tab = () => Chromium.open(context, site.origin)

/** Publishes numbers from another client, over TCP. */
const publishFromElsewhere = async (port: number, numbers: ReadonlyArray<unknown>) => {
  const client = await PromiseClient.connect({ dial: TcpTransport.dial({ host: "127.0.0.1", port }) })
  for (const number of numbers) await client.publish("a", number)
  await client.close()
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

/** A browser on a busy machine takes its time. */
const patience = 60_000

describe("Chromium", () => {
  it(`is installed: ${Chromium.executablePath} of the Debian package chromium`, () => {
    assert.isTrue(existsSync(Chromium.executablePath))
  })
})

describe("the client in a page", { timeout: patience }, () => {
  it("subscribes, publishes, asks, answers and is present, in JSON in one tab and Protobuf in the other", async () => {
    const { url } = await listening()
    const [ann, ben] = [await tab(), await tab()]
    await ann.run(`driver.connect(${url})`)
    await ben.run(`driver.connect(${url}, { encoding: "protobuf" })`)
    await ann.run(`driver.subscribe(0, "a", { presence: true })`)
    await ben.run(`driver.subscribe(0, "a", { presence: true })`)
    await ben.run(`driver.publish(0, "a", { text: "hellö" })`)
    await ann.run(`driver.publish(0, "a", "and back")`)
    await ann.run(`driver.serveDouble(0)`)
    assert.strictEqual(await ben.run(`driver.request(0, "double", 21)`), 42)
    assert.deepStrictEqual(await ben.run(`driver.echoBytes(0, [0, 255, 128])`), [0, 255, 128])
    assert.strictEqual(await ben.run(`driver.request(0, "nobody", 1)`), "Refused 114")
    assert.propertyVal(await ben.run<object>(`driver.presence(0, "a")`), "count", 2)
    await ann.until(`driver.heard(0).includes("presenceChanged")`)
    for (const { run, until } of [ann, ben]) {
      await until(`driver.heard(0).includes("and back")`)
      const heard = await run<ReadonlyArray<unknown>>(`driver.heard(0)`)
      assert.deepStrictEqual(
        heard.filter((item) => item !== "presenceChanged"),
        ["subscribed none", { text: "hellö" }, "and back"],
      )
    }
  })

  it("rides through a kill and a restart of the gateway, and misses nothing that was published without it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "longline-"))
    ends.push(() => rmSync(folder, { recursive: true, force: true }))
    const data = ["--data", join(folder, "data")]
    const first = await listening(...data)
    const page = await tab()
    await page.run(`driver.connect(${first.url}, { offlineQueue: 100 })`)
    await page.run(`driver.subscribe(0, "a")`)
    for (const number of numbers(0, 10)) await page.run(`driver.publish(0, "a", ${number}, { key: "k${number}" })`)
    await first.running.stop("SIGKILL")
    // What the page publishes now has to wait; what others publish meanwhile, the page has to catch up with.
    const published = page.run(`driver.publish(0, "a", "waited", { key: "waited" })`)
    const without = await gateway(...data)
    await publishFromElsewhere(without.port, numbers(10, 20))
    await without.stop("SIGTERM")
    await gateway("--ws-port", String(first.port), ...data)
    assert.propertyVal((await published) as object, "duplicate", false)
    await page.until(`driver.heard(0).includes("waited")`)
    assert.deepStrictEqual(await page.run(`driver.heard(0)`), [
      "subscribed none",
      ...numbers(0, 10),
      "subscribed yes",
      ...numbers(10, 20),
      "waited",
    ])
  })

  it("is refused where its origin is not listed, and is not told why", async () => {
    const { url } = await listening("--ws-origins", "https://app.example")
    const page = await tab()
    const refusal = await page.run(`driver.refusal(${url}, { subprotocols: { "longline.v1.json": "text" } })`)
    assert.strictEqual(refusal, "DialFailed WS_ERR_NOT_OPENED")
  })

  it("sees the code of a bye, as does a WebSocket without a client", async () => {
    const { running, url } = await listening("--drain-grace", "0s", "--drain-timeout", "1s")
    const page = await tab()
    const end = await page.run(`driver.bare(${url}, "longline.v1.json", "no object")`)
    assert.deepInclude(end, { code: 4501, wasClean: true })
    await page.run(`driver.connect(${url})`)
    await running.stop("SIGTERM")
    await page.until(`driver.events(0).some(({ _tag }) => _tag === "Disconnected")`)
    const codes = `driver.events(0).flatMap(({ _tag, code }) => (_tag === "Disconnected" ? [code] : []))`
    assert.strictEqual((await page.run<ReadonlyArray<number>>(codes))[0], 4001)
  })

  it("that reads too slowly gives its connection up before it holds too much, and recovers", async () => {
    const { running, url } = await listening()
    const page = await tab()
    await page.run(`driver.connect(${url}, { dial: { maxUnreadBytes: 100_000 } })`)
    await page.run(`driver.subscribe(0, "a", { buffer: 1 })`)
    await page.run(`driver.hold(0)`)
    const texts = numbers(0, 50).map((number) => String(number).padEnd(10_000, "."))
    await publishFromElsewhere(running.port, texts)
    await page.until(`driver.events(0).some(({ message }) => message === "connection lost: WS_ERR_TOO_MUCH_UNREAD")`)
    await page.run(`driver.release(0)`)
    await page.until(`driver.heard(0).filter((item) => !item.startsWith("subscribed")).length === ${texts.length}`)
    const heard = await page.run<ReadonlyArray<string>>(`driver.heard(0)`)
    assert.deepStrictEqual(
      heard.filter((item) => !item.startsWith("subscribed")),
      texts,
    )
    assert.notInclude(heard, "subscribed no")
  })
})
