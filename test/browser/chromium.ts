/**
 * Pages in a real Chromium without a window, from an origin of their own. Refuses to skip: without the browser the tests
 * fail, and say which package has it.
 */
import { createServer } from "node:http"
import * as Net from "node:net"
import type { Bundle } from "./bundle.ts"
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core"

/** Where Debian's package puts it. */
export const executablePath = "/usr/bin/chromium"

const args = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]

/** Starts the browser, with a profile that is gone with it. */
export const launch = async (): Promise<Browser> => {
  try {
    return await chromium.launch({ executablePath, args })
  } catch (cause) {
    throw new Error(`no browser: install the Debian package chromium, which is ${executablePath}`, { cause })
  }
}

/** A page that a test drives. */
export interface Tab {
  readonly page: Page
  /** The value of an expression in the page, once it has one. */
  readonly run: <A>(expression: string) => Promise<A>
  /** Waits until an expression is true there. */
  readonly until: (expression: string) => Promise<void>
}

/** A server of one page with one script, and its origin. */
export interface Site {
  readonly origin: string
  readonly close: () => void
}

/** Serves a bundle in an empty page. */
export const serve = ({ entry, files }: Bundle): Promise<Site> =>
  new Promise((resolve) => {
    const server = createServer(({ url = "" }, response) => {
      const script = files.get(url.slice(1))
      response.setHeader("Content-Type", `text/${script === undefined ? "html" : "javascript"}; charset=utf-8`)
      response.end(script ?? `<!doctype html><title>test</title><script type="module" src="${entry}"></script>`)
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as Net.AddressInfo
      resolve({ origin: `http://127.0.0.1:${port}`, close: () => server.close() })
    })
  })

/** Opens the page in a tab. What goes wrong in the page fails whatever runs there next. */
export const open = async (context: BrowserContext, url: string): Promise<Tab> => {
  const page = await context.newPage()
  const errors: Array<Error> = []
  page.on("pageerror", (error) => errors.push(error))
  await page.goto(url, { waitUntil: "load" })
  const check = <A>(value: A): A => {
    if (errors[0] !== undefined) throw errors[0]
    return value
  }
  return {
    page,
    run: async <A>(expression: string) => check((await page.evaluate(expression)) as A),
    until: async (expression) => void check(await page.waitForFunction(expression)),
  }
}

/** A port that nobody has: the gateway is to come back on it. */
export const freePort = () =>
  new Promise<number>((resolve) => {
    const server = Net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as Net.AddressInfo
      server.close(() => resolve(port))
    })
  })
