/**
 * The certificate, the key and the client authorities, read from their files and looked at once before anything listens.
 * Refuses a file that is not what its flag says; judges neither expiry nor trust.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createPrivateKey, X509Certificate } from "node:crypto"
import type { ConfigError } from "./ConfigError.ts"
import * as Reading from "./Reading.ts"
import * as TextFile from "./TextFile.ts"

/** PEM texts for a TLS listener. With `clientCa`, clients must show a certificate that these authorities signed. */
export interface TlsMaterial {
  readonly cert: string
  /** Redacted, so that a config that is logged does not publish it. */
  readonly key: Redacted.Redacted<string>
  readonly clientCa: string | undefined
}

/** The files as the settings name them. */
export interface TlsFiles {
  readonly cert: Reading.Reading<string>
  readonly key: Reading.Reading<string>
  readonly clientCa: Reading.Reading<string> | undefined
}

/** Reads the files. Each must be what its setting says, and the key must be the certificate's. */
export const read = Effect.fnUntraced(function* (files: TlsFiles) {
  const cert = yield* TextFile.read(files.cert)
  const key = yield* TextFile.read(files.key)
  const clientCa = files.clientCa === undefined ? undefined : yield* readAuthorities(files.clientCa)

  const certificate = yield* parseCertificate(files.cert, cert)
  const privateKey = yield* Effect.try({
    try: () => createPrivateKey(key),
    catch: () => Reading.refuse(files.key, "a PEM private key without a passphrase"),
  })
  if (!certificate.checkPrivateKey(privateKey)) {
    return yield* Reading.refuse(files.key, `the private key of ${files.cert.where}`)
  }
  return { cert, key: Redacted.make(key), clientCa } satisfies TlsMaterial
})

const readAuthorities = (file: Reading.Reading<string>) =>
  Effect.tap(TextFile.read(file), (text) => parseCertificate(file, text))

const parseCertificate = (file: Reading.Reading<string>, text: string): Effect.Effect<X509Certificate, ConfigError> =>
  Effect.try({ try: () => new X509Certificate(text), catch: () => Reading.refuse(file, "a PEM certificate") })
