/** Contexts as people keep them: saved, listed, selected, removed, and talked to by name. Needs a build. */
import { afterAll, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { failed, objects, printed, run as runCommand } from "../support/commands.ts"
import * as Gateway from "../support/gateway.ts"

let gateway: Gateway.Gateway
let home: string
const file = () => join(home, "longline", "contexts.json")
const run = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  runCommand(args, { env: { XDG_CONFIG_HOME: home, ...env } })
const context = (...args: ReadonlyArray<string>) => run(["context", ...args])
const [connected, notConnected] = [0, 3]

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "longline-"))
  gateway = await Gateway.start()
})
beforeEach(() => rmSync(join(home, "longline"), { recursive: true, force: true }))
afterAll(async () => {
  rmSync(home, { recursive: true })
  await gateway.stop("SIGKILL")
})

describe("context", () => {
  it("saves what a gateway needs, in a file that is its owner's alone, and shows no token", async () => {
    const token = join(home, "token")
    writeFileSync(token, "t.o.k\n")
    writeFileSync(join(home, "ca.pem"), "pem")
    const live = ["save", "live", "--url", "tls://gateway.example", "--token-file", token, "--ca", join(home, "ca.pem")]
    assert.deepStrictEqual(await context("save", "local", "--url", gateway.address), printed(""))
    assert.deepStrictEqual(await context(...live, "--server-name", "other.example"), printed(""))
    assert.deepStrictEqual(JSON.parse(readFileSync(file(), "utf8")), {
      selected: "local",
      contexts: {
        local: { url: `tcp://${gateway.address}` },
        live: {
          url: "tls://gateway.example:7557",
          token: "t.o.k",
          ca: join(home, "ca.pem"),
          serverName: "other.example",
        },
      },
    })
    assert.deepStrictEqual(
      [file(), join(home, "longline")].map((path) => statSync(path).mode & 0o777),
      [0o600, 0o700],
    )
    assert.deepStrictEqual(readdirSync(join(home, "longline")), ["contexts.json"])
    assert.deepStrictEqual(
      await context("list"),
      printed(`  live tls://gateway.example:7557\n* local tcp://${gateway.address}\n`),
    )
    const shown = {
      name: "live",
      selected: false,
      url: "tls://gateway.example:7557",
      ca: join(home, "ca.pem"),
      serverName: "other.example",
      token: "***",
    }
    assert.deepStrictEqual(objects((await context("show", "live", "--json")).stdout), [shown])
    assert.deepStrictEqual(
      await context("show", "live"),
      printed(
        Object.entries(shown)
          .map(([name, value]) => `${name}: ${String(value)}\n`)
          .join(""),
      ),
    )
  })

  it("is talked to by name, by variable, and where it is selected", async () => {
    await context("save", "nowhere", "--url", "unix:/nonexistent")
    await context("save", "local", "--url", gateway.address)
    const rtt = ["rtt", "--count", "1"]
    const commands = [
      run(rtt),
      run([...rtt, "--context", "local"]),
      run(rtt, { LONGLINE_CONTEXT: "local" }),
      run([...rtt, "--context", "nowhere"], { LONGLINE_CONTEXT: "local" }),
      run([...rtt, "--context", "local"], { LONGLINE_URL: "unix:/nonexistent" }),
      // A gateway that is named makes no use of what is selected.
      run(rtt, { LONGLINE_URL: gateway.address }),
      run([...rtt, "--url", gateway.address]),
    ]
    const codes = (await Promise.all(commands)).map(({ code }) => code)
    assert.deepStrictEqual(codes, [notConnected, connected, connected, notConnected, connected, connected, connected])
    await context("select", "local")
    assert.strictEqual((await run(rtt)).code, connected)
    await context("remove", "local")
    assert.deepStrictEqual(JSON.parse(readFileSync(file(), "utf8")), {
      contexts: { nowhere: { url: "unix:/nonexistent" } },
    })
  })

  it("refuses what is no context, and says which there are", async () => {
    assert.deepStrictEqual(await context("list"), printed(""))
    assert.deepStrictEqual(
      await context("show", "live"),
      failed(2, `<name> is "live"; it must be a context (none is saved yet)`),
    )
    await context("save", "live", "--url", "a")
    const unknown = [await context("select", "lvie"), await run(["rtt", "--context", "constructor"])]
    assert.deepStrictEqual(unknown, [
      failed(2, `<name> is "lvie"; it must be a context (did you mean live?)`),
      failed(2, `--context is "constructor"; it must be a context (there are live)`),
    ])
    const name = "of 1 to 64 letters, digits, dots, dashes and underscores, and begin with a letter or a digit"
    assert.deepStrictEqual(
      await context("save", "__proto__", "--url", "a"),
      failed(2, `<name> is "__proto__"; it must be ${name}`),
    )
    assert.deepStrictEqual(
      await context("save", "a"),
      failed(2, "--url must be given: a context is where a gateway is"),
    )
  })

  it("leaves a file alone that it does not understand", async () => {
    await context("save", "live", "--url", "a")
    writeFileSync(file(), '{"contexts":{"live":{"url":7}}}')
    assert.deepStrictEqual(
      await context("save", "other", "--url", "b"),
      failed(2, `${file()} does not hold contexts; correct it, or remove it`),
    )
    assert.strictEqual(readFileSync(file(), "utf8"), '{"contexts":{"live":{"url":7}}}')
  })

  it("keeps what each of several commands at once has saved", async () => {
    const names = Array.from({ length: 8 }, (_, index) => `c${index}`)
    const saved = await Promise.all(names.map((name) => context("save", name, "--url", name)))
    assert.deepStrictEqual(
      saved,
      names.map(() => printed("")),
    )
    const { contexts } = JSON.parse(readFileSync(file(), "utf8")) as { readonly contexts: object }
    const all = names.map((name) => [name, { url: `tcp://${name}:7557` }])
    assert.deepStrictEqual(contexts, Object.fromEntries(all))
    assert.deepStrictEqual(readdirSync(join(home, "longline")), ["contexts.json"])
  })

  it("gives up on a turn that does not come, and leaves it alone", async () => {
    await context("save", "live", "--url", "a")
    const next = `${file()}.next`
    writeFileSync(next, "")
    assert.deepStrictEqual(
      await context("select", "live"),
      failed(2, `${next} is in the way; remove it, unless another longline is writing contexts`),
    )
    assert.deepStrictEqual(readdirSync(join(home, "longline")), ["contexts.json", "contexts.json.next"])
  })

  it("gives its turn back when there is nothing to change", async () => {
    await context("save", "live", "--url", "a")
    assert.strictEqual((await context("remove", "other")).code, 2)
    assert.deepStrictEqual(await context("remove", "live"), printed(""))
  })

  it("refuses a file with tokens that others can read, and one without tokens is anybody's", async () => {
    const token = join(home, "token")
    writeFileSync(token, "t.o.k")
    await context("save", "open", "--url", "a")
    chmodSync(file(), 0o644)
    assert.deepStrictEqual(await context("list"), printed("* open tcp://a:7557\n"))
    await context("save", "open", "--url", "a", "--token-file", token)
    assert.deepStrictEqual(await context("list"), printed("* open tcp://a:7557\n"))
    const refused = failed(
      2,
      `${file()} has tokens, and is open to others; make it yours alone (chmod 600), or remove it`,
    )
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(file(), mode)
      assert.deepStrictEqual([await context("list"), await run(["rtt"])], [refused, refused])
    }
    chmodSync(file(), 0o700)
    assert.deepStrictEqual(await context("list"), printed("* open tcp://a:7557\n"))
  })

  it("says why it cannot be read", async () => {
    writeFileSync(join(home, "longline"), "in the way")
    const why = `ENOTDIR: not a directory, open '${file()}'`
    assert.deepStrictEqual(await context("list"), failed(2, `the contexts cannot be read (${why})`))
  })
})
