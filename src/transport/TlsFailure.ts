/**
 * Says in words what the code of a TLS failure means, and what to do about it.
 * Knows the codes of Node and of OpenSSL that one meets; any other stays as it is.
 */

/** For either side: who reads this cannot see which certificate was shown. */
const words: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED:
    "the other side's certificate has expired: it needs a new one, unless the clock of this machine is wrong",
  CERT_NOT_YET_VALID: "the other side's certificate is not valid yet: look at the clock of this machine",
  CERT_REVOKED: "the other side's certificate was revoked: it needs a new one",
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "the other side has signed its certificate itself: give that certificate as an authority to trust, if it is the right one",
  SELF_SIGNED_CERT_IN_CHAIN:
    "the authority of the other side's certificate is not trusted here: give its certificate as an authority to trust",
  UNABLE_TO_GET_ISSUER_CERT:
    "the issuer of the other side's certificate is not known here: give its certificate as an authority to trust",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    "the issuer of the other side's certificate is not known here: give its certificate as an authority to trust",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "the issuer of the other side's certificate is not known here: give its certificate as an authority to trust, or let the other side send those in between",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "the client has shown no certificate, and has to",
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: "the other side asks for a certificate: give one, with its key",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: "the other side does not trust the authority of this one's certificate",
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: "the two sides speak no version of TLS in common",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "the two sides speak no version of TLS in common",
  ERR_SSL_WRONG_VERSION_NUMBER: "the other side does not speak TLS, at least not on this port",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "the other side does not speak TLS, at least not on this port",
  ERR_SSL_HTTP_REQUEST: "the other side speaks HTTP without TLS",
  ERR_TLS_HANDSHAKE_TIMEOUT: "the other side did not finish in time",
}

/** The code behind its words, or alone where it has none: `the other side's certificate has expired (CERT_HAS_EXPIRED)`. */
export const format = (code: string, cause: unknown): string => {
  const said = code === "ERR_TLS_CERT_ALTNAME_INVALID" ? wrongName(cause ?? {}) : words[code]
  return said === undefined ? code : `${said} (${code})`
}

/** Node names both: what was dialled, and what the certificate has. */
const wrongName = (cause: unknown): string => {
  const { cert, host } = cause as { readonly cert?: { readonly subjectaltname?: string }; readonly host?: string }
  const names = cert?.subjectaltname ?? "other names"
  return `the other side's certificate is for ${names}, not for ${host ?? "this one"}: dial a name that it has, or say which to expect`
}
