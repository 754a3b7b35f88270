/**
 * Listens for WebSockets and dials them, plain or with TLS.
 * Lets in pages of listed origins only, answers no other HTTP request, and gives no handshake longer than its deadline.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Http from "node:http"
import type * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as Limit from "../limit/Limit.ts"
import * as HandshakingWire from "./HandshakingWire.ts"
import * as NodeListener from "./NodeListener.ts"
import * as NodeWire from "./NodeWire.ts"
import * as TcpTransport from "./TcpTransport.ts"
import * as TlsTransport from "./TlsTransport.ts"
import {
  type Address,
  boundsOf,
  type BoundsOptions,
  defaultAcceptBacklog,
  formatAddress,
  HandshakeFailed,
  lostWith,
  Offer,
  type Subprotocols,
  Transport,
  TransportError,
  type Wire,
} from "./Transport.ts"
import * as Upgrade from "./Upgrade.ts"
import * as Deflate from "./WebSocketDeflate.ts"
import * as WebSocketWire from "./WebSocketWire.ts"

/** The longest message of a peer, in bytes, before it is judged: 64 KiB. */
export const defaultMaxMessageBytes = 64 * 1024

/** Where WebSockets are asked for. */
export const defaultPath = "/connect"

/** What the headers of a request may take. */
export const maxHeaderBytes = 8 * 1024

/** What both sides have to know of the messages. */
export interface MessageOptions extends BoundsOptions {
  /**
   * `frames` (default): a message is the body of a frame, for protocols whose frames begin with the length of their body
   * as an unsigned 32-bit big-endian number. `bytes`: messages are pieces of a stream of bytes, for any other.
   */
  readonly messages?: "frames" | "bytes" | undefined
  /** The longest message of the peer; what a connection takes of it, its protocol's layout says. */
  readonly maxMessageBytes?: number | undefined
}

/** Where to listen, and whom to let in. */
export interface Options extends TcpTransport.Options, MessageOptions {
  /** `/connect` by default; every other path is 404. */
  readonly path?: string | undefined
  /**
   * Pages that may connect, by their origin as browsers send it: `https://app.example`. `*` is all of them. None by
   * default. Who sends no origin is no page, and always let in.
   */
  readonly origins?: ReadonlyArray<string> | undefined
  /**
   * The subprotocols spoken here, and which messages each has. A client has to ask for one of them. Without any, nothing
   * is agreed on, and messages are binary.
   */
  readonly subprotocols?: Subprotocols | undefined
  /**
   * Whether messages are compressed for clients that offer it, both ways: those of 1 KiB and more, each by itself. It costs
   * each message that is sent 25 µs for 8 KiB, once for all that hear it. Default: false.
   */
  readonly compression?: boolean | undefined
  /** From accept to the end of the handshake, that of TLS included: 10 seconds by default. */
  readonly handshakeTimeout?: Duration.Input | undefined
  /** With TLS, who this is and whom to let in. Its deadline is the one above. */
  readonly tls?: Omit<TlsTransport.HandshakeOptions, "handshakeTimeout"> | undefined
}

/** The longest message of a listener that was dialled, in bytes: 1 MiB, as a gateway sends it. */
export const defaultMaxDialledMessageBytes = 1024 * 1024

/** Whom to dial. */
export interface DialOptions extends MessageOptions {
  readonly host: string
  readonly port: number
  readonly path?: string | undefined
  /**
   * What to ask for, best first, and which messages each has: one of them is agreed on. Default: `Transport.Offer`;
   * without any, messages are binary.
   */
  readonly subprotocols?: Subprotocols | undefined
  /** With TLS, whom to trust and who this is. */
  readonly tls?: TlsTransport.Trust | undefined
  /** For connecting and the handshake, each: 10 seconds by default. */
  readonly timeout?: Duration.Input | undefined
}

/** A WebSocket listener that lives as long as its scope. */
export const make = (options: Options): Effect.Effect<Transport["Service"], TransportError, Scope.Scope> =>
  Effect.gen(function* () {
    const address: Address = { _tag: "Tcp", host: options.host ?? "127.0.0.1", port: options.port }
    const handshakeTimeout = HandshakingWire.timeoutMs(options.handshakeTimeout)
    const upgrades = makeUpgrades({
      path: options.path ?? defaultPath,
      origins: options.origins ?? [],
      subprotocols: options.subprotocols ?? {},
      deflater: options.compression === true ? new Deflate.Deflater() : undefined,
    })
    const { tls } = options
    const handshakes = tls && (yield* TlsTransport.makeHandshakes({ ...tls, handshakeTimeout }, address))
    const side = { ...messagesOf(options), side: "server", upgradeUnsafe: upgrades.beginUnsafe } as const
    return yield* NodeListener.make({
      name: "websocket",
      address,
      backlog: options.backlog ?? TcpTransport.defaultBacklog,
      acceptBacklog: options.acceptBacklog ?? defaultAcceptBacklog,
      wireUnsafe: (socket, peer) => {
        const wire = new WebSocketWire.WebSocketWire(socket, peer, side)
        const late = setTimeout(() => {
          wire.refuseUnsafe("WS_ERR_HANDSHAKE_TIMEOUT")
          wire.abortUnsafe()
        }, handshakeTimeout)
        wire.onSettledUnsafe(() => clearTimeout(late))
        if (handshakes === undefined) upgrades.beginUnsafe(socket, wire)
        else handshakes.beginUnsafe(socket, wire)
        return wire
      },
    })
  })

/** A WebSocket listener as a layer. */
export const layer = (options: Options): Layer.Layer<Transport, TransportError> =>
  Layer.effect(Transport, make(options))

