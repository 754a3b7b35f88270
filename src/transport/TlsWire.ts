/**
 * A wire whose bytes flow through TLS, once the handshake is done.
 * Makes no handshake itself: its transport does, and says what came of it.
 */
import type * as Tls from "node:tls"
import { HandshakingWire } from "./HandshakingWire.ts"
import type { TlsIdentity } from "./Transport.ts"

/** A wire over one raw socket and, once the handshake is done, the TLS socket around it. */
export class TlsWire extends HandshakingWire {
  /** The handshake is done: bytes flow through `socket` from now on. */
  establishUnsafe(socket: Tls.TLSSocket): void {
    if (this.lost !== undefined) return
    socket.allowHalfOpen = true
    this.flowUnsafe(socket)
    this.openUnsafe(identityOf(socket))
  }
}

/** What a completed handshake told about the peer. */
export const identityOf = (socket: Tls.TLSSocket): TlsIdentity => {
  const identity = { authorized: socket.authorized, protocol: socket.getProtocol() ?? "unknown" }
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return identity
  return {
    ...identity,
    subject: certificate.subject.replaceAll("\n", ", "),
    ...(certificate.subjectAltName === undefined ? {} : { subjectAltName: certificate.subjectAltName }),
    fingerprint: certificate.fingerprint256,
  }
}
