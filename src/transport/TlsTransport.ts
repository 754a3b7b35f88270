/**
 * Listens and dials with TLS, and with certificates on both sides where a client authority is given.
 * Speaks nothing older than TLS 1.2, and gives no handshake longer than its deadline.
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Net from "node:net"
import * as Tls from "node:tls"
import * as HandshakingWire from "./HandshakingWire.ts"
import * as NodeListener from "./NodeListener.ts"
import * as NodeWire from "./NodeWire.ts"
import * as TcpTransport from "./TcpTransport.ts"
import { TlsWire } from "./TlsWire.ts"
import {
  type Address,
  boundsOf,
  type BoundsOptions,
  defaultAcceptBacklog,
  formatAddress,
  HandshakeFailed,
  ListenFailed,
  lostWith,
  Transport,
  TransportError,
  type Wire,
} from "./Transport.ts"

/** PEM text, of one or of several certificates. */
export type Pem = string | Buffer

/** Where to listen, who this is, and whom to let in. */
export interface Options extends TcpTransport.Options, HandshakeOptions {}

/** Who this is, and who vouches for clients: what may be renewed while a listener listens. */
export interface Identity {
  readonly cert: Pem
  readonly key: Pem
  /** Mutual TLS: only clients with a certificate that one of these authorities signed. Without it anybody connects. */
  readonly clientCa?: Pem | ReadonlyArray<Pem> | undefined
}

/** Who this is, and whom to let in. */
export interface HandshakeOptions extends Identity {
  /** What renews the identity. Several listeners may have the same. */
  readonly renewal?: Renewal | undefined
  /** From accept to the end of the handshake: 10 seconds by default. */
  readonly handshakeTimeout?: Duration.Input | undefined
  /** `TLSv1.2` by default. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined
}

/** A certificate and a key that do not load, or do not belong together. `code` is OpenSSL's. */
export class RenewalRefused extends Data.TaggedError("RenewalRefused")<{
  readonly code: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `the identity stays as it was, the new certificate or key is no good: ${this.code}`
  }
}

/** Gives listeners another identity while they listen: the next certificate, before the last one ends. */
export interface Renewal {
  /**
   * From now on handshakes begin with this identity; connections that are there notice nothing. Without `clientCa` the
   * authorities of the listener's options hold, and one that asks for no certificates does not begin to. Refused, nothing
   * has changed.
   */
  readonly renew: (identity: Identity) => Effect.Effect<void, RenewalRefused>
  /** What it was renewed with last. */
  readonly renewedUnsafe: () => Identity | undefined
}

/**
 * Makes a renewal, for the options of listeners.
 *
 * @example
 * const renewal = yield* TlsTransport.makeRenewal
 * const Listening = TlsTransport.layer({ port: 7557, cert, key, renewal })
 * yield* renewal.renew({ cert: nextCert, key: nextKey }) // later, as often as you like
 */
export const makeRenewal: Effect.Effect<Renewal> = Effect.sync(() => {
  let renewed: Identity | undefined
  const renew = (identity: Identity) =>
    Effect.try({
      try: () => {
        Tls.createSecureContext(contextOf(identity))
        // A context takes an RSA certificate with an elliptic key, and then has neither.
        if (!new Crypto.X509Certificate(identity.cert).checkPrivateKey(Crypto.createPrivateKey(identity.key))) {
          throw new RenewalRefused({ code: "ERR_OSSL_X509_KEY_VALUES_MISMATCH" })
        }
        renewed = identity
      },
      catch: (cause) => (cause instanceof RenewalRefused ? cause : new RenewalRefused({ code: codeOf(cause), cause })),
    })
  return { renew, renewedUnsafe: () => renewed }
})

