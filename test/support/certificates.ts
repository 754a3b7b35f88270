/**
 * Makes certificates with `openssl` in a temporary folder: an authority, a server, a client, and a stranger.
 * Keeps none of them.
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

/** A certificate and its key, both PEM. */
export interface Identity {
  readonly cert: string
  readonly key: string
}

/** Everything a TLS test needs. The stranger signed its own certificate. */
export interface Certificates {
  readonly ca: string
  readonly server: Identity
  readonly client: Identity
  readonly stranger: Identity
}

/** Makes them all, in about a fifth of a second. */
export const makeCertificates = (): Certificates => {
  const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "longline-certificates-"))
  const read = (file: string): string => Fs.readFileSync(Path.join(folder, file), "utf8")
  const openssl = (...args: Array<string>): void => {
    execFileSync("openssl", args, { cwd: folder, stdio: "pipe" })
  }
  const selfSigned = (name: string): Identity => {
    openssl("req", "-x509", ...newKey(name), "-out", `${name}.pem`, "-days", "2", "-subj", `/CN=${name}`)
    return { cert: read(`${name}.pem`), key: read(`${name}.key`) }
  }
  const signed = (name: string, alternativeNames: string): Identity => {
    openssl("req", ...newKey(name), "-out", `${name}.csr`, "-subj", `/O=Longline/CN=${name}`)
    Fs.writeFileSync(Path.join(folder, `${name}.ext`), `subjectAltName=${alternativeNames}\n`)
    const by = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-extfile", `${name}.ext`]
    openssl("x509", "-req", "-in", `${name}.csr`, ...by, "-out", `${name}.pem`, "-days", "2")
    return { cert: read(`${name}.pem`), key: read(`${name}.key`) }
  }
  try {
    const ca = selfSigned("authority").cert
    return {
      ca,
      server: signed("server", "DNS:localhost,IP:127.0.0.1"),
      client: signed("client", "DNS:client.example"),
      stranger: selfSigned("stranger"),
    }
  } finally {
    Fs.rmSync(folder, { recursive: true })
  }
}

const newKey = (name: string): Array<string> => [
  "-newkey",
  "ec",
  "-pkeyopt",
  "ec_paramgen_curve:prime256v1",
  "-nodes",
  "-keyout",
  `${name}.key`,
]
