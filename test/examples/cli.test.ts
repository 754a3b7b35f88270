/** docs/cli.md: its sessions on a terminal print what it says, and it knows every command and exit code. Needs a build. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { exitCodes } from "../../src/cli/Talk.ts"
import * as Verbs from "../../src/cli/Verbs.ts"
import * as Gateway from "../support/gateway.ts"
import * as Snippets from "./snippets.ts"

const text = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8")
let gateway: Gateway.Gateway
let folder: string

beforeAll(async () => {
  gateway = await Gateway.start()
  folder = mkdtempSync(join(tmpdir(), "longline-"))
  writeFileSync(join(folder, "longline"), `#!/bin/sh\nexec '${process.execPath}' '${Gateway.program}' "$@"\n`)
  chmodSync(join(folder, "longline"), 0o755)
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await gateway.stop("SIGKILL")
})

/** Runs the commands of a session in one shell: what it shows, commands included. */
const shown = (commands: ReadonlyArray<string>) =>
  new Promise<string>((resolve) => {
    const script = commands.flatMap((command) => [
      `printf '%s\\n' ${quoted(`$ ${command}`)}`,
      command.endsWith("&") ? inBackground(command) : command,
    ])
    const shell = spawn("bash", ["-c", ["exec 2>&1", ...script, "kill $(jobs -p) 2>&-", "wait"].join("\n")], {
      env: {
        PATH: `${folder}:${process.env["PATH"]}`,
        LONGLINE_URL: gateway.address,
        XDG_CONFIG_HOME: join(folder, "config"),
      },
      stdio: ["ignore", "pipe", "ignore"],
    })
    let output = ""
    shell.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk))
    shell.once("close", () => resolve(output))
  })

/** A responder says that it serves, in JSON, before the session goes on; what it prints is another terminal's. */
const inBackground = (command: string) =>
  `coproc { exec ${command.replace(/ &$/, " --json")}; } 2>&-; read -r _ <&"\${COPROC[0]}"`

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

describe("docs/cli.md", () => {
  it("prints in its sessions what it says", async () => {
    const sessions = Snippets.blocks("docs/cli.md", "console")
    assert.strictEqual(sessions.length, 2)
    for (const session of sessions) {
      const commands = session.split("\n").flatMap((line) => (line.startsWith("$ ") ? [line.slice(2)] : []))
      assert.strictEqual((await shown(commands)).trimEnd(), session.trimEnd())
    }
  }, 60_000)

  it("knows every command", () => {
    const rows = [...text.matchAll(/^\| `([a-z]+)[ `]/gm)].map(([, verb]) => verb)
    assert.deepStrictEqual(
      Object.keys(Verbs.talking).filter((verb) => !rows.includes(verb)),
      [],
    )
  })

  it("knows every exit code", () => {
    const rows = [...text.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code))
    assert.deepStrictEqual(rows, [0, 1, 2, ...Object.values(exitCodes), 130])
  })
})
