/**
 * The certificate, the key and the client authorities, read from their files and looked at before anybody is shown them.
 * Refuses a file that is not what its flag says; judges no trust, and expiry only when asked.
 */
import { isArrayNonEmpty } from "effect/Array"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { collect, type Mistake, type Mistakes } from "./ConfigError.ts"
import * as Reading from "./Reading.ts"
import type { tls } from "./ServerSettings.ts"
import * as TextFile from "./TextFile.ts"

/** PEM texts for a TLS listener. With `clientCa`, clients must show a certificate that these authorities signed. */
export interface TlsMaterial {
  readonly cert: string
  /** Redacted, so that a config that is logged does not publish it. */
  readonly key: Redacted.Redacted<string>
  readonly clientCa: string | undefined
  /** Where they were read, to be read again. */
  readonly files: TlsFiles
}

/** The files as the settings name them. */
export interface TlsFiles {
  readonly cert: Reading.Reading<string>
  readonly key: Reading.Reading<string>
  readonly clientCa: Reading.Reading<string> | undefined
}

/** How long before its end a certificate is spoken of: 14 days. */
export const noticeMs = 14 * 86_400_000

/** What is to be said of a certificate, and whether clients refuse it. */
export interface Doubt {
  readonly isRefused: boolean
  /** Completes the sentence "the certificate …". */
  readonly text: string
}

/** What is to be said of a certificate in PEM that has expired, soon will, or is not valid yet. */
export const doubtOf = (pem: string | Buffer, now: number): Doubt | undefined => {
  const { validFrom, validTo } = new X509Certificate(pem)
  const [from, to] = [new Date(validFrom), new Date(validTo)]
  if (now > to.getTime()) return { isRefused: true, text: `expired at ${to.toISOString()}: clients refuse it` }
  if (now < from.getTime())
    return { isRefused: true, text: `is not valid before ${from.toISOString()}: clients refuse it until then` }
  return now > to.getTime() - noticeMs ? { isRefused: false, text: `expires at ${to.toISOString()}` } : undefined
}

/**
 * What the files hold that the settings name; undefined if they name none. A certificate and its key come together. Each
 * file must be what its setting says, and the key must be the certificate's: all that is not so is told at once. So is a certificate that is not valid at the
 * time, if one is given.
 */
export const load = (
  readings: Reading.Readings<typeof tls>,
  validAt?: number,
): Effect.Effect<TlsMaterial | undefined, Mistakes, FileSystem.FileSystem> => {
  const { tlsCert, tlsKey } = readings
  const [cert, key, clientCa] = [present(tlsCert), present(tlsKey), present(readings.tlsClientCa)]
  if (cert !== undefined && key !== undefined) return read({ cert, key, clientCa }, validAt)
  const first = cert ?? key ?? clientCa
  if (first === undefined) return Effect.succeed(undefined)
  const missing = [tlsCert, tlsKey].filter((reading) => !Reading.isWritten(reading)).map(({ where }) => where)
  const alone: Mistakes = [Reading.refuse(first, `given together with ${missing.join(" and ")}`)]
  const looks = [ifThere(cert, certificateIn), ifThere(key, privateKeyIn), ifThere(clientCa, certificateIn)]
  return Effect.flatMap(Effect.all(looks, { mode: "result" }), (looked) =>
    Effect.as(Effect.fromResult(collect([Result.fail(alone), ...looked])), undefined),
  )
}

/** Reads the files, now; `validAt` as in {@link load}. */
export const read = (files: TlsFiles, validAt?: number): Effect.Effect<TlsMaterial, Mistakes, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const looks = {
      cert: certificateIn(files.cert),
      key: privateKeyIn(files.key),
      clientCa: ifThere(files.clientCa, certificateIn),
    }
    const { cert, clientCa, key } = yield* Effect.fromResult(collect(yield* Effect.all(looks, { mode: "result" })))
    const mistakes: Array<Mistake> = []
    const doubt = validAt === undefined ? undefined : doubtOf(cert.text, validAt)
    if (doubt?.isRefused === true) {
      mistakes.push(Reading.refuse(files.cert, `a certificate that is valid now (it ${doubt.text})`))
    }
    if (!cert.certificate.checkPrivateKey(key.privateKey)) {
      mistakes.push(Reading.refuse(files.key, `the private key of ${files.cert.where}`))
    }
    if (isArrayNonEmpty(mistakes)) return yield* Effect.fail(mistakes)
    return { cert: cert.text, key: Redacted.make(key.text), clientCa: clientCa?.text, files }
  })

const certificateIn = (file: Reading.Reading<string>) =>
  looked(file, "a PEM certificate", (text) => ({ text, certificate: new X509Certificate(text) }))

const privateKeyIn = (file: Reading.Reading<string>) =>
  looked(file, "a PEM private key without a passphrase", (text) => ({ text, privateKey: createPrivateKey(text) }))

const looked = <A>(
  file: Reading.Reading<string>,
  allowed: string,
  judge: (text: string) => A,
): Effect.Effect<A, Mistakes, FileSystem.FileSystem> =>
  TextFile.read(file).pipe(
    Effect.flatMap((text) => Effect.try({ try: () => judge(text), catch: () => Reading.refuse(file, allowed) })),
    Effect.mapError((mistake): Mistakes => [mistake]),
  )

const ifThere = <A, E, R>(
  file: Reading.Reading<string> | undefined,
  look: (file: Reading.Reading<string>) => Effect.Effect<A, E, R>,
): Effect.Effect<A | undefined, E, R> => (file === undefined ? Effect.succeed(undefined) : look(file))

const present = (reading: Reading.Reading<string | undefined>): Reading.Reading<string> | undefined =>
  reading.value === undefined ? undefined : { ...reading, value: reading.value }
