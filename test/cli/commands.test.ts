/** `check-config` tells everything that is wrong, `print-config` everything that holds, and neither serves. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { X509Certificate } from "node:crypto"
import * as Toml from "smol-toml"
import type { Setting } from "../../src/gateway/config/Setting.ts"
import { settings } from "../../src/gateway/config/Settings.ts"
import type { GatewayConfig } from "../../src/gateway/config/GatewayConfig.ts"
import { defaults } from "./defaults.ts"
import { type Given, longline } from "./harness.ts"
import * as Pem from "./pem.ts"

const secret = "0123456789abcdef0123456789abcdef"

describe("check-config", () => {
  it.effect("succeeds with a line, and serves nothing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* longline({ args: ["check-config", "--port", "1"] }), {
        config: undefined,
        stdout: "the configuration is valid",
        stderr: "",
        exitCode: 0,
        reported: false,
      })
    }),
  )

  it.effect("says the same in JSON", () =>
    Effect.gen(function* () {
      const valid = yield* longline({ args: ["check-config", "--json"] })
      assert.deepStrictEqual([valid.exitCode, valid.stdout], [0, '{"valid":true,"mistakes":[],"warnings":[]}'])
      const { stdout, ...rest } = yield* longline({ args: ["check-config", "--port", "x", "--json"] })
      assert.deepStrictEqual(rest, { config: undefined, stderr: "", exitCode: 1, reported: false })
      const mistakes = [`--port is "x"; it must be a whole number from 0 to 65535`]
      assert.deepStrictEqual(JSON.parse(stdout), { valid: false, mistakes, warnings: [] })
    }),
  )

  it.effect("fails with a line for each mistake, in values, keys, schemas and between settings", () =>
    Effect.gen(function* () {
      const text = `
listen: { unix: l.sock, host: "::1" }
limit: {}
policy: { history: { size: many } }
namespaces: { chat: { schema: { type: text } }, "a:b": {} }
`
      assert.deepStrictEqual(
        yield* longline({ args: ["check-config", "--config", "l.yaml", "--sync", "os"], files: { "l.yaml": text } }),
        {
          config: undefined,
          stdout: "",
          stderr: [
            "l.yaml:3: unknown key limit; did you mean limits?",
            `l.yaml:2: listen.unix is "l.sock"; it must be left out when l.yaml:2: listen.host is given: the gateway listens in one place`,
            `--sync is "os"; it must be left out unless there is a data directory, from --data`,
            `l.yaml:5: a name in namespaces is "a:b"; it must be what stands before the colon in a channel's name, and begin with no $: those are the gateway's own`,
            `l.yaml:4: policy.history.size is "many"; it must be a whole number from 0 to 10000000`,
            "l.yaml:5: namespaces.chat.schema is object with keys type; it must be a JSON Schema (schema is invalid: data/type must be equal to one of the allowed values, data/type must be array, data/type must match a schema in anyOf)",
          ]
            .map((line) => `longline: ${line}`)
            .join("\n"),
          exitCode: 1,
          reported: false,
        },
      )
    }),
  )
})

describe("check-config: certificates", () => {
  const { validFrom, validTo } = new X509Certificate(Pem.certificate)
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)]
  const iso = (time: number) => new Date(time).toISOString()
  const files = { "c.pem": Pem.certificate, "k.pem": Pem.key, "other.pem": Pem.strangeKey, "x.pem": "x" }
  const encrypted = ["--tls-cert", "c.pem", "--tls-key", "k.pem"]
  const invalid = (text: string) => `--tls-cert is "c.pem"; it must be a certificate that is valid now (it ${text})`
  const expired = invalid(`expired at ${iso(to)}: clients refuse it`)
  const check = (now: number, ...args: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const { exitCode, stderr } = yield* longline({ args: ["check-config", ...args], files })
      return { exitCode, lines: stderr === "" ? [] : stderr.split("\n") }
    })

  it.effect.each([
    [from - 1, 1, invalid(`is not valid before ${iso(from)}: clients refuse it until then`)],
    [from, 0, undefined],
    [to, 0, `warning: the TLS certificate expires at ${iso(to)}`],
    [to + 1, 1, expired],
  ] as const)("one is looked at as of now: at %d the exit code is %d", ([now, exitCode, line]) =>
    Effect.gen(function* () {
      const lines = line === undefined ? [] : [`longline: ${line}`]
      assert.deepStrictEqual(yield* check(now, ...encrypted), { exitCode, lines })
    }),
  )

  it.effect("what is wrong with it and its key is told together, and with everything else", () =>
    Effect.gen(function* () {
      const mismatch = `--tls-key is "other.pem"; it must be the private key of --tls-cert`
      const port = `--port is "x"; it must be a whole number from 0 to 65535`
      const args = ["--tls-cert", "c.pem", "--tls-key", "other.pem", "--port", "x"]
      assert.deepStrictEqual(yield* check(to + 1, ...args), {
        exitCode: 1,
        lines: [port, expired, mismatch].map((line) => `longline: ${line}`),
      })
      const files = ["--tls-cert", "x.pem", "--tls-key", "none.pem", "--tls-client-ca", "x.pem", "--unix", ""]
      assert.deepStrictEqual((yield* check(from, ...files)).lines, [
        `longline: --unix is ""; it must be a path of 1 to 107 bytes`,
        `longline: --tls-cert is "x.pem"; it must be a PEM certificate`,
        `longline: --tls-key is "none.pem"; it must be a file that can be read (ENOENT: no such file or directory)`,
        `longline: --tls-client-ca is "x.pem"; it must be a PEM certificate`,
      ])
      assert.deepStrictEqual((yield* check(from, "--tls-cert", "x.pem")).lines, [
        `longline: --tls-cert is "x.pem"; it must be given together with --tls-key`,
        `longline: --tls-cert is "x.pem"; it must be a PEM certificate`,
      ])
    }),
  )
})

describe("check-config: variables", () => {
  it.effect("that mean nothing are a warning, whether the rest is valid or not", () =>
    Effect.gen(function* () {
      const env = { LONGLINE_PROT: "1" }
      const warning = "environment variables that mean nothing: LONGLINE_PROT (did you mean LONGLINE_PORT?)"
      const valid = yield* longline({ args: ["check-config"], env })
      assert.deepStrictEqual([valid.exitCode, valid.stderr], [0, `longline: warning: ${warning}`])
      const invalid = yield* longline({ args: ["check-config", "--port", "x"], env })
      const mistake = `--port is "x"; it must be a whole number from 0 to 65535`
      assert.deepStrictEqual(
        [invalid.exitCode, invalid.stderr],
        [1, `longline: ${mistake}\nlongline: warning: ${warning}`],
      )
      const { stdout } = yield* longline({ args: ["check-config", "--port", "x", "--json"], env })
      assert.deepStrictEqual(JSON.parse(stdout), { valid: false, mistakes: [mistake], warnings: [warning] })
    }),
  )
})

describe("print-config", () => {
  const print = (given: Given, ...flags: ReadonlyArray<string>) =>
    Effect.map(
      longline({ ...given, args: ["print-config", ...flags, ...(given.args ?? [])] }),
      ({ stdout, stderr }) => {
        assert.strictEqual(stderr, "")
        return stdout
      },
    )

  it.effect("marks each value with its source", () =>
    Effect.gen(function* () {
      const given = {
        args: ["--config", "l.yaml", "--port", "0"],
        env: { LONGLINE_DRAIN_GRACE: "1s" },
        files: { "l.yaml": "log:\n  level: debug\nnamespaces:\n  chat:\n    presence: false\n" },
      }
      const lines = (yield* print(given)).split("\n").map((line) => line.trim())
      for (const line of [
        "# The file is l.yaml.",
        "host: 127.0.0.1  # default",
        "port: 0  # set by --port",
        "# unix:",
        "grace: 1s  # set by LONGLINE_DRAIN_GRACE",
        "level: debug  # set by l.yaml:2: log.level",
        "# format: pretty on a terminal, json otherwise",
        "presence: true  # default",
        "presence: false  # set by l.yaml:5: namespaces.chat.presence",
        "recovery: true  # inherited",
      ]) {
        assert.include(lines, line)
      }
      const { sources } = JSON.parse(yield* print(given, "--json"))
      assert.deepStrictEqual(
        [
          "listen.host",
          "listen.port",
          "drain.grace",
          "log.level",
          "namespaces.chat.presence",
          "namespaces.chat.recovery",
        ].map((path) => sources[path]),
        [
          { source: "default" },
          { source: "flag", where: "--port" },
          { source: "environment", where: "LONGLINE_DRAIN_GRACE" },
          { source: "file", where: "l.yaml:2: log.level" },
          { source: "file", where: "l.yaml:5: namespaces.chat.presence" },
          { source: "inherited" },
        ],
      )
    }),
  )

  it.effect("has every setting, with its default, when nothing is said", () =>
    Effect.gen(function* () {
      const { config } = JSON.parse(yield* print({}, "--json"))
      const missing = Object.values<Setting<unknown>>(settings)
        .filter(({ key }) => key.split(".").reduce((value, name) => value?.[name], config) === undefined)
        .map(({ key }) => key)
      assert.deepStrictEqual(
        missing.filter((key) => !key.startsWith("auth.")),
        [
          "config",
          "listen.unix",
          "listen.tls.cert",
          "listen.tls.key",
          "listen.tls.clientCa",
          "websocket.origins",
          "data.directory",
          "data.sync",
          "log.format",
        ],
      )
    }),
  )

  it.effect("shows no secret, and says where it is", () =>
    Effect.gen(function* () {
      const given = { env: { LONGLINE_AUTH_SECRET: secret } }
      const [yaml, json] = [yield* print(given), yield* print(given, "--json")]
      assert.notInclude(yaml + json, secret.slice(0, 8))
      assert.include(yaml, "  # secret: ***  # set by LONGLINE_AUTH_SECRET\n")
      assert.deepStrictEqual(JSON.parse(json).sources["auth.secret"], {
        source: "environment",
        where: "LONGLINE_AUTH_SECRET",
      })
      assert.notProperty(JSON.parse(json).config.auth, "secret")
    }),
  )

  it.effect("lets no control character out of a name", () =>
    Effect.gen(function* () {
      const name = "l\n\u001b.yaml"
      const yaml = yield* print({ args: ["--config", name], files: { [name]: "listen: { port: 1 }" } })
      assert.include(yaml, "# The file is l\\u000a\\u001b.yaml.\n")
      assert.include(yaml, "port: 1  # set by l\\u000a\\u001b.yaml:1: listen.port\n")
    }),
  )

  it.effect("of a configuration that is wrong is refused like the serving of it", () =>
    Effect.gen(function* () {
      const { exitCode, stdout, stderr } = yield* longline({ args: ["print-config", "--port", "x"] })
      assert.deepStrictEqual(
        { exitCode, stdout, stderr },
        { exitCode: 2, stdout: "", stderr: `longline: --port is "x"; it must be a whole number from 0 to 65535` },
      )
    }),
  )

  it("gives back what it was given: printed as YAML or JSON, written as any format, the configuration is the same", async () => {
    await fc.assert(
      fc.asyncProperty(anyConfig, async ({ file, args, env }) => {
        const given = { env, files: { "l.json": JSON.stringify(file) } }
        const from = (name: string, text: string) =>
          Effect.map(longline({ env: secretOf(env), args: ["--config", name], files: { [name]: text } }), loaded)
        await Effect.runPromise(
          Effect.gen(function* () {
            const before = loaded(yield* longline({ ...given, args: ["--config", "l.json", ...args] }))
            const yaml = yield* print({ ...given, args: ["--config", "l.json", ...args] })
            const { config } = JSON.parse(yield* print({ ...given, args: ["--config", "l.json", ...args] }, "--json"))
            assert.deepStrictEqual(yield* from("a.yaml", yaml), before)
            assert.deepStrictEqual(yield* from("b.json", JSON.stringify(config)), before)
            assert.deepStrictEqual(yield* from("c.toml", Toml.stringify(config)), before)
          }),
        )
      }),
      { numRuns: 15 },
    )
  }, 60_000)
})

const secretOf = ({ LONGLINE_AUTH_SECRET: secret }: Readonly<Record<string, string>>): Record<string, string> =>
  secret === undefined ? {} : { LONGLINE_AUTH_SECRET: secret }

/** What can be compared: a compiled schema is a function of its own each time. */
const loaded = ({ config, stderr }: { readonly config: GatewayConfig | undefined; readonly stderr: string }) => {
  assert.strictEqual(stderr, "")
  const { fallback, namespaces } = config?.policies ?? defaults.policies
  const plain = ({ validate, ...policy }: typeof fallback) => ({ ...policy, judges: validate !== undefined })
  return {
    ...config,
    policies: {
      fallback: plain(fallback),
      namespaces: new Map([...namespaces].map(([name, policy]) => [name, plain(policy)])),
    },
  }
}

