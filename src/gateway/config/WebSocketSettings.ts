/**
 * Where the gateway listens for WebSockets, and which pages may connect.
 * Refuses settings for a listener that is not there.
 */
import * as Result from "effect/Result"
import type { Mistakes } from "./ConfigError.ts"
import { isHost } from "./Host.ts"
import * as Reading from "./Reading.ts"
import type { listen } from "./ServerSettings.ts"
import { defaultHost, maxPort } from "./ServerSettings.ts"
import * as Setting from "./Setting.ts"

/** The port, beside the default one for everybody else. */
export const defaultWebSocketPort = 7558

/** Where to listen for WebSockets, and which pages may connect. */
export interface WebSocketOptions {
  readonly host: string
  readonly port: number
  readonly path: string
  readonly origins: ReadonlyArray<string>
  readonly compression: boolean
}

/** The table. */
export const webSocket = {
  webSocketHost: Setting.text({
    key: "websocket.host",
    name: "ws-host",
    purpose: "address to listen on for WebSockets",
    placeholder: "<host>",
    allowed: "an IP address or a host name",
    fallback: defaultHost,
    isAllowed: isHost,
  }),
  webSocketPort: Setting.integer({
    key: "websocket.port",
    name: "ws-port",
    purpose: "port for WebSockets, 0 picks a free one; has to be given if host, port or unix are",
    min: 0,
    max: maxPort,
    fallback: defaultWebSocketPort,
  }),
  webSocketPath: Setting.text({
    key: "websocket.path",
    name: "ws-path",
    purpose: "path of the URL for WebSockets",
    placeholder: "<path>",
    allowed: "a path that begins with a slash and has no query",
    fallback: "/connect",
    isAllowed: (text) => /^\/[^?#\s]*$/.test(text),
  }),
  webSocketOrigins: Setting.list({
    key: "websocket.origins",
    name: "ws-origins",
    purpose: "origins of the pages that may connect; otherwise none, only clients that are no pages",
    placeholder: "<origins>",
    allowed: "one or more origins like https://app.example, or * for all",
    isAllowed: isOrigin,
  }),
  webSocketCompression: Setting.toggle({
    key: "websocket.compression",
    name: "ws-compression",
    purpose: "compress messages of 1 KiB and more for clients that offer it",
  }),
} as const

type Readings = Reading.Readings<typeof listen & typeof webSocket>

/**
 * What the readings say; undefined for no WebSockets. The default port goes with the default listener: whoever says where
 * to listen says so for WebSockets too, so that several gateways on one machine do not meet on it.
 */
export const webSocketOf = (readings: Readings): Result.Result<WebSocketOptions | undefined, Mistakes> => {
  const { host, port, unix, webSocketCompression, webSocketHost, webSocketOrigins, webSocketPath, webSocketPort } =
    readings
  const elsewhere = [host, port, unix].find(Reading.isWritten)
  if (elsewhere === undefined || Reading.isWritten(webSocketPort)) {
    return Result.succeed({
      host: webSocketHost.value,
      port: webSocketPort.value,
      path: webSocketPath.value,
      origins: webSocketOrigins.value ?? [],
      compression: webSocketCompression.value,
    })
  }
  const idle = [webSocketHost, webSocketPath, webSocketOrigins, webSocketCompression].find(Reading.isWritten)
  if (idle === undefined) return Result.succeed(undefined)
  const allowed = `given together with ${webSocketPort.where}, because ${elsewhere.where} says where to listen`
  return Result.fail([Reading.refuse(idle, allowed)])
}

/** As browsers write one: scheme, host and port, without a path, in lower case. */
function isOrigin(text: string): text is string {
  if (text === "*") return true
  return URL.canParse(text) && new URL(text).origin === text
}