/** Whom to dial and whom to trust: the system's authorities by default. */
export interface DialOptions extends BoundsOptions {
  readonly host: string
  readonly port: number
  /** Authorities to trust in place of the well-known ones. */
  readonly ca?: Pem | ReadonlyArray<Pem> | undefined
  /** This side's certificate and key, for mutual TLS. */
  readonly cert?: Pem | undefined
  readonly key?: Pem | undefined
  /** The name that the server's certificate must carry: `host` by default. */
  readonly servername?: string | undefined
  /** For connecting and the handshake, each: 10 seconds by default. */
  readonly timeout?: Duration.Input | undefined
}

/** A TLS listener that lives as long as its scope. Certificates that do not parse are `ListenFailed`. */
export const make = (options: Options): Effect.Effect<Transport["Service"], TransportError, Scope.Scope> =>
  Effect.gen(function* () {
    const address: Address = { _tag: "Tcp", host: options.host ?? "127.0.0.1", port: options.port }
    const bounds = boundsOf(options)
    // Here, since what goes wrong within the making is taken for the certificate's fault.
    const handshakeTimeout = HandshakingWire.timeoutMs(options.handshakeTimeout)
    const handshakes = yield* makeHandshakes({ ...options, handshakeTimeout }, address)
    return yield* NodeListener.make({
      name: "tls",
      address,
      backlog: options.backlog ?? TcpTransport.defaultBacklog,
      acceptBacklog: options.acceptBacklog ?? defaultAcceptBacklog,
      wireUnsafe: (socket, peer) => {
        const wire = new TlsWire(socket, peer, bounds)
        handshakes.beginUnsafe(socket, wire)
        return wire
      },
    })
  })

/** A TLS listener as a layer. */
export const layer = (options: Options): Layer.Layer<Transport, TransportError> =>
  Layer.effect(Transport, make(options))

/** Connects and shakes hands: the wire is open. Fails with `DialFailed` or, once connected, `HandshakeFailed`. */
export const dial = (options: DialOptions): Effect.Effect<Wire, TransportError, Scope.Scope> =>
  Effect.gen(function* () {
    const bounds = boundsOf(options)
    const timeout = options.timeout ?? TcpTransport.defaultDialTimeout
    const { socket, address } = yield* TcpTransport.dialSocket({ host: options.host, port: options.port, timeout })
    const wire = new TlsWire(socket, address, bounds)
    const encrypted = yield* encrypt(socket, options)
    encrypted.once("secureConnect", () => wire.establishUnsafe(encrypted))
    encrypted.on("error", (cause) => wire.loseUnsafe(lostWith(NodeWire.codeOf(cause), cause)))
    yield* wire.opened.pipe(
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () =>
          Effect.fail(new TransportError({ reason: new HandshakeFailed({ code: "ERR_TLS_HANDSHAKE_TIMEOUT" }) })),
      }),
    )
    return wire
  })

/** Whom to trust, and who this is. */
export type Trust = Pick<DialOptions, "ca" | "cert" | "key" | "servername">

/** Begins the client's handshake on a connected socket. Fails if the certificates cannot be read. */
export const encrypt = (
  socket: Net.Socket,
  { host, servername, ...options }: Trust & { readonly host: string },
): Effect.Effect<Tls.TLSSocket, TransportError> =>
  Effect.try({
    try: () =>
      Tls.connect({
        socket,
        host,
        servername: servername ?? (Net.isIP(host) === 0 ? host : ""),
        minVersion: "TLSv1.2",
        ...credentialsOf(options),
        ...(options.ca === undefined ? {} : { ca: authorities(options.ca) }),
      }),
    catch: handshakeFailed,
  })

/** The server's side of TLS handshakes, for sockets that somebody else accepted. */
export interface Handshakes {
  readonly beginUnsafe: (socket: Net.Socket, wire: Pending) => void
}

/** A wire whose handshake is under way, and who is told what came of it. */
export type Pending = Pick<TlsWire, "establishUnsafe" | "refuseUnsafe">

/**
 * A `tls.Server` that never listens: it is given the accepted sockets one by one, which is its documented way in, and
 * tells the outcome with a TLS socket of its own. What both have in common is the peer's address and port; no two open
 * sockets of one listener share it.
 */
