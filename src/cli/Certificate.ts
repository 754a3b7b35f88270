/**
 * The certificate that the gateway shows: read again from its files whenever the operator asks (SIGHUP), for the
 * connections that come, and looked at once a day. Touches no connection, and goes on with the old certificate where the
 * new one does not load.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { X509Certificate } from "node:crypto"
import type { Mistakes } from "../gateway/config/ConfigError.ts"
import * as Printable from "../gateway/config/Printable.ts"
import * as TlsFiles from "../gateway/config/TlsFiles.ts"
import type * as TlsTransport from "../transport/TlsTransport.ts"
import * as Process from "./Process.ts"

/** Warns of a certificate that is not good now, or not for long. */
export const check = (pem: TlsTransport.Pem): Effect.Effect<void> =>
  Effect.gen(function* () {
    const doubt = TlsFiles.doubtOf(pem, yield* Clock.currentTimeMillis)
    if (doubt !== undefined) yield* Effect.logWarning(`the TLS certificate ${doubt.text}; replace it, and send SIGHUP`)
  })

/** Reads the files again, and says which certificate it is now, or why it is still the old one. */
export const reload = (
  files: TlsFiles.TlsFiles,
  renewal: TlsTransport.Renewal,
): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { cert, clientCa, key } = yield* TlsFiles.read(files)
    yield* renewal.renew({ cert, clientCa, key: Redacted.value(key) })
    const { serialNumber, subject, subjectAltName, validTo } = new X509Certificate(cert)
    const names = Printable.of(subjectAltName ?? subject.replaceAll("\n", ", "))
    const until = new Date(validTo).toISOString()
    yield* Effect.logInfo(`the TLS certificate was read again: serial ${serialNumber}, ${names}, valid until ${until}`)
    yield* check(cert)
  }).pipe(
    Effect.catchTag("RenewalRefused", ({ code }) => kept(`certificate and key do not load, ${code}`)),
    Effect.catch((mistakes: Mistakes) => kept(mistakes.map(({ message }) => message).join("; "))),
  )

const kept = (why: string) => Effect.logError(`the TLS certificate stays as it was: ${Printable.of(why)}`)

/** Reads again at each SIGHUP, and checks at once and then once a day. */
export const layer = (
  tls: TlsFiles.TlsMaterial | undefined,
  renewal: TlsTransport.Renewal,
): Layer.Layer<never, never, FileSystem.FileSystem> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const again =
        tls === undefined
          ? Effect.logInfo("SIGHUP: there is no TLS certificate to read again")
          : reload(tls.files, renewal)
      const hangups = yield* Process.hangups
      yield* Queue.take(hangups).pipe(Effect.andThen(again), Effect.forever, Effect.forkScoped)
      if (tls === undefined) return
      const current = Effect.suspend(() => check(renewal.renewedUnsafe()?.cert ?? tls.cert))
      yield* Effect.forkScoped(Effect.repeat(current, Schedule.spaced("1 day")), { startImmediately: true })
    }),
  )