/** Connects and asks for a WebSocket: the wire is open. Fails with `DialFailed` or, once connected, `HandshakeFailed`. */
export const dial = (options: DialOptions): Effect.Effect<Wire, TransportError, Scope.Scope> =>
  Effect.gen(function* () {
    const { host, port, tls } = options
    const timeout = options.timeout ?? TcpTransport.defaultDialTimeout
    const { maxMessageBytes = defaultMaxDialledMessageBytes, subprotocols = yield* Offer } = options
    const messages = messagesOf({ ...options, maxMessageBytes })
    const { address, socket } = yield* TcpTransport.dialSocket({ host, port, timeout })
    const upgradeUnsafe = (socket: Net.Socket, wire: WebSocketWire.WebSocketWire) =>
      askUnsafe(socket, wire, { ...options, subprotocols }, formatAddress(address))
    const wire = new WebSocketWire.WebSocketWire(socket, address, {
      ...messages,
      side: "client",
      upgradeUnsafe,
    })
    if (tls === undefined) upgradeUnsafe(socket, wire)
    else {
      const encrypted = yield* TlsTransport.encrypt(socket, { ...tls, host })
      encrypted.once("secureConnect", () => wire.establishUnsafe(encrypted))
      encrypted.on("error", (cause) => wire.loseUnsafe(lostWith(NodeWire.codeOf(cause), cause)))
    }
    const late = new TransportError({
      reason: new HandshakeFailed({ of: "WebSocket", code: "WS_ERR_HANDSHAKE_TIMEOUT" }),
    })
    yield* Effect.timeoutOrElse(wire.opened, { duration: timeout, orElse: () => Effect.fail(late) })
    return wire
  })

/** The client's side of the upgrade: what is answered must fit what is asked (RFC 6455, section 4.1). */
const askUnsafe = (
  socket: Net.Socket,
  wire: WebSocketWire.WebSocketWire,
  { path = defaultPath, subprotocols = {} }: DialOptions,
  host: string,
): void => {
  const key = randomBytes(16).toString("base64")
  const offered = Object.keys(subprotocols)
  const request = Http.request({
    createConnection: () => socket,
    path,
    headers: {
      Host: host,
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": key,
      ...(offered.length > 0 && { "Sec-WebSocket-Protocol": offered.join(", ") }),
    },
  })
  request.on("upgrade", ({ headers }, _, head) => {
    if (headers["sec-websocket-accept"] !== Upgrade.acceptOf(key)) return wire.refuseUnsafe("WS_ERR_BAD_ACCEPT")
    const subprotocol = headers["sec-websocket-protocol"]
    if (subprotocol === undefined ? offered.length > 0 : !offered.includes(subprotocol))
      return wire.refuseUnsafe("WS_ERR_BAD_SUBPROTOCOL")
    const kind = subprotocol === undefined ? "binary" : subprotocols[subprotocol]!
    // Compression was not asked for.
    wire.upgradedUnsafe(socket, { subprotocol, kind, deflate: undefined }, head)
  })
  request.on("response", ({ statusCode }) => wire.refuseUnsafe(`HTTP_${statusCode}`))
  request.on("error", (cause) => wire.refuseUnsafe(NodeWire.codeOf(cause), cause))
  request.end()
}

const messagesOf = (options: MessageOptions) => ({
  ...boundsOf(options),
  messages: options.messages ?? "frames",
  ...Limit.checkedUnsafe({ maxMessageBytes: options.maxMessageBytes ?? defaultMaxMessageBytes }),
})

interface Upgrades {
  readonly beginUnsafe: (socket: Net.Socket, wire: WebSocketWire.WebSocketWire) => void
}

/**
 * An `http.Server` that never listens: it is given the accepted sockets one by one, which is its documented way in. One
 * that is refused keeps its seat until it has read why and left, or until the deadline.
 */
const makeUpgrades = (policy: Upgrade.Policy): Upgrades => {
  const server = Http.createServer({ maxHeaderSize: maxHeaderBytes })
  const wires = new WeakMap<Duplex, WebSocketWire.WebSocketWire>()
  const refuse = (socket: Duplex, refusal: Upgrade.Refusal): void => {
    // A second request behind the first.
    if (socket.writableEnded) return
    wires.get(socket)?.refusedWithUnsafe(`HTTP_${refusal.status}`)
    // Ended alone, the socket would stay open until the peer ends its side too.
    socket.once("finish", () => socket.destroy()).on("error", ignore)
    socket.end(Upgrade.response(refusal))
  }
  server.on("upgrade", (request, socket, head) => {
    const wire = wires.get(socket)
    const judgement = Upgrade.judge(request, policy)
    if (wire === undefined || judgement.refusal !== undefined) {
      return refuse(socket, judgement.refusal ?? { status: 400, message: "the connection is gone" })
    }
    socket.write(judgement.response)
    wire.upgradedUnsafe(socket as Net.Socket, judgement.agreed, head)
  })
  server.on("request", (request, response) =>
    refuse(response.socket ?? request.socket, Upgrade.judgePlain(request, policy)),
  )
  server.on("clientError", (cause, socket) => {
    const code = NodeWire.codeOf(cause)
    // Of the parser; any other, and the end in the middle of a request, leave nobody to be told.
    if (code.startsWith("HPE_") && code !== "HPE_INVALID_EOF_STATE") refuse(socket, Upgrade.unreadable(code))
    else socket.destroy()
  })
  return {
    beginUnsafe: (socket, wire) => {
      wires.set(socket, wire)
      server.emit("connection", socket)
    },
  }
}

const ignore = (): void => {}
