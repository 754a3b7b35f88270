import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { X509Certificate } from "node:crypto"
import * as Certificate from "../../src/cli/Certificate.ts"
import type { TlsFiles } from "../../src/gateway/config/TlsFiles.ts"
import { noticeMs } from "../../src/gateway/config/TlsFiles.ts"
import * as TlsTransport from "../../src/transport/TlsTransport.ts"
import * as Logs from "../support/logs.ts"
import * as Pem from "./pem.ts"

const told = ({ lines }: Pick<ReturnType<typeof Logs.record>, "lines">) =>
  lines.map(({ level, message }) => [level, message])

const reading = (where: string, value: string) =>
  ({ value, where, source: "flag", written: value, plain: value }) as const

const files: TlsFiles = {
  cert: reading("--tls-cert", "c.pem"),
  key: reading("--tls-key", "k.pem"),
  clientCa: undefined,
}

const disk = (contents: Readonly<Record<string, string>>) =>
  FileSystem.layerNoop({ stream: (path) => Stream.make(Buffer.from(contents[path]!)) })

const { serialNumber, validFrom, validTo } = new X509Certificate(Pem.certificate)
const [from, to] = [Date.parse(validFrom), Date.parse(validTo)]
const iso = (time: number) => new Date(time).toISOString()

describe("the check of the certificate", () => {
  const at = (now: number) =>
    Effect.gen(function* () {
      const logs = Logs.record()
      yield* TestClock.setTime(now)
      yield* Effect.provide(Certificate.check(Pem.certificate), logs.layer)
      return told(logs)
    })
  const soon = to - noticeMs

  it.effect.each([
    [from - 1, `is not valid before ${iso(from)}: clients refuse it until then`],
    [from, undefined],
    [soon, undefined],
    [soon + 1, `expires at ${iso(to)}`],
    [to, `expires at ${iso(to)}`],
    [to + 1, `expired at ${iso(to)}: clients refuse it`],
  ] as const)("at %d says %s", ([now, text]) =>
    Effect.gen(function* () {
      const line = `the TLS certificate ${text}; replace it, and send SIGHUP`
      assert.deepStrictEqual(yield* at(now), text === undefined ? [] : [["WARN", line]])
    }),
  )

  it.effect("is made at the start, and once a day, of the certificate that is shown then", () =>
    Effect.gen(function* () {
      const logs = Logs.record()
      yield* TestClock.setTime(to - Duration.toMillis("1 day"))
      const renewal = yield* TlsTransport.makeRenewal
      const tls = { cert: "never shown again", key: Redacted.make(Pem.key), clientCa: undefined, files }
      yield* renewal.renew({ cert: Pem.certificate, key: Pem.key })
      yield* Layer.build(Layer.provide(Certificate.layer(tls, renewal), [logs.layer, disk({})]))
      assert.strictEqual(logs.lines.length, 1)
      yield* TestClock.adjust("2 days")
      assert.deepStrictEqual(
        logs.lines.map(({ message }) => String(message).split(" ")[3]),
        ["expires", "expires", "expired"],
      )
    }),
  )
})

describe("reading the certificate again", () => {
  /** What is logged, and whether another certificate is shown. */
  const reloaded = (contents: Readonly<Record<string, string>>, now = from) =>
    Effect.gen(function* () {
      const logs = Logs.record()
      yield* TestClock.setTime(now)
      const renewal = yield* TlsTransport.makeRenewal
      yield* Effect.provide(Certificate.reload(files, renewal), [logs.layer, disk(contents)])
      return { lines: told(logs), renewed: renewal.renewedUnsafe() }
    })

  it.effect("says whose it is and until when", () =>
    Effect.gen(function* () {
      const line = `the TLS certificate was read again: serial ${serialNumber}, DNS:localhost, valid until ${iso(to)}`
      const identity = { cert: Pem.certificate, key: Pem.key, clientCa: undefined }
      const contents = { "c.pem": Pem.certificate, "k.pem": Pem.key }
      assert.deepStrictEqual(yield* reloaded(contents), { lines: [["INFO", line]], renewed: identity })
      const warning = `the TLS certificate expired at ${iso(to)}: clients refuse it; replace it, and send SIGHUP`
      const lines = [
        ["INFO", line],
        ["WARN", warning],
      ]
      assert.deepStrictEqual(yield* reloaded(contents, to + 1), { lines, renewed: identity })
    }),
  )

  it.effect.each([
    [
      { "c.pem": "x", "k.pem": "x" },
      `--tls-cert is "c.pem"; it must be a PEM certificate; --tls-key is "k.pem"; it must be a PEM private key without a passphrase`,
    ],
    [
      { "c.pem": Pem.certificate, "k.pem": Pem.strangeKey },
      `--tls-key is "k.pem"; it must be the private key of --tls-cert`,
    ],
  ] as const)("of %j says in one line why it stays", ([contents, why]) =>
    Effect.gen(function* () {
      const line = `the TLS certificate stays as it was: ${why}`
      assert.deepStrictEqual(yield* reloaded(contents), { lines: [["ERROR", line]], renewed: undefined })
    }),
  )
})
