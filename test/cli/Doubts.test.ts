import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { X509Certificate } from "node:crypto"
import * as Doubts from "../../src/cli/Doubts.ts"
import * as MemoryGauge from "../../src/server/MemoryGauge.ts"
import * as Logs from "../support/logs.ts"
import { defaults } from "./defaults.ts"
import * as Pem from "./pem.ts"

const warnings = ({ lines }: Pick<ReturnType<typeof Logs.record>, "lines">) =>
  lines.map(({ level, message }) => [level, message])

describe("the check of the history", () => {
  const mebibyte = 1024 * 1024
  const of = (heapMebibytes: number, data: typeof defaults.data) =>
    Effect.gen(function* () {
      const logs = Logs.record()
      const heap = () => ({ usedBytes: 0, limitBytes: heapMebibytes * mebibyte })
      const gauge = { memory: heap, heap, bufferBytes: () => 0 }
      const limits = { ...defaults.limits, historyBytes: 90 * mebibyte, memoryPercent: 90 }
      yield* Effect.provide(Doubts.checkHistory({ data, limits }), logs.layer).pipe(
        Effect.provideService(MemoryGauge.MemoryGauge, gauge),
      )
      return warnings(logs)
    })

  it.effect("warns when the heap has no room for it, and not if it just has", () =>
    Effect.gen(function* () {
      const message =
        "the history may take 90MiB, and newcomers are refused when this process uses 89MiB of heap: " +
        "lower --history-bytes or raise node --max-old-space-size"
      assert.deepStrictEqual(yield* of(99, undefined), [["WARN", message]])
      assert.deepStrictEqual(yield* of(100, undefined), [])
    }),
  )

  it.effect("has nothing to say of a history on disk", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* of(1, { directory: "d", sync: "always" }), [])
    }),
  )
})

describe("the check of the certificate", () => {
  const { validFrom, validTo } = new X509Certificate(Pem.certificate)
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)]
  const at = (now: number) =>
    Effect.gen(function* () {
      const logs = Logs.record()
      yield* TestClock.setTime(now)
      yield* Effect.provide(Doubts.checkCertificate(Pem.certificate), logs.layer)
      return warnings(logs)
    })
  const soon = to - Doubts.certificateNoticeMs
  const iso = (time: number) => new Date(time).toISOString()

  it.effect.each([
    [from - 1, `is not valid before ${iso(from)}: clients refuse it until then`],
    [from, undefined],
    [soon, undefined],
    [soon + 1, `expires at ${iso(to)}: replace it before, and restart`],
    [to, `expires at ${iso(to)}: replace it before, and restart`],
    [to + 1, `expired at ${iso(to)}: clients refuse it; replace it, and restart`],
  ] as const)("at %d says %s", ([now, text]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* at(now), text === undefined ? [] : [["WARN", `the TLS certificate ${text}`]])
    }),
  )

  it.effect("is made at the start, and once a day", () =>
    Effect.gen(function* () {
      const logs = Logs.record()
      yield* TestClock.setTime(to - Duration.toMillis("1 day"))
      const tls = { cert: Pem.certificate, key: Redacted.make(Pem.key), clientCa: undefined }
      yield* Layer.build(Layer.provide(Doubts.layer({ ...defaults, tls }), logs.layer))
      assert.strictEqual(logs.lines.length, 1)
      yield* TestClock.adjust("2 days")
      assert.deepStrictEqual(
        logs.lines.map(({ message }) => String(message).split(" ")[3]),
        ["expires", "expires", "expired"],
      )
    }),
  )
})
