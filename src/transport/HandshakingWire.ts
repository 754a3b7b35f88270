/**
 * A wire that is handed out before its handshake is done, so that a silent peer already holds a seat.
 * Carries nothing until then: it swallows what is written and reads nothing.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Limit from "../limit/Limit.ts"
import * as NodeWire from "./NodeWire.ts"
import { defaultHandshakeTimeout, HandshakeFailed, type TlsIdentity, TransportError } from "./Transport.ts"

/**
 * The deadline of a handshake in milliseconds, as Node's timers have it: none is infinite, the longest being 24 days, and 0
 * would be no deadline to its TLS.
 */
export const timeoutMs = (handshakeTimeout: Duration.Input = defaultHandshakeTimeout): number =>
  Math.max(1, Math.min(Duration.toMillis(Limit.durationsUnsafe({ handshakeTimeout }).handshakeTimeout), 2 ** 31 - 1))

/** A wire over one raw socket that `openUnsafe` opens. */
export abstract class HandshakingWire extends NodeWire.NodeWire {
  /** Whose handshake it is that can fail. */
  protected readonly handshakeOf: "TLS" | "WebSocket" = "TLS"
  protected isOpen = false
  /** Why the peer was refused, if it was: its leaving is then no failure of its own. */
  private refusedWith: string | undefined
  private onSettled: (() => void) | undefined
  private readonly handshake = Deferred.makeUnsafe<TlsIdentity | undefined, TransportError>()

  constructor(...args: ConstructorParameters<typeof NodeWire.NodeWire>) {
    super(...args)
    // A peer that ends its side within the handshake is gone; half-open, Node would wait for it until the deadline.
    this.raw.allowHalfOpen = false
  }

  override get opened(): Effect.Effect<TlsIdentity | undefined, TransportError> {
    return Deferred.await(this.handshake)
  }

  override writeUnsafe(chunks: NonEmptyReadonlyArray<Uint8Array>): boolean {
    return this.isOpen && super.writeUnsafe(chunks)
  }

  /**
   * Not within this call, which may come out of a callback of TLS itself: a client that shows no certificate is reset
   * in the one that ends its handshake. Node crashes (SIGSEGV) if the socket under it is closed there.
   */
  protected override resetUnsafe(): void {
    setImmediate(() => super.resetUnsafe())
  }

  /** The handshake is done: bytes flow. */
  protected openUnsafe(identity: TlsIdentity | undefined): void {
    this.isOpen = true
    this.settle(Effect.succeed(identity))
  }

  /** Called once when the handshake is done or has failed. One listener, given before either can be. */
  onSettledUnsafe(listener: () => void): void {
    this.onSettled = listener
  }

  /** The peer is being told that it is refused: when it has left, the handshake has failed for this reason. */
  refusedWithUnsafe(code: string): void {
    this.refusedWith ??= code
  }

  private settle(outcome: Effect.Effect<TlsIdentity | undefined, TransportError>): void {
    this.onSettled?.()
    this.onSettled = undefined
    Deferred.doneUnsafe(this.handshake, outcome)
  }

  /** The handshake failed, and with it the wire. The caller destroys the socket. */
  refuseUnsafe(code: string, cause?: unknown): void {
    this.loseUnsafe(new TransportError({ reason: new HandshakeFailed({ of: this.handshakeOf, code, cause }) }))
  }

  /** Whatever ends a wire before its handshake is done is a failed handshake, unless this side gave up. */
  override loseUnsafe(error: TransportError): void {
    if (this.lost !== undefined) return
    const { reason } = error
    const failure =
      !this.isOpen && reason._tag === "WireLost" && reason.code !== "ABORTED"
        ? new TransportError({
            reason: new HandshakeFailed({
              of: this.handshakeOf,
              code: this.refusedWith ?? reason.code,
              cause: reason.cause,
            }),
          })
        : error
    super.loseUnsafe(failure)
    this.settle(Effect.fail(failure))
  }
}
