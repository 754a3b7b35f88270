/**
 * What a connection needs from a socket, and what a server needs from a listener.
 * Names no platform: `TcpTransport`, `TlsTransport`, `WebSocketTransport` and `MemoryTransport` implement it, and one
 * contract suite tests them all.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Limit from "../limit/Limit.ts"
import * as TlsFailure from "./TlsFailure.ts"

/** Where a peer connects from, or where a listener is bound. */
export type Address =
  | { readonly _tag: "Tcp"; readonly host: string; readonly port: number }
  | { readonly _tag: "Unix"; readonly path: string }
  | { readonly _tag: "Memory"; readonly name: string }

/** An address as a person writes it: `127.0.0.1:7557`, `[::1]:7557`, `unix:/run/longline.sock`, `memory:a`. */
export const formatAddress = (address: Address): string => {
  switch (address._tag) {
    case "Tcp":
      return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
    case "Unix":
      return `unix:${address.path}`
    default:
      return `memory:${address.name}`
  }
}

/** The longest path of a unix socket: `sun_path` of Linux is 108 bytes, one of them the terminator. */
export const maxUnixPathBytes = 107

/** Whose seat an address counts against: the host without its port; every peer of a unix socket is one host. */
export const hostOf = (address: Address): string =>
  address._tag === "Tcp" ? address.host : address._tag === "Unix" ? "unix" : address.name

/** What a completed TLS handshake told about the peer. Certificate fields are there with mutual TLS only. */
export interface TlsIdentity {
  /** Whether the peer's certificate was asked for and verified against the configured authorities. */
  readonly authorized: boolean
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly protocol: string
  readonly subject?: string
  /** Subject alternative names as OpenSSL prints them, for example `DNS:client.example`. */
  readonly subjectAltName?: string
  /** SHA-256 of the certificate, upper-case hex with colons. */
  readonly fingerprint?: string
}

/** The listener could not be opened, for example because the port is taken (`EADDRINUSE`). */
export class ListenFailed extends Data.TaggedError("ListenFailed")<{
  readonly address: string
  readonly code: string
  readonly cause: unknown
  /** What is at the path of a unix socket, and is none: `a plain file`. `code` is then `ENOTSOCK`. */
  readonly found?: string
}> {
  override get message(): string {
    const { address, code } = this
    if (code === "EADDRINUSE") {
      return `${address} is in use: stop the process that listens there, or choose another address`
    }
    if (code === "ENAMETOOLONG") return `cannot listen on ${address}: a path has at most ${maxUnixPathBytes} bytes`
    if (code === "ENOTSOCK") {
      return `cannot listen on ${address}: ${this.found ?? "something that is no socket"} is there; remove it, or choose another path`
    }
    const advice = listenAdvice(code, address.startsWith("unix:"))
    if (advice !== undefined) return `cannot listen on ${address}: ${advice} (${code})`
    // OpenSSL's codes name what it read and not what it was given for.
    return `cannot listen on ${address}: ${code.startsWith("ERR_OSSL") ? "its certificate or key is no good, " : ""}${code}`
  }
}

/** What a person can do about the system's refusal to listen. */
const listenAdvice = (code: string, isUnix: boolean): string | undefined => {
  switch (code) {
    case "EACCES":
    case "EPERM":
      return isUnix
        ? "this user may not make a socket in that folder; change its permissions, or choose another path"
        : "this user may not; ports below 1024 take the capability CAP_NET_BIND_SERVICE, so grant it, or choose a higher port"
    case "EADDRNOTAVAIL":
      return "this machine has no such address"
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the host name is not known"
    case "ENOENT":
      return isUnix ? "that folder does not exist" : undefined
    case "ERR_SOCKET_BAD_PORT":
      return "a port is a whole number from 0 to 65535"
    default:
      return undefined
  }
}

/** No connection could be made to `address`: nobody listens there (`ECONNREFUSED`), or no answer in time (`ETIMEDOUT`). */
export class DialFailed extends Data.TaggedError("DialFailed")<{
  readonly address: string
  readonly code: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `cannot connect to ${this.address}: ${this.code}`
  }
}

/** One arrival could not be accepted. `code` is the system's (`EMFILE`, `ECONNABORTED`) and tells whose fault it was. */
export class AcceptFailed extends Data.TaggedError("AcceptFailed")<{
  readonly code: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `accept failed: ${this.code}`
  }
}

/**
 * The handshake failed, or was not finished within its deadline (`code` is then `ERR_TLS_HANDSHAKE_TIMEOUT` or
 * `WS_ERR_HANDSHAKE_TIMEOUT`). The message says in words what is wrong with whose certificate.
 */
export class HandshakeFailed extends Data.TaggedError("HandshakeFailed")<{
  /** Whose handshake. Default: `TLS`. */
  readonly of?: "TLS" | "WebSocket"
  readonly code: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `${this.of ?? "TLS"} handshake failed: ${TlsFailure.format(this.code, this.cause)}`
  }
}

