/**
 * A wire that is handed out before its TLS handshake is done, so that a silent peer already holds a seat.
 * Writes nothing in the clear: until `opened` completes it swallows what is written and reads nothing.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Tls from "node:tls"
import * as NodeWire from "./NodeWire.ts"
import { HandshakeFailed, type TlsIdentity, TransportError } from "./Transport.ts"

/** A wire over one raw socket and, once the handshake is done, the TLS socket around it. */
export class TlsWire extends NodeWire.NodeWire {
  private readonly handshake = Deferred.makeUnsafe<TlsIdentity, TransportError>()

  constructor(...args: ConstructorParameters<typeof NodeWire.NodeWire>) {
    super(...args)
    // A peer that ends its side within the handshake is gone; half-open, Node would wait for it until the deadline.
    this.raw.allowHalfOpen = false
  }

  override get opened(): Effect.Effect<TlsIdentity, TransportError> {
    return Deferred.await(this.handshake)
  }

  override writeUnsafe(chunks: NonEmptyReadonlyArray<Uint8Array>): boolean {
    return this.socket !== this.raw && super.writeUnsafe(chunks)
  }

  /**
   * Not within this call, which may come out of a callback of TLS itself: a client that shows no certificate is reset
   * in the one that ends its handshake. Node crashes (SIGSEGV) if the socket under it is closed there.
   */
  protected override resetUnsafe(): void {
    setImmediate(() => super.resetUnsafe())
  }

  /** The handshake is done: bytes flow through `socket` from now on. */
  establishUnsafe(socket: Tls.TLSSocket): void {
    if (this.lost !== undefined) return
    socket.allowHalfOpen = true
    this.flowUnsafe(socket)
    Deferred.doneUnsafe(this.handshake, Effect.succeed(identityOf(socket)))
  }

  /** The handshake failed, and with it the wire. The caller destroys the socket. */
  refuseUnsafe(code: string, cause?: unknown): void {
    this.loseUnsafe(new TransportError({ reason: new HandshakeFailed({ code, cause }) }))
  }

  /** Whatever ends a wire before its handshake is done is a failed handshake, unless this side gave up. */
  override loseUnsafe(error: TransportError): void {
    if (this.lost !== undefined) return
    const { reason } = error
    const failure =
      this.socket === this.raw && reason._tag === "WireLost" && reason.code !== "ABORTED"
        ? new TransportError({ reason: new HandshakeFailed({ code: reason.code, cause: reason.cause }) })
        : error
    super.loseUnsafe(failure)
    Deferred.doneUnsafe(this.handshake, Effect.fail(failure))
  }
}

const identityOf = (socket: Tls.TLSSocket): TlsIdentity => {
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
