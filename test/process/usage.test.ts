/** What a person meets first: `node dist/main.js` with help, mistakes and files of the real system. Needs a build. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url))
const manifest = new URL("../../package.json", import.meta.url)
/** Far above the half second that it takes: a gateway that starts instead of refusing must not hang the suite. */
const deadlineMs = 10_000

const longline = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: "utf8",
    env,
    timeout: deadlineMs,
  })
  return { status, stdout, stderr }
}
const refused = (...lines: ReadonlyArray<string>) => ({
  status: 2,
  stdout: "",
  stderr: lines.map((line) => `longline: ${line}\n`).join(""),
})
const noKey =
  `--tls-key is "/no/k.pem"; it must be a file that can be read ` +
  "(ENOENT: no such file or directory, open '/no/k.pem')"

describe("node dist/main.js", () => {
  it("--help is on standard output, without colours when that is no terminal", () => {
    const { stdout, ...rest } = longline(["--help"])
    assert.deepStrictEqual(rest, { status: 0, stderr: "" })
    assert.match(stdout, /^ {2}--port <0\.\.65535> +port to listen on, .* \[LONGLINE_PORT, default 7557\]$/m)
  })

  it("--version is the package's", () => {
    const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string }
    assert.deepStrictEqual(longline(["--version"]), { status: 0, stdout: `longline v${version}\n`, stderr: "" })
  })

  it("a bad value ends with code 2 and one line, which names the flag or the variable", () => {
    const complaint = `is "abc"; it must be a whole number from 0 to 65535`
    assert.deepStrictEqual(longline(["--port", "abc"]), refused(`--port ${complaint}`))
    assert.deepStrictEqual(longline([], { LONGLINE_PORT: "abc" }), refused(`LONGLINE_PORT ${complaint}`))
  })

  it("an unknown flag ends with code 2 and a guess", () => {
    assert.deepStrictEqual(longline(["--prot", "1"]), refused("unknown flag --prot; did you mean --port?"))
  })

  it("a host beyond loopback ends with code 2", () => {
    assert.deepStrictEqual(
      longline(["--host", "0.0.0.0"]),
      refused(
        `--host is "0.0.0.0"; it must be a loopback address (127.0.0.0/8, ::1 or localhost), because no authentication ` +
          "is configured; --insecure lets anyone who can reach it connect",
      ),
    )
  })

  it("a TLS file that the system cannot read ends with code 2 and the system's reason", () => {
    assert.deepStrictEqual(
      longline(["--tls-cert", "/no/c.pem", "--tls-key", "/no/k.pem"]),
      refused(
        `--tls-cert is "/no/c.pem"; it must be a file that can be read ` +
          "(ENOENT: no such file or directory, open '/no/c.pem')",
        noKey,
      ),
    )
    assert.deepStrictEqual(
      longline(["--tls-cert", "/", "--tls-key", "/no/k.pem"]),
      refused(
        `--tls-cert is "/"; it must be a file that can be read (EISDIR: illegal operation on a directory, read)`,
        noKey,
      ),
    )
  })

  it("check-config reads real files, and ends with code 1 and a line for each mistake", () => {
    const directory = mkdtempSync(join(tmpdir(), "longline-"))
    try {
      const [config, schema] = [join(directory, "longline.yaml"), join(directory, "price.json")]
      writeFileSync(config, `listen: { port: 0 }\npolicy: { schema: ${JSON.stringify(schema)} }\n`)
      writeFileSync(schema, `{ "type": "number" }`)
      const check = () => longline(["check-config", "--config", config])
      assert.deepStrictEqual(check(), { status: 0, stdout: "the configuration is valid\n", stderr: "" })

      rmSync(schema)
      assert.deepStrictEqual(check(), {
        status: 1,
        stdout: "",
        stderr:
          `longline: ${config}:2: policy.schema is "${schema}"; it must be a file that can be read ` +
          `(ENOENT: no such file or directory, open '${schema}')\n`,
      })
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it("a device without an end is read no further than the limit", () => {
    assert.deepStrictEqual(
      longline(["--tls-cert", "/dev/zero", "--tls-key", "/no/k.pem"]),
      refused(`--tls-cert is "/dev/zero"; it must be a file of at most 256KiB`, noKey),
    )
  })

  it("a defect ends with code 1, and is told on standard error: standard output has data alone", () => {
    const defects = [
      [["context", "list"], "Array.prototype.toSorted"],
      [["print-config"], "String.prototype.repeat"],
    ] as const
    for (const [args, broken] of defects) {
      const planted = encodeURIComponent(`${broken} = () => { throw new Error("planted") }`)
      const { stderr, ...rest } = longline(args, { NODE_OPTIONS: `--import data:text/javascript,${planted}` })
      assert.deepStrictEqual(rest, { status: 1, stdout: "" }, args.join(" "))
      assert.match(stderr, /ERROR.*planted/)
    }
  })

  it("print-config prints the environment's settings with their variables, and no secret", () => {
    const secret = "0123456789abcdef0123456789abcdef"
    const { status, stdout, stderr } = longline(["print-config"], { LONGLINE_PORT: "1", LONGLINE_AUTH_SECRET: secret })
    assert.deepStrictEqual([status, stderr], [0, ""])
    assert.include(stdout, "\n  port: 1  # set by LONGLINE_PORT\n")
    assert.include(stdout, "\n  # secret: ***  # set by LONGLINE_AUTH_SECRET\n")
    assert.notInclude(stdout, secret)
  })
})