export const makeHandshakes = (
  options: HandshakeOptions,
  address: Address,
): Effect.Effect<Handshakes, TransportError> =>
  Effect.map(
    Effect.try({
      try: () =>
        Tls.createServer({
          ...contextOf(options),
          requestCert: options.clientCa !== undefined,
          // Node would drop an unverified client without saying why. `refusalOf` looks, and names the reason.
          rejectUnauthorized: false,
          handshakeTimeout: HandshakingWire.timeoutMs(options.handshakeTimeout),
        }),
      catch: (cause) =>
        new TransportError({
          reason: new ListenFailed({ address: formatAddress(address), code: codeOf(cause), cause }),
        }),
    }),
    (server) => {
      let shown: Identity | undefined
      /** Looked at for each newcomer, so that a renewal need not know its listeners. */
      const renewUnsafe = (): void => {
        const renewed = options.renewal?.renewedUnsafe()
        if (renewed === undefined || renewed === shown) return
        shown = renewed
        // Without authorities Node would trust the well-known ones, and with them everybody's clients.
        server.setSecureContext(contextOf({ ...options, ...renewed, clientCa: renewed.clientCa ?? options.clientCa }))
      }
      const pending = new Map<string, Pending>()
      server.on("secureConnection", (socket) => {
        const wire = pending.get(keyOf(socket))
        const refusal = options.clientCa === undefined ? undefined : refusalOf(socket)
        // No wire: the peer has reset the connection in this very turn, and its socket is closing.
        if (wire === undefined || refusal !== undefined) {
          wire?.refuseUnsafe(refusal ?? "ECONNRESET")
          socket.on("error", ignore).destroy()
          return
        }
        pending.delete(keyOf(socket))
        wire.establishUnsafe(socket)
      })
      server.on("tlsClientError", (cause, socket) => {
        pending.get(keyOf(socket))?.refuseUnsafe(NodeWire.codeOf(cause), cause)
        // A late handshake leaves its socket open; the others are closing and have sent their alert.
        socket.destroy()
      })
      return {
        beginUnsafe: (socket, wire) => {
          const key = keyOf(socket)
          pending.set(key, wire)
          socket.once("close", () => {
            if (pending.get(key) === wire) pending.delete(key)
          })
          renewUnsafe()
          server.emit("connection", socket)
        },
      }
    },
  )

/** What of a listener's options is in its secure context, which a renewal replaces as a whole. */
const contextOf = ({ cert, clientCa, key, minVersion }: Omit<HandshakeOptions, "renewal">) => ({
  cert,
  key,
  ...(clientCa === undefined ? {} : { ca: authorities(clientCa) }),
  minVersion: minVersion ?? "TLSv1.2",
})

/** Why a client with or without a certificate is not let in. */
const refusalOf = (socket: Tls.TLSSocket): string | undefined => {
  if (socket.authorized) return undefined
  if (socket.getPeerX509Certificate() === undefined) return "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE"
  return String(socket.authorizationError)
}

const keyOf = (socket: Net.Socket): string => `${socket.remoteAddress} ${socket.remotePort}`

const credentialsOf = (options: { readonly cert?: Pem | undefined; readonly key?: Pem | undefined }) => ({
  ...(options.cert === undefined ? {} : { cert: options.cert }),
  ...(options.key === undefined ? {} : { key: options.key }),
})

const authorities = (ca: Pem | ReadonlyArray<Pem>): Array<Pem> =>
  typeof ca === "string" || Buffer.isBuffer(ca) ? [ca] : [...ca]

const handshakeFailed = (cause: unknown): TransportError =>
  new TransportError({
    reason: new HandshakeFailed({ code: codeOf(cause), cause }),
  })

const codeOf = (cause: unknown): string => (cause instanceof Error ? NodeWire.codeOf(cause) : "UNKNOWN")

const ignore = (): void => {}
