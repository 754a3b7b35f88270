/**
 * `longline conformance` as a process: our gateway is a server that it finds nothing wrong with, and what it says of the
 * clients in Python and Go.
 */
import { assert, beforeAll, describe, it, onTestFinished } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as ServerRules from "../../src/conformance/ServerRules.ts"
import type { Verdict } from "../../src/conformance/Verdict.ts"
import { makeCertificates } from "../support/certificates.ts"
import * as Gateway from "../support/gateway.ts"
import * as Spawned from "../support/spawned.ts"
import * as Tokens from "../support/tokens.ts"
import * as Foreign from "./foreign.ts"

const patience = 120_000

const conformance = (...args: ReadonlyArray<string>) => {
  const running = Spawned.start(process.execPath, [Gateway.program, "conformance", ...args])
  onTestFinished(async () => {
    await running.stop("SIGKILL")
  })
  return running
}

/** Rules that a client shows which only does this. */
const unseen = {
  sub: ["serve.again", "serve.answered", "publish.repeated"],
  serve: [
    "publications.gap",
    "publications.duplicate",
    "gap.position",
    "position.sent",
    "recovery.more",
    "recovery.no",
    "publish.repeated",
  ],
  pub: [
    "publications.gap",
    "publications.duplicate",
    "gap.position",
    "position.sent",
    "recovery.more",
    "recovery.no",
    "serve.again",
    "serve.answered",
  ],
}

/** Rules that are about the bytes of frames. */
const framed = ServerRules.all.flatMap(({ id, needsFrames }) => (needsFrames === true ? [`${id} notSeen`] : []))

const numbers = Array.from({ length: 100_000 }, (_, index) => index).join("\n")

describe("longline conformance", () => {
  it(
    "passes the gateway, with exit code 0 and a line for each rule",
    async () => {
      const gateway = await Gateway.start()
      onTestFinished(async () => {
        await gateway.stop("SIGKILL")
      })
      const running = conformance(gateway.address)
      const { code } = await running.exited
      const last = running.lines.at(-1)
      assert.deepStrictEqual(
        { code, last },
        { code: 0, last: `${running.lines.length - 1} passed, 0 failed, 0 not seen` },
      )
    },
    patience,
  )

  it(
    "passes a gateway that wants tokens, over TLS, and but for frames over WebSocket",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "longline-conformance-"))
      onTestFinished(() => rmSync(folder, { recursive: true }))
      const write = (name: string, text: string) => {
        writeFileSync(join(folder, name), text)
        return join(folder, name)
      }
      const { ca, server } = makeCertificates()
      const rights = ["subscribe", "publish", "history", "presence", "serve", "request"]
      const token = Tokens.token(Tokens.secret, {
        claims: {
          sub: "ann",
          exp: Math.floor(Date.now() / 1000) + 600,
          longline: Object.fromEntries(rights.map((right) => [right, ["*"]])),
        },
      })
      const [cert, key] = [write("cert", server.cert), write("key", server.key)]
      const tls = ["--tls-cert", cert, "--tls-key", key, "--ws-port", "0"]
      const policy = { history: { size: 1000 }, presence: true }
      const config = ["--config", write("config.json", JSON.stringify({ policy }))]
      const gateway = await Gateway.start([...tls, ...config, "--auth-secret-file", write("secret", Tokens.secretText)])
      onTestFinished(async () => {
        await gateway.stop("SIGKILL")
      })
      const webSocket = await gateway.line("WebSockets", (line) =>
        line.includes("websocket") ? /listening on ([\d.:]+)/.exec(line)?.[1] : undefined,
      )
      const known = ["--token-file", write("token", token), "--ca", write("ca", ca), "--server-name", "localhost"]
      const judged = async (address: string) => {
        const running = conformance(address, "--json", ...known)
        const { code } = await running.exited
        const { verdicts } = JSON.parse(running.lines.join("")) as { readonly verdicts: ReadonlyArray<Verdict> }
        const notPassed = verdicts.filter(({ outcome }) => outcome !== "pass")
        return { code, notPassed: notPassed.map(({ id, outcome }) => `${id} ${outcome}`) }
      }
      assert.deepStrictEqual(await judged(`tls://${gateway.address}`), { code: 0, notPassed: [] })
      assert.deepStrictEqual(await judged(`wss://${webSocket}`), { code: 0, notPassed: framed })
    },
    patience,
  )

  it(
    "fails who is not there, with exit code 1",
    async () => {
      const { code } = await conformance("unix:/nowhere", "--json").exited
      assert.strictEqual(code, 1)
    },
    patience,
  )

  it(
    "wants one of two things, and says so with exit code 2",
    async () => {
      for (const args of [
        [],
        ["127.0.0.1:1", "--listen", "1"],
        ["--context", "a", "--listen", "1"],
        ["--token-file", "a", "--listen", "1"],
        ["http://127.0.0.1:1"],
        ["--listen", "65536"],
      ]) {
        assert.strictEqual((await conformance(...args).exited).code, 2)
      }
    },
    patience,
  )

  describe("passes the client in", () => {
    let built: Foreign.Go
    beforeAll(() => {
      built = Foreign.compileGo()
      return built.dispose
    }, patience)

    const starts: Readonly<Record<string, Foreign.Go["staying"]>> = {
      Python: Foreign.stayingPython,
      Go: (...args) => built.staying(...args),
    }
    it.each(Object.entries(starts))(
      "%s",
      async (_, start) => {
        const passes = Object.entries(unseen).map(async ([verb, rules]) => {
          const running = conformance("--listen", "0", "--json")
          const port = await running.errorLine("the port", (line) => /:(\d+) for one client$/.exec(line)?.[1])
          const client = start(numbers, "--port", port, verb, "a", ...(verb === "pub" ? ["-"] : []))
          const { code } = await running.exited
          const { verdicts } = JSON.parse(running.lines.join("")) as { readonly verdicts: ReadonlyArray<Verdict> }
          const notPassed = verdicts.filter(({ outcome }) => outcome !== "pass")
          assert.deepStrictEqual(
            { code, notPassed: notPassed.map(({ id, outcome }) => `${id} ${outcome}`) },
            { code: 0, notPassed: rules.map((id) => `${id} notSeen`) },
            verb,
          )
          assert.strictEqual(await client.exitCode(), 3)
        })
        await Promise.all(passes)
      },
      patience,
    )
  })
})
