/** What a configuration file changes, what it loses to, and how its mistakes are told. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { defaults, elsewhere } from "./defaults.ts"
import { longline, refused } from "./harness.ts"

const withFile = (
  text: string,
  given: { readonly args?: ReadonlyArray<string>; readonly env?: Readonly<Record<string, string>> } = {},
) => longline({ ...given, args: ["--config", "l.yaml", ...(given.args ?? [])], files: { "l.yaml": text } })

describe("a configuration file", () => {
  it.effect("is named by a flag, or by a variable that loses to the flag", () =>
    Effect.gen(function* () {
      const files = { "a.yaml": "listen: { port: 1 }", "b.yaml": "listen: { port: 2 }" }
      const changed = (port: number) => ({ ...elsewhere, listen: { ...defaults.listen, port } })
      const env = { LONGLINE_CONFIG: "b.yaml" }
      assert.deepStrictEqual((yield* longline({ args: ["--config", "a.yaml"], files })).config, changed(1))
      assert.deepStrictEqual((yield* longline({ env, files })).config, changed(2))
      assert.deepStrictEqual((yield* longline({ args: ["--config=a.yaml"], env, files })).config, changed(1))
    }),
  )

  it.effect.each(["", "# nothing yet", "{}", "listen:\nlimits: null\nnamespaces:\n"])("%j changes nothing", (text) =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* withFile(text)).config, defaults)
    }),
  )

  it.effect("sets what flags set, by other names", () =>
    Effect.gen(function* () {
      const text = `
listen: { host: "::1", port: 0 }
websocket: { host: 127.0.0.2, port: 1, path: /, origins: ["https://a.example", "http://b.example:8080"], compression: true }
limits: { connections: 5, connectionsPerAddress: 4, outboxBytes: 65536, bufferBytes: 1GiB, memoryPercent: 50 }
heartbeat: { interval: 1m, timeout: 1s }
session: { connectTimeout: 2s, ttl: 5m }
drain: { grace: 0s, timeout: 1s }
data: { directory: /var/lib/longline, sync: os }
log: { level: debug, format: pretty }
`
      assert.deepStrictEqual((yield* withFile(text)).config, {
        ...defaults,
        listen: { _tag: "Tcp", host: "::1", port: 0 },
        webSocket: {
          host: "127.0.0.2",
          port: 1,
          path: "/",
          origins: ["https://a.example", "http://b.example:8080"],
          compression: true,
        },
        maxConnections: 5,
        maxConnectionsPerAddress: 4,
        limits: { ...defaults.limits, outboxBytes: 65_536, bufferBytes: 1_073_741_824, memoryPercent: 50 },
        heartbeatInterval: Duration.minutes(1),
        heartbeatTimeout: Duration.seconds(1),
        connectTimeout: Duration.seconds(2),
        sessionTtl: Duration.minutes(5),
        drainGrace: Duration.zero,
        drainTimeout: Duration.seconds(1),
        data: { directory: "/var/lib/longline", sync: "os" },
        logLevel: "Debug",
        logFormat: "pretty",
      })
    }),
  )
})

describe("of several places where a setting is written", () => {
  const [file, flag, env] = ["drain: { grace: 1s }", "--drain-grace=3s", { LONGLINE_DRAIN_GRACE: "2s" }]

  it.effect.each([
    ["flag, variable and file", { args: [flag], env }, file, 3],
    ["flag and file", { args: [flag] }, file, 3],
    ["flag and variable", { args: [flag], env }, "", 3],
    ["flag", { args: [flag] }, "", 3],
    ["variable and file", { env }, file, 2],
    ["variable", { env }, "", 2],
    ["empty variable and file", { env: { LONGLINE_DRAIN_GRACE: "" } }, file, 1],
    ["file", {}, file, 1],
    ["none", {}, "", 5],
  ] as const)("the strongest wins: %s", ([, given, file, seconds]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* withFile(file, given)).config, {
        ...defaults,
        drainGrace: Duration.seconds(seconds),
      })
    }),
  )

  it.effect("what loses is not judged, except that the file has no unknown keys", () =>
    Effect.gen(function* () {
      const { config } = yield* withFile("drain: { grace: soon }", { args: [flag], env: { LONGLINE_DRAIN_GRACE: "x" } })
      assert.deepStrictEqual(config, { ...defaults, drainGrace: Duration.seconds(3) })
      assert.deepStrictEqual(
        yield* withFile("drain: { garce: 1s }", { args: [flag] }),
        refused("l.yaml:1: unknown key drain.garce; did you mean drain.grace?"),
      )
    }),
  )

  it.effect("settings that contradict each other are named where each is written", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* withFile("listen:\n  unix: /l.sock", { args: ["--port", "1"] }),
        refused(
          `l.yaml:2: listen.unix is "/l.sock"; it must be left out when --port is given: the gateway listens in one place`,
        ),
      )
      assert.deepStrictEqual(
        yield* withFile("listen: { host: 0.0.0.0 }"),
        refused(
          `l.yaml:1: listen.host is "0.0.0.0"; it must be a loopback address (127.0.0.0/8, ::1 or localhost), because no ` +
            "authentication is configured; --insecure lets anyone who can reach it connect",
        ),
      )
      assert.deepStrictEqual(
        yield* withFile("data: { sync: os }"),
        refused(`l.yaml:1: data.sync is "os"; it must be left out unless there is a data directory, from --data`),
      )
    }),
  )
})

describe("a mistake in a file", () => {
  it.effect.each([
    ["listen: { port: 65536 }", "listen.port is 65536; it must be a whole number from 0 to 65535"],
    // A file has types: a text is no number, a number no text.
    [`listen: { port: "80" }`, `listen.port is "80"; it must be a whole number from 0 to 65535`],
    ["listen: { port: 80.5 }", "listen.port is 80.5; it must be a whole number from 0 to 65535"],
    ["listen: { host: 127 }", "listen.host is 127; it must be an IP address or a host name"],
    ["listen: { insecure: yes }", `listen.insecure is "yes"; it must be one of true, false`],
    ["listen: { port: }", "listen.port is null; it must be a whole number from 0 to 65535"],
    ["listen: { port: [1, 2] }", "listen.port is array of 2; it must be a whole number from 0 to 65535"],
    ["listen: { port: { min: 1 } }", "listen.port is object with keys min; it must be a whole number from 0 to 65535"],
    [
      "drain: { grace: 5 }",
      "drain.grace is 5; it must be a duration from 0ms to 10m, written like 500ms, 25s, 2m or 1h",
    ],
    [
      "log: { level: constructor }",
      `log.level is "constructor"; it must be one of trace, debug, info, warn, error, none`,
    ],
    ["heartbeat: 25s", `heartbeat is "25s"; it must be a section with some of interval, timeout`],
    ["namespaces: [chat]", "namespaces is array of 1; it must be a section with a key for each name"],
    [
      "namespaces: { chat: true }",
      "namespaces.chat is true; it must be a section with some of history, recovery, presence, presenceGrace, maxPresenceMembers, slowConsumer, maxDataBytes, publishesPerSecond, maxSubscribers, allow, schema",
    ],
    ["hartbeat: { interval: 1s }", "unknown key hartbeat; did you mean heartbeat?"],
    ["heartbeat: { intervall: 1s }", "unknown key heartbeat.intervall; did you mean heartbeat.interval?"],
    ["heartbeat: { every: 1s }", "unknown key heartbeat.every; here are known interval, timeout"],
    ["port: 1", "unknown key port; did you mean listen.port?"],
    ["listen: { tls: { clientCA: x } }", "unknown key listen.tls.clientCA; did you mean listen.tls.clientCa?"],
    ["maxConnections: 1", "unknown key maxConnections; did you mean limits.connections?"],
    ["max-connections: 1", `unknown key ["max-connections"]; did you mean limits.connections?`],
    [
      "namespaces: { chat: { histroy: 1 } }",
      "unknown key namespaces.chat.histroy; did you mean namespaces.chat.history?",
    ],
    [
      "__proto__: { port: 1 }",
      "unknown key __proto__; here are known listen, websocket, limits, heartbeat, session, drain, data, auth, log, policy, namespaces",
    ],
    [
      "constructor: 1",
      "unknown key constructor; here are known listen, websocket, limits, heartbeat, session, drain, data, auth, log, policy, namespaces",
    ],
    [
      "<<: { listen: 1 }",
      `unknown key ["<<"]; here are known listen, websocket, limits, heartbeat, session, drain, data, auth, log, policy, namespaces`,
    ],
    ["config: other.yaml", `config is "other.yaml"; it must be left to LONGLINE_CONFIG: it is never in the file`],
    [
      "auth: { secret: hunter2 }",
      `auth.secret is "***"; it must be left to LONGLINE_AUTH_SECRET: it is never in the file`,
    ],
  ] as const)("%s is told with its line", ([text, complaint]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* withFile(`\n${text}`), refused(`l.yaml:2: ${complaint}`))
    }),
  )

  it.effect("in TOML has no line, and its path all the same", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* longline({ args: ["--config", "l.toml"], files: { "l.toml": "[listen]\nport = 2024-01-01" } }),
        refused("l.toml: listen.port is 2024-01-01; it must be a whole number from 0 to 65535"),
      )
    }),
  )

  it.effect("does not hide another, wherever it is", () =>
    Effect.gen(function* () {
      const text = "listen: { port: x }\nlog: { level: loud }\nlimts: {}\npolicy: { history: { size: -1 } }\n"
      const outcome = yield* withFile(text, { args: ["--max-keys", "0"], env: { LONGLINE_DRAIN_GRACE: "5" } })
      assert.deepStrictEqual(
        outcome,
        refused(
          [
            "l.yaml:3: unknown key limts; did you mean limits?",
            `l.yaml:1: listen.port is "x"; it must be a whole number from 0 to 65535`,
            `--max-keys is "0"; it must be a whole number from 1 to 100000000`,
            `LONGLINE_DRAIN_GRACE is "5"; it must be a duration from 0ms to 10m, written like 500ms, 25s, 2m or 1h`,
            `l.yaml:2: log.level is "loud"; it must be one of trace, debug, info, warn, error, none`,
            "l.yaml:4: policy.history.size is -1; it must be a whole number from 0 to 10000000",
          ].join("\nlongline: "),
        ),
      )
    }),
  )
})

describe("a file that is none", () => {
  it.effect.each([
    [
      "no.yaml",
      undefined,
      `--config is "no.yaml"; it must be a file that can be read (ENOENT: no such file or directory)`,
    ],
    ["l.ini", "", `--config is "l.ini"; it must be the path of a file whose name ends in .yaml, .yml, .json or .toml`],
    ["l.yaml", "- listen", "l.yaml: it holds array of 1, not keys with values"],
    ["l.json", `"listen"`, `l.json: it holds "listen", not keys with values`],
    ["l.yaml", Buffer.from([0xff]), `--config is "l.yaml"; it must be a file of UTF-8 text`],
    ["l.yaml", "a: 1\na: 2", "l.yaml:2:1: a is there twice"],
    ["l.yaml", " ".repeat(262_145), `--config is "l.yaml"; it must be a file of at most 256KiB`],
  ] as const)("%s is refused", ([name, text, complaint]) =>
    Effect.gen(function* () {
      const files = text === undefined ? {} : { [name]: text }
      assert.deepStrictEqual(yield* longline({ args: ["--config", name], files }), refused(complaint))
    }),
  )

  it.effect("256 KiB may be read", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* withFile("#".repeat(262_144))).config, defaults)
    }),
  )
})
