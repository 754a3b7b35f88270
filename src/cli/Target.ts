/**
 * Where a gateway is reached, as a person writes it, and how it is dialled:
 * `tcp://host:port`, `tls://host:port`, `unix:/path`, `ws://host:port/path`, `wss://host:port/path`, or a bare `host:port`.
 * Resolves no name, reads no file, connects to nobody.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Dialer } from "../client/Client.ts"
import * as Host from "../gateway/config/Host.ts"
import { maxServerFrameBytes } from "../gateway/protocol/FrameLimits.ts"
import * as TcpTransport from "../transport/TcpTransport.ts"
import * as TlsTransport from "../transport/TlsTransport.ts"
import { formatAddress } from "../transport/Transport.ts"

/** Where a gateway listens. */
export type Target =
  | { readonly _tag: "Tcp" | "Tls"; readonly host: string; readonly port: number }
  | { readonly _tag: "Unix"; readonly path: string }
  | { readonly _tag: "Ws" | "Wss"; readonly host: string; readonly port: number; readonly path: string }

/** Where a gateway listens unless it is told otherwise. */
export const defaultPort = 7557

/** Where gateways take WebSockets unless they are told otherwise. */
export const defaultPath = "/connect"

/** What a target has to be, completing "it must be …". */
export const allowed =
  "tcp://host:port, tls://host:port, ws://host:port/path, wss://host:port/path, unix:/path or host:port"

/** Ports that are left out; those of WebSockets are the web's, so that a URL means what it means in a browser. */
const ports = { tcp: defaultPort, tls: defaultPort, ws: 80, wss: 443 } as const

const tags = { tcp: "Tcp", tls: "Tls", ws: "Ws", wss: "Wss" } as const

/** Reads a target. The failure completes "it must be …". */
export const parse = (text: string): Result.Result<Target, string> => {
  const unix = /^unix:(?:\/\/(?=\/))?(.+)$/.exec(text)?.[1]
  if (unix !== undefined) return Result.succeed({ _tag: "Unix", path: unix })
  const [, scheme = "tcp", authority, path = ""] = /^(?:([a-z]+):\/\/)?([^/?#@\s]+)(\/[^?#\s]*)?$/.exec(text) ?? []
  if (authority === undefined || !isScheme(scheme)) return Result.fail(allowed)
  const [, bracketed, name, digits] = /^(?:\[([^\]]+)\]|([^:]*|.*:.*:.*))(?::(\d{1,5}))?$/.exec(authority) ?? []
  const host = bracketed ?? name
  if (host === undefined || !Host.isHost(host)) return Result.fail(allowed)
  const port = digits === undefined ? ports[scheme] : Number(digits)
  if (port < 1 || port > 65535) return Result.fail(`an address with a port from 1 to 65535`)
  const tag = tags[scheme]
  if (tag === "Ws" || tag === "Wss") {
    return Result.succeed({ _tag: tag, host, port, path: path.length > 1 ? path : defaultPath })
  }
  return path.length > 1 ? Result.fail(allowed) : Result.succeed({ _tag: tag, host, port })
}

const isScheme = (text: string): text is keyof typeof ports => Object.hasOwn(ports, text)

/** Writes a target so that `parse` reads it back. */
export const format = (target: Target): string => {
  if (target._tag === "Unix") return `unix:${target.path}`
  const { host, port } = target
  const path = "path" in target ? target.path : ""
  return `${target._tag.toLowerCase()}://${formatAddress({ _tag: "Tcp", host, port })}${path}`
}

/** Whether the way there is encrypted, and certificates are looked at. */
export const isEncrypted = ({ _tag }: Target): boolean => _tag === "Tls" || _tag === "Wss"

/** Whether nobody beyond this machine is reached. */
export const isLocal = (target: Target): boolean => target._tag === "Unix" || Host.isLoopback(target.host)

/** WebSockets carry the client's encoding. */
const subprotocols = { "longline.v1.json": "text" } as const

/** Dials a target. Of those that are not encrypted nobody is asked for a certificate: `trust` says nothing there. */
export const dialer = (target: Target, trust: TlsTransport.Trust = {}): Dialer => {
  switch (target._tag) {
    case "Tcp":
    case "Unix":
      return TcpTransport.dial(target)
    case "Tls":
      return TlsTransport.dial({ ...target, ...trust })
    default: {
      const tls = target._tag === "Wss" ? trust : undefined
      const options = { ...target, subprotocols, maxMessageBytes: maxServerFrameBytes, tls }
      // HTTP and WebSockets take a tenth of a command's start, and most targets need neither.
      return Effect.flatMap(webSockets, ({ dial }) => dial(options))
    }
  }
}

const webSockets = Effect.promise(() => import("../transport/WebSocketTransport.ts"))