/**
 * The peer broke the rules of what carries the bytes, so that no more can be read. It can still be told why: the wire
 * takes what is written, and `endUnsafe`.
 */
export class WireViolated extends Data.TaggedError("WireViolated")<{
  /** The rule: `tooLarge` for a message over the wire's limit. */
  readonly rule: "protocol" | "tooLarge"
  readonly code: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.cause instanceof Error ? this.cause.message : `the peer broke the rules of the wire: ${this.code}`
  }
}

/** The peer reset the connection, or the system did (`ECONNRESET`, `EPIPE`, `ETIMEDOUT`); `ABORTED` if this side did. */
export class WireLost extends Data.TaggedError("WireLost")<{
  readonly code: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `connection lost: ${TlsFailure.format(this.code, this.cause)}`
  }
}

/** Everything that a transport reports, by reason. */
export class TransportError extends Data.TaggedError("TransportError")<{
  readonly reason: ListenFailed | DialFailed | AcceptFailed | HandshakeFailed | WireViolated | WireLost
}> {
  override get message(): string {
    return this.reason.message
  }
}

/**
 * Makes an error without a stack: for those that many peers cause, and of which the stack names only who found out.
 * Walking it is 25 µs of each, twice for a loss and its reason (bench, connect).
 */
export const untraced = <E extends Error>(make: () => E): E => {
  const limit = Error.stackTraceLimit
  // Not an assignment: where a host has frozen `Error`, that would throw.
  Reflect.set(Error, "stackTraceLimit", 0)
  try {
    return make()
  } finally {
    Reflect.set(Error, "stackTraceLimit", limit)
  }
}

/** The loss of a wire, with the system's code. */
export const lostWith = (code: string, cause?: unknown): TransportError =>
  untraced(
    () => new TransportError({ reason: cause === undefined ? new WireLost({ code }) : new WireLost({ code, cause }) }),
  )

/** Sees chunks as they arrive, and takes those that whoever waits for bytes need not see: heartbeats, the middle of a frame. */
export interface Sieve {
  /**
   * Whether this chunk, behind everything that was pulled, was taken whole. It is lent for the call: copy what you keep.
   * Must not throw; may abort the wire.
   */
  readonly takesUnsafe: (chunk: Uint8Array) => boolean
  /** Told of each chunk that is kept because nobody waited for it. Must not throw; may abort the wire. */
  readonly queuedUnsafe: (chunk: Uint8Array) => void
  /** Told once of the peer's FIN, whether somebody waits or not. Must not throw. */
  readonly finishedUnsafe: () => void
}

/** Why a connection ends, for wires that can carry it: a WebSocket's close code (1000, or 3000 to 4999) and its text. */
export interface Farewell {
  readonly code: number
  readonly message: string
}

/** Subprotocols by their name, and the messages that each has. */
export type Subprotocols = Readonly<Record<string, "text" | "binary">>

/** What a dialler asks for where the handshake agrees on a subprotocol. A client says what it speaks. Default: nothing. */
export const Offer = Context.Reference<Subprotocols>("longline/transport/Offer", { defaultValue: () => ({}) })

/** Bytes that arrived, for a reader that would rather run one Effect for a read than several. */
export interface Arrived {
  /** What waits to be pulled, as one array of chunks; undefined if nothing does. */
  takeUnsafe(): NonEmptyReadonlyArray<Uint8Array> | undefined
  /** Whether no more will arrive: when all is taken, a pull tells how it ended. */
  readonly ended: boolean
  /** Whether the peer has sent FIN: what waits here is its last. */
  readonly finished: boolean
  /** Waits, where nothing is to be taken and nothing has ended, until that changes, and goes on with `next`. */
  wait<A, E>(next: Effect.Effect<A, E>): Effect.Effect<A, E>
  /**
   * Waits without a fiber: runs `wake` once something is to be taken or has ended, at once if so. Forgotten if somebody
   * waits after it.
   */
  wakeUnsafe(wake: () => void): void
  /**
   * From now on asks about each chunk that finds somebody waiting, and tells of each that does not. A chunk that is taken
   * wakes nobody. Tells at once of a FIN that has come.
   */
  sieveWith(sieve: Sieve): void
}

/**
 * One peer's bytes, both ways. The wire owns the socket; whoever took it from `accept` must bring it to an end with
 * `end` or `abortUnsafe`. At most one `pull` waits at a time. The functions are methods: call them on the wire.
 */
