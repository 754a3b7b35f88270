import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { longline, refused } from "./harness.ts"
import { certificate, encryptedKey, key, strangeKey } from "./pem.ts"

const files = { "c.pem": certificate, "k.pem": key, "other.pem": strangeKey, "secret.pem": encryptedKey, "x.pem": "x" }
const certAndKey = ["--tls-cert", "c.pem", "--tls-key", "k.pem"]

describe("listening for WebSockets", () => {
  const place = { host: "127.0.0.1", port: 7558, path: "/connect", origins: [], compression: false }

  it.effect.each([
    [[], place],
    [["--ws-path", "/socket"], { ...place, path: "/socket" }],
    [["--port", "0"], undefined],
    [["--host", "::1"], undefined],
    [["--unix", "l.sock"], undefined],
    [["--port", "0", "--ws-port", "7558"], place],
    [["--unix", "l.sock", "--ws-port", "0", "--ws-host", "::1"], { ...place, host: "::1", port: 0 }],
  ] as const)("%j gives %j: the default port goes with the default listener", ([args, webSocket]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* longline({ args })).config?.webSocket, webSocket)
    }),
  )

  it.effect.each(["--ws-host=::1", "--ws-path=/a", "--ws-origins=*", "--ws-compression=true"])(
    "%s needs a port beside another listener",
    (arg) =>
      Effect.gen(function* () {
        const [flag, value] = arg.split("=")
        assert.deepStrictEqual(
          yield* longline({ args: ["--port", "0", arg] }),
          refused(
            `${flag} is "${value}"; it must be given together with --ws-port, because --port says where to listen`,
          ),
        )
      }),
  )

  it.effect("beyond loopback is refused without --insecure", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* longline({ args: ["--ws-host", "0.0.0.0"] }),
        refused(
          '--ws-host is "0.0.0.0"; it must be a loopback address (127.0.0.0/8, ::1 or localhost), because no ' +
            "authentication is configured; --insecure lets anyone who can reach it connect",
        ),
      )
      const { config } = yield* longline({ args: ["--ws-host", "0.0.0.0", "--insecure"] })
      assert.deepStrictEqual(config?.webSocket, { ...place, host: "0.0.0.0" })
    }),
  )
})

describe("listening", () => {
  const beyond = (where: string, host: string) =>
    refused(
      `${where} is "${host}"; it must be a loopback address (127.0.0.0/8, ::1 or localhost), because no authentication ` +
        "is configured; --insecure lets anyone who can reach it connect",
    )

  it.effect.each(["127.0.0.1", "127.1.2.3", "::1", "localhost"])("%s needs no further word", (host) =>
    Effect.gen(function* () {
      const { config } = yield* longline({ args: ["--host", host] })
      assert.deepStrictEqual(config?.listen, { _tag: "Tcp", host, port: 7557 })
    }),
  )

  it.effect.each(["0.0.0.0", "::", "10.0.0.1", "example.com"])("%s is refused without --insecure", (host) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* longline({ args: ["--host", host] }), beyond("--host", host))
      assert.deepStrictEqual(yield* longline({ env: { LONGLINE_HOST: host } }), beyond("LONGLINE_HOST", host))
      assert.deepStrictEqual(
        yield* longline({ args: ["--insecure=false", "--host", host], env: { LONGLINE_INSECURE: "true" } }),
        beyond("--host", host),
      )
    }),
  )

  it.effect.each([
    { args: ["--insecure", "--host", "0.0.0.0"] },
    { args: ["--host", "0.0.0.0", "--insecure=true"] },
    { args: ["--insecure"], env: { LONGLINE_HOST: "0.0.0.0" } },
    { env: { LONGLINE_HOST: "0.0.0.0", LONGLINE_INSECURE: "true" } },
  ])("beyond loopback is allowed in words: %j", (given) =>
    Effect.gen(function* () {
      const { config } = yield* longline(given)
      assert.deepStrictEqual(config?.listen, { _tag: "Tcp", host: "0.0.0.0", port: 7557 })
    }),
  )

  it.effect("TLS is not authentication of the peer", () =>
    Effect.gen(function* () {
      const outcome = yield* longline({ args: ["--host", "0.0.0.0", ...certAndKey], files })
      assert.deepStrictEqual(outcome, beyond("--host", "0.0.0.0"))
    }),
  )

  it.effect("a unix socket and a host or port contradict each other, wherever they are written", () =>
    Effect.gen(function* () {
      const complaint = (rival: string) =>
        `is "/run/l.sock"; it must be left out when ${rival} is given: the gateway listens in one place`
      assert.deepStrictEqual(
        yield* longline({ args: ["--unix", "/run/l.sock", "--port", "7557"] }),
        refused(`--unix ${complaint("--port")}`),
      )
      assert.deepStrictEqual(
        yield* longline({ args: ["--unix", "/run/l.sock"], env: { LONGLINE_HOST: "::1", LONGLINE_PORT: "1" } }),
        refused(`--unix ${complaint("LONGLINE_HOST")}`),
      )
      assert.deepStrictEqual(
        yield* longline({ args: ["--port", "1"], env: { LONGLINE_UNIX: "/run/l.sock" } }),
        refused(`LONGLINE_UNIX ${complaint("--port")}`),
      )
    }),
  )
})