const some = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined, freq: 2 })
const without = (value: unknown) => JSON.parse(JSON.stringify(value))
const duration = fc.integer({ min: 1, max: 600 }).map((seconds) => `${seconds}s`)
const allowed = fc.constantFrom("nobody", "granted", "users", "anyone")
const policy = fc.record({
  history: some(fc.record({ size: some(fc.integer({ min: 0, max: 3 })), age: some(duration) })),
  recovery: some(fc.constant(false)),
  presence: some(fc.boolean()),
  presenceGrace: some(duration),
  slowConsumer: some(fc.constantFrom("close", "dropOldest", "latest")),
  maxDataBytes: some(fc.constantFrom(1, 1000, 65_536, "1KiB", "64KiB")),
  allow: some(fc.record({ publish: some(allowed), serve: some(allowed) })),
  // Seldom: a schema is compiled anew by each of the loads.
  schema: fc.oneof(
    { weight: 12, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant(true) },
    { weight: 1, arbitrary: fc.constant({ type: "string", title: "a: b # c\n'd'" }) },
    { weight: 1, arbitrary: fc.constant({ type: "object", properties: { "~/": { type: "null" } } }) },
  ),
})
const name = fc.oneof(
  fc.constantFrom("__proto__", "a b", "7", "true", "null", "x#y", "é", "'", '"', "-", "~"),
  fc.stringMatching(/^[a-z]{1,8}$/),
)
const anyConfig = fc
  .record({
    listen: fc.constantFrom<unknown>(
      undefined,
      {},
      { port: 0 },
      { host: "::1", port: 1 },
      { unix: "l.sock" },
      { unix: "a: b # c" },
    ),
    limits: some(
      fc.record({ connections: fc.integer({ min: 1, max: 9 }), outboxBytes: fc.constantFrom("64KiB", 70_000) }),
    ),
    heartbeat: some(fc.record({ interval: duration })),
    data: some(
      fc.record({ directory: fc.constantFrom("/d", "yes", "12", "a\nb"), sync: some(fc.constantFrom("always", "os")) }),
    ),
    log: some(fc.record({ level: fc.constantFrom("warn", "none"), format: some(fc.constantFrom("json", "pretty")) })),
    auth: fc.boolean(),
    policy: some(policy),
    namespaces: some(fc.dictionary(name, policy, { maxKeys: 3, noNullPrototype: true })),
    grace: some(duration),
    level: some(fc.constantFrom("trace", "error")),
  })
  .map(({ auth, grace, level, ...file }) => ({
    file: without({ ...file, ...(auth && { auth: { issuer: ["me: you"], audience: "all", clockTolerance: "1s" } }) }),
    args: grace === undefined ? [] : ["--drain-grace", grace],
    env: without({ LONGLINE_LOG_LEVEL: level, LONGLINE_AUTH_SECRET: auth ? secret : undefined }),
  }))