export interface Wire {
  readonly peer: Address
  /**
   * Completes when bytes may flow: at once on plain transports, after the handshake on TLS and WebSocket (deadline 10 s
   * by default, `HandshakeFailed`). Interruptible, and may be awaited again. An `Exit` where nothing has to be waited for.
   */
  readonly opened: Effect.Effect<TlsIdentity | undefined, TransportError>
  /** What the handshake agreed to speak, known when the wire is open. Most wires agree on nothing. */
  readonly subprotocol?: string | undefined
  /**
   * The bytes that arrived since the last pull, one array of chunks; waits for the first. Ends with `Cause.Done` after
   * the peer's FIN, fails with `WireLost` after a reset and with `WireViolated` where no more can be read. At most
   * `readBufferBytes`, in a few dozen chunks, wait here before the peer is slowed down; interrupting a pull loses nothing.
   */
  readonly pull: Pull.Pull<NonEmptyReadonlyArray<Uint8Array>, TransportError>
  /**
   * What `pull` takes from, where the platform lets it be taken without an Effect. A transport may have no such thing: it
   * saves work and changes nothing.
   */
  readonly arrived?: Arrived
  /** Whether this side has stopped reading because nobody pulls: silence is then not the peer's. */
  readonly pausedUnsafe: () => boolean
  /**
   * Hands the chunks to the system in one call, in order. True while more may be written at once; false asks the caller
   * to wait for `drained` first. The bytes belong to the wire until they are sent. An ended wire swallows them and says
   * true; a lost one, or one whose handshake is not done, swallows them and says false: `drained` then tells the loss.
   */
  readonly writeUnsafe: (chunks: NonEmptyReadonlyArray<Uint8Array>) => boolean
  /** Completes when everything written has been taken by the system; fails with `WireLost`. Has no deadline of its own. */
  readonly drained: Effect.Effect<void, TransportError>
  /** Bytes that arrived and wait to be pulled. */
  readonly unreadUnsafe: () => number
  /** Bytes that ever arrived, pulled or not: it grows while the peer is alive and this side reads. */
  readonly receivedUnsafe: () => number
  /** Bytes written and not yet taken by the system. It shrinks while the peer makes progress. */
  readonly unsentUnsafe: () => number
  /**
   * Called once when the wire is lost, also while nobody pulls and while a handler is busy; at once if it already is.
   * One listener. A FIN is not a loss.
   */
  readonly onLostUnsafe: (listener: (error: TransportError) => void) => void
  /** Sends FIN behind what was written, with the farewell if the wire can carry it, and returns at once. Reading goes on. */
  readonly endUnsafe: (farewell?: Farewell) => void
  /** Resets the connection and frees the descriptor now, whatever is unsent. Safe to call twice. */
  readonly abortUnsafe: () => void
  /** With what the peer ended, once it has, if the wire can carry it: a WebSocket's close code and its text. */
  readonly heardUnsafe?: (() => Farewell | undefined) | undefined
  /** Completes when the descriptor is free again, whoever closed. Never fails. */
  readonly closed: Effect.Effect<void>
}

/**
 * A listener. Its layer binds it and closes it with its scope; wires already handed out are not its own any more.
 */
export class Transport extends Context.Service<
  Transport,
  {
    /** `tcp`, `tls`, `unix`, `websocket`, `memory`: for events and logs. */
    readonly name: string
    /** The address in fact bound: a port of 0 is replaced by the one the system picked. */
    readonly address: Address
    /** Where else it listens, if it is several transports in one. */
    readonly others?: ReadonlyArray<{ readonly name: string; readonly address: Address }>
    /**
     * The wires that arrived since the last call, waiting for the first. Fails with `AcceptFailed` for one arrival that
     * could not be accepted: call it again. Ends with `Cause.Done` once the listener is closed. Arrivals beyond
     * `acceptBacklog` that nobody takes are reset.
     */
    readonly accept: Pull.Pull<NonEmptyReadonlyArray<Wire>, TransportError>
    /**
     * From now on hands a wire that finds an `accept` waiting to `take`, which must not throw, and leaves that waiting.
     * A transport may have no such thing: it saves work and changes nothing.
     */
    readonly acceptWithUnsafe?: (take: (wire: Wire) => void) => void
    /** Stops listening, so that newcomers are refused by the system; the wires live on. Idempotent. */
    readonly close: Effect.Effect<void>
  }
>()("longline/transport/Transport") {}

/** Bytes that may wait in a wire for somebody to pull, before the peer is slowed down. */
export const defaultReadBufferBytes = 64 * 1024

/** Arrivals that may wait for `accept`. */
export const defaultAcceptBacklog = 1024

/** Bytes that may be unsent in a wire before `writeUnsafe` asks for `drained`. */
export const defaultWriteHighWaterBytes = 64 * 1024

/** How long a handshake may take. */
export const defaultHandshakeTimeout = "10 seconds"

/** The bounds of a wire. */
export interface Bounds {
  /** Bytes that may wait in a wire for somebody to pull. */
  readonly readBufferBytes: number
  /** Unsent bytes from which on `writeUnsafe` returns false. */
  readonly writeHighWaterBytes: number
}

/** The bounds of a wire as options; each has its default. */
export type BoundsOptions = { readonly [K in keyof Bounds]?: Bounds[K] | undefined }

/** The bounds asked for, or their defaults. */
export const boundsOf = (options: BoundsOptions): Bounds =>
  Limit.checkedUnsafe({
    readBufferBytes: options.readBufferBytes ?? defaultReadBufferBytes,
    writeHighWaterBytes: options.writeHighWaterBytes ?? defaultWriteHighWaterBytes,
  })