describe("TLS files", () => {
  it.effect("a certificate and its key turn TLS on, and the key does not show in a log", () =>
    Effect.gen(function* () {
      const { config } = yield* longline({ args: certAndKey, files })
      assert.deepInclude(config?.tls, { cert: certificate, key: Redacted.make(key), clientCa: undefined })
      assert.notInclude(JSON.stringify(config), key.slice(100, 150))
    }),
  )

  it.effect("the environment names the same files, authorities included", () =>
    Effect.gen(function* () {
      const env = { LONGLINE_TLS_CERT: "c.pem", LONGLINE_TLS_KEY: "k.pem", LONGLINE_TLS_CLIENT_CA: "c.pem" }
      const { config } = yield* longline({ env, files })
      assert.deepInclude(config?.tls, { cert: certificate, key: Redacted.make(key), clientCa: certificate })
    }),
  )

  it.effect("a unix socket has no TLS, so that nobody believes it encrypted", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* longline({ args: ["--unix", "l.sock", ...certAndKey], files }),
        refused(`--unix is "l.sock"; it must be left out when --tls-cert is given: a unix socket has no TLS`),
      )
    }),
  )

  it.effect.each([
    [["--tls-cert", "c.pem"], `--tls-cert is "c.pem"; it must be given together with --tls-key`],
    [["--tls-key", "k.pem"], `--tls-key is "k.pem"; it must be given together with --tls-cert`],
    [
      ["--tls-client-ca", "c.pem"],
      `--tls-client-ca is "c.pem"; it must be given together with --tls-cert and --tls-key`,
    ],
    [
      ["--tls-client-ca", "c.pem", "--tls-key", "k.pem"],
      `--tls-key is "k.pem"; it must be given together with --tls-cert`,
    ],
    [
      ["--tls-client-ca", "c.pem", "--tls-cert", "c.pem"],
      `--tls-cert is "c.pem"; it must be given together with --tls-key`,
    ],
  ] as const)("%j lacks a file, which is named", ([args, line]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* longline({ args, files }), refused(line))
    }),
  )

  it.effect.each([
    [["no.pem", "k.pem", "c.pem"], "--tls-cert", "no.pem"],
    [["c.pem", "no.pem", "c.pem"], "--tls-key", "no.pem"],
    [["c.pem", "k.pem", "no.pem"], "--tls-client-ca", "no.pem"],
  ] as const)("of %j the file that cannot be read is named, with its flag and the reason", ([paths, flag, path]) =>
    Effect.gen(function* () {
      const [cert, key, ca] = paths
      assert.deepStrictEqual(
        yield* longline({ args: ["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", ca], files }),
        refused(`${flag} is "${path}"; it must be a file that can be read (ENOENT: no such file or directory)`),
      )
    }),
  )

  it.effect.each([
    [["x.pem", "k.pem", "c.pem"], `--tls-cert is "x.pem"; it must be a PEM certificate`],
    [["c.pem", "x.pem", "c.pem"], `--tls-key is "x.pem"; it must be a PEM private key without a passphrase`],
    [["c.pem", "secret.pem", "c.pem"], `--tls-key is "secret.pem"; it must be a PEM private key without a passphrase`],
    [["c.pem", "other.pem", "c.pem"], `--tls-key is "other.pem"; it must be the private key of --tls-cert`],
    [["c.pem", "k.pem", "x.pem"], `--tls-client-ca is "x.pem"; it must be a PEM certificate`],
  ] as const)("of %j the file that is not what its flag says is named", ([paths, line]) =>
    Effect.gen(function* () {
      const [cert, key, ca] = paths
      assert.deepStrictEqual(
        yield* longline({ args: ["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", ca], files }),
        refused(line),
      )
    }),
  )
})
